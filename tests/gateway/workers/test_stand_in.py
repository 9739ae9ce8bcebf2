"""A session of a front process as the gateway's process holds it: what it says over the channel, and when not."""

import asyncio
from typing import Any, cast

import pytest

from gateway.workers import stand_in as stand_ins
from gateway.workers.channel import Channel
from gateway.workers.stand_in import StandIn
from gateway.workers.wire import ANSWER, Asked, ToFront, unpack_config, unpack_frames
from smpp.codec import decode, encode
from smpp.constants import VERSION_5_0, CommandId, Tag
from smpp.errors import EncodeError, LocalProtocolError
from smpp.pdu import (
    Bind,
    BindReceiver,
    BindTransceiver,
    BindTransmitter,
    DeliverSm,
    Pdu,
    QuerySmResp,
)
from smpp.session import SessionConfig

CONFIG = SessionConfig(outbound_window=3, in_bulk=True)
FRAMES = [encode(Pdu(DeliverSm(short_message=b"%d" % number), 0)) for number in range(5)]
MESSAGES = [(frame, f"delivery {number}") for number, frame in enumerate(FRAMES)]


class Wire:
    """A channel that keeps what it is given."""

    def __init__(self) -> None:
        self.is_choked = False
        self.sent: list[tuple[int, int, bytes]] = []

    def send(self, kind: int, session: int = 0, *parts: bytes) -> None:
        self.sent.append((kind, session, b"".join(parts)))

    def of(self, kind: int) -> list[bytes]:
        return [payload for each, _, payload in self.sent if each == kind]


def session(wire: Wire, bind: Bind | None = None) -> StandIn:
    made = StandIn(7, ("192.0.2.1", 5), CONFIG, cast(Channel, wire))
    body = bind or BindTransceiver(interface_version=VERSION_5_0)
    made.asked(Asked(encode(Pdu(body, 1)), "TLSv1.3", b"der"), body)
    made.accept_bind(b"ASCS")
    return made


async def test_a_bind_brings_what_it_came_over_and_its_version() -> None:
    wire = Wire()
    bound = session(wire)
    assert (bound.tls_version, bound.certificate, bound.peer) == ("TLSv1.3", b"der", ("192.0.2.1", 5))
    assert (bound.is_bound, bound.version) == (True, VERSION_5_0)
    assert wire.sent == [(ToFront.ACCEPT, 7, b"ASCS")]


@pytest.mark.parametrize(
    ("kind", "can_send"), [(BindTransmitter, False), (BindReceiver, True), (BindTransceiver, True)]
)
async def test_who_can_be_sent_messages(kind: type[Bind], can_send: bool) -> None:
    assert session(Wire(), kind()).can_send is can_send


async def test_no_more_goes_than_its_window_takes_and_each_answer_makes_room() -> None:
    wire = Wire()
    bound = session(wire)
    assert bound.request_messages(MESSAGES) == 3
    assert bound.request_messages(MESSAGES[3:]) == 0
    [payload] = wire.of(ToFront.DELIVER)
    sent = unpack_frames(payload)
    assert [frame for frame, _ in sent] == FRAMES[:3]
    assert bound.answered(sent[1][1]) == "delivery 1"
    assert bound.answered(sent[1][1]) is None
    assert (bound.window_free, bound.request_messages(MESSAGES[3:])) == (1, 1)


async def test_while_its_process_does_not_read_it_has_no_room() -> None:
    wire = Wire()
    bound = session(wire)
    wire.is_choked = True
    assert (bound.window_free, bound.request_messages(MESSAGES)) == (0, 0)
    assert wire.of(ToFront.DELIVER) == []


async def test_a_3_3_peer_is_sent_no_text_in_a_tlv() -> None:
    bound = session(Wire(), BindTransceiver(interface_version=0x33))
    long = encode(Pdu(DeliverSm(tlvs=[(int(Tag.MESSAGE_PAYLOAD), b"x" * 300)]), 0))
    with pytest.raises(EncodeError):
        bound.request_messages([(long, "long")])
    assert bound.request_messages(MESSAGES) == 1, "one at a time, so that the unfit one is known"


async def test_once_it_unbinds_nothing_is_sent_and_what_is_open_is_handed_back_at_the_end() -> None:
    bound = session(Wire())
    bound.request_messages(MESSAGES[:2])
    bound.unbinding()
    assert (bound.can_send, bound.window_free) == (False, 0)
    with pytest.raises(LocalProtocolError):
        bound.request_messages(MESSAGES)
    assert [request.context for request in bound.over()] == ["delivery 0", "delivery 1"]
    assert (bound.is_bound, bound.over()) == (False, [])


async def test_answers_and_refusals() -> None:
    wire = Wire()
    bound = session(wire)
    bound.respond_messages([(1, b"0" * 16), (2, b"1" * 16)])
    bound.respond_messages([])
    bound.respond(3, QuerySmResp(message_id=b"id"), 0)
    bound.respond_message(4, b"id", CommandId.DATA_SM_RESP)
    bound.reject_request(5, CommandId.SUBMIT_SM, 8)
    assert len(wire.of(ToFront.RESPONSES)) == 1
    told = [decode(each) for each in wire.of(ToFront.RESPOND)]
    assert [(each.sequence_number, each.command_id) for each in told] == [
        (3, CommandId.QUERY_SM_RESP), (4, CommandId.DATA_SM_RESP),
    ]  # fmt: skip
    assert len(wire.of(ToFront.REJECT)) == 1


async def test_other_limits_hold_here_and_there() -> None:
    wire = Wire()
    bound = session(wire)
    other = SessionConfig(outbound_window=1, in_bulk=True)
    bound.configure(other)
    assert bound.window_free == 1
    assert [unpack_config(each) for each in wire.of(ToFront.CONFIGURE)] == [other]


async def test_after_its_end_nothing_is_said() -> None:
    wire = Wire()
    bound = session(wire)
    bound.over()
    wire.sent.clear()
    bound.respond_messages([(1, b"0" * 16)])
    bound.reject_request(1, CommandId.SUBMIT_SM, 8)
    bound.accept_bind(b"")
    bound.abort("too late")
    assert wire.sent == []


async def test_an_orderly_end_waits_for_its_process_and_no_longer_than_it_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wire = Wire()
    bound = session(wire)
    closing = asyncio.create_task(bound.close(5.0))
    await asyncio.sleep(0)
    assert bound.is_draining
    bound.gone()
    await closing
    assert wire.of(ToFront.ABORT) == []
    for name in ("CLOSE_LINGER_S", "ANSWER_S"):
        monkeypatch.setattr(stand_ins, name, 0.0)
    other: Any = session(wire)
    await other.close(0.01)
    assert wire.of(ToFront.ABORT) == [b"closed"]


def test_tokens_and_statuses_are_of_four_octets() -> None:
    assert ANSWER.size == 8
