"""Who may be contacted now: one person or a refusal, each cause by its own case."""

import sqlite3
from typing import Any

import pytest

from gateway.policy.decision import RESOLVED_MS, Ask, decide_contacts, find_subscribers
from gateway.policy.refusal import Case, Cause, Refusal
from gateway.store import edis
from gateway.store.domain import Domain
from gateway.store.subscriber_cache import Resolved
from gateway.store.subscribers import HoldingLine, import_lines
from masking.resolve import End
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
    edi_row,
    grant,
)

IMEI, DEVICE = 1, "490154203237518"
LATER = NOW_MS + 40 * 86_400_000


def refused(cause: Cause) -> Refusal:
    return Refusal(Case.AID_REFUSED, cause)


async def look(
    domain: Domain, edi_id: bytes | None = EDI_ID, enterprise: str = ENTERPRISE, now: int = NOW_MS
) -> Resolved | Refusal:
    return await domain.store.write(
        lambda conn: find_subscribers(conn, domain, [(edi_id, enterprise)], now)[0]
    )


async def contacts(domain: Domain, *asks: Ask, now: int = NOW_MS) -> list[Resolved | Refusal]:
    """Several in one commit."""
    return await domain.store.write(lambda conn: decide_contacts(conn, domain, asks, now))


async def contact(domain: Domain, now: int = NOW_MS, **terms: Any) -> Resolved | Refusal:
    [answer] = await contacts(domain, Ask(grant(**terms), ENTERPRISE, NUMBER), now=now)
    return answer


async def window(domain: Domain) -> tuple[int, int]:
    row = await domain.store.write(lambda conn: edis.get(conn, EDI_ID))
    assert row is not None
    return row.window_start, row.window_count


def yes(answers: list[Resolved | Refusal]) -> list[bool]:
    return [isinstance(answer, Resolved) for answer in answers]


async def learn(domain: Domain, *lines: HoldingLine, at: int = NOW_MS) -> None:
    await domain.store.write(lambda conn: import_lines(conn, domain.vault, lines, at))


async def open_edi(domain: Domain, edi_id: bytes, **fields: Any) -> None:
    await domain.store.write(lambda conn: edis.insert(conn, edi_row(conn, domain.vault, edi_id, **fields)))


async def test_the_one_person(people: Domain) -> None:
    found = await look(people)
    assert isinstance(found, Resolved)
    assert (found.edi_id, found.enterprise_id, found.msisdn) == (EDI_ID, ENTERPRISE, MSISDN)
    index = await people.store.write(lambda conn: people.vault.find_msisdn(conn, MSISDN))
    assert found.msisdn_index == index


async def test_an_edi_that_was_never_opened_here(people: Domain) -> None:
    assert await look(people, b"nobody's edi id.") == refused(Cause.EDI_UNKNOWN)
    assert await look(people, None) == refused(Cause.EDI_UNKNOWN)


async def test_another_enterprises_edi(people: Domain) -> None:
    assert await look(people, enterprise="ent-b") == refused(Cause.EDI_UNKNOWN)


async def test_a_consent_that_was_not_confirmed_here(people: Domain) -> None:
    await open_edi(people, b"x" * 16, confirmed_at=None)
    assert await look(people, b"x" * 16) == refused(Cause.NOT_CONFIRMED_HERE)


async def test_an_opt_out_covers_what_was_confirmed_before_it_alone(people: Domain) -> None:
    assert await look(people, EDI_BLOCKED) == refused(Cause.OPTED_OUT)
    again = {"msisdn": OTHER_MSISDN, "identifier": OTHER_IMSI_ID}
    await open_edi(people, b"x" * 16, **again, confirmed_at=NOW_MS - 500)  # the block's own millisecond
    assert await look(people, b"x" * 16) == refused(Cause.OPTED_OUT)
    await open_edi(people, b"y" * 16, **again, confirmed_at=NOW_MS - 499)
    assert isinstance(await look(people, b"y" * 16), Resolved)


async def test_an_opt_out_of_one_enterprise_is_not_one_of_another(people: Domain) -> None:
    await open_edi(people, b"x" * 16, msisdn=OTHER_MSISDN, identifier=OTHER_IMSI_ID, enterprise_id="ent-b")
    assert isinstance(await look(people, b"x" * 16, "ent-b"), Resolved)


async def test_a_number_that_another_holds_now(people: Domain) -> None:
    await learn(
        people,
        HoldingLine(MSISDN, IMSI, IMSI_ID, LONG_AGO, LATER),
        HoldingLine(MSISDN, IMSI, "460009999999999", LATER, None),
    )
    assert isinstance(await look(people, now=LATER - 1), Resolved)
    assert await look(people, now=LATER) == refused(Cause.SUBSCRIBER_CHANGED)


async def test_a_number_given_up_and_held_by_nobody(people: Domain) -> None:
    await learn(people, HoldingLine(MSISDN, IMSI, IMSI_ID, LONG_AGO, LATER))
    assert isinstance(await look(people, now=LATER - 1), Resolved)
    assert await look(people, now=LATER) == refused(Cause.SUBSCRIBER_CHANGED)


async def test_a_number_that_was_taken_to_another_carrier(people: Domain) -> None:
    await learn(people, HoldingLine(MSISDN, IMSI, IMSI_ID, LONG_AGO, LATER, End.PORTED_OUT))
    assert isinstance(await look(people, now=LATER - 1), Resolved)
    assert await look(people, now=LATER) == refused(Cause.PORTED_OUT)


async def test_a_device_does_not_hold_a_number_longer_than_its_subscription(people: Domain) -> None:
    """The operator ended the subscription (IMSI) and said nothing of the device's line."""
    await learn(people, HoldingLine(MSISDN, IMEI, DEVICE, LONG_AGO, None), at=LONG_AGO)
    await open_edi(people, b"x" * 16, id_type=IMEI, identifier=DEVICE)
    assert isinstance(await look(people, b"x" * 16), Resolved)
    await learn(people, HoldingLine(MSISDN, IMSI, IMSI_ID, LONG_AGO, LATER))
    assert isinstance(await look(people, b"x" * 16, now=LATER - 1), Resolved)
    assert await look(people, b"x" * 16, now=LATER) == refused(Cause.SUBSCRIBER_CHANGED)


async def test_a_device_put_away_still_names_the_person_who_kept_the_number(people: Domain) -> None:
    await learn(people, HoldingLine(MSISDN, IMEI, DEVICE, LONG_AGO, LATER), at=LONG_AGO)
    await open_edi(people, b"x" * 16, id_type=IMEI, identifier=DEVICE)
    assert isinstance(await look(people, b"x" * 16, now=LATER), Resolved)


async def test_the_edis_number_must_be_the_resolved_one(people: Domain) -> None:
    await open_edi(people, b"x" * 16, msisdn=OTHER_MSISDN, identifier=IMSI_ID, confirmed_at=NOW_MS)
    assert await look(people, b"x" * 16) == refused(Cause.SUBSCRIBER_CHANGED)


async def dual_sim(domain: Domain) -> bytes:
    """A device of both people; the network settled that the first one is meant."""
    lines = [HoldingLine(msisdn, IMEI, DEVICE, LONG_AGO, None) for msisdn in (MSISDN, OTHER_MSISDN)]
    await learn(domain, *lines, at=LONG_AGO)
    await open_edi(domain, b"x" * 16, id_type=IMEI, identifier=DEVICE)
    return b"x" * 16


async def test_a_dual_sim_device_reaches_the_number_that_the_network_settled(people: Domain) -> None:
    found = await look(people, await dual_sim(people))
    assert isinstance(found, Resolved)
    assert found.msisdn == MSISDN


@pytest.mark.parametrize("holder", [(), ("460009999999999",)])
async def test_a_dual_sim_device_whose_settled_number_went_to_another(
    people: Domain, holder: tuple[str, ...]
) -> None:
    edi_id = await dual_sim(people)
    ended = HoldingLine(MSISDN, IMSI, IMSI_ID, LONG_AGO, NOW_MS - 1)
    await learn(people, ended, *(HoldingLine(MSISDN, IMSI, each, NOW_MS - 1, None) for each in holder))
    assert await look(people, edi_id) == refused(Cause.AMBIGUOUS)


async def test_a_yes_is_counted_and_becomes_the_last_contact(people: Domain) -> None:
    assert isinstance(await contact(people), Resolved)
    index = await people.store.write(lambda conn: people.vault.msisdn_index(conn, MSISDN))
    assert await window(people) == (NOW_MS, 1)
    assert await people.store.write(lambda conn: edis.contact(conn, index, NUMBER)) == (EDI_ID, ENTERPRISE)


async def test_a_look_is_no_contact(people: Domain) -> None:
    await look(people)
    index = await people.store.write(lambda conn: people.vault.msisdn_index(conn, MSISDN))
    assert await window(people) == (0, 0)
    assert await people.store.write(lambda conn: edis.contact(conn, index, NUMBER)) is None


async def test_a_refusal_is_not_counted(people: Domain) -> None:
    assert await contact(people, hours="20:00-21:00") == refused(Cause.OUTSIDE_HOURS)
    assert await window(people) == (0, 0)


async def test_over_the_frequency_until_the_period_ends(people: Domain) -> None:
    for _ in range(2):
        assert isinstance(await contact(people, frequency="2/hour"), Resolved)
    assert await contact(people, frequency="2/hour", now=NOW_MS + 3_599_999) == refused(Cause.OVER_FREQUENCY)
    assert isinstance(await contact(people, frequency="2/hour", now=NOW_MS + 3_600_000), Resolved)


class TestManyAtOnce:
    """The contacts of one commit, decided one after the other."""

    async def test_each_gets_its_own_answer_in_order(self, people: Domain) -> None:
        asks = [
            Ask(grant(), ENTERPRISE, NUMBER),
            Ask(None, ENTERPRISE, NUMBER),
            Ask(grant(EDI_BLOCKED), ENTERPRISE, NUMBER),
            Ask(grant(), "ent-b", NUMBER),
            Ask(grant(hours="20:00-21:00"), ENTERPRISE, NUMBER),
        ]
        first, *refusals = await contacts(people, *asks)
        assert isinstance(first, Resolved)
        assert refusals == [
            refused(Cause.EDI_UNKNOWN),
            refused(Cause.OPTED_OUT),
            refused(Cause.EDI_UNKNOWN),
            refused(Cause.OUTSIDE_HOURS),
        ]

    async def test_together_they_keep_to_the_frequency(self, people: Domain) -> None:
        ask = Ask(grant(frequency="2/hour"), ENTERPRISE, NUMBER)
        assert yes(await contacts(people, ask)) == [True]
        assert yes(await contacts(people, ask, ask, ask)) == [True, False, False]
        assert await window(people) == (NOW_MS, 2)

    async def test_the_count_outlives_the_process(self, people: Domain) -> None:
        ask = Ask(grant(frequency="2/hour"), ENTERPRISE, NUMBER)
        await contacts(people, ask, ask)
        people.subscribers.clear()
        assert yes(await contacts(people, ask)) == [False]

    async def test_the_last_of_them_is_the_last_contact(self, people: Domain) -> None:
        """Two consents of one person; a reply belongs to the one contacted last."""
        await open_edi(people, b"x" * 16)
        index = await people.store.write(lambda conn: people.vault.msisdn_index(conn, MSISDN))
        first, second = (Ask(grant(edi_id), ENTERPRISE, NUMBER) for edi_id in (EDI_ID, b"x" * 16))
        for asks, last in (
            ([first, second], b"x" * 16),
            ([second, first], EDI_ID),
            ([first, second, first], EDI_ID),
            ([second], b"x" * 16),
        ):
            await contacts(people, *asks)
            found = await people.store.write(lambda conn: edis.contact(conn, index, NUMBER))
            assert found == (last, ENTERPRISE)

    async def test_none_of_them(self, people: Domain) -> None:
        assert await contacts(people) == []
        assert await people.store.write(lambda conn: find_subscribers(conn, people, [], NOW_MS)) == []


class TestWhatIsRemembered:
    """A person is resolved once for a while; what may change meanwhile is asked for each time."""

    async def test_an_opt_out_counts_at_once(self, people: Domain) -> None:
        assert isinstance(await contact(people), Resolved)
        index = await people.store.write(lambda conn: people.vault.msisdn_index(conn, MSISDN))
        await people.store.write(lambda conn: edis.block(conn, ENTERPRISE, index, NOW_MS))
        assert await contact(people) == refused(Cause.OPTED_OUT)
        assert await look(people) == refused(Cause.OPTED_OUT)

    async def test_a_new_holder_counts_at_once(self, people: Domain) -> None:
        assert isinstance(await contact(people), Resolved)
        await learn(
            people,
            HoldingLine(MSISDN, IMSI, IMSI_ID, LONG_AGO, NOW_MS - 1),
            HoldingLine(MSISDN, IMSI, "460009999999999", NOW_MS - 1, None),
        )
        assert await contact(people) == refused(Cause.SUBSCRIBER_CHANGED)

    async def test_a_change_that_was_known_before_counts_when_it_comes(self, people: Domain) -> None:
        soon = NOW_MS + 1000
        await learn(people, HoldingLine(MSISDN, IMSI, IMSI_ID, LONG_AGO, soon))
        assert isinstance(await contact(people, now=soon - 1), Resolved)
        assert await contact(people, now=soon) == refused(Cause.SUBSCRIBER_CHANGED)

    async def test_it_is_another_enterprises_no_more_than_before(self, people: Domain) -> None:
        assert isinstance(await look(people), Resolved)
        assert await look(people, enterprise="ent-b") == refused(Cause.EDI_UNKNOWN)
        assert isinstance(await look(people), Resolved)

    async def test_for_a_while_only(self, people: Domain) -> None:
        first = await look(people)
        assert await look(people, now=NOW_MS + RESOLVED_MS - 1) is first
        assert await look(people, now=NOW_MS + RESOLVED_MS) is not first

    async def test_what_was_rolled_back_is_not_counted(self, people: Domain) -> None:
        ask = Ask(grant(frequency="1/hour"), ENTERPRISE, NUMBER)

        def fails(conn: sqlite3.Connection) -> None:
            assert yes(decide_contacts(conn, people, [ask], NOW_MS)) == [True]
            raise ValueError("mine")

        await contact(people, frequency="20/hour", now=NOW_MS - 10_000_000)
        with pytest.raises(ValueError, match="mine"):
            await people.store.write(fails)
        assert yes(await contacts(people, ask, ask)) == [True, False]


class TestWhoRefused:
    """Whether the trust party refused or the carrier must not be told by how long it took (uniform refusal)."""

    async def statements(self, people: Domain, *asks: Ask) -> list[int]:
        """How many statements each ask takes, alone in a commit."""

        def op(ask: Ask) -> Any:
            def counted(conn: sqlite3.Connection) -> int:
                made: list[str] = []
                conn.set_trace_callback(made.append)
                try:
                    [answer] = decide_contacts(conn, people, [ask], NOW_MS)
                finally:
                    conn.set_trace_callback(None)
                assert isinstance(answer, Refusal)
                return len(made)

            return counted

        return [await people.store.write(op(ask)) for ask in asks]

    @pytest.mark.parametrize("remembered", [False, True])
    async def test_it_takes_as_many_look_ups(self, people: Domain, remembered: bool) -> None:
        opted_out = Ask(grant(EDI_BLOCKED), ENTERPRISE, NUMBER)
        outside_hours = Ask(grant(hours="20:00-21:00"), ENTERPRISE, NUMBER)
        if remembered:
            await contacts(people, opted_out, outside_hours)
        by_trust, *here = await self.statements(
            people,
            Ask(None, ENTERPRISE, NUMBER),
            opted_out,
            outside_hours,
            Ask(grant(), "ent-b", NUMBER),
            Ask(grant(b"nobody's edi id."), ENTERPRISE, NUMBER),
        )
        assert here == [by_trust] * 4


async def test_whom_the_operator_barred_nobody_reaches_whatever_is_consented_to_later(people: Domain) -> None:
    index = await people.store.write(lambda conn: people.vault.msisdn_index(conn, MSISDN))
    await people.store.write(lambda conn: edis.bar(conn, index, NOW_MS))
    await open_edi(people, b"x" * 16, confirmed_at=NOW_MS + 1)
    for edi_id in (EDI_ID, b"x" * 16):
        assert await look(people, edi_id) == refused(Cause.BARRED)
        assert await contacts(people, Ask(grant(edi_id), ENTERPRISE, NUMBER)) == [refused(Cause.BARRED)]
    assert await people.store.write(lambda conn: edis.unbar(conn, index))
    assert isinstance(await look(people), Resolved)
    assert not await people.store.write(lambda conn: edis.unbar(conn, index))
