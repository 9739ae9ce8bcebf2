"""When consent ends: nothing new, what waits here is REJECTED, what the SMSC holds is cancelled there."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Literal

import pytest

from gateway.sms import revocations as revocations_module
from gateway.sms.inbound import Inbound
from gateway.store import courier, revocations
from gateway.store.domain import Domain
from gateway.store.messages import Kind, State
from smpp.aio.connection import RequestFailed
from smpp.codec import encode
from smpp.constants import CommandStatus, EsmClass, MessageState
from smpp.pdu import CancelSmResp, DeliverSm, Pdu
from smpp.udh import build_udh
from tests.gateway.carrier import (
    AID,
    CODE_NUMBER,
    EDI_ID,
    ENTERPRISE,
    MSISDN,
    NOW_MS,
    NUMBER,
    Clock,
    FakeConnection,
    add_message,
    message_row,
    rows,
    settled,
    until,
)
from tests.gateway.sms.desk import SETTINGS, Desk, time_text

DELETED, REJECTED = MessageState.DELETED, MessageState.REJECTED
LATER = {"schedule_delivery_time": time_text(NOW_MS + 60_000)}
OTHERS_EDI = b"\x77" * 16


@pytest.fixture
async def desk(people: Domain, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr(courier, "BACKOFF_MIN_S", 0.002)
    monkeypatch.setattr(courier, "BACKOFF_MAX_S", 0.002)
    desk = Desk(people, clock)
    yield desk
    await desk.revocations.stop()


async def revoke(desk: Desk, edi_id: bytes = EDI_ID) -> None:
    """What an opt-out commits and then tells."""
    await desk.domain.store.write(lambda conn: revocations.put(conn, desk.domain.ids, ENTERPRISE, [edi_id]))
    desk.revocations.revoked([edi_id])


async def carried_out(desk: Desk) -> None:
    desk.revocations.start()
    async with asyncio.timeout(5):
        # Each turn waits for a commit.
        while await rows(desk.domain, "revocation"):
            await settled(desk.domain)
    await settled(desk.domain)


async def asked(desk: Desk) -> None:
    """Until the SMSC was asked to delete a message."""
    desk.revocations.start()
    await until(lambda: bool(desk.smsc.cancels))


def cancelled(status: int = 0) -> Pdu:
    return Pdu(CancelSmResp(), 1, status)


# --- what waits here --------------------------------------------------------------------------------


async def test_what_waits_for_its_time_is_rejected_and_never_sent(desk: Desk) -> None:
    message_id = await desk.accepted(registered_delivery=1, **LATER)
    await revoke(desk)
    await carried_out(desk)
    assert desk.told() == [(message_id, REJECTED)]
    assert [row["result"] for row in await rows(desk.domain, "cdr")] == ["REJECTED"]
    assert desk.smsc.sent == []
    assert desk.smsc.cancels == []


async def test_what_waits_in_memory_for_room_ends_at_once(desk: Desk) -> None:
    """Before the store has been gone through: the next window that opens must not let it out."""
    desk.smsc.room = False
    message_id = await desk.accepted(registered_delivery=1)
    assert desk.dispatcher.held == 1
    await revoke(desk)
    desk.smsc.room = True
    desk.dispatcher.pump()
    await settled(desk.domain)
    assert desk.smsc.sent == []
    assert desk.told() == [(message_id, REJECTED)]


async def test_parts_that_are_held_are_rejected(desk: Desk) -> None:
    header = build_udh([(0, b"\x07\x02\x01")])
    message_id = await desk.accepted(text=header + b"one", esm_class=EsmClass.UDHI, registered_delivery=1)
    await revoke(desk)
    await carried_out(desk)
    assert desk.told() == [(message_id, REJECTED)]


async def test_messages_to_others_and_the_carriers_own_go_on(desk: Desk) -> None:
    await add_message(desk.domain, message_row(1, edi_id=OTHERS_EDI))
    await add_message(desk.domain, message_row(2, kind=Kind.CARRIER, edi_id=None, account="", aid=""))
    await revoke(desk)
    await carried_out(desk)
    assert [await desk.state(each) for each in (1, 2)] == [State.QUEUED] * 2


async def test_all_that_a_suspended_enterprise_sent_is_stopped(desk: Desk) -> None:
    message_id = await desk.accepted(registered_delivery=1, **LATER)
    await add_message(desk.domain, message_row(1, edi_id=OTHERS_EDI))
    await add_message(desk.domain, message_row(2, kind=Kind.CARRIER, edi_id=None, account="", aid=""))
    await add_message(desk.domain, message_row(3, enterprise_id="ent-z"))
    await desk.domain.store.write(lambda conn: revocations.put(conn, desk.domain.ids, ENTERPRISE, [None]))
    desk.revocations.suspended(ENTERPRISE)
    await carried_out(desk)
    assert sorted(desk.told()) == sorted([(message_id, REJECTED), (1, REJECTED)])
    assert [await desk.state(each) for each in (2, 3)] == [State.QUEUED] * 2


async def test_a_pass_goes_through_all_that_is_pending(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocations_module, "ROWS_READ", 2)
    for message_id in range(1, 6):
        await add_message(desk.domain, message_row(message_id))
    await revoke(desk)
    await carried_out(desk)
    assert sorted(desk.told()) == [(each, REJECTED) for each in range(1, 6)]


async def test_a_restart_goes_on_with_it(desk: Desk, clock: Clock) -> None:
    message_id = await desk.accepted(registered_delivery=1, **LATER)
    await desk.domain.store.write(lambda conn: revocations.put(conn, desk.domain.ids, ENTERPRISE, [EDI_ID]))
    again = Desk(Domain(desk.domain.store, desk.domain.vault, now_ms=clock), clock)
    await carried_out(again)
    await again.revocations.stop()
    assert again.told() == [(message_id, REJECTED)]


# --- what the SMSC has ------------------------------------------------------------------------------


async def test_what_the_smsc_holds_is_cancelled_there(desk: Desk) -> None:
    message_id = await desk.accepted(registered_delivery=1)
    await desk.taken(b"00AB")
    await revoke(desk)
    await asked(desk)
    # Named as the response named it, from the access number to the person.
    assert desk.smsc.cancels == [("smsc", "00AB", NUMBER, MSISDN)]
    assert await desk.state(message_id) is State.ACCEPTED
    desk.smsc.answer_cancel(cancelled())
    await carried_out_again(desk)
    assert desk.told() == [(message_id, DELETED)]


async def test_where_the_smsc_does_not_cancel_its_receipt_tells(desk: Desk) -> None:
    message_id = await desk.accepted(registered_delivery=1)
    await desk.taken()
    await revoke(desk)
    await asked(desk)
    desk.smsc.answer_cancel(cancelled(CommandStatus.ESME_RCANCELFAIL))
    await carried_out_again(desk)
    assert len(desk.smsc.cancels) == 1
    assert await desk.state(message_id) is State.ACCEPTED
    await desk.receipt()
    assert desk.told() == [(message_id, MessageState.DELIVERED)]


@pytest.mark.parametrize("cause", ["timeout", "closed"])
async def test_a_cancel_sm_without_an_answer_is_sent_again(
    desk: Desk, cause: Literal["timeout", "closed"]
) -> None:
    """Lost with its link, it stops nothing: the message would still be delivered."""
    message_id = await desk.accepted(registered_delivery=1)
    await desk.taken()
    await revoke(desk)
    await asked(desk)
    desk.smsc.answer_cancel(RequestFailed(cause))
    await until(lambda: len(desk.smsc.cancels) == 2)
    assert len(await rows(desk.domain, "revocation")) == 1
    desk.smsc.answer_cancel(cancelled())
    await carried_out_again(desk)
    assert desk.told() == [(message_id, DELETED)]


async def test_while_an_answer_is_awaited_the_smsc_is_not_asked_again(desk: Desk) -> None:
    await desk.accepted()
    await desk.taken()
    await revoke(desk)
    await asked(desk)
    for _ in range(5):
        await settled(desk.domain)
    assert len(desk.smsc.cancels) == 1
    assert len(await rows(desk.domain, "revocation")) == 1


async def test_a_receipt_before_the_answer_to_cancel_sm_stands(desk: Desk) -> None:
    message_id = await desk.accepted(registered_delivery=1)
    await desk.taken()
    await revoke(desk)
    await asked(desk)
    await desk.receipt()
    desk.smsc.answer_cancel(cancelled())
    await carried_out_again(desk)
    assert desk.told() == [(message_id, MessageState.DELIVERED)]
    assert len(await rows(desk.domain, "cdr")) == 1


async def test_an_smsc_that_is_not_there_is_asked_again(desk: Desk) -> None:
    """Nothing else would stop the message: the SMSC still has it when it is back."""
    await desk.accepted()
    await desk.taken()
    desk.smsc.takes_cancels = False
    await revoke(desk)
    desk.revocations.start()
    for _ in range(5):
        await settled(desk.domain)
    assert len(await rows(desk.domain, "revocation")) == 1
    desk.smsc.takes_cancels = True
    await until(lambda: desk.smsc.cancels == [("smsc", "7", NUMBER, MSISDN)])
    desk.smsc.answer_cancel(cancelled())
    await carried_out_again(desk)


async def test_what_was_on_its_way_is_cancelled_once_the_smsc_has_it(desk: Desk) -> None:
    message_id = await desk.accepted(registered_delivery=1)
    assert len(desk.smsc.sent) == 1
    await revoke(desk)
    desk.revocations.start()
    for _ in range(5):
        await settled(desk.domain)
    assert (desk.smsc.cancels, await desk.state(message_id)) == ([], State.QUEUED)
    await desk.taken(b"7")
    await until(lambda: desk.smsc.cancels == [("smsc", "7", NUMBER, MSISDN)])
    desk.smsc.answer_cancel(cancelled())
    await carried_out_again(desk)
    assert len(desk.smsc.cancels) == 1


async def test_a_message_to_which_its_smsc_gave_no_id_waits_for_its_end(desk: Desk) -> None:
    message_id = await desk.accepted()
    await desk.taken(b"")
    await revoke(desk)
    await carried_out(desk)
    assert desk.smsc.cancels == []
    assert await desk.state(message_id) is State.ACCEPTED


async def test_what_was_on_its_way_and_failed_is_rejected(desk: Desk) -> None:
    message_id = await desk.accepted(registered_delivery=1)
    await revoke(desk)
    desk.revocations.start()
    desk.smsc.fail()
    await until(lambda: bool(desk.deliveries))
    assert desk.told() == [(message_id, REJECTED)]
    assert len(desk.smsc.sent) == 1


async def carried_out_again(desk: Desk) -> None:
    async with asyncio.timeout(5):
        while await rows(desk.domain, "revocation"):
            await settled(desk.domain)


# --- the whole way ----------------------------------------------------------------------------------


async def test_an_opt_out_stops_what_was_sent_before_it(desk: Desk) -> None:
    """The subscriber's reply, its block and its revocations are one commit; the rest follows from it."""
    with_smsc = await desk.accepted(registered_delivery=1)
    await desk.taken(b"7")
    waiting = await desk.accepted(registered_delivery=1, **LATER)
    notices: list[Any] = []
    inbound = Inbound(
        desk.domain,
        desk.directory,
        None,  # type: ignore[arg-type]  # nothing is restored here
        SETTINGS,
        country_code="86",
        confirmation_number=CODE_NUMBER,
        on_own_number=lambda conn, msisdn, text: None,
        on_deliveries=desk.delivered,
        on_outgoing=notices.append,
        on_trust_rows=lambda: None,
        on_revoked=desk.revocations.revoked,
    )
    smsc = FakeConnection()
    reply = Pdu(
        DeliverSm(source_addr=MSISDN.encode(), destination_addr=NUMBER.encode(), short_message=b"TD"), 1
    )
    inbound.take(smsc, reply, encode(reply))  # type: ignore[arg-type]
    assert (await smsc.answer())[1] == 0
    await asked(desk)
    assert desk.told() == [(waiting, REJECTED)]
    assert desk.smsc.cancels == [("smsc", "7", NUMBER, MSISDN)]
    desk.smsc.answer_cancel(cancelled())
    await carried_out_again(desk)
    assert desk.told() == [(waiting, REJECTED), (with_smsc, DELETED)]
    assert len(notices) == 1
    assert await desk.status(AID) == CommandStatus.ESME_RINVDSTADR
