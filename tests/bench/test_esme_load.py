"""The load generator: what it sends is SMPP, and what it measures is what came."""

from bench.esme_load import Load, Session
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
from tests.bench.wire import Wire

AIDS = [b"888132341582397708", b"888132341582397716"]


async def loaded(window: int = 2) -> tuple[Load, Session, Wire]:
    load = Load(b"1069880001", AIDS, window, 1)
    session, wire = Session(load, encode(Pdu(BindTransceiver(system_id=b"esme"), 1))), Wire()
    load.sessions.append(session)
    session.connection_made(wire)
    [bind] = wire.pdus()
    assert isinstance(bind.body, BindTransceiver)
    session.data_received(encode(Pdu(BindTransceiverResp(), 1)))
    assert session.bound.result() == 0
    return load, session, wire


def answer(sequence: int, message_id: bytes, status: int = 0) -> bytes:
    return encode(Pdu(SubmitSmResp(message_id=message_id), sequence, status))


def receipt(sequence: int, message_id: bytes, stat: bytes = b"DELIVRD") -> bytes:
    text = b"id:%b sub:001 dlvrd:001 submit date:2411240000 done date:2411240000 stat:%b err:000 text:"
    body = DeliverSm(source_addr=AIDS[0], esm_class=4, short_message=text % (message_id, stat))
    return encode(Pdu(body, sequence))


async def test_it_sends_what_the_window_allows_to_each_aid_in_turn() -> None:
    load, session, wire = await loaded(window=2)
    load.allowed = 10
    session.fill()
    bodies = [pdu.body for pdu in wire.pdus()]
    assert all(isinstance(body, SubmitSm) for body in bodies)
    assert {body.destination_addr for body in bodies} == set(AIDS)
    assert {len(body.short_message) for body in bodies} == {140}
    assert bodies[0].short_message != bodies[1].short_message
    session.fill()
    assert wire.pdus() == []


async def test_an_answer_opens_the_window_and_a_receipt_completes_the_message() -> None:
    load, session, wire = await loaded(window=1)
    load.allowed = 2
    session.fill()
    [first] = wire.pdus()
    session.data_received(answer(first.sequence_number, b"a1"))
    [second] = wire.pdus()
    assert second.sequence_number != first.sequence_number
    session.data_received(answer(second.sequence_number, b"a2") + receipt(5, b"a1"))
    [taken] = wire.pdus()
    assert isinstance(taken.body, DeliverSmResp)
    assert taken.sequence_number == 5
    assert not load.done
    session.data_received(receipt(6, b"a2"))
    assert load.done
    assert len(load.to_response) == len(load.to_receipt) == 2


async def test_a_receipt_before_its_response_counts() -> None:
    load, session, wire = await loaded()
    load.allowed = 1
    session.fill()
    [sent] = wire.pdus()
    session.data_received(receipt(5, b"a1"))
    session.data_received(answer(sent.sequence_number, b"a1"))
    assert load.done


async def test_refusals_and_failures_are_counted() -> None:
    load, session, wire = await loaded()
    load.allowed = 2
    session.fill()
    refused, taken = wire.pdus()
    session.data_received(answer(refused.sequence_number, b"", CommandStatus.ESME_RTHROTTLED))
    session.data_received(answer(taken.sequence_number, b"a1") + receipt(5, b"a1", b"UNDELIV"))
    assert load.statuses == {CommandStatus.ESME_RTHROTTLED: 1}
    assert load.failures == 1
    assert load.done


async def test_enquire_link_beside_a_receipt_is_answered() -> None:
    _, session, wire = await loaded()
    session.data_received(encode(Pdu(EnquireLink(), 9)) + receipt(5, b"a1"))
    first, second = (pdu.body for pdu in wire.pdus())
    assert isinstance(first, EnquireLinkResp)
    assert isinstance(second, DeliverSmResp)
