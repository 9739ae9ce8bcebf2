"""The cheap SMSC: an id for every message, and its receipt."""

import asyncio

import pytest

from bench import smsc_stub
from bench.smsc_stub import WINDOW, Session
from smpp import receipts
from smpp.codec import encode
from smpp.constants import CommandStatus
from smpp.pdu import (
    BindTransceiver,
    BindTransceiverResp,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    Pdu,
    SubmitSm,
    SubmitSmResp,
)
from smpp.receipts import MessageState
from tests.bench.wire import Wire


def bound() -> tuple[Session, Wire]:
    session, wire = Session(), Wire()
    session.connection_made(wire)
    session.data_received(encode(Pdu(BindTransceiver(system_id=b"gateway"), 1)))
    [answer] = wire.pdus()
    assert isinstance(answer.body, BindTransceiverResp)
    assert answer.command_status == 0
    return session, wire


def submit(sequence: int) -> bytes:
    body = SubmitSm(source_addr=b"1069880001", destination_addr=b"8613800000001", short_message=b"hello")
    return encode(Pdu(body, sequence))


async def test_a_message_gets_an_id_and_then_a_receipt_under_it() -> None:
    session, wire = bound()
    session.data_received(submit(7))
    [answer] = wire.pdus()
    assert isinstance(answer.body, SubmitSmResp)
    assert answer.sequence_number == 7
    await asyncio.sleep(0)
    [delivered] = wire.pdus()
    assert isinstance(delivered.body, DeliverSm)
    assert delivered.body.source_addr == b"8613800000001"
    assert delivered.body.destination_addr == b"1069880001"
    receipt = receipts.parse(delivered.body)
    assert receipt is not None
    assert receipt.message_id == answer.body.message_id
    assert receipt.state is MessageState.DELIVERED


async def test_a_pdu_in_two_reads_is_one() -> None:
    session, wire = bound()
    frame = submit(7)
    session.data_received(frame[:30])
    assert wire.pdus() == []
    session.data_received(frame[30:])
    assert len(wire.pdus()) == 1


async def test_receipts_keep_within_the_window() -> None:
    session, wire = bound()
    session.data_received(b"".join(submit(sequence) for sequence in range(1, WINDOW + 3)))
    await asyncio.sleep(0)
    sent = [pdu for pdu in wire.pdus() if isinstance(pdu.body, DeliverSm)]
    assert len(sent) == WINDOW
    session.data_received(encode(Pdu(DeliverSmResp(), sent[0].sequence_number)))
    await asyncio.sleep(0)
    assert len(wire.pdus()) == 1


async def test_a_receipt_that_is_refused_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smsc_stub, "AGAIN_S", 0.0)
    session, wire = bound()
    session.data_received(submit(1))
    await asyncio.sleep(0)
    _, first = wire.pdus()
    refused = Pdu(DeliverSmResp(), first.sequence_number, CommandStatus.ESME_RTHROTTLED)
    session.data_received(encode(refused))
    assert wire.pdus() == []
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    [again] = wire.pdus()
    assert again.body == first.body


async def test_enquire_link_is_answered() -> None:
    session, wire = bound()
    session.data_received(encode(Pdu(EnquireLink(), 9)))
    [answer] = wire.pdus()
    assert isinstance(answer.body, EnquireLinkResp)
    assert answer.sequence_number == 9
