"""Who may be contacted now: one person or a refusal, each cause by its own case."""

from typing import Any

import pytest

from gateway.policy.decision import Subscriber, decide_contact, find_subscriber
from gateway.policy.refusal import Case, Cause, Refusal
from gateway.store import edis
from gateway.store.domain import Domain
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
) -> Subscriber | Refusal:
    return await domain.store.write(lambda conn: find_subscriber(conn, domain.vault, edi_id, enterprise, now))


async def contact(domain: Domain, now: int = NOW_MS, **terms: Any) -> Subscriber | Refusal:
    given = grant(**terms)
    return await domain.store.write(
        lambda conn: decide_contact(conn, domain.vault, given, ENTERPRISE, NUMBER, now)
    )


async def learn(domain: Domain, *lines: HoldingLine, at: int = NOW_MS) -> None:
    await domain.store.write(lambda conn: import_lines(conn, domain.vault, lines, at))


async def open_edi(domain: Domain, edi_id: bytes, **fields: Any) -> None:
    await domain.store.write(lambda conn: edis.insert(conn, edi_row(domain.vault, edi_id, **fields)))


async def test_the_one_person(people: Domain) -> None:
    assert await look(people) == Subscriber(EDI_ID, people.vault.msisdn_index(MSISDN), MSISDN)


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
    assert isinstance(await look(people, b"y" * 16), Subscriber)


async def test_an_opt_out_of_one_enterprise_is_not_one_of_another(people: Domain) -> None:
    await open_edi(people, b"x" * 16, msisdn=OTHER_MSISDN, identifier=OTHER_IMSI_ID, enterprise_id="ent-b")
    assert isinstance(await look(people, b"x" * 16, "ent-b"), Subscriber)


async def test_a_number_that_another_holds_now(people: Domain) -> None:
    await learn(
        people,
        HoldingLine(MSISDN, IMSI, IMSI_ID, LONG_AGO, LATER),
        HoldingLine(MSISDN, IMSI, "460009999999999", LATER, None),
    )
    assert isinstance(await look(people, now=LATER - 1), Subscriber)
    assert await look(people, now=LATER) == refused(Cause.SUBSCRIBER_CHANGED)


async def test_a_number_given_up_and_held_by_nobody(people: Domain) -> None:
    await learn(people, HoldingLine(MSISDN, IMSI, IMSI_ID, LONG_AGO, LATER))
    assert isinstance(await look(people, now=LATER - 1), Subscriber)
    assert await look(people, now=LATER) == refused(Cause.SUBSCRIBER_CHANGED)


async def test_a_number_that_was_taken_to_another_carrier(people: Domain) -> None:
    await learn(people, HoldingLine(MSISDN, IMSI, IMSI_ID, LONG_AGO, LATER, End.PORTED_OUT))
    assert isinstance(await look(people, now=LATER - 1), Subscriber)
    assert await look(people, now=LATER) == refused(Cause.PORTED_OUT)


async def test_a_device_does_not_hold_a_number_longer_than_its_subscription(people: Domain) -> None:
    """The operator ended the subscription (IMSI) and said nothing of the device's line."""
    await learn(people, HoldingLine(MSISDN, IMEI, DEVICE, LONG_AGO, None), at=LONG_AGO)
    await open_edi(people, b"x" * 16, id_type=IMEI, identifier=DEVICE)
    assert isinstance(await look(people, b"x" * 16), Subscriber)
    await learn(people, HoldingLine(MSISDN, IMSI, IMSI_ID, LONG_AGO, LATER))
    assert isinstance(await look(people, b"x" * 16, now=LATER - 1), Subscriber)
    assert await look(people, b"x" * 16, now=LATER) == refused(Cause.SUBSCRIBER_CHANGED)


async def test_a_device_put_away_still_names_the_person_who_kept_the_number(people: Domain) -> None:
    await learn(people, HoldingLine(MSISDN, IMEI, DEVICE, LONG_AGO, LATER), at=LONG_AGO)
    await open_edi(people, b"x" * 16, id_type=IMEI, identifier=DEVICE)
    assert isinstance(await look(people, b"x" * 16, now=LATER), Subscriber)


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
    assert isinstance(found, Subscriber)
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
    assert isinstance(await contact(people), Subscriber)
    index = people.vault.msisdn_index(MSISDN)
    assert await people.store.write(lambda conn: edis.window(conn, EDI_ID)) == (NOW_MS, 1)
    assert await people.store.write(lambda conn: edis.contact(conn, index, NUMBER)) == (EDI_ID, ENTERPRISE)


async def test_a_refusal_is_not_counted(people: Domain) -> None:
    assert await contact(people, hours="20:00-21:00") == refused(Cause.OUTSIDE_HOURS)
    assert await people.store.write(lambda conn: edis.window(conn, EDI_ID)) == (0, 0)


async def test_over_the_frequency_until_the_period_ends(people: Domain) -> None:
    for _ in range(2):
        assert isinstance(await contact(people, frequency="2/hour"), Subscriber)
    assert await contact(people, frequency="2/hour", now=NOW_MS + 3_599_999) == refused(Cause.OVER_FREQUENCY)
    assert isinstance(await contact(people, frequency="2/hour", now=NOW_MS + 3_600_000), Subscriber)


async def test_a_refusal_by_the_trust_party_looks_up_as_much(people: Domain) -> None:
    """Who refused must not be told by how long it took: the same queries for an id that nobody has."""
    asked: list[list[str]] = []

    def count(given: Any) -> Any:
        def op(conn: Any) -> Refusal | Subscriber:
            statements: list[str] = []
            conn.set_trace_callback(statements.append)
            try:
                return decide_contact(conn, people.vault, given, ENTERPRISE, NUMBER, NOW_MS)
            finally:
                conn.set_trace_callback(None)
                asked.append(statements)

        return op

    assert await people.store.write(count(None)) == refused(Cause.EDI_UNKNOWN)
    assert await people.store.write(count(grant(EDI_BLOCKED))) == refused(Cause.OPTED_OUT)
    assert [len(statements) for statements in asked] == [3, 3]
