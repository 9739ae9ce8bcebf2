"""What is over goes when its days are over; what somebody still waits for stays."""

from typing import Any

import pytest

from gateway.records import retention
from gateway.records.retention import DAY_MS, Retention
from gateway.settings import RetentionSettings
from gateway.store import confirmations, inbound, records
from gateway.store.confirmations import ConfirmationRow
from gateway.store.domain import Domain
from gateway.store.inbound import InboundRow
from gateway.store.records import CdrRow, RefusalRow
from tests.gateway.carrier import AID, EDI_ID, ENTERPRISE, NOW_MS, NUMBER, Clock, rows

SETTINGS = RetentionSettings(cdr_days=100, reply_days=10, confirmation_days=20, refusal_days=30)


def cdr(number: int, ended_at: int) -> CdrRow:
    return CdrRow(
        number, number, "mt", "sms-a", ENTERPRISE, NUMBER, AID, EDI_ID, ended_at, None, ended_at, "DELIVERED"
    )


def reply(number: int, at: int, state: inbound.State) -> InboundRow:
    return InboundRow(number, at, NUMBER, bytes(16), EDI_ID, ENTERPRISE, 0, state, None, b"sealed")


def confirmation(number: int, expires_at: int, state: confirmations.State) -> ConfirmationRow:
    return ConfirmationRow(
        number, f"d-{number}", ENTERPRISE, None, None, state, expires_at - 5, expires_at, 0, None, b"sealed"
    )


async def fill(domain: Domain, at: int, *, first: int) -> None:
    """One row of each kind that ended at a time, and of those that can wait one that waits."""

    def op(conn: Any) -> None:
        records.put_cdrs(conn, [cdr(first, at)])
        inbound.insert(conn, reply(first, at, inbound.State.DONE))
        inbound.insert(conn, reply(first + 1, at, inbound.State.WAITING))
        confirmations.insert(conn, confirmation(first, at, confirmations.State.DONE))
        confirmations.insert(conn, confirmation(first + 1, at, confirmations.State.WAITING))
        conn.execute(
            "INSERT INTO confirmation_edi (edi_id, confirmation_id) VALUES (?, ?)", (bytes(16), first)
        )
        confirmations.count_code(conn, bytes(16), ENTERPRISE, 20261101, 5)
        records.put_refusals(conn, [RefusalRow(first, at, ENTERPRISE, "sms", NUMBER, AID, "REVOKED")])

    await domain.store.write(op)


async def left(domain: Domain, table: str, order: str = "id") -> list[Any]:
    return [row.get("seq", row.get("id")) for row in await rows(domain, table, order)]


async def test_what_is_over_goes_and_what_is_waited_for_stays(domain: Domain, clock: Clock) -> None:
    await fill(domain, NOW_MS - 1, first=10)
    await fill(domain, NOW_MS + 1, first=20)
    await domain.store.write(lambda conn: records.set_reported(conn, 2))
    keeper = Retention(domain, SETTINGS)
    assert not any((await keeper.drop_due()).values())
    clock.now_ms = NOW_MS + 10 * DAY_MS
    assert await keeper.drop_due() == {"cdr": 0, "reply": 1, "confirmation": 0, "code": 0, "refusal": 0}
    assert await left(domain, "inbound") == [11, 20, 21]
    clock.now_ms = NOW_MS + 20 * DAY_MS
    assert (await keeper.drop_due())["confirmation"] == 1
    assert await left(domain, "confirmation") == [11, 20, 21]
    assert [row["confirmation_id"] for row in await rows(domain, "confirmation_edi", "edi_id")] == [20]
    clock.now_ms += DAY_MS
    assert (await keeper.drop_due())["code"] == 1
    clock.now_ms = NOW_MS + 30 * DAY_MS
    assert (await keeper.drop_due())["refusal"] == 1
    clock.now_ms = NOW_MS + 100 * DAY_MS
    assert (await keeper.drop_due())["cdr"] == 1
    assert await left(domain, "cdr", "seq") == [2]
    assert await rows(domain, "code_sent", "day") == []


async def test_a_cdr_without_a_report_and_the_newest_stay(domain: Domain, clock: Clock) -> None:
    await domain.store.write(lambda conn: records.put_cdrs(conn, [cdr(n, NOW_MS) for n in (1, 2, 3)]))
    clock.now_ms = NOW_MS + 101 * DAY_MS
    keeper = Retention(domain, SETTINGS)
    assert (await keeper.drop_due())["cdr"] == 0
    await domain.store.write(lambda conn: records.set_reported(conn, 2))
    assert (await keeper.drop_due())["cdr"] == 2
    await domain.store.write(lambda conn: records.set_reported(conn, 3))
    assert (await keeper.drop_due())["cdr"] == 0
    # What comes next has a number beyond the position, and so is reported.
    await domain.store.write(lambda conn: records.put_cdrs(conn, [cdr(4, clock.now_ms)]))
    assert await domain.store.write(records.unreported_count) == 1


async def test_many_go_a_little_at_a_time(
    domain: Domain, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "ROWS_MAX", 2)
    paused: list[float] = []

    async def pause(seconds: float) -> None:
        paused.append(seconds)

    def op(conn: Any) -> None:
        for number in range(5):
            inbound.insert(conn, reply(number, NOW_MS, inbound.State.REFUSED))

    await domain.store.write(op)
    clock.now_ms = NOW_MS + 11 * DAY_MS
    assert (await Retention(domain, SETTINGS, pause).drop_due())["reply"] == 5
    assert paused == [retention.PAUSE_S] * 2
    assert await left(domain, "inbound") == []
