"""Committed messages go to the SMSC by priority and in order, again after transient errors, until validity ends."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.records import metrics
from gateway.sms import dispatch
from gateway.sms.dispatch import Dispatcher
from gateway.sms.outgoing import Outgoing
from gateway.sms.smsc_errors import Action, ErrorFile, Rule, SmscErrors
from gateway.store import edis, messages
from gateway.store.domain import Domain
from gateway.store.messages import Kind, MessageRow, State
from smpp.aio.connection import RequestFailed
from smpp.codec import decode
from smpp.constants import CommandStatus
from smpp.pdu import GenericNack, Pdu
from smpp.receipts import MessageState, parse
from tests.gateway.carrier import (
    AID,
    EDI_BLOCKED,
    EDI_ID,
    ENTERPRISE,
    MSISDN,
    NOW_MS,
    NUMBER,
    Clock,
    add_message,
    grant,
    message_row,
    rows,
    settled,
    submit_frame,
    until,
)
from tests.gateway.sms.desk import SETTINGS, Desk
from trust_client.verifier import Refused, Unavailable

FINAL = None
"""What has its outcome is in the store as a CDR alone."""


class World(Desk):
    """A dispatcher whose messages come from the store alone: the test commits and offers them."""

    async def commit(self, message_id: int = 1, state: State = State.QUEUED, **fields: Any) -> Outgoing:
        frame = submit_frame(f"text {message_id}".encode())
        row = message_row(message_id, **fields)
        await add_message(self.domain, row, frame, state=state)
        return Outgoing(row, frame)

    async def offer(self, message_id: int = 1, **fields: Any) -> MessageRow:
        outgoing = await self.commit(message_id, **fields)
        self.dispatcher.send(outgoing)
        return outgoing.row

    async def outcome(self, message_id: int = 1) -> str | None:
        """As its CDR says."""
        assert await self.state(message_id) is FINAL
        return next(
            (row["result"] for row in await rows(self.domain, "cdr") if row["id"] == message_id), None
        )

    async def not_before(self, message_id: int = 1) -> int:
        stored = await self.message(message_id)
        assert stored is not None
        assert stored.state == State.QUEUED
        return stored.row.not_before

    async def sweeps(self, count: int = 2) -> None:
        """So many sweeps have run to their end."""
        before = self.trust_rows
        await until(lambda: self.trust_rows >= before + count)


@pytest.fixture
async def desk(people: Domain, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(dispatch, "SWEEP_S", 0.002)
    desk = World(people, clock)
    yield desk
    await desk.dispatcher.stop()


# --- to the SMSC ------------------------------------------------------------------------------------


async def test_messages_go_in_order_when_a_window_opens(desk: World) -> None:
    desk.smsc.room = False
    for message_id in (1, 2, 3):
        await desk.offer(message_id)
    assert desk.smsc.sent == []
    desk.smsc.room = True
    desk.dispatcher.pump()
    assert desk.texts() == [b"text 1", b"text 2", b"text 3"]


async def test_the_highest_priority_first(desk: World) -> None:
    desk.smsc.room = False
    for message_id, priority in ((1, 0), (2, 3), (3, 1), (4, 3)):
        await desk.offer(message_id, priority=priority)
    desk.smsc.room = True
    desk.dispatcher.pump()
    assert desk.texts() == [b"text 2", b"text 4", b"text 3", b"text 1"]


async def test_priority_as_the_enterprise_asked_for_it(desk: World) -> None:
    """3.4, 5.2.14: 0 to 3."""
    desk.smsc.room = False
    for text, priority in ((b"low", 0), (b"high", 2), (b"above", 3)):
        await desk.accepted(text=text, priority_flag=priority)
    desk.smsc.room = True
    desk.dispatcher.pump()
    assert desk.texts() == [b"above", b"high", b"low"]


async def test_what_is_due_later_waits_in_the_store(desk: World, clock: Clock) -> None:
    await desk.offer(not_before=NOW_MS + 60_000)
    assert desk.dispatcher.held == 0
    desk.dispatcher.start()
    clock.now_ms += 59_999
    await desk.sweeps()
    assert desk.smsc.sent == []
    clock.now_ms += 1
    await until(lambda: len(desk.smsc.sent) == 1)


async def test_the_smscs_id_is_kept_and_the_message_waits_for_its_receipt(desk: World) -> None:
    await desk.offer()
    await desk.taken(b"00AB")
    stored = await desk.message(1)
    assert stored is not None
    assert (stored.state, stored.upstream, stored.upstream_id) == (State.ACCEPTED, "smsc/ab", "00AB")
    assert (desk.dispatcher.held, desk.deliveries) == (0, [])


async def test_answers_that_come_together_are_one_commit(desk: World) -> None:
    for message_id in (1, 2, 3):
        await desk.offer(message_id)
    for upstream_id in (b"1", b"2", b""):
        desk.smsc.answer(upstream_id)
    await settled(desk.domain)
    stored = [await desk.message(each) for each in (1, 2, 3)]
    assert [each.state for each in stored if each] == [State.ACCEPTED] * 3
    # Without an id no receipt can name it: it waits for its end.
    assert [each.upstream for each in stored if each] == ["smsc/1", "smsc/2", None]


async def test_a_receipt_that_came_first_ends_the_message_with_its_response(desk: World) -> None:
    await desk.offer()
    parked = messages.ParkedReceipt(9, "smsc/ab", "ab", NOW_MS, MessageState.DELIVERED, 0)
    await desk.domain.store.write(lambda conn: messages.park(conn, [parked]))
    await desk.taken(b"00AB")
    assert await desk.outcome() == "DELIVERED"
    (delivery,) = desk.deliveries
    receipt = parse(decode(delivery.frame).body)  # type: ignore[arg-type]
    assert receipt is not None
    assert (receipt.message_id, receipt.state) == (b"0000000000000001", MessageState.DELIVERED)


# --- errors, by the table ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "delay_ms"),
    [
        (CommandStatus.ESME_RSYSERR, 1000),
        (CommandStatus.ESME_RX_T_APPN, 1000),
        (CommandStatus.ESME_RSERTYPUNAVAIL, 60_000),  # the table names its own pause
        (CommandStatus.ESME_RTHROTTLED, 10),  # the link slows down: it is no fault of the message
        (CommandStatus.ESME_RMSGQFUL, 10),
        (CommandStatus.ESME_RINVBNDSTS, 10),  # another link, at once
    ],
)
async def test_an_error_that_passes_postpones(desk: World, clock: Clock, status: int, delay_ms: int) -> None:
    await desk.offer()
    desk.smsc.answer(status=status)
    assert await desk.not_before() == NOW_MS + delay_ms
    assert desk.deliveries == []
    desk.dispatcher.start()
    clock.now_ms += delay_ms - 1
    await desk.sweeps()
    assert len(desk.smsc.sent) == 1
    clock.now_ms += 1
    await until(lambda: len(desk.smsc.sent) == 2)
    assert desk.texts()[0] == desk.texts()[1]


async def test_each_failure_waits_twice_as_long_up_to_a_minute(desk: World, clock: Clock) -> None:
    delays = []
    desk.dispatcher.start()
    await desk.commit(expires_at=NOW_MS + 10**9)
    for attempt in range(1, 10):
        await until(lambda attempt=attempt: len(desk.smsc.sent) == attempt)  # type: ignore[misc]
        before = clock()
        desk.smsc.answer(status=CommandStatus.ESME_RSYSERR)
        not_before = await desk.not_before()
        delays.append(not_before - before)
        clock.now_ms = not_before
    assert delays == [1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000]


async def test_a_fault_of_the_link_is_no_failure_of_the_message(desk: World, clock: Clock) -> None:
    """Throttled many times, it still waits but a second after its own first error."""
    desk.dispatcher.start()
    await desk.commit()
    delays = []
    throttled, failed = CommandStatus.ESME_RTHROTTLED, CommandStatus.ESME_RSYSERR
    for attempt, status in enumerate((throttled, throttled, failed, throttled, failed), start=1):
        await until(lambda attempt=attempt: len(desk.smsc.sent) == attempt)  # type: ignore[misc]
        desk.smsc.answer(status=status)
        delays.append(await desk.not_before() - clock())
        clock.now_ms += delays[-1]
    assert delays == [10, 10, 1000, 10, 2000]


@pytest.mark.parametrize("reason", ["timeout", "closed", "malformed"])
async def test_a_request_without_an_answer_is_sent_again(desk: World, clock: Clock, reason: Any) -> None:
    """At least once: nobody knows whether the SMSC has it."""
    await desk.offer()
    desk.smsc.fail(reason)
    assert await desk.not_before() == NOW_MS + 1000
    clock.now_ms += 1000
    desk.dispatcher.start()
    await until(lambda: len(desk.smsc.sent) == 2)


async def test_a_generic_nack_is_an_error_like_any(desk: World) -> None:
    row = await desk.offer()
    desk.dispatcher.answered("smsc", row, Pdu(GenericNack(), 1, CommandStatus.ESME_RSYSERR))
    assert await desk.not_before() == NOW_MS + 1000


async def test_a_permanent_error_ends_the_message_and_tells_the_enterprise(desk: World) -> None:
    await desk.offer()
    desk.smsc.answer(status=CommandStatus.ESME_RINVDSTADR)
    assert await desk.outcome() == "REJECTED"
    (delivery,) = desk.deliveries
    assert MSISDN.encode() not in delivery.frame
    (cdr,) = await rows(desk.domain, "cdr")
    assert (cdr["kind"], cdr["result"], cdr["aid"], cdr["edi_id"]) == ("mt", "REJECTED", AID, EDI_ID)
    assert desk.trust_rows == 1


async def test_the_operators_table_decides(people: Domain, clock: Clock) -> None:
    table = ErrorFile(
        default=Action.TRANSIENT,
        status=(
            Rule(code=0x0B, action=Action.TRANSIENT, reason="ours says so", retry_after_s=5.0),
            Rule(code=0x58, action=Action.PERMANENT, reason="and so"),
        ),
    )
    desk = World(people, clock, errors=SmscErrors(table))
    for message_id in (1, 2, 3):
        await desk.offer(message_id)
    for status in (0x0B, 0x58, 0x4FF):
        desk.smsc.answer(status=status)
    assert await desk.not_before(1) == NOW_MS + 5000
    assert await desk.outcome(2) == "REJECTED"
    assert await desk.not_before(3) == NOW_MS + 1000


async def test_an_answer_that_cannot_be_recorded_leaves_the_message_to_be_sent_again(
    desk: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice rather than never."""
    await desk.offer()

    def refuse(*_: Any) -> None:
        raise dispatch.StoreBusy("full")

    with monkeypatch.context() as patch:
        patch.setattr(desk.domain.store, "put_all", refuse)
        desk.smsc.answer()
    assert await desk.state(1) is State.QUEUED
    assert desk.dispatcher.held == 0
    desk.dispatcher.start()
    await until(lambda: len(desk.smsc.sent) == 2)


# --- the end of validity ----------------------------------------------------------------------------


async def test_a_message_past_its_validity_is_not_sent(desk: World, clock: Clock) -> None:
    desk.smsc.room = False
    await desk.offer(expires_at=NOW_MS + 10)
    clock.now_ms += 10
    desk.smsc.room = True
    desk.dispatcher.pump()
    assert await desk.outcome() == "EXPIRED"
    assert desk.smsc.sent == []


async def test_the_sweep_ends_what_is_overdue_once(desk: World) -> None:
    """QUEUED past its validity; ACCEPTED without a receipt for receipt_wait_s longer."""
    desk.smsc.room = False
    wait_ms = SETTINGS.receipt_wait_s * 1000
    await desk.commit(1, expires_at=NOW_MS - 1)
    await desk.commit(2, State.ACCEPTED, expires_at=NOW_MS - wait_ms)
    await desk.commit(3, State.ACCEPTED, expires_at=NOW_MS - wait_ms - 1)
    desk.dispatcher.start()
    await desk.sweeps(3)
    assert sorted(desk.told()) == [(1, MessageState.EXPIRED), (3, MessageState.EXPIRED)]
    assert [await desk.outcome(each) for each in (1, 3)] == ["EXPIRED"] * 2
    assert await desk.state(2) is State.ACCEPTED


async def test_a_message_to_which_the_smsc_gave_no_id_is_expired_in_the_end(
    desk: World, clock: Clock
) -> None:
    """No receipt can name it: it waits as long as any that the SMSC took, and is not sent again."""
    await desk.offer(expires_at=NOW_MS + 5000)
    await desk.taken(b"")
    assert await desk.state(1) is State.ACCEPTED
    clock.now_ms += 5000 + SETTINGS.receipt_wait_s * 1000
    desk.dispatcher.start()
    await desk.sweeps()
    assert (await desk.state(1), desk.deliveries) == (State.ACCEPTED, [])
    clock.now_ms += 1
    await until(lambda: bool(desk.deliveries))
    assert desk.told() == [(1, MessageState.EXPIRED)]
    assert await desk.outcome() == "EXPIRED"
    assert len(desk.smsc.sent) == 1


async def test_retries_end_with_validity(desk: World, clock: Clock) -> None:
    await desk.offer(expires_at=NOW_MS + 5000)
    desk.smsc.answer(status=CommandStatus.ESME_RSYSERR)
    await desk.not_before()
    clock.now_ms += 5001
    desk.dispatcher.start()
    await until(lambda: bool(desk.deliveries))
    assert desk.told() == [(1, MessageState.EXPIRED)]
    assert len(desk.smsc.sent) == 1


async def test_an_expired_messages_failures_are_forgotten(
    desk: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else they would fill what is remembered of those that are still tried."""
    monkeypatch.setattr(dispatch, "HELD_MAX", 1)
    await desk.offer(1, expires_at=NOW_MS + 10)
    desk.smsc.answer(status=CommandStatus.ESME_RSYSERR)
    await desk.not_before(1)
    clock.now_ms += 500
    desk.dispatcher.start()
    await until(lambda: bool(desk.deliveries))
    delays = []
    await desk.commit(2, accepted_at=clock(), not_before=clock())
    for attempt in (2, 3):
        await until(lambda attempt=attempt: len(desk.smsc.sent) == attempt)  # type: ignore[misc]
        before = clock()
        desk.smsc.answer(status=CommandStatus.ESME_RSYSERR)
        delays.append(await desk.not_before(2) - before)
        clock.now_ms += delays[-1]
    assert delays == [1000, 2000]


async def test_what_is_on_its_way_is_the_smscs_to_answer_for(desk: World, clock: Clock) -> None:
    await desk.offer(expires_at=NOW_MS + 10)
    clock.now_ms += 11
    desk.dispatcher.start()
    await desk.sweeps()
    assert desk.deliveries == []
    await desk.taken(b"7")
    await desk.receipt(b"7")
    assert desk.told() == [(1, MessageState.DELIVERED)]


async def test_the_carriers_own_message_has_no_receipt_and_no_report(desk: World) -> None:
    await desk.offer(kind=Kind.CARRIER, edi_id=None, aid="", account="")
    desk.smsc.answer(status=CommandStatus.ESME_RINVDSTADR)
    assert await desk.outcome() is None
    assert desk.deliveries == []


# --- taken back -------------------------------------------------------------------------------------


async def test_a_withdrawn_message_is_not_sent(desk: World) -> None:
    desk.smsc.room = False
    for message_id in (1, 2):
        await desk.offer(message_id)
    assert desk.dispatcher.is_held(1)
    assert desk.dispatcher.withdraw(1)
    assert not desk.dispatcher.is_held(1)
    desk.smsc.room = True
    desk.dispatcher.pump()
    assert desk.texts() == [b"text 2"]


async def test_what_is_on_its_way_cannot_be_withdrawn(desk: World) -> None:
    await desk.offer()
    assert not desk.dispatcher.withdraw(1)
    await desk.taken()
    assert await desk.state(1) is State.ACCEPTED


async def test_what_is_only_in_the_store_may_always_be_withdrawn(desk: World) -> None:
    assert desk.dispatcher.withdraw(99)


async def test_revoked_messages_end_before_the_next_window(desk: World) -> None:
    desk.smsc.room = False
    await desk.offer(1)
    await desk.offer(2, edi_id=b"\x22" * 16)
    desk.dispatcher.revoke([EDI_ID])
    desk.smsc.room = True
    desk.dispatcher.pump()
    assert desk.texts() == [b"text 2"]
    assert await desk.outcome(1) == "REJECTED"


# --- asked again before it is sent ------------------------------------------------------------------

WAITED = {"accepted_at": NOW_MS - dispatch.REVERIFY_AFTER_MS - 1}


async def test_a_message_that_did_not_wait_is_not_asked_for_again(desk: World) -> None:
    await desk.offer(accepted_at=NOW_MS - dispatch.REVERIFY_AFTER_MS)
    assert (len(desk.smsc.sent), desk.verifier.asked) == (1, [])


async def test_a_message_that_waited_is_asked_for_again(desk: World) -> None:
    await desk.offer(**WAITED)
    await until(lambda: len(desk.smsc.sent) == 1)
    (item,) = desk.verifier.asked
    assert (item.aid, item.enterprise, item.channel, item.access_number) == (AID, ENTERPRISE, "sms", NUMBER)


async def test_what_comes_from_the_store_is_asked_for_again_however_short_it_waited(desk: World) -> None:
    """It survived a restart, or an error: who knows for how long."""
    await desk.commit()
    desk.dispatcher.start()
    await until(lambda: len(desk.smsc.sent) == 1)
    assert len(desk.verifier.asked) == 1


async def test_asking_again_is_no_second_contact(desk: World) -> None:
    desk.verifier.answers[AID] = grant(frequency="1/day")
    await desk.offer(**WAITED)
    await until(lambda: len(desk.smsc.sent) == 1)
    assert await rows(desk.domain, "contact_window", "edi_id") == []


@pytest.mark.parametrize(
    ("answer", "cause"), [(Refused("REVOKED"), "REVOKED"), (grant(EDI_BLOCKED), "OPTED_OUT")]
)
async def test_a_consent_that_ended_while_the_message_waited(desk: World, answer: Any, cause: str) -> None:
    desk.verifier.answers[AID] = answer
    await desk.offer(**WAITED)
    await until(lambda: bool(desk.deliveries))
    assert await desk.outcome() == "REJECTED"
    assert desk.smsc.sent == []
    assert [row["cause"] for row in await rows(desk.domain, "refusal")] == [cause]
    assert desk.dispatcher.held == 0


async def test_a_message_that_waited_past_the_consents_hours_waits_until_they_begin(
    desk: World, clock: Clock
) -> None:
    """It was accepted within them; an SMSC that was away does not make it a call at night."""
    desk.verifier.answers[AID] = grant(hours="08:00-10:27")
    clock.now_ms += 120_000  # 10:28
    await desk.offer(**WAITED)
    assert await desk.not_before() == clock.now_ms + ((24 - 2) * 60 - 28) * 60_000 - clock.now_ms % 60_000
    assert desk.smsc.sent == []
    desk.verifier.answers[AID] = grant(hours="08:00-10:29")
    clock.now_ms = await desk.not_before()
    desk.dispatcher.start()
    await until(lambda: len(desk.smsc.sent) == 1)


async def test_an_opt_out_while_the_trust_party_is_asked(desk: World) -> None:
    desk.verifier.held = True
    await desk.offer(**WAITED)
    index = await desk.domain.store.write(lambda conn: desk.domain.vault.msisdn_index(conn, MSISDN))
    await desk.domain.store.write(lambda conn: edis.block(conn, ENTERPRISE, index, NOW_MS))
    desk.verifier.release()
    await until(lambda: bool(desk.deliveries))
    assert await desk.outcome() == "REJECTED"
    assert desk.smsc.sent == []


async def test_a_message_withdrawn_while_the_trust_party_is_asked(desk: World) -> None:
    desk.verifier.held = True
    await desk.offer(**WAITED)
    assert desk.dispatcher.withdraw(1)
    desk.verifier.release()
    await settled(desk.domain)
    assert desk.smsc.sent == []
    assert await desk.state(1) is State.QUEUED


async def test_no_answer_of_the_trust_party_postpones(desk: World) -> None:
    desk.verifier.answers[AID] = Unavailable("no answer in time")
    await desk.offer(**WAITED)
    assert await desk.not_before() == NOW_MS + 1000
    assert desk.smsc.sent == []


async def test_the_carriers_own_message_is_never_asked_for(desk: World) -> None:
    await desk.offer(**WAITED, kind=Kind.CARRIER, edi_id=None)
    assert (len(desk.smsc.sent), desk.verifier.asked) == (1, [])


# --- from the store ---------------------------------------------------------------------------------


async def test_what_memory_did_not_hold_is_loaded(desk: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "HELD_MAX", 1)
    await desk.offer(1)
    await desk.offer(2)
    assert desk.texts() == [b"text 1"]
    await desk.taken()
    desk.dispatcher.start()
    await until(lambda: len(desk.smsc.sent) == 2)
    assert desk.texts() == [b"text 1", b"text 2"]


async def test_what_memory_holds_is_not_loaded_again(desk: World) -> None:
    await desk.offer(1)
    desk.smsc.room = False
    await desk.offer(2)
    desk.smsc.room = True
    desk.dispatcher.start()
    await desk.sweeps(3)
    assert desk.texts() == [b"text 1", b"text 2"]


async def test_a_message_that_ends_while_the_store_is_read_is_not_sent_twice(
    people: Domain, clock: Clock
) -> None:
    """The read saw it QUEUED; it was offered, sent and answered before the read's rows arrived."""
    read, release = asyncio.Event(), asyncio.Event()

    class Slow:
        """The store, whose first read arrives late."""

        submit = people.store.submit
        put_all = people.store.put_all
        on_undone = people.store.on_undone

        async def write(self, op: Any) -> Any:
            result = await people.store.write(op)
            if not read.is_set():
                read.set()
                await release.wait()
            return result

    desk = World(people, clock)
    slow: Any = Domain(Slow(), people.vault, now_ms=clock)  # type: ignore[arg-type]
    dispatcher = Dispatcher(
        slow,
        desk.verifier,
        desk.smsc,
        SETTINGS,
        {"smsc": "any"},
        SmscErrors(),
        desk.delivered,
        lambda: None,
        str,
    )  # type: ignore[arg-type]
    desk.smsc.told = dispatcher.answered
    first, second = await desk.commit(1), await desk.commit(2)
    dispatcher.start()
    await read.wait()
    dispatcher.send(first)
    desk.smsc.answer()
    dispatcher.send(second)
    desk.smsc.answer(status=CommandStatus.ESME_RSYSERR)
    release.set()
    await until(lambda: dispatcher.held == 0)
    await settled(people)
    assert desk.texts() == [b"text 1", b"text 2"]
    await dispatcher.stop()


async def test_a_stopped_dispatcher_sends_nothing(desk: World) -> None:
    await desk.dispatcher.stop()
    await desk.offer()
    assert desk.smsc.sent == []
    assert await desk.state(1) is State.QUEUED


async def test_what_the_smsc_answers_is_counted_by_status(desk: World) -> None:
    before = [metrics.SENT.value("smsc", key) for key in ("0", "timeout", "8")]
    for message_id in (1, 2, 3):
        await desk.offer(message_id)
    row = message_row(2)
    desk.smsc.answer()
    desk.dispatcher.answered("smsc", row, RequestFailed("timeout"))
    desk.smsc.waiting.pop(0)
    desk.smsc.answer(status=CommandStatus.ESME_RSYSERR)
    after = [metrics.SENT.value("smsc", key) for key in ("0", "timeout", "8")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 1]
    await settled(desk.domain)


async def test_what_waits_in_the_store_counts_as_load_too(
    desk: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restart, or when every message fails for now, memory alone would say that all is well."""
    monkeypatch.setattr(dispatch, "BACKLOG_MAX", 4)
    desk.smsc.room = False
    for message_id in (1, 2):
        await desk.commit(message_id, not_before=NOW_MS + dispatch.RETRY_MAX_MS)
    await desk.commit(3, not_before=NOW_MS + dispatch.RETRY_MAX_MS + 1)  # scheduled: it waits for nobody
    assert desk.dispatcher.load == 0
    desk.dispatcher.start()
    await desk.sweeps(1)
    assert desk.dispatcher.load == 0.5
    for message_id in range(4, 9):
        await desk.commit(message_id)
    await desk.sweeps(dispatch.SWEEPS_A_COUNT + 1)
    assert desk.dispatcher.load == 1


async def test_memory_that_is_full_is_load(desk: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "HELD_MAX", 2)
    desk.smsc.room = False
    await desk.offer(1)
    assert desk.dispatcher.load == 0.5
