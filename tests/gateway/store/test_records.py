"""What happened stays in the carrier domain: CDRs for ever, refusals with their precise cause while there is room.

A CDR waits to be reported where it is: the trust party has all of them up to a position. That a message or
call gets no second CDR is for those who end it (gateway.sms.final, gateway.voice.call_record).
"""

import pytest

from gateway.store import records
from gateway.store.domain import Domain
from gateway.store.records import CdrRow, RefusalRow
from tests.gateway.carrier import AID, DIGEST, EDI_ID, ENTERPRISE, NOW_MS, NUMBER, rows

MESSAGE = CdrRow(
    1, 3, "mt", "sms-a", ENTERPRISE, NUMBER, AID, EDI_ID, NOW_MS, None, NOW_MS + 2, "DELIVERED", 0, 2, 170, DIGEST
)  # fmt: skip
CALL = CdrRow(
    2, 2, "call", "pbx-a", ENTERPRISE, NUMBER, AID, EDI_ID, NOW_MS, NOW_MS + 1, NOW_MS + 2, "ANSWERED", octets=640
)  # fmt: skip


async def put(domain: Domain, *cdrs: CdrRow) -> None:
    await domain.store.write(lambda conn: records.put_cdrs(conn, cdrs))


async def unreported(domain: Domain, limit: int = 10) -> list[tuple[int, CdrRow]]:
    return await domain.store.write(lambda conn: records.unreported(conn, limit))


async def test_cdrs_are_kept_whole(domain: Domain) -> None:
    await put(domain, MESSAGE, CALL)
    kept = await rows(domain, "cdr")
    assert [{name: row[name] for name in CdrRow._fields} for row in kept] == [
        MESSAGE._asdict(),
        CALL._asdict(),
    ]
    assert await domain.store.write(lambda conn: records.cdrs(conn, 1, 2)) == [MESSAGE, CALL]


async def test_cdrs_are_found_by_their_ids(domain: Domain) -> None:
    await put(domain, *(MESSAGE._replace(id=number) for number in (4, 1, 3, 2)))
    found = await domain.store.write(lambda conn: records.cdrs(conn, 2, 3))
    assert [row.id for row in found] == [2, 3]


def told_of(cdr: records.CdrRow) -> tuple[object, ...]:
    return tuple(getattr(cdr, name) for name in records.Unreported._fields[1:])


class TestReports:
    """CDRs that the trust party has not been told of, in the order in which they came."""

    async def test_they_come_in_order_whatever_their_ids(self, domain: Domain) -> None:
        """A message that was accepted long ago may end after a newer one."""
        await put(domain, CALL)
        await put(domain, MESSAGE)
        assert [row[1:] for row in await unreported(domain)] == [told_of(CALL), told_of(MESSAGE)]
        assert [row.id for row in await unreported(domain, limit=1)] == [CALL.id]
        assert await domain.store.write(records.unreported_count) == 2

    async def test_up_to_the_position_they_are_done_and_still_kept(self, domain: Domain) -> None:
        await put(domain, CALL, MESSAGE, MESSAGE._replace(id=3))
        position = (await unreported(domain))[1].position
        await domain.store.write(lambda conn: records.set_reported(conn, position))
        assert [row.id for row in await unreported(domain)] == [3]
        assert await domain.store.write(records.unreported_count) == 1
        assert len(await rows(domain, "cdr")) == 3

    async def test_the_position_never_goes_back(self, domain: Domain) -> None:
        await put(domain, CALL, MESSAGE)
        for position in (2, 1):
            await domain.store.write(lambda conn, position=position: records.set_reported(conn, position))
        assert await unreported(domain) == []

    async def test_nothing_to_report(self, domain: Domain) -> None:
        assert await unreported(domain) == []
        assert await domain.store.write(records.unreported_count) == 0


def refusal(row_id: int, channel: str = "sms", cause: str = "REVOKED") -> RefusalRow:
    return RefusalRow(row_id, NOW_MS, ENTERPRISE, channel, NUMBER, AID, cause)


async def test_the_oldest_refusals_make_room(domain: Domain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "REFUSALS_KEPT", 2)
    await domain.store.write(
        lambda conn: records.put_refusals(conn, [refusal(number) for number in (1, 2, 3, 4)])
    )
    assert await domain.store.write(records.trim_refusals) == 2
    assert [row["id"] for row in await rows(domain, "refusal")] == [3, 4]
    assert await domain.store.write(records.trim_refusals) == 0


async def test_the_precise_cause_is_there_for_the_carrier(domain: Domain) -> None:
    made = refusal(1, "voice", "PORTED_OUT")
    await domain.store.write(lambda conn: records.put_refusals(conn, [made]))
    assert await rows(domain, "refusal") == [made._asdict()]
