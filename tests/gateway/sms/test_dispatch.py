"""Committed messages go to the SMSC in order, again after transient errors, until their validity ends."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.settings import SmsSettings
from gateway.sms import dispatch
from gateway.sms.dispatch import Dispatcher, Outgoing
from gateway.sms.final import Delivery
from gateway.store import messages
from gateway.store.domain import Domain
from gateway.store.messages import Kind, State
from smpp.codec import decode
from smpp.constants import CommandStatus
from smpp.receipts import MessageState, parse
from tests.gateway.carrier import (
    AID,
    EDI_BLOCKED,
    EDI_ID,
    MSISDN,
    NOW_MS,
    NUMBER,
    Clock,
    FakeSender,
    FakeVerifier,
    grant,
    message_row,
    rows,
    settled,
    submit_frame,
    until,
)
from trust_client.verifier import Refused, Unavailable

SETTINGS = SmsSettings()


class Desk:
    """A dispatcher with an SMSC that the test plays."""

    def __init__(self, domain: Domain, clock: Clock) -> None:
        self.domain = domain
        self.clock = clock
        self.sender = FakeSender()
        self.verifier = FakeVerifier()
        self.deliveries: list[Delivery] = []
        self.trust_rows = 0
        self.dispatcher = self.make()

    def make(self, domain: Domain | None = None) -> Dispatcher:
        return Dispatcher(
            domain or self.domain, self.verifier, self.sender, SETTINGS, self.deliveries.append, self._count
        )

    def _count(self) -> None:
        self.trust_rows += 1

    async def commit(self, message_id: int = 1, **fields: Any) -> Outgoing:
        frame = submit_frame(f"text {message_id}".encode())
        row = message_row(message_id, frame, self.domain.vault, **fields)
        await self.domain.store.write(lambda conn: messages.insert(conn, row))
        return Outgoing(row, frame)

    async def offer(self, message_id: int = 1, **fields: Any) -> None:
        self.dispatcher.offer(await self.commit(message_id, **fields))

    async def row(self, message_id: int = 1) -> dict[str, Any]:
        await settled(self.domain)
        return next(row for row in await rows(self.domain, "message") if row["id"] == message_id)

    def texts(self) -> list[bytes]:
        return [body.short_message for body in self.sender.bodies()]

    async def outcome(self, message_id: int = 1) -> MessageState:
        row = await self.row(message_id)
        assert row["state"] == State.FINAL
        return MessageState(row["outcome"])


@pytest.fixture
async def desk(people: Domain, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr(dispatch, "SWEEP_S", 0.002)
    desk = Desk(people, clock)
    yield desk
    await desk.dispatcher.stop()


async def test_messages_go_in_order_when_a_window_opens(desk: Desk) -> None:
    desk.sender.room = False
    for message_id in (1, 2, 3):
        await desk.offer(message_id)
    assert desk.sender.sent == []
    desk.sender.room = True
    desk.dispatcher.pump()
    assert desk.texts() == [b"text 1", b"text 2", b"text 3"]


async def test_the_smscs_id_is_kept_and_the_message_waits_for_its_receipt(desk: Desk) -> None:
    await desk.offer()
    desk.sender.answer(b"00AB")
    row = await desk.row()
    assert (row["state"], row["upstream_link"], row["upstream_id"]) == (State.ACCEPTED, "smsc", "00AB")
    assert (desk.dispatcher.held, desk.deliveries) == (0, [])


async def test_a_receipt_that_came_first_ends_the_message_with_its_response(desk: Desk) -> None:
    await desk.offer()
    await desk.domain.store.write(lambda conn: messages.park(conn, 9, "smsc", "ab", NOW_MS, 2, "000"))
    desk.sender.answer(b"00AB")
    assert await desk.outcome() is MessageState.DELIVERED
    (delivery,) = desk.deliveries
    receipt = parse(decode(delivery.frame).body)
    assert receipt is not None
    assert (receipt.message_id, receipt.state) == (b"0000000000000001", MessageState.DELIVERED)


@pytest.mark.parametrize("status", sorted(dispatch.TRANSIENT))
async def test_a_transient_error_postpones(desk: Desk, status: int) -> None:
    await desk.offer()
    desk.sender.answer(status=status)
    row = await desk.row()
    assert (row["state"], row["not_before"]) == (State.QUEUED, NOW_MS + 1000)
    desk.dispatcher.start()
    desk.clock.now_ms += 999
    await asyncio.sleep(0.01)
    assert len(desk.sender.sent) == 1
    desk.clock.now_ms += 1
    await until(lambda: len(desk.sender.sent) == 2)
    assert desk.texts()[0] == desk.texts()[1]


async def test_each_failure_waits_twice_as_long_up_to_a_minute(desk: Desk) -> None:
    delays = []
    desk.dispatcher.start()
    outgoing = await desk.commit(expires_at=NOW_MS + 10**9)
    for attempt in range(1, 10):
        await until(lambda attempt=attempt: len(desk.sender.sent) == attempt)
        before = desk.clock()
        desk.sender.answer(status=CommandStatus.ESME_RTHROTTLED)
        not_before = (await desk.row(outgoing.row.id))["not_before"]
        delays.append(not_before - before)
        desk.clock.now_ms = not_before
    assert delays == [1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000]


@pytest.mark.parametrize("reason", ["timeout", "closed", "malformed"])
async def test_a_request_without_an_answer_is_sent_again(desk: Desk, reason: str) -> None:
    await desk.offer()
    desk.sender.fail(reason)
    assert (await desk.row())["state"] == State.QUEUED
    desk.clock.now_ms += 1000
    desk.dispatcher.start()
    await until(lambda: len(desk.sender.sent) == 2)


async def test_a_permanent_error_ends_the_message_and_tells_the_enterprise(desk: Desk) -> None:
    await desk.offer()
    desk.sender.answer(status=CommandStatus.ESME_RINVDSTADR)
    assert await desk.outcome() is MessageState.REJECTED
    (delivery,) = desk.deliveries
    assert MSISDN.encode() not in delivery.frame
    (cdr,) = await rows(desk.domain, "cdr")
    assert (cdr["kind"], cdr["result"], cdr["aid"]) == ("mt", "REJECTED", AID)
    (report,) = await rows(desk.domain, "trust_outbox")
    assert MSISDN not in report["body"]
    assert EDI_ID.hex() in report["body"]


async def test_a_message_past_its_validity_is_not_sent(desk: Desk) -> None:
    desk.sender.room = False
    await desk.offer(expires_at=NOW_MS + 10)
    desk.clock.now_ms += 10
    desk.sender.room = True
    desk.dispatcher.pump()
    assert await desk.outcome() is MessageState.EXPIRED
    assert desk.sender.sent == []


async def test_the_sweep_ends_what_is_overdue_once(desk: Desk) -> None:
    """QUEUED past its validity; ACCEPTED without a receipt for receipt_wait_s longer."""
    desk.sender.room = False
    await desk.commit(1, expires_at=NOW_MS - 1)
    wait_ms = SETTINGS.receipt_wait_s * 1000
    await desk.commit(2, expires_at=NOW_MS - wait_ms)
    await desk.commit(3, expires_at=NOW_MS - wait_ms - 1)
    await desk.domain.store.write(
        lambda conn: [messages.accept(conn, each, "smsc", str(each)) for each in (2, 3)]
    )
    desk.dispatcher.start()
    await until(lambda: len(desk.deliveries) == 2)
    assert [await desk.outcome(each) for each in (1, 3)] == [MessageState.EXPIRED] * 2
    assert (await desk.row(2))["state"] == State.ACCEPTED


async def test_the_carriers_own_message_has_no_receipt_and_no_report(desk: Desk) -> None:
    await desk.offer(kind=Kind.CARRIER, edi_id=None, aid="", account="")
    desk.sender.answer(status=CommandStatus.ESME_RINVDSTADR)
    assert await desk.outcome() is MessageState.REJECTED
    assert (desk.deliveries, await rows(desk.domain, "trust_outbox")) == ([], [])


@pytest.mark.parametrize(
    ("asked", "status", "told"), [(0, 0x0B, False), (1, 0x0B, True), (2, 0x0B, True), (3, 0x0B, False)]
)
async def test_the_enterprise_is_told_what_it_asked_for(
    desk: Desk, asked: int, status: int, told: bool
) -> None:
    await desk.offer(registered_delivery=asked)
    desk.sender.answer(status=status)
    await settled(desk.domain)
    assert bool(desk.deliveries) is told


# --- asked again before it is sent -------------------------------------------------------------------

WAITED = {"accepted_at": NOW_MS - dispatch.REVERIFY_AFTER_MS - 1}


async def test_a_message_that_did_not_wait_is_not_asked_for_again(desk: Desk) -> None:
    await desk.offer(accepted_at=NOW_MS - dispatch.REVERIFY_AFTER_MS)
    assert (len(desk.sender.sent), desk.verifier.asked) == (1, [])


async def test_a_message_that_waited_is_asked_for_again(desk: Desk) -> None:
    await desk.offer(**WAITED)
    await until(lambda: len(desk.sender.sent) == 1)
    (item,) = desk.verifier.asked
    assert (item.aid, item.enterprise, item.channel, item.access_number) == (AID, "ent-a", "sms", NUMBER)


async def test_asking_again_is_no_second_contact(desk: Desk) -> None:
    desk.verifier.answers[AID] = grant(frequency="1/day")
    await desk.offer(**WAITED)
    await until(lambda: len(desk.sender.sent) == 1)
    (edi,) = [row for row in await rows(desk.domain, "edi", "edi_id") if row["edi_id"] == EDI_ID]
    assert edi["window_count"] == 0


@pytest.mark.parametrize(
    ("answer", "cause"), [(Refused("REVOKED"), "REVOKED"), (grant(EDI_BLOCKED), "OPTED_OUT")]
)
async def test_a_consent_that_ended_while_the_message_waited(desk: Desk, answer: Any, cause: str) -> None:
    desk.verifier.answers[AID] = answer
    await desk.offer(**WAITED)
    await until(lambda: bool(desk.deliveries))
    assert await desk.outcome() is MessageState.REJECTED
    assert desk.sender.sent == []
    assert [row["cause"] for row in await rows(desk.domain, "refusal")] == [cause]
    assert desk.dispatcher.held == 0


async def test_no_answer_of_the_trust_party_postpones(desk: Desk) -> None:
    desk.verifier.answers[AID] = Unavailable("no answer in time")
    await desk.offer(**WAITED)
    assert (await desk.row())["not_before"] == NOW_MS + 1000
    assert desk.sender.sent == []


async def test_the_carriers_own_message_is_never_asked_for(desk: Desk) -> None:
    await desk.offer(**WAITED, kind=Kind.CARRIER, edi_id=None)
    assert (len(desk.sender.sent), desk.verifier.asked) == (1, [])


# --- from the store ----------------------------------------------------------------------------------


async def test_what_memory_did_not_hold_is_loaded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "HELD_MAX", 1)
    await desk.offer(1)
    await desk.offer(2)
    assert desk.texts() == [b"text 1"]
    desk.sender.answer()
    desk.dispatcher.start()
    await until(lambda: len(desk.sender.sent) == 2)
    assert desk.texts() == [b"text 1", b"text 2"]


async def test_a_message_that_ends_while_the_store_is_read_is_not_sent_twice(
    people: Domain, clock: Clock
) -> None:
    """The read saw it QUEUED; it was offered, sent and answered before the read's rows arrived."""
    read, release = asyncio.Event(), asyncio.Event()

    class Slow:
        """The store, whose first read arrives late."""

        submit = people.store.submit

        async def write(self, op: Any) -> Any:
            result = await people.store.write(op)
            if not read.is_set():
                read.set()
                await release.wait()
            return result

    desk = Desk(people, clock)
    dispatcher = desk.make(Domain(Slow(), people.vault, now_ms=clock))  # type: ignore[arg-type]
    first, second = await desk.commit(1), await desk.commit(2)
    dispatcher.start()
    await read.wait()
    dispatcher.offer(first)
    desk.sender.answer()
    dispatcher.offer(second)
    desk.sender.answer(status=CommandStatus.ESME_RTHROTTLED)
    release.set()
    await until(lambda: dispatcher.held == 0)
    await asyncio.sleep(0.01)
    assert desk.texts() == [b"text 1", b"text 2"]
    await dispatcher.stop()


async def test_a_stopped_dispatcher_sends_nothing(desk: Desk) -> None:
    await desk.dispatcher.stop()
    await desk.offer()
    assert desk.sender.sent == []
    assert (await desk.row())["state"] == State.QUEUED
