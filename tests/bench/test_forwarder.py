"""The forwarder: AID to number on the way out, number to AID on the way back, and nothing else."""

from bench.forwarder import Esme, Forwarder, Smsc
from smpp.codec import encode
from smpp.pdu import BindTransceiver, DeliverSm, DeliverSmResp, Pdu, SubmitSm, SubmitSmResp
from tests.bench.wire import Wire

AID = b"888132341582397708"
NUMBER = b"8613800000000"


async def test_there_and_back() -> None:
    forwarder = Forwarder([AID])
    up, down = Wire(), Wire()
    smsc = forwarder.smsc = Smsc(forwarder)
    smsc.connection_made(up)
    [bind] = up.pdus()
    assert isinstance(bind.body, BindTransceiver)
    esme = Esme(forwarder)
    esme.connection_made(down)
    body = SubmitSm(source_addr=b"1069880001", destination_addr=AID, short_message=b"text")
    esme.data_received(encode(Pdu(body, 7)))
    [sent] = up.pdus()
    assert isinstance(sent.body, SubmitSm)
    assert (sent.body.destination_addr, sent.body.source_addr) == (NUMBER, b"1069880001")
    assert sent.body.short_message == b"text"
    smsc.data_received(encode(Pdu(SubmitSmResp(message_id=b"a1"), sent.sequence_number)))
    [answer] = down.pdus()
    assert (answer.sequence_number, answer.body) == (7, SubmitSmResp(message_id=b"a1"))
    receipt = DeliverSm(
        source_addr=NUMBER, destination_addr=b"1069880001", esm_class=4, short_message=b"id:a1"
    )
    smsc.data_received(encode(Pdu(receipt, 3)))
    [delivered] = down.pdus()
    assert isinstance(delivered.body, DeliverSm)
    assert delivered.body.source_addr == AID
    assert delivered.body.short_message == b"id:a1"
    esme.data_received(encode(Pdu(DeliverSmResp(), delivered.sequence_number)))
    [done] = up.pdus()
    assert (done.sequence_number, done.body) == (3, DeliverSmResp())
