"""The specification's own rules, each with its clause: SMPP 3.4 Issue 1.2, and 5.0 where it is said.

What the codec and the session do is held against `tests.smpp.specification`, not against the codec's own
tables.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import pytest

from smpp.codec import Framer, PduError, decode, encode, field_table
from smpp.constants import TLV_LENGTHS, CommandId, CommandStatus, MessageState, Npi, Tag, Ton
from smpp.events import (
    BadPduReceived,
    BindRefused,
    Bound,
    ConnectionMustClose,
    RequestReceived,
    RequestTimedOut,
    ResponseReceived,
    Unbound,
)
from smpp.fields import COctetString, CountedOctets, DestinationList, Integer, TlvStream, UnsuccessList
from smpp.pdu import (
    BODY_OF,
    AlertNotification,
    BindReceiver,
    BindTransceiver,
    BindTransmitter,
    Body,
    BroadcastSm,
    CancelBroadcastSm,
    DataSm,
    DeliverSm,
    EnquireLink,
    GenericNack,
    Outbind,
    Pdu,
    QueryBroadcastSm,
    SubmitSm,
    SubmitSmResp,
    Unbind,
)
from smpp.session import BIND_ATTEMPTS_MAX, SessionConfig
from smpp.states import SessionState
from tests.smpp.pair import Pair, only
from tests.smpp.specification import LAYOUTS, STATUS_OF_FIELD, STATUSES, TLVS

# ---- 4.1 to 4.12; 5.0, 4.1 to 4.6: the layout of every PDU


def written(layout: str) -> str:
    """The codec's own table of a body in the notation of LAYOUTS."""
    words = []
    for name, kind in field_table(BODY_OF[CommandId[layout.upper()]]):
        match kind:
            case Integer():
                words.append(name)
            case COctetString(most, _):
                words.append(f"{name}:{most}")
            case CountedOctets():
                words.append(f"{name}*")
            case DestinationList() | UnsuccessList():
                words.append(f"{name}+")
            case TlvStream():
                assert name == "tlvs"
    return " ".join(words)


def raw(layout: str, **put: bytes) -> bytes:
    """A body of that layout, every field as short as it may be; `put` gives a field's octets as they are."""
    out = b""
    for word in layout.split():
        name = word.rstrip("*+").split(":")[0]
        if name in put:
            out += put[name]
        elif word.endswith("+") and name == "dests":
            out += b"\x01\x01\0\0\0"
        else:
            out += b"\0"
    return out


def frame_of(command_id: int, body: bytes = b"", status: int = 0, sequence_number: int = 7) -> bytes:
    return struct.pack(">IIII", 16 + len(body), command_id, status, sequence_number) + body


def refusal(frame: bytes) -> str:
    with pytest.raises(PduError) as caught:
        decode(frame)
    return CommandStatus(caught.value.status).name


def ids(rows: list[tuple[str, int, str, str]]) -> Sequence[str]:
    return [f"{clause} {name}" for clause, _, name, _ in rows]


@pytest.mark.parametrize("row", LAYOUTS, ids=ids(LAYOUTS))
def test_the_layout_is_the_specifications(row: tuple[str, int, str, str]) -> None:
    _, command_id, name, layout = row
    assert CommandId[name.upper()] == command_id
    assert written(name) == layout
    if layout:
        shortest = frame_of(command_id, raw(layout))
        assert encode(decode(shortest)) == shortest


def test_there_is_no_other_pdu() -> None:
    assert set(BODY_OF) == {command_id for _, command_id, _, _ in LAYOUTS} == set(CommandId)


STRINGS = [
    pytest.param(command_id, layout, *word.split(":"), id=f"{clause} {name} {word}")
    for clause, command_id, name, layout in LAYOUTS
    for word in layout.split()
    if ":" in word
]


@pytest.mark.parametrize(("command_id", "layout", "name", "most"), STRINGS)
def test_3_1_a_c_octet_string_ends_in_time(command_id: int, layout: str, name: str, most: str) -> None:
    longest = int(most) - 1
    taken = decode(frame_of(command_id, raw(layout, **{name: b"x" * longest + b"\0"}))).body
    assert getattr(taken, name) == b"x" * longest
    too_long = frame_of(command_id, raw(layout, **{name: b"x" * (longest + 1) + b"\0"}) + b"\0" * 80)
    assert refusal(too_long) == CommandStatus[STATUS_OF_FIELD[name]].name
    before = raw(layout.split(f"{name}:")[0])
    assert refusal(frame_of(command_id, before + b"x")) == "ESME_RINVCMDLEN"


@pytest.mark.parametrize("row", [row for row in LAYOUTS if row[3]], ids=ids([r for r in LAYOUTS if r[3]]))
def test_3_2_a_body_that_ends_early_has_a_wrong_command_length(row: tuple[str, int, str, str]) -> None:
    _, command_id, _, layout = row
    whole = raw(layout)
    for end in range(1 if command_id & 0x8000_0000 else 0, len(whole)):
        assert refusal(frame_of(command_id, whole[:end])) in ("ESME_RINVCMDLEN", "ESME_RINVNUMDESTS")


# ---- 5.3.2; 5.0, 4.8.4: every TLV

DATA_SM = {name: layout for _, _, name, layout in LAYOUTS}["data_sm"]


def with_tlv(tag: int, octets: int, command_id: int = 0x103, body: bytes = raw(DATA_SM)) -> bytes:
    return frame_of(command_id, body + struct.pack(">HH", tag, octets) + b"\1" * octets)


@pytest.mark.parametrize("row", TLVS, ids=[f"{row[0]} 5.0 {row[1]} {row[2]}" for row in TLVS])
def test_a_tlv_has_its_tag_and_its_length(row: tuple[str, str, str, int, int, int]) -> None:
    _, _, name, tag, least, most = row
    assert Tag[name.upper()] == tag
    for octets in {least, most}:
        body = decode(with_tlv(tag, octets)).body
        assert body.tlvs == [(tag, b"\1" * octets)]
    for octets in {least - 1, most + 1} - {-1, 65536}:
        assert refusal(with_tlv(tag, octets)) == "ESME_RINVTLVLEN"
        # In a response nobody could be told: it is kept for the reader.
        assert decode(with_tlv(tag, octets, 0x8000_0103, b"id\0")).body.tlvs == [(tag, b"\1" * octets)]


def test_there_is_no_other_tlv() -> None:
    assert {row[3] for row in TLVS} == set(Tag) == set(TLV_LENGTHS)


@pytest.mark.parametrize("tag", [0x0000, 0x0100, 0x0429, 0x1400, 0x3FFF, 0x4000, 0xFFFF])
def test_3_3_an_unknown_tlv_is_kept_whatever_its_length(tag: int) -> None:
    for octets in (0, 1, 300):
        frame = with_tlv(tag, octets)
        assert encode(decode(frame)) == frame


# ---- 5.1.3; 5.0, 4.7.6: statuses, and other numbers


def test_5_1_3_statuses() -> None:
    words = STATUSES.split()
    stated = {f"ESME_{name}": int(number, 16) for number, name in zip(words[::2], words[1::2], strict=True)}
    assert {name: int(status) for name, status in CommandStatus.__members__.items()} == stated


def test_5_2_5_and_5_2_6_types_and_plans() -> None:
    assert [int(ton) for ton in Ton] == [0, 1, 2, 3, 4, 5, 6]
    assert [int(npi) for npi in Npi] == [0, 1, 3, 4, 6, 8, 9, 10, 14, 18]


def test_5_2_28_message_states() -> None:
    stated = "SCHEDULED ENROUTE DELIVERED EXPIRED DELETED UNDELIVERABLE ACCEPTED UNKNOWN REJECTED SKIPPED"
    assert [state.name for state in MessageState] == stated.split()
    assert [int(state) for state in MessageState] == list(range(10))


# ---- 3.2: the header and the stream


def test_3_2_the_header_is_four_integers_in_network_order() -> None:
    frame = encode(Pdu(EnquireLink(), 0x01020304, 0x0A0B0C0D))
    assert frame == bytes.fromhex("00000010 00000015 0A0B0C0D 01020304")


@pytest.mark.parametrize("length", [0, 15, 70_001, 0xFFFF_FFFF])
def test_3_2_a_command_length_that_cannot_be_is_fatal(length: int) -> None:
    pair = bound()
    pair.send_raw_to_mc(struct.pack(">IIII", length, 4, 0, 9))
    (answer,) = answers(pair.to_esme)
    assert isinstance(answer.body, GenericNack)
    assert answer.command_status == CommandStatus.ESME_RINVCMDLEN
    assert "out of step" in only(pair.mc_events, ConnectionMustClose).reason


# ---- the session


def bound(bind: Body | None = None, **config: float) -> Pair:
    settings = SessionConfig(**config)  # type: ignore[arg-type]
    pair = Pair(settings, settings)
    pair.bind(bind or BindTransceiver(b"ent-a", b"secret08"))  # type: ignore[arg-type]
    return pair


def answers(data: bytes) -> list[Pdu]:
    return [decode(frame) for frame in Framer().feed(data)]


def said(data: bytes) -> list[tuple[int, int, int]]:
    """(command_id, status, sequence_number) of each PDU."""
    return [(int(pdu.command_id), pdu.command_status, pdu.sequence_number) for pdu in answers(data)]


def rule_2_2_1_a_bind_makes_the_state() -> None:
    kinds: list[tuple[Body, SessionState]] = [
        (BindTransmitter(b"a"), SessionState.BOUND_TX),
        (BindReceiver(b"a"), SessionState.BOUND_RX),
        (BindTransceiver(b"a"), SessionState.BOUND_TRX),
    ]
    for bind, state in kinds:
        pair = bound(bind)
        assert (pair.esme.state, pair.mc.state) == (state, state)


def rule_2_2_1_outbind_leads_to_a_bind() -> None:
    pair = Pair()
    pair.mc.send_request(Outbind(b"mc", b"pw"), pair.now)
    pair.settle()
    assert (pair.esme.state, pair.mc.state) == (SessionState.OUTBOUND, SessionState.OUTBOUND)
    pair.bind(BindReceiver(b"a"))
    assert pair.mc.state is SessionState.BOUND_RX


def rule_2_3_out_of_state_is_rinvbndsts() -> None:
    pair = Pair()
    pair.send_raw_to_mc(encode(Pdu(SubmitSm(), 5)))
    assert said(pair.to_esme) == [(0x8000_0004, 4, 5)]
    pair = bound(BindReceiver(b"a"))
    pair.send_raw_to_mc(encode(Pdu(SubmitSm(), 6)))
    assert said(pair.to_esme) == [(0x8000_0004, 4, 6)]
    assert pair.mc.is_bound


def rule_4_1_a_second_bind_is_ralybnd() -> None:
    pair = bound()
    pair.send_raw_to_mc(encode(Pdu(BindTransceiver(b"a"), 9)))
    assert said(pair.to_esme) == [(0x8000_0009, 5, 9)]


def rule_4_1_a_refused_bind_ends_at_the_esme() -> None:
    pair = Pair()
    pair.esme.send_request(BindTransceiver(b"a", b"wrong"), pair.now)
    pair.settle()
    pair.mc.refuse_bind(CommandStatus.ESME_RINVPASWD)
    pair.settle()
    assert only(pair.esme_events, BindRefused).status == CommandStatus.ESME_RINVPASWD
    assert pair.esme.is_closed


def rule_4_1_guessing_ends() -> None:
    pair = Pair()
    for number in range(1, BIND_ATTEMPTS_MAX + 1):
        assert not pair.mc.is_closed
        pair.send_raw_to_mc(encode(Pdu(BindTransceiver(b"a", b"guess"), number)))
        pair.mc.refuse_bind(CommandStatus.ESME_RINVPASWD)
        pair.settle()
    assert pair.mc.is_closed


def rule_4_1_2_the_centre_tells_its_version() -> None:
    for asked, told in ((0x34, b"\x50"), (0x50, b"\x50")):
        pair = Pair()
        pair.esme.send_request(BindTransceiver(b"a", interface_version=asked), pair.now)
        pair.settle()
        pair.mc.accept_bind(b"mc")
        pair.settle()
        assert only(pair.esme_events, Bound).pdu.body.tlvs == [(Tag.SC_INTERFACE_VERSION, told)]
        assert (pair.mc.version, pair.esme.version) == (asked, asked)


def rule_3_4_an_esme_of_3_3_is_sent_no_tlvs() -> None:
    pair = bound(BindTransceiver(b"a", interface_version=0x33))
    pair.mc.congestion_state = 90
    pair.mc.send_request(DeliverSm(short_message=b"x", tlvs=[(Tag.MESSAGE_STATE, b"\2")]), pair.now)
    frame = encode(Pdu(DeliverSm(short_message=b"y", tlvs=[(Tag.MESSAGE_STATE, b"\2")])))
    pair.mc.send_frame(frame, pair.now)
    pair.settle()
    pair.esme.send_request(SubmitSm(), pair.now)
    pair.settle()
    pair.mc.send_response(only(pair.mc_events, RequestReceived).pdu.sequence_number, SubmitSmResp(b"1"))
    pair.settle()
    assert [pdu.body.tlvs for pdu in answers(pair.to_esme)] == [[], [], []]
    with pytest.raises(ValueError, match="message_payload"):
        pair.mc.send_request(DeliverSm(tlvs=[(Tag.MESSAGE_PAYLOAD, b"x")]), pair.now)


def rule_3_4_a_centre_that_tells_no_version() -> None:
    for silent in (0x33, 0x34):
        pair = Pair(SessionConfig(silent_version=silent))
        pair.esme.send_request(BindTransceiver(b"a", interface_version=0x50), pair.now)
        pair.esme.data_to_send()
        pair.send_raw_to_esme(frame_of(0x8000_0009, b"mc\0", sequence_number=1))
        assert pair.esme.version == silent


def rule_4_2_unbind_is_answered_and_ends() -> None:
    pair = bound()
    pair.esme.send_request(Unbind(), pair.now)
    pair.settle()
    assert only(pair.mc_events, Unbound).by_peer
    assert pair.esme.is_closed
    assert pair.mc.is_closed


def rule_4_2_unbind_waits_for_what_is_open() -> None:
    pair = bound()
    pair.esme.send_request(SubmitSm(), pair.now, "m")
    pair.esme.send_request(Unbind(), pair.now)
    pair.settle()
    pair.mc.send_response(only(pair.mc_events, RequestReceived).pdu.sequence_number, SubmitSmResp(b"1"))
    pair.settle()
    assert only(pair.esme_events, ResponseReceived).request.context == "m"
    assert only(pair.esme_events, ConnectionMustClose).lost == []


def rule_4_3_an_unknown_command_is_nacked() -> None:
    pair = bound()
    pair.send_raw_to_mc(frame_of(0x0000_0666))
    assert said(pair.to_esme) == [(0x8000_0000, 3, 7)]
    assert pair.mc.is_bound


def rule_4_3_what_has_no_response_is_nacked() -> None:
    pair = bound(BindTransmitter(b"a"))
    pair.send_raw_to_esme(encode(Pdu(AlertNotification(), 8)))
    assert said(pair.to_mc) == [(0x8000_0000, 4, 8)]


def rule_4_3_a_nack_answers_our_request() -> None:
    pair = bound()
    number = pair.esme.send_request(SubmitSm(), pair.now, "m")
    pair.settle()
    pair.send_raw_to_esme(encode(Pdu(GenericNack(), number, CommandStatus.ESME_RINVCMDID)))
    answer = only(pair.esme_events, ResponseReceived)
    assert (type(answer.pdu.body), answer.request.context) == (GenericNack, "m")


def rule_4_4_2_a_bad_request_is_refused_and_the_session_goes_on() -> None:
    pair = bound()
    pair.send_raw_to_mc(frame_of(4, b"\0\0\0" + b"1" * 30 + b"\0" * 20, sequence_number=11))
    pair.send_raw_to_mc(encode(Pdu(SubmitSm(), 12)))
    assert said(pair.to_esme) == [(0x8000_0004, CommandStatus.ESME_RINVSRCADR, 11)]
    assert only(pair.mc_events, RequestReceived).pdu.sequence_number == 12


def rule_5_0_2_4_enquire_link_is_answered_in_every_state() -> None:
    for pair in (Pair(), bound()):
        pair.send_raw_to_mc(encode(Pdu(EnquireLink(), 3)))
        pair.send_raw_to_esme(encode(Pdu(EnquireLink(), 4)))
        assert said(pair.to_esme) == [(0x8000_0015, 0, 3)]
        assert said(pair.to_mc) == [(0x8000_0015, 0, 4)]


def rule_5_0_2_6_1_a_response_to_nothing_is_dropped() -> None:
    pair = bound()
    pair.send_raw_to_mc(encode(Pdu(SubmitSmResp(b"1"), 99)))
    pair.send_raw_to_esme(encode(Pdu(SubmitSmResp(b"1"), 99)))
    assert (pair.to_esme, pair.to_mc) == (b"", b"")
    assert (pair.esme.unexpected_responses, pair.mc.unexpected_responses) == (1, 1)
    assert pair.esme.is_bound


def rule_5_0_2_6_4_responses_may_come_in_any_order() -> None:
    pair = bound()
    numbers = [pair.esme.send_request(SubmitSm(), pair.now, name) for name in "abc"]
    pair.settle()
    for number in reversed(numbers):
        pair.mc.send_response(number, SubmitSmResp(b"%d" % number))
    pair.settle()
    got = [event for event in pair.esme_events if isinstance(event, ResponseReceived)]
    assert [event.request.context for event in got] == ["c", "b", "a"]


def rule_5_0_2_6_4_the_window_holds_in_both_directions() -> None:
    pair = bound(inbound_window=2, outbound_window=3)
    for _ in range(3):
        pair.esme.send_request(SubmitSm(), pair.now)
    assert pair.esme.window_free == 0
    pair.settle()
    assert pair.mc.unanswered == 2
    assert said(pair.to_esme) == [(0x8000_0004, CommandStatus.ESME_RTHROTTLED, 4)]


def rule_3_2_sequence_numbers_go_round_and_skip_what_waits() -> None:
    pair = bound(outbound_window=10)
    first = pair.esme.send_request(SubmitSm(), pair.now)
    pair.esme._outgoing._next = 0x7FFF_FFFF
    numbers = [pair.esme.send_request(SubmitSm(), pair.now) for _ in range(3)]
    assert first == 2
    assert numbers == [0x7FFF_FFFF, 1, 3]


def rule_7_2_session_init_timer() -> None:
    pair = Pair(mc=SessionConfig(session_init_s=5))
    pair.advance(5)
    assert only(pair.mc_events, ConnectionMustClose).reason == "no bind in time"


def rule_7_2_enquire_link_timer() -> None:
    pair = bound(enquire_link_s=30)
    pair.advance(30)
    assert (0x15, 0, 1) in [(command_id, status, 1) for command_id, status, _ in said(pair.to_mc)]
    pair.advance(29)
    assert pair.esme.is_bound


def rule_7_2_a_peer_that_is_silent_is_given_up() -> None:
    pair = bound(enquire_link_s=30, response_s=10)
    pair.advance(30, cut=True)
    pair.advance(10, cut=True)
    assert only(pair.esme_events, ConnectionMustClose).reason == "no response to enquire_link"


def rule_7_2_inactivity_timer() -> None:
    pair = bound(inactivity_s=60, enquire_link_s=0)
    pair.advance(60)
    assert only(pair.esme_events, Unbound)


def rule_7_2_response_timer() -> None:
    pair = bound(response_s=10)
    pair.esme.send_request(SubmitSm(), pair.now, "m")
    pair.esme.data_to_send()
    pair.advance(10)
    assert only(pair.esme_events, RequestTimedOut).request.context == "m"
    assert pair.esme.window_free == 100


def rule_5_0_4_4_cell_broadcast_is_not_provided() -> None:
    pair = bound()
    bodies: list[Body] = [BroadcastSm(), QueryBroadcastSm(), CancelBroadcastSm()]
    for body in bodies:
        pair.esme.send_request(body, pair.now)
    pair.settle()
    assert [status for _, status, _ in said(pair.to_esme)] == [CommandStatus.ESME_RINVCMDID] * 3
    assert len([event for event in pair.mc_events if isinstance(event, BadPduReceived)]) == 3
    provided = Pair(mc=SessionConfig(not_provided=frozenset()))
    provided.bind()
    provided.esme.send_request(BroadcastSm(), provided.now)
    provided.settle()
    assert isinstance(only(provided.mc_events, RequestReceived).pdu.body, BroadcastSm)


def rule_5_0_4_8_4_18_congestion_is_told_to_who_understands_it() -> None:
    for version, told in ((0x34, None), (0x50, 75)):
        pair = bound(BindTransceiver(b"a", interface_version=version))
        pair.mc.congestion_state = 75
        for quick in (False, True):
            number = pair.esme.send_request(SubmitSm(), pair.now)
            pair.settle()
            if quick:
                pair.mc.send_message_response(number, b"1")
            else:
                pair.mc.send_response(number, SubmitSmResp(b"1"))
            pair.settle()
            assert pair.esme.peer_congestion == told
            pair.esme.peer_congestion = None
    for wrong in (-1, 101):
        with pytest.raises(ValueError, match="congestion_state"):
            pair.mc.congestion_state = wrong


def rule_3_2_4_message_payload_carries_64_kilobytes() -> None:
    pair = bound()
    payload = bytes(range(256)) * 255
    pair.esme.send_request(DataSm(tlvs=[(Tag.MESSAGE_PAYLOAD, payload)]), pair.now)
    pair.settle()
    assert only(pair.mc_events, RequestReceived).pdu.body.tlvs == [(Tag.MESSAGE_PAYLOAD, payload)]


def rule_5_0_2_8_2_a_field_that_is_too_long_has_its_own_status() -> None:
    """Its own example: a schedule of 20 characters."""
    pair = bound()
    head = b"\0\0\0\0\0\0\0" + bytes(3)
    pair.send_raw_to_mc(frame_of(4, head + b"2" * 20 + b"\0" + bytes(6)))
    assert said(pair.to_esme) == [(0x8000_0004, CommandStatus.ESME_RINVSCHED, 7)]


def rule_5_0_2_8_2_an_operation_in_the_wrong_state_is_told_in_its_own_response() -> None:
    for bind in (None, BindReceiver(b"a")):
        pair = Pair() if bind is None else bound(bind)
        pair.send_raw_to_mc(encode(Pdu(SubmitSm(), 6)))
        assert said(pair.to_esme) == [(0x8000_0004, CommandStatus.ESME_RINVBNDSTS, 6)]


def rule_5_0_3_2_1_3_an_error_response_has_no_body() -> None:
    pair = bound()
    pair.send_raw_to_mc(encode(Pdu(SubmitSm(), 6)))
    pair.mc.reject(only(pair.mc_events, RequestReceived).pdu, CommandStatus.ESME_RSYSERR)
    pair.settle()
    assert pair.to_esme == frame_of(0x8000_0004, b"", 8, 6)


def rule_5_0_4_7_24_what_cannot_be_decoded_is_nacked_with_0() -> None:
    pair = bound()
    pair.send_raw_to_mc(struct.pack(">IIII", 3, 4, 0, 9))
    assert said(pair.to_esme) == [(0x8000_0000, CommandStatus.ESME_RINVCMDLEN, 0)]


def rule_5_0_4_7_6_a_tlv_stream_that_is_corrupt() -> None:
    for rest in (b"\4", b"\4\x24\0", b"\4\x24\0\x0aabcdef"):
        pair = bound()
        pair.send_raw_to_mc(frame_of(0x103, raw(DATA_SM) + rest))
        assert said(pair.to_esme) == [(0x8000_0103, CommandStatus.ESME_RINVTLVSTREAM, 7)]


RULES: list[Callable[[], None]] = [rule for name, rule in list(globals().items()) if name.startswith("rule_")]


@pytest.mark.parametrize("rule", RULES, ids=[rule.__name__[5:] for rule in RULES])
def test_rule(rule: Callable[[], None]) -> None:
    rule()
