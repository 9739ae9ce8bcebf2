"""Under SessionConfig.in_bulk messages and plain answers come together; nothing else of the session changes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smpp.codec import EncodeError, encode
from smpp.config import SessionConfig
from smpp.constants import CommandStatus, Tag
from smpp.events import BadPduReceived, Event, MessagesReceived, RequestReceived, ResponseReceived
from smpp.pdu import (
    BODY_OF,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    GenericNack,
    Pdu,
    QuerySm,
    SubmitSm,
    SubmitSmResp,
)
from smpp.session import LocalProtocolError, Session
from tests.smpp import strategies
from tests.smpp.pair import Pair, only

MESSAGE = SubmitSm(destination_addr=b"888112345678901234", short_message=b"hi")
FRAME = encode(Pdu(MESSAGE, 0))
BULK = SessionConfig(in_bulk=True)


def bound(**config: int) -> Pair:
    """Both ends take in bulk."""
    pair = Pair(BULK, SessionConfig(in_bulk=True, **config))  # type: ignore[arg-type]
    pair.bind()
    return pair


def test_messages_of_one_read_are_one_event_and_their_answers_too() -> None:
    pair = bound()
    assert pair.esme.send_messages([(FRAME, "a"), (FRAME, "b")], pair.now) == 2
    pair.settle()
    received = only(pair.mc_events, MessagesReceived)
    assert [(body, frame) for _, body, frame in received.requests] == [
        (MESSAGE, encode(Pdu(MESSAGE, number))) for number, _, _ in received.requests
    ]
    pair.mc.send_message_responses([(number, b"id-%d" % number) for number, _, _ in received.requests])
    pair.settle()
    answers = only(pair.esme_events, MessagesReceived).responses
    assert answers == [
        (context, 0, b"id-%d" % number)
        for context, (number, _, _) in zip("ab", received.requests, strict=True)
    ]
    assert (pair.mc.unanswered, pair.esme.unacknowledged) == (0, 0)


def test_the_order_to_what_comes_between_is_kept() -> None:
    pair = bound()
    pair.send_raw_to_mc(encode(Pdu(MESSAGE, 1)) + encode(Pdu(QuerySm(b"1"), 2)) + encode(Pdu(MESSAGE, 3)))
    assert [type(event) for event in pair.mc_events] == [MessagesReceived, RequestReceived, MessagesReceived]


def test_as_many_as_the_window_takes_are_sent() -> None:
    pair = Pair(SessionConfig(in_bulk=True, outbound_window=3), BULK)
    pair.bind()
    assert pair.esme.send_messages([(FRAME, number) for number in range(5)], pair.now) == 3
    assert pair.esme.send_messages([(FRAME, 4)], pair.now) == 0


def test_over_the_inbound_window_is_throttled() -> None:
    pair = bound(inbound_window=1)
    pair.esme.send_messages([(FRAME, "a"), (FRAME, "b")], pair.now)
    pair.settle()
    assert len(only(pair.mc_events, MessagesReceived).requests) == 1
    assert only(pair.esme_events, MessagesReceived).responses == [("b", CommandStatus.ESME_RTHROTTLED, b"")]


def test_an_answer_with_a_tlv_and_one_that_refuses_in_another_form() -> None:
    pair = bound()
    pair.esme.send_messages([(FRAME, "a"), (FRAME, "b")], pair.now)
    pair.settle()
    first, second = (number for number, _, _ in only(pair.mc_events, MessagesReceived).requests)
    with_tlv = SubmitSmResp(b"1", [(Tag.CONGESTION_STATE, b"\x10")])
    pair.send_raw_to_esme(
        encode(Pdu(with_tlv, first)) + encode(Pdu(GenericNack(), second, CommandStatus.ESME_RSYSERR))
    )
    assert [
        (event.request.context, event.pdu.body)
        for event in pair.esme_events
        if isinstance(event, ResponseReceived)
    ] == [("a", with_tlv), ("b", GenericNack())]
    assert pair.esme.peer_congestion == 16


def test_a_message_that_cannot_be_read_is_refused_and_the_others_are_taken() -> None:
    pair = bound()
    bad = encode(Pdu(MESSAGE, 2)).replace(b"888112345678901234\0", b"8" * 18 + b"\1")
    pair.send_raw_to_mc(encode(Pdu(MESSAGE, 1)) + bad + encode(Pdu(MESSAGE, 3)))
    taken = [
        each[0] for event in pair.mc_events if isinstance(event, MessagesReceived) for each in event.requests
    ]
    assert taken == [1, 3]
    assert only(pair.mc_events, BadPduReceived).command_id == SubmitSm.COMMAND_ID


def test_none_is_sent_in_a_state_that_does_not_allow_it() -> None:
    pair = bound()
    pair.esme.unbind(pair.now)
    with pytest.raises(LocalProtocolError):
        pair.esme.send_messages([(FRAME, "a")], pair.now)


def test_nothing_is_answered_twice_or_unasked() -> None:
    pair = bound()
    with pytest.raises(LocalProtocolError):
        pair.mc.send_message_responses([(7, b"id")])


def test_a_peer_without_tlvs_gets_what_it_can_read() -> None:
    pair = Pair(SessionConfig(in_bulk=True, interface_version=0x33), BULK)
    pair.bind()
    pair.mc._dialect.agree(0x33)
    plain = encode(Pdu(DeliverSm(short_message=b"x", tlvs=[(Tag.USER_MESSAGE_REFERENCE, b"\0\1")]), 0))
    text = encode(Pdu(DeliverSm(tlvs=[(Tag.MESSAGE_PAYLOAD, b"x")]), 0))
    assert pair.mc.send_messages([(plain, 1), (text, 2), (plain, 3)], pair.now) == 1
    with pytest.raises(EncodeError):
        pair.mc.send_messages([(text, 2), (plain, 3)], pair.now)


# --- the same as one by one ---------------------------------------------------------------------------

_KINDS = (SubmitSm, SubmitSmResp, DeliverSm, DeliverSmResp, QuerySm, EnquireLink, GenericNack)
_pdus = st.builds(
    Pdu,
    st.one_of([strategies.body(kind) for kind in _KINDS]),
    st.integers(1, 6),
    st.sampled_from((0, 0, 0, 0x58)),
)


def _told(events: list[Event]) -> list[object]:
    """What events say, whichever way they say it."""
    told: list[object] = []
    for event in events:
        if isinstance(event, MessagesReceived):
            told += (("request", Pdu(body, number), frame) for number, body, frame in event.requests)
            told += (("answer", *answer) for answer in event.responses)
        elif isinstance(event, RequestReceived):
            # A request's command_status means nothing (3.2).
            told.append(("request", Pdu(event.pdu.body, event.pdu.sequence_number), event.frame))
        elif isinstance(event, ResponseReceived) and type(event.pdu.body) in (SubmitSmResp, DeliverSmResp):
            body = event.pdu.body
            assert isinstance(body, SubmitSmResp | DeliverSmResp)
            told.append(("answer", event.request.context, event.pdu.command_status, body.message_id))
        else:
            told.append(repr(event))
    # Requests and answers of one event have no order among each other.
    return sorted(told, key=repr)


@pytest.mark.parametrize("role", ["mc", "esme"])
@settings(max_examples=40)
@given(data=st.data())
def test_it_is_told_and_answered_as_without(role: str, data: st.DataObject) -> None:
    stream = b"".join(encode(each) for each in data.draw(st.lists(_pdus, max_size=8)))
    if data.draw(st.booleans()) and stream:
        at = data.draw(st.integers(0, len(stream) - 1))
        stream = stream[:at] + bytes((data.draw(st.integers(0, 255)),)) + stream[at + 1 :]
    sides: list[tuple[list[object], bytes, int, int]] = []
    for config in (SessionConfig(inbound_window=4), SessionConfig(inbound_window=4, in_bulk=True)):
        pair = Pair(config if role == "esme" else None, config if role == "mc" else None)
        pair.bind()
        session: Session = pair.mc if role == "mc" else pair.esme
        message = DeliverSm() if role == "mc" else SubmitSm()
        assert type(message) is BODY_OF[message.COMMAND_ID]
        for number in range(3):
            session.send_request(message, pair.now, context=f"m{number}")
        session.data_to_send()
        events = session.receive_data(stream, pair.now)
        sides.append((_told(events), session.data_to_send(), session.unanswered, session.unacknowledged))
    assert sides[0] == sides[1]
