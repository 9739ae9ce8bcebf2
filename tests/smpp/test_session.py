"""The session state machine, two of them joined in memory (SMPP 3.4 clauses unless 5.0 is said)."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smpp.codec import Framer, decode, encode
from smpp.config import SessionConfig
from smpp.constants import CommandId, CommandStatus, Tag
from smpp.events import (
    BadPduReceived,
    BindRefused,
    BindRequested,
    Bound,
    ConnectionMustClose,
    OutbindReceived,
    RequestReceived,
    RequestTimedOut,
    ResponseMalformed,
    ResponseReceived,
    Unbound,
)
from smpp.pdu import (
    AlertNotification,
    BindReceiver,
    BindResp,
    BindTransceiver,
    BindTransmitter,
    Body,
    CancelSm,
    DataSm,
    DataSmResp,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Outbind,
    Pdu,
    QuerySm,
    SubmitSm,
    SubmitSmResp,
    Unbind,
    UnbindResp,
    tlv,
)
from smpp.session import BIND_ATTEMPTS_MAX, LocalProtocolError, Session, WindowFull
from smpp.states import SessionState
from tests.smpp import strategies
from tests.smpp.pair import Pair, only

MESSAGE = SubmitSm(destination_addr=b"888112345678901234", short_message=b"hi")


def pdus(data: bytes) -> list[Pdu]:
    return [decode(frame) for frame in Framer().feed(data)]


def bound(**config: float) -> Pair:
    settings_ = SessionConfig(**config)  # type: ignore[arg-type]
    pair = Pair(settings_, settings_)
    pair.bind()
    return pair


class TestBinding:
    @pytest.mark.parametrize(
        ("bind", "state"),
        [
            (BindTransmitter(b"a", b"b"), SessionState.BOUND_TX),
            (BindReceiver(b"a", b"b"), SessionState.BOUND_RX),
            (BindTransceiver(b"a", b"b"), SessionState.BOUND_TRX),
        ],
    )
    def test_2_2_each_bind_leads_to_its_state(self, bind: BindTransmitter, state: SessionState) -> None:
        pair = Pair()
        pair.bind(bind)
        assert (pair.esme.state, pair.mc.state) == (state, state)

    def test_both_ends_are_told(self) -> None:
        pair = Pair()
        pair.esme.send_request(BindTransceiver(b"ent-a", b"secret08"), pair.now)
        pair.settle()
        asked = only(pair.mc_events, BindRequested).pdu.body
        assert isinstance(asked, BindTransceiver)
        assert asked.password == b"secret08"
        pair.mc.accept_bind(b"gateway")
        pair.settle()
        assert only(pair.mc_events, Bound).state is SessionState.BOUND_TRX
        answer = only(pair.esme_events, Bound).pdu.body
        assert isinstance(answer, BindResp)
        assert answer.system_id == b"gateway"

    def test_4_1_2_the_version_is_told_to_a_3_4_esme_only(self) -> None:
        for version, expected in ((0x34, b"\x50"), (0x50, b"\x50"), (0x33, None)):
            pair = Pair()
            pair.esme.send_request(BindTransceiver(b"a", b"b", interface_version=version), pair.now)
            pair.settle()
            pair.mc.accept_bind(b"gateway")
            (answer,) = pdus(pair.mc.data_to_send())
            assert tlv(answer.body, Tag.SC_INTERFACE_VERSION) == expected
            assert pair.mc.version == version

    def test_a_refused_bind_has_no_body_and_ends_the_esme(self) -> None:
        pair = Pair()
        pair.esme.send_request(BindTransceiver(b"a", b"b"), pair.now)
        pair.settle()
        pair.mc.refuse_bind(CommandStatus.ESME_RBINDFAIL)
        pair.settle()
        assert len(pair.to_esme) == 16
        assert only(pair.esme_events, BindRefused).status == CommandStatus.ESME_RBINDFAIL
        assert isinstance(pair.esme_events[-1], ConnectionMustClose)
        assert pair.mc.state is SessionState.OPEN

    def test_guessing_costs_a_connection(self) -> None:
        mc = Session("mc", SessionConfig(), 0.0)
        for number in range(1, BIND_ATTEMPTS_MAX + 1):
            assert mc.state is SessionState.OPEN
            mc.receive_data(encode(Pdu(BindTransceiver(b"a", b"guess"), number)), 0.0)
            mc.refuse_bind(CommandStatus.ESME_RBINDFAIL)
        assert mc.is_closed
        assert len(pdus(mc.data_to_send())) == BIND_ATTEMPTS_MAX
        assert isinstance(mc.handle_timer(0.0)[-1], ConnectionMustClose)

    def test_5_1_3_a_second_bind_is_already_bound(self) -> None:
        pair = bound()
        pair.send_raw_to_mc(encode(Pdu(BindTransceiver(b"a", b"b"), 77)))
        (answer,) = pdus(pair.to_esme)
        assert (answer.command_status, answer.sequence_number) == (CommandStatus.ESME_RALYBND, 77)
        assert pair.mc.is_bound

    def test_a_bind_while_one_is_being_answered_is_refused(self) -> None:
        mc = Session("mc", SessionConfig(), 0.0)
        mc.receive_data(encode(Pdu(BindTransceiver(b"a", b"b"), 1)), 0.0)
        mc.receive_data(encode(Pdu(BindTransceiver(b"a", b"b"), 2)), 0.0)
        (answer,) = pdus(mc.data_to_send())
        assert (answer.sequence_number, answer.command_status) == (2, CommandStatus.ESME_RALYBND)

    def test_2_2_1_outbind(self) -> None:
        pair = Pair()
        pair.mc.send_request(Outbind(b"smsc", b"pw"), pair.now)
        pair.settle()
        only(pair.esme_events, OutbindReceived)
        assert (pair.esme.state, pair.mc.state) == (SessionState.OUTBOUND, SessionState.OUTBOUND)
        pair.bind(BindReceiver(b"ent-a", b"b"))
        assert pair.mc.state is SessionState.BOUND_RX

    def test_7_2_no_bind_in_time(self) -> None:
        pair = Pair()
        assert pair.mc.next_timer() == pair.now + 10
        pair.advance(10)
        assert only(pair.mc_events, ConnectionMustClose).reason == "no bind in time"
        assert pair.mc.next_timer() is None

    def test_a_bind_without_answer_ends_the_esme(self) -> None:
        pair = Pair(SessionConfig(session_init_s=60))
        pair.esme.send_request(BindTransceiver(b"a", b"b"), pair.now)
        pair.advance(10, cut=True)
        assert "bind_transceiver" in only(pair.esme_events, ConnectionMustClose).reason


STATES = {
    "open": None,
    "tx": BindTransmitter(b"a", b"b"),
    "rx": BindReceiver(b"a", b"b"),
    "trx": BindTransceiver(b"a", b"b"),
}
TABLE_2_1: list[tuple[Body, str, str]] = [
    # what, sent by, allowed in
    (SubmitSm(), "esme", "tx trx"),
    (DataSm(), "esme", "tx trx"),
    (QuerySm(), "esme", "tx trx"),
    (CancelSm(), "esme", "tx trx"),
    (DeliverSm(), "esme", ""),
    (DeliverSm(), "mc", "rx trx"),
    (DataSm(), "mc", "rx trx"),
    (AlertNotification(), "mc", "rx trx"),
    (SubmitSm(), "mc", ""),
]


@pytest.mark.parametrize(("body", "sender", "allowed"), TABLE_2_1, ids=lambda value: str(value)[:14])
@pytest.mark.parametrize("state", STATES)
def test_table_2_1(body: Body, sender: str, allowed: str, state: str) -> None:
    pair = Pair()
    bind = STATES[state]
    if bind is not None:
        pair.bind(bind)
    frame = encode(Pdu(body, 5))
    ours = pair.esme if sender == "esme" else pair.mc
    theirs_events = pair.mc_events if sender == "esme" else pair.esme_events
    if state in allowed.split():
        ours.send_request(body, pair.now)
        pair.settle()
        assert only(theirs_events, RequestReceived).pdu.body == body
        return
    with pytest.raises(LocalProtocolError):
        ours.send_request(body, pair.now)
    (pair.send_raw_to_mc if sender == "esme" else pair.send_raw_to_esme)(frame)
    assert only(theirs_events, BadPduReceived).status == CommandStatus.ESME_RINVBNDSTS
    answered = pdus(pair.to_esme if sender == "esme" else pair.to_mc)
    if body.COMMAND_ID != CommandId.ALERT_NOTIFICATION:
        assert [(pdu.command_status, pdu.sequence_number) for pdu in answered] == [(4, 5)]
    else:
        assert [(type(pdu.body), pdu.command_status) for pdu in answered] == [(GenericNack, 4)]


class TestRequests:
    def test_a_request_is_answered_with_its_context(self) -> None:
        pair = bound()
        number = pair.esme.send_request(MESSAGE, pair.now, context="task 7")
        pair.settle()
        request = only(pair.mc_events, RequestReceived)
        assert request.pdu == Pdu(MESSAGE, number)
        assert request.frame == encode(request.pdu)
        assert pair.mc.unanswered == 1
        pair.mc.send_response(number, SubmitSmResp(b"id-1"))
        pair.settle()
        response = only(pair.esme_events, ResponseReceived)
        assert response.pdu.body == SubmitSmResp(b"id-1")
        assert response.request.context == "task 7"
        assert (pair.mc.unanswered, pair.esme.unacknowledged) == (0, 0)

    def test_responses_may_come_in_any_order(self) -> None:
        pair = bound()
        numbers = [pair.esme.send_request(MESSAGE, pair.now, context=n) for n in range(5)]
        pair.settle()
        for number in reversed(numbers):
            pair.mc.send_response(number, SubmitSmResp(b"%d" % number))
        pair.settle()
        got = [event.request.context for event in pair.esme_events if isinstance(event, ResponseReceived)]
        assert got == [4, 3, 2, 1, 0]

    def test_an_encoded_request_gets_our_sequence_number(self) -> None:
        pair = bound()
        number = pair.esme.send_frame(encode(Pdu(MESSAGE, 999_999)), pair.now)
        pair.settle()
        assert only(pair.mc_events, RequestReceived).pdu == Pdu(MESSAGE, number)

    def test_3_2_sequence_numbers_go_round(self) -> None:
        pair = bound()
        pair.esme._outgoing._next = 0x7FFF_FFFF
        assert pair.esme.send_request(MESSAGE, pair.now) == 0x7FFF_FFFF
        assert pair.esme.send_request(MESSAGE, pair.now) == 1

    def test_the_outbound_window(self) -> None:
        pair = bound(outbound_window=2)
        numbers = [pair.esme.send_request(MESSAGE, pair.now) for _ in range(2)]
        assert pair.esme.window_free == 0
        with pytest.raises(WindowFull):
            pair.esme.send_request(MESSAGE, pair.now)
        pair.settle()
        pair.mc.send_response(numbers[0], SubmitSmResp())
        pair.settle()
        assert pair.esme.window_free == 1

    def test_over_the_inbound_window_is_throttled(self) -> None:
        esme, mc = SessionConfig(outbound_window=5), SessionConfig(inbound_window=2)
        pair = Pair(esme, mc)
        pair.bind()
        for _ in range(3):
            pair.esme.send_request(MESSAGE, pair.now)
        pair.settle()
        assert sum(isinstance(event, RequestReceived) for event in pair.mc_events) == 2
        throttled = only(pair.esme_events, ResponseReceived).pdu
        assert (throttled.sequence_number, throttled.command_status) == (4, CommandStatus.ESME_RTHROTTLED)

    def test_no_response_in_time_loses_the_request_not_the_session(self) -> None:
        pair = bound(response_s=3)
        pair.esme.send_request(MESSAGE, pair.now, context="early")
        pair.settle()
        pair.advance(1)
        pair.esme.send_request(MESSAGE, pair.now, context="late")
        assert pair.esme.next_timer() == pair.now + 2
        pair.advance(2)
        assert only(pair.esme_events, RequestTimedOut).request.context == "early"
        assert pair.esme.is_bound
        assert pair.esme.unacknowledged == 1

    def test_a_late_response_is_let_pass(self) -> None:
        pair = bound(response_s=3)
        number = pair.esme.send_request(MESSAGE, pair.now)
        pair.settle()
        pair.advance(3)
        pair.forget()
        pair.mc.send_response(number, SubmitSmResp(b"late"))
        pair.settle()
        assert pair.esme_events == []
        assert pair.esme.is_bound

    def test_4_3_generic_nack_answers_the_request_it_numbers(self) -> None:
        pair = bound()
        number = pair.esme.send_request(MESSAGE, pair.now)
        pair.settle()
        pair.send_raw_to_esme(encode(Pdu(GenericNack(), number, CommandStatus.ESME_RINVCMDID)))
        assert only(pair.esme_events, ResponseReceived).pdu.command_status == CommandStatus.ESME_RINVCMDID

    def test_a_response_that_cannot_be_read_is_told(self) -> None:
        pair = bound()
        numbers = [pair.esme.send_request(MESSAGE, pair.now, context=name) for name in ("a", "b")]
        pair.send_raw_to_esme(struct.pack(">IIII", 20, 0x8000_0004, 0, numbers[0]) + b"noNU")
        pair.send_raw_to_esme(encode(Pdu(DataSmResp(b"x"), numbers[1])))
        told = [e.request.context for e in pair.esme_events if isinstance(e, ResponseMalformed)]
        assert told == ["a", "b"]
        assert pair.esme.unacknowledged == 0

    def test_only_an_open_request_can_be_answered(self) -> None:
        pair = bound()
        with pytest.raises(LocalProtocolError):
            pair.mc.send_response(5, SubmitSmResp())

    def test_requests_with_one_number_are_each_answered(self) -> None:
        pair = bound()
        pair.send_raw_to_mc(encode(Pdu(MESSAGE, 1)) * 2)
        assert pair.mc.unanswered == 2
        for _ in range(2):
            pair.mc.send_response(1, SubmitSmResp())
        assert pair.mc.unanswered == 0

    def test_4_12_alert_notification_wants_no_answer(self) -> None:
        pair = bound()
        pair.mc.send_request(AlertNotification(source_addr=b"1"), pair.now)
        pair.settle()
        only(pair.esme_events, RequestReceived)
        assert (pair.esme.unanswered, pair.mc.unacknowledged) == (0, 0)

    def test_draining_asks_the_peer_to_come_back(self) -> None:
        pair = bound()
        pair.mc.drain()
        pair.esme.drain()
        pair.esme.send_request(MESSAGE, pair.now)
        pair.mc.send_request(DeliverSm(), pair.now)
        pair.settle()
        assert only(pair.esme_events, ResponseReceived).pdu.command_status == CommandStatus.ESME_RTHROTTLED
        assert only(pair.mc_events, ResponseReceived).pdu.command_status == CommandStatus.ESME_RX_T_APPN


class TestBadPdus:
    def test_a_bad_request_is_answered_and_the_session_goes_on(self) -> None:
        pair = bound()
        bad = struct.pack(">IIII", 22, 4, 0, 50) + b"TOOLON"
        pair.send_raw_to_mc(bad + encode(Pdu(MESSAGE, 51)))
        (answer,) = pdus(pair.to_esme)
        assert (answer.command_id, answer.sequence_number) == (CommandId.SUBMIT_SM_RESP, 50)
        assert answer.command_status == CommandStatus.ESME_RINVSERTYP
        assert only(pair.mc_events, RequestReceived).pdu.sequence_number == 51

    def test_4_3_an_unknown_command_is_nacked(self) -> None:
        pair = bound()
        pair.send_raw_to_mc(struct.pack(">IIII", 16, 0x0666, 0, 50))
        (answer,) = pdus(pair.to_esme)
        assert isinstance(answer.body, GenericNack)
        assert (answer.command_status, answer.sequence_number) == (CommandStatus.ESME_RINVCMDID, 50)

    def test_a_bad_response_is_never_answered(self) -> None:
        pair = bound()
        pair.send_raw_to_mc(struct.pack(">IIII", 18, 0x8000_0005, 0, 50) + b"xx")
        pair.send_raw_to_mc(struct.pack(">IIII", 16, 0x8000_0666, 0, 50))
        assert pair.to_esme == b""

    def test_4_3_a_stream_out_of_step_is_nacked_and_closed(self) -> None:
        pair = bound()
        pair.send_raw_to_mc(encode(Pdu(MESSAGE, 9)) + b"\0\0\0\4" + b"rest")
        only(pair.mc_events, RequestReceived)
        (answer,) = pdus(pair.to_esme)
        assert isinstance(answer.body, GenericNack)
        assert (answer.command_status, answer.sequence_number) == (CommandStatus.ESME_RINVCMDLEN, 0)
        assert isinstance(pair.mc_events[-1], ConnectionMustClose)

    @given(st.lists(st.binary(max_size=80) | strategies.pdu().map(encode), max_size=8))
    @settings(max_examples=150, deadline=None)
    def test_whatever_comes_nothing_crashes(self, reads: list[bytes]) -> None:
        pair = bound()
        for read in reads:
            pair.mc.receive_data(read, pair.now)
            pair.esme.receive_data(read, pair.now)
        for _ in range(5):
            pair.now += 20
            pair.mc.handle_timer(pair.now)
            pair.esme.handle_timer(pair.now)
        pdus(pair.mc.data_to_send())


class TestLink:
    def test_7_2_silence_is_asked_about(self) -> None:
        pair = bound(enquire_link_s=30)
        assert pair.esme.next_timer() == pair.now + 30
        pair.advance(30)
        assert [pdu.body for pdu in pdus(pair.to_mc)] == [EnquireLink(), EnquireLinkResp()]
        assert pair.esme_events == pair.mc_events == []
        assert pair.esme.window_free == pair.esme.config.outbound_window

    def test_a_peer_that_does_not_answer_is_gone(self) -> None:
        pair = bound(enquire_link_s=30, response_s=5)
        pair.esme.send_request(MESSAGE, pair.now + 29, context="lost")
        pair.advance(30, cut=True)
        pair.advance(3, cut=True)
        assert pair.esme_events == []
        pair.advance(2, cut=True)
        assert only(pair.esme_events, RequestTimedOut).request.context == "lost"
        assert "enquire_link" in only(pair.esme_events, ConnectionMustClose).reason

    def test_a_peer_that_talks_lives_without_answering_it(self) -> None:
        pair = bound(enquire_link_s=30, response_s=5)
        pair.now += 30
        pair.esme.handle_timer(pair.now)
        pair.esme.data_to_send()
        pair.now += 1
        pair.mc.send_request(DeliverSm(), pair.now)
        pair.settle()
        pair.advance(4)
        assert pair.esme.is_bound

    def test_5_0_enquire_link_is_answered_before_the_bind(self) -> None:
        pair = Pair()
        pair.send_raw_to_mc(encode(Pdu(EnquireLink(), 1)))
        assert [pdu.body for pdu in pdus(pair.to_esme)] == [EnquireLinkResp()]

    def test_7_2_inactivity_unbinds(self) -> None:
        pair = bound(inactivity_s=100, enquire_link_s=30)
        for _ in range(4):
            pair.advance(25)
        assert only(pair.mc_events, Unbound)
        assert (pair.esme.state, pair.mc.state) == (SessionState.CLOSED, SessionState.CLOSED)

    def test_other_timers_and_windows_hold_from_the_bind_on(self) -> None:
        pair = Pair()
        pair.mc.configure(replace(pair.mc.config, inbound_window=1, outbound_window=1, inactivity_s=7))
        pair.bind()
        for _ in range(2):
            pair.esme.send_request(MESSAGE, pair.now)
        pair.settle()
        assert [pdu.command_status for pdu in pdus(pair.to_esme)] == [CommandStatus.ESME_RTHROTTLED]
        assert pair.mc.window_free == 1
        assert pair.mc.next_timer() == pair.now + 7

    def test_other_timers_hold_for_what_is_open_too(self) -> None:
        pair = bound(response_s=10, enquire_link_s=30)
        pair.mc.send_request(DeliverSm(), pair.now)
        assert pair.mc.next_timer() == pair.now + 10
        pair.mc.configure(replace(pair.mc.config, response_s=4, enquire_link_s=3))
        assert pair.mc.next_timer() == pair.now + 3
        pair.advance(4, cut=True)
        assert only(pair.mc_events, RequestTimedOut)


class TestEnd:
    def test_4_2_unbind(self) -> None:
        pair = bound()
        pair.esme.unbind(pair.now)
        with pytest.raises(LocalProtocolError):
            pair.esme.send_request(MESSAGE, pair.now)
        pair.settle()
        assert [pdu.body for pdu in pdus(pair.to_mc)] == [Unbind()]
        assert [pdu.body for pdu in pdus(pair.to_esme)] == [UnbindResp()]
        assert [type(event) for event in pair.esme_events] == [Unbound, ConnectionMustClose]
        assert [type(event) for event in pair.mc_events] == [Unbound, ConnectionMustClose]
        assert only(pair.mc_events, Unbound).by_peer

    def test_open_requests_are_answered_before_unbind_is(self) -> None:
        pair = bound()
        number = pair.esme.send_request(MESSAGE, pair.now)
        pair.esme.unbind(pair.now)
        pair.settle()
        assert pdus(pair.to_esme) == []
        pair.send_raw_to_mc(encode(Pdu(MESSAGE, 88)))
        (refused,) = pdus(pair.to_esme)
        assert refused.command_status == CommandStatus.ESME_RINVBNDSTS
        pair.mc.send_response(number, SubmitSmResp(b"id"))
        pair.settle()
        only(pair.esme_events, ResponseReceived)
        assert [type(pdu.body) for pdu in pdus(pair.to_esme)[1:]] == [SubmitSmResp, UnbindResp]
        assert pair.mc.is_closed

    def test_but_unbind_does_not_wait_for_ever(self) -> None:
        pair = bound(response_s=5)
        pair.esme.send_request(MESSAGE, pair.now)
        pair.esme.unbind(pair.now)
        pair.settle()
        pair.advance(4.9)
        assert not pair.mc.is_closed
        pair.advance(0.2)
        assert pair.mc.is_closed
        pair.mc.send_response(2, SubmitSmResp(b"too late"))  # the application need not know

    def test_an_unbind_without_answer(self) -> None:
        pair = bound(response_s=5)
        pair.esme.unbind(pair.now)
        pair.advance(5, cut=True)
        assert "unbind" in only(pair.esme_events, ConnectionMustClose).reason

    def test_what_is_lost_is_handed_over_once(self) -> None:
        pair = bound()
        for name in ("a", "b"):
            pair.esme.send_request(MESSAGE, pair.now, context=name)
        (last,) = pair.esme.receive_eof(pair.now)
        assert isinstance(last, ConnectionMustClose)
        assert [request.context for request in last.lost] == ["a", "b"]
        assert pair.esme.receive_eof(pair.now) == []
        assert pair.esme.terminate("again") == []
        assert pair.esme.receive_data(b"more", pair.now) == []

    def test_both_ends_unbind_at_once(self) -> None:
        pair = bound()
        pair.esme.unbind(pair.now)
        pair.mc.unbind(pair.now)
        pair.settle()
        assert pair.esme.is_closed
        assert pair.mc.is_closed

    def test_nothing_is_due_after_the_end(self) -> None:
        pair = bound()
        pair.esme.terminate("done")
        assert pair.esme.next_timer() is None
        assert pair.esme.handle_timer(pair.now + 1000) == []
        with pytest.raises(LocalProtocolError):
            pair.esme.send_request(MESSAGE, pair.now)


def test_deliver_and_its_response() -> None:
    pair = bound()
    number = pair.mc.send_request(DeliverSm(short_message=b"TD"), pair.now, context="row 1")
    pair.settle()
    pair.esme.send_response(number, DeliverSmResp())
    pair.settle()
    assert only(pair.mc_events, ResponseReceived).request.context == "row 1"


def test_500_messages_in_one_read_are_500_requests() -> None:
    pair = Pair()
    pair.bind()
    chunk = b"".join(encode(Pdu(MESSAGE, number)) for number in range(1, 501))
    events = pair.mc.receive_data(chunk, pair.now)
    assert [event.pdu.sequence_number for event in events if isinstance(event, RequestReceived)] == list(
        range(1, 501)
    )


@pytest.mark.parametrize(
    "wrong", [{"outbound_window": 0}, {"inbound_window": 10**9}, {"response_s": 0}, {"enquire_link_s": -1}]
)
def test_a_configuration_that_cannot_be(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        SessionConfig(**wrong)  # type: ignore[arg-type]
