"""Who is behind an EDI, remembered no longer than it is true."""

import sqlite3

import pytest

from gateway.store import subscriber_cache
from gateway.store.domain import Domain
from gateway.store.subscriber_cache import Resolved, SubscriberCache
from gateway.store.subscribers import HoldingLine, import_lines
from tests.gateway.carrier import (
    EDI_BLOCKED,
    EDI_ID,
    ENTERPRISE,
    IMSI,
    IMSI_ID,
    LONG_AGO,
    MSISDN,
    NOW_MS,
    NUMBER,
    OTHER_IMSI_ID,
    OTHER_MSISDN,
    OTHERS_NUMBER,
)

INDEX, OTHER_INDEX = b"i" * 16, b"o" * 16
UNTIL = NOW_MS + 1000


def person(edi_id: bytes = EDI_ID, index: bytes = INDEX, until_ms: int = UNTIL) -> Resolved:
    return Resolved(edi_id, ENTERPRISE, index, MSISDN, NOW_MS - 1000, until_ms)


@pytest.fixture
def cache() -> SubscriberCache:
    return SubscriberCache()


def test_an_entry_is_found_until_its_time_is_over(cache: SubscriberCache) -> None:
    entry = person()
    cache.put(entry)
    assert cache.get(EDI_ID, UNTIL - 1) is entry
    assert cache.get(EDI_ID, UNTIL) is None
    assert cache.get(EDI_BLOCKED, NOW_MS) is None


def test_what_was_resolved_anew_takes_the_place_of_the_old(cache: SubscriberCache) -> None:
    cache.put(person())
    cache.put(person(until_ms=UNTIL + 1))
    found = cache.get(EDI_ID, UNTIL)
    assert found is not None
    assert found.until_ms == UNTIL + 1


def test_one_that_was_confirmed_anew_is_resolved_anew(cache: SubscriberCache) -> None:
    cache.put(person())
    cache.put(person(EDI_BLOCKED))
    for _ in range(2):
        cache.forget(EDI_ID)
    assert cache.get(EDI_ID, NOW_MS) is None
    assert cache.get(EDI_BLOCKED, NOW_MS) is not None


def test_all_is_forgotten_at_once(cache: SubscriberCache) -> None:
    cache.put(person())
    cache.clear()
    assert cache.get(EDI_ID, NOW_MS) is None


class TestImports:
    """With each import of lines everything is resolved anew, whichever process made it."""

    async def refreshed(self, domain: Domain, *lines: HoldingLine) -> bool:
        """Whether an entry outlives the import of these lines."""
        cache = SubscriberCache()

        def before(conn: sqlite3.Connection) -> None:
            import_lines(conn, domain.vault, [HoldingLine(MSISDN, IMSI, IMSI_ID, LONG_AGO, None)], LONG_AGO)
            cache.refresh(conn)
            cache.put(person())

        def after(conn: sqlite3.Connection) -> bool:
            import_lines(conn, domain.vault, lines, NOW_MS)
            cache.refresh(conn)
            return cache.get(EDI_ID, NOW_MS) is not None

        await domain.store.write(before)
        return await domain.store.write(after)

    async def test_nothing_was_imported(self, domain: Domain) -> None:
        assert await self.refreshed(domain)

    async def test_a_number_changed_hands(self, domain: Domain) -> None:
        assert not await self.refreshed(domain, HoldingLine(MSISDN, IMSI, IMSI_ID, LONG_AGO, NOW_MS))

    async def test_also_lines_of_others(self, domain: Domain) -> None:
        line = HoldingLine(OTHER_MSISDN, IMSI, OTHER_IMSI_ID, LONG_AGO, None)
        assert not await self.refreshed(domain, line)

    async def test_lines_that_say_nothing_new(self, domain: Domain) -> None:
        assert await self.refreshed(domain, HoldingLine(MSISDN, IMSI, IMSI_ID, LONG_AGO, None))


class TestCap:
    """The one remembered first goes first."""

    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(subscriber_cache, "CACHED_MAX", 2)

    def test_the_first_makes_room(self, cache: SubscriberCache) -> None:
        ids = [number.to_bytes(16) for number in (1, 2, 3)]
        for edi_id in ids:
            cache.put(person(edi_id))
        assert [cache.get(edi_id, NOW_MS) is not None for edi_id in ids] == [False, True, True]

    def test_one_that_is_there_needs_no_room(self, cache: SubscriberCache) -> None:
        for edi_id in (EDI_ID, EDI_BLOCKED, EDI_BLOCKED):
            cache.put(person(edi_id))
        assert cache.get(EDI_ID, NOW_MS) is not None

    def test_one_that_was_resolved_anew_is_not_the_first_to_go(self, cache: SubscriberCache) -> None:
        for edi_id in (EDI_ID, EDI_BLOCKED, EDI_ID, bytes(16)):
            cache.put(person(edi_id))
        assert cache.get(EDI_ID, NOW_MS) is not None
        assert cache.get(EDI_BLOCKED, NOW_MS) is None

    def test_who_went_hinders_nobody(self, cache: SubscriberCache) -> None:
        first = person(EDI_ID)
        cache.put(first)
        assert cache.contacted(first, NUMBER)
        for edi_id in (EDI_BLOCKED, bytes(16)):
            cache.put(person(edi_id))
            found = cache.get(edi_id, NOW_MS)
            assert found is not None
            assert cache.contacted(found, NUMBER)


class TestContacted:
    """Whether the last contact of a person from an access number has to be written."""

    def test_once_until_another_was_the_last(self, cache: SubscriberCache) -> None:
        first, second = person(EDI_ID), person(EDI_BLOCKED)
        cache.put(first)
        cache.put(second)
        assert cache.contacted(first, NUMBER)
        assert not cache.contacted(first, NUMBER)
        assert cache.contacted(second, NUMBER)
        assert cache.contacted(first, NUMBER)

    def test_each_access_number_has_its_own_last_contact(self, cache: SubscriberCache) -> None:
        first, second = person(EDI_ID), person(EDI_BLOCKED)
        cache.put(first)
        cache.put(second)
        assert cache.contacted(first, NUMBER)
        assert cache.contacted(second, OTHERS_NUMBER)
        assert not cache.contacted(first, NUMBER)

    def test_each_person_has_their_own(self, cache: SubscriberCache) -> None:
        first, second = person(EDI_ID), person(EDI_BLOCKED, OTHER_INDEX)
        cache.put(first)
        cache.put(second)
        assert cache.contacted(first, NUMBER)
        assert cache.contacted(second, NUMBER)
        assert not cache.contacted(first, NUMBER)

    def test_what_was_resolved_anew_is_written_again(self, cache: SubscriberCache) -> None:
        for _ in range(2):
            entry = person()
            cache.put(entry)
            assert cache.contacted(entry, NUMBER)
