"""Opened EDIs, opt-outs, and who was contacted last: what decides whom an AID and a reply belong to."""

from collections.abc import Callable
from typing import Any

from gateway.store import edis
from gateway.store.domain import Domain
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
    edi_row,
)

IMEI = 1


async def on(domain: Domain, work: Callable[[Any], Any]) -> Any:
    return await domain.store.write(work)


async def test_a_row_comes_back_as_it_went_in(domain: Domain) -> None:
    row = await domain.store.write(lambda conn: edi_row(conn, domain.vault, confirmed_at=None))
    await on(domain, lambda conn: edis.insert(conn, row))
    assert await on(domain, lambda conn: edis.get(conn, EDI_ID)) == row
    assert await on(domain, lambda conn: edis.get(conn, EDI_BLOCKED)) is None


async def test_an_edi_that_is_opened_again_stays_what_it_was(people: Domain) -> None:
    again = await people.store.write(
        lambda conn: edi_row(conn, people.vault, msisdn=OTHER_MSISDN, confirmed_at=None)
    )
    await on(people, lambda conn: edis.insert(conn, again))
    kept = await on(people, lambda conn: edis.get(conn, EDI_ID))
    assert people.vault.open_msisdn(kept.msisdn_sealed) == MSISDN
    assert kept.confirmed_at == NOW_MS - 1000


async def test_confirmation_is_of_one_edi(domain: Domain) -> None:
    for edi_id in (EDI_ID, EDI_BLOCKED):
        await on(
            domain,
            lambda conn, edi_id=edi_id: edis.insert(
                conn, edi_row(conn, domain.vault, edi_id, confirmed_at=None)
            ),
        )
    await on(domain, lambda conn: edis.confirm(conn, EDI_ID, NOW_MS))
    assert (await on(domain, lambda conn: edis.get(conn, EDI_ID))).confirmed_at == NOW_MS
    assert (await on(domain, lambda conn: edis.get(conn, EDI_BLOCKED))).confirmed_at is None


async def test_the_sealed_numbers_of_those_that_are_known(people: Domain) -> None:
    asked = [EDI_ID, b"nobody's edi id.", EDI_BLOCKED]
    found = await on(people, lambda conn: edis.sealed_msisdns(conn, asked))
    opened = {edi_id: people.vault.open_msisdn(sealed) for edi_id, sealed in found}
    assert opened == {EDI_ID: MSISDN, EDI_BLOCKED: OTHER_MSISDN}


class TestOptOut:
    """A block covers every consent of the enterprise that was confirmed before it, and no later one."""

    async def test_it_is_of_one_enterprise_and_one_person(self, people: Domain) -> None:
        index, other = [
            await on(people, lambda conn, number=number: people.vault.msisdn_index(conn, number))
            for number in (MSISDN, OTHER_MSISDN)
        ]
        found = await on(people, lambda conn: edis.blocked_at(conn, [index, other]))
        assert found == {(ENTERPRISE, other): NOW_MS - 500}
        assert await on(people, lambda conn: edis.blocked_at(conn, [index])) == {}
        await on(people, lambda conn: edis.block(conn, "ent-b", other, NOW_MS))
        found = await on(people, lambda conn: edis.blocked_at(conn, [other]))
        assert found == {(ENTERPRISE, other): NOW_MS - 500, ("ent-b", other): NOW_MS}

    async def test_of_many_people_at_once(self, domain: Domain) -> None:
        indexes = [number.to_bytes(16) for number in range(300)]

        def op(conn: Any) -> dict[tuple[str, bytes], int]:
            for at, index in enumerate(indexes):
                edis.block(conn, ENTERPRISE, index, at)
            return edis.blocked_at(conn, indexes)

        assert await on(domain, op) == {(ENTERPRISE, index): at for at, index in enumerate(indexes)}

    async def test_the_last_one_counts(self, people: Domain) -> None:
        index = await people.store.write(lambda conn: people.vault.msisdn_index(conn, OTHER_MSISDN))
        await on(people, lambda conn: edis.block(conn, ENTERPRISE, index, NOW_MS + 7))
        found = await on(people, lambda conn: edis.blocked_at(conn, [index]))
        assert found == {(ENTERPRISE, index): NOW_MS + 7}

    async def test_what_it_covers(self, people: Domain) -> None:
        index = await people.store.write(lambda conn: people.vault.msisdn_index(conn, MSISDN))
        later = await people.store.write(
            lambda conn: edi_row(conn, people.vault, bytes(16), confirmed_at=NOW_MS)
        )
        unconfirmed = await people.store.write(
            lambda conn: edi_row(conn, people.vault, b"\1" * 16, confirmed_at=None)
        )
        others = await people.store.write(
            lambda conn: edi_row(conn, people.vault, b"\2" * 16, enterprise_id="ent-b")
        )
        for row in (later, unconfirmed, others):
            await on(people, lambda conn, row=row: edis.insert(conn, row))

        def covered(at: int) -> Callable[[Any], Any]:
            return lambda conn: edis.confirmed_before(conn, ENTERPRISE, index, at)

        assert await on(people, covered(NOW_MS - 1001)) == []
        assert await on(people, covered(NOW_MS - 1000)) == [EDI_ID]
        assert set(await on(people, covered(NOW_MS))) == {EDI_ID, bytes(16)}


class TestContact:
    """(MSISDN, access number) means the EDI most recently contacted from that number."""

    async def test_the_newest_contact_of_the_number(self, people: Domain) -> None:
        index = await people.store.write(lambda conn: people.vault.msisdn_index(conn, MSISDN))
        others = await people.store.write(
            lambda conn: edi_row(conn, people.vault, bytes(16), enterprise_id="ent-b")
        )
        await on(people, lambda conn: edis.insert(conn, others))
        first = [(index, NUMBER, EDI_ID, 1)]
        later = [(index, NUMBER, bytes(16), 2), (index, OTHERS_NUMBER, EDI_ID, 3)]
        for contacts in (first, later):
            await on(people, lambda conn, contacts=contacts: edis.touch_contacts(conn, contacts))
        assert await on(people, lambda conn: edis.contact(conn, index, NUMBER)) == (bytes(16), "ent-b")
        assert await on(people, lambda conn: edis.contact(conn, index, OTHERS_NUMBER)) == (EDI_ID, ENTERPRISE)

    async def test_nobody_when_nobody_was(self, people: Domain) -> None:
        index = await people.store.write(lambda conn: people.vault.msisdn_index(conn, OTHER_MSISDN))
        assert await on(people, lambda conn: edis.contact(conn, index, NUMBER)) is None


async def test_the_running_period_of_a_consents_frequency(people: Domain) -> None:
    async def window(edi_id: bytes) -> tuple[int, int]:
        row = await on(people, lambda conn: edis.get(conn, edi_id))
        return row.window_start, row.window_count

    assert await window(EDI_ID) == (0, 0)
    await on(people, lambda conn: edis.set_windows(conn, [(EDI_ID, NOW_MS, 3), (b"nobody's edi id.", 1, 1)]))
    assert await window(EDI_ID) == (NOW_MS, 3)
    assert await window(EDI_BLOCKED) == (0, 0)


class TestCurrentSubscriber:
    """Who holds a number now: never a guess."""

    async def held(self, domain: Domain, *lines: HoldingLine) -> int | None:
        index = await domain.store.write(lambda conn: domain.vault.msisdn_index(conn, MSISDN))
        await on(domain, lambda conn: import_lines(conn, domain.vault, list(lines), LONG_AGO))
        found: int | None = await on(domain, lambda conn: edis.current_subscriber(conn, index))
        return found

    async def test_the_one_whose_subscription_is_open(self, domain: Domain) -> None:
        former = HoldingLine(MSISDN, IMSI, IMSI_ID, 0, LONG_AGO)
        holder = HoldingLine(MSISDN, IMSI, OTHER_IMSI_ID, LONG_AGO, None)
        assert await self.held(domain, former, holder) is not None

    async def test_nobody_once_the_subscription_ended_though_the_device_has_not(self, domain: Domain) -> None:
        ended = HoldingLine(MSISDN, IMSI, IMSI_ID, 0, LONG_AGO)
        device = HoldingLine(MSISDN, IMEI, "352099001761481", 0, None)
        assert await self.held(domain, ended, device) is None

    async def test_nobody_has_an_unknown_number(self, domain: Domain) -> None:
        assert await self.held(domain) is None


async def test_whether_anything_was_confirmed_after_a_time(people: Domain) -> None:
    index = await people.store.write(lambda conn: people.vault.msisdn_index(conn, MSISDN))
    for enterprise, at, found in (
        (ENTERPRISE, NOW_MS - 1001, True),
        (ENTERPRISE, NOW_MS - 1000, False),
        ("ent-b", 0, False),
    ):
        asked = await on(
            people,
            lambda conn, enterprise=enterprise, at=at: edis.confirmed_after(conn, enterprise, index, at),
        )
        assert asked is found


async def test_the_operators_block_is_beside_the_enterprises(people: Domain) -> None:
    index = await people.store.write(lambda conn: people.vault.msisdn_index(conn, OTHER_MSISDN))
    await on(people, lambda conn: edis.bar(conn, index, NOW_MS))
    blocks = await on(people, lambda conn: edis.blocked_at(conn, [index]))
    assert blocks == {(ENTERPRISE, index): NOW_MS - 500, (edis.EVERY_ENTERPRISE, index): NOW_MS}
    assert await on(people, lambda conn: edis.unbar(conn, index))
    assert list(await on(people, lambda conn: edis.blocked_at(conn, [index]))) == [(ENTERPRISE, index)]
