"""A call that was authorized has one CDR, which is reported, whatever ends it, the gateway itself included."""

import json
from typing import Any

import pytest

from foundation.store import StoreBusy
from gateway.records.reports import report_of
from gateway.store import records
from gateway.store.domain import Domain
from gateway.voice import call_record
from gateway.voice.call_record import CallRecord, CallRecords, Direction, Result
from interparty.messages import Report
from sip.media.control import MediaStats, SideStats
from tests.gateway.carrier import AID, EDI_ID, ENTERPRISE, MSISDN, NOW_MS, NUMBER, Clock, rows, settled


class Desk:
    """Call records over a real store; counts what was announced to the trust party."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self.announced = 0
        self.records = CallRecords(domain, self._count)

    def _count(self) -> None:
        self.announced += 1

    async def up(self, record: CallRecord) -> CallRecord:
        """The row that the authorizing commit writes."""
        await self.domain.store.write(lambda conn: call_record.insert(conn, self.domain, [(record, MSISDN)]))
        return record

    async def kept(self) -> tuple[list[Any], list[Any], list[Report]]:
        """Calls that are up, CDRs, and what the trust party will be told of them."""
        await settled(self.domain)
        unreported = await self.domain.store.write(lambda conn: records.unreported(conn, 10))
        return (
            await rows(self.domain, "call"),
            await rows(self.domain, "cdr"),
            [Report.model_validate_json(report_of(each)) for each in unreported],
        )


def record(row_id: int = 1, direction: Direction = Direction.CALL) -> CallRecord:
    return CallRecord(row_id, direction, ENTERPRISE, NUMBER, AID, EDI_ID, NOW_MS)


@pytest.fixture
def desk(domain: Domain) -> Desk:
    return Desk(domain)


async def test_while_a_call_is_up_its_number_is_sealed(desk: Desk) -> None:
    await desk.up(record())
    [row], cdrs, reports = await desk.kept()
    assert MSISDN.encode() not in row["sealed"]
    assert (row["aid"], row["answered_at"]) == (AID, None)
    assert (cdrs, reports) == ([], [])


@pytest.mark.parametrize("direction", Direction)
async def test_its_end_is_a_cdr_and_a_report(desk: Desk, clock: Clock, direction: Direction) -> None:
    call = await desk.up(record(direction=direction))
    clock.now_ms = NOW_MS + 3_000
    await desk.records.answered(call, MSISDN, {})
    clock.now_ms = NOW_MS + 10_000
    heard = MediaStats(
        a=SideStats(500, 80_000, 3, 1.5, 0, 7, 500, 0.0, "192.0.2.1:4000"),
        b=SideStats(450, 72_000, None, None, 0, 0, 450, 0.0, "198.51.100.1:5000"),
        age_s=10.0,
    )
    desk.records.close(call, Result.ANSWERED, heard)
    up, [cdr], [report] = await desk.kept()
    assert up == []
    assert (cdr["kind"], cdr["result"], cdr["octets"]) == (direction, "ANSWERED", 152_000)
    assert json.loads(cdr["media"]) == {
        "enterprise": {"packets": 500, "octets": 80_000, "lost": 3, "jitter_ms": 1.5, "refused": 7},
        "core": {"packets": 450, "octets": 72_000, "lost": None, "jitter_ms": None, "refused": 0},
    }
    assert (cdr["started_at"], cdr["answered_at"], cdr["ended_at"]) == (
        NOW_MS,
        NOW_MS + 3_000,
        NOW_MS + 10_000,
    )
    assert MSISDN not in report.model_dump_json()
    assert (report.edi_id, report.channel, report.direction) == (EDI_ID.hex(), "voice", direction)
    assert (desk.announced, desk.records.open_ends) == (1, 0)


async def test_an_answer_is_on_the_disk_before_anybody_hears_of_it(desk: Desk) -> None:
    call = await desk.up(record())
    await desk.records.answered(call, MSISDN, {})
    [row], _, _ = await desk.kept()
    assert row["answered_at"] == NOW_MS


async def test_a_call_is_billed_once(desk: Desk) -> None:
    call = await desk.up(record())
    desk.records.close(call, Result.BUSY, None)
    desk.records.close(call, Result.CANCELLED, None)
    _, cdrs, reports = await desk.kept()
    assert [cdr["result"] for cdr in cdrs] == ["BUSY"]
    assert [report.result for report in reports] == ["BUSY"]


async def test_what_the_store_cannot_take_is_kept_until_it_can(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = await desk.up(record())

    def busy(*_: Any) -> None:
        raise StoreBusy("full")

    with monkeypatch.context() as patch:
        patch.setattr(type(desk.domain.store), "put_all", busy)
        desk.records.close(call, Result.NO_ANSWER, None)
        desk.records.retry()
        assert desk.records.open_ends == 1
    assert desk.announced == 0
    desk.records.retry()
    up, [cdr], _ = await desk.kept()
    assert (up, cdr["result"], desk.records.open_ends) == ([], "NO_ANSWER", 0)


async def test_calls_that_an_earlier_run_left_are_closed_when_they_are_found(
    desk: Desk, clock: Clock
) -> None:
    await desk.up(record(1))
    await desk.up(record(2, Direction.CALLBACK))
    clock.now_ms = NOW_MS + 60_000
    left = await desk.records.left()
    assert [each.record.id for each in left] == [1, 2]
    await desk.records.close_left(left)
    up, cdrs, reports = await desk.kept()
    assert up == []
    assert [(cdr["kind"], cdr["result"], cdr["ended_at"]) for cdr in cdrs] == [
        ("call", "INTERRUPTED", NOW_MS + 60_000),
        ("callback", "INTERRUPTED", NOW_MS + 60_000),
    ]
    assert len(reports) == 2
    assert await desk.records.left() == []
    await desk.records.close_left([])
    assert desk.announced == 1
