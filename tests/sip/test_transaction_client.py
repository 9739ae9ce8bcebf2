"""Client transactions, transition by transition: RFC 3261 figures 5 and 6, RFC 6026 figure 1."""

from __future__ import annotations

import pytest

from sip.flow import Flow
from sip.message import Request, Response, make_response
from sip.timers import TimerValues
from sip.transaction import ClientFailed, ResponseArrived, StrayAnswer, TransactionLayer
from sip.transaction_client import ClientState, ClientTransaction
from sip.uri import SipUri
from tests.sip.wire import PEER, SDP, lines, only, response_of, run_until, sent

TCP = Flow("TCP", "192.0.2.1", 5060)


def layer_of() -> TransactionLayer:
    return TransactionLayer((Flow("UDP", "192.0.2.2", 5060),))


def start(layer: TransactionLayer, method: str, flow: Flow = PEER) -> ClientTransaction:
    headers = [
        ("Max-Forwards", "70"),
        ("From", "<sip:bob@192.0.2.2>;tag=mine"),
        ("To", "<sip:alice@192.0.2.1>"),
        ("Call-ID", "call-1"),
        ("CSeq", f"1 {method}"),
        ("Route", "<sip:192.0.2.1;lr>"),
    ]
    return layer.send_request(Request(method, SipUri("alice", "192.0.2.1"), headers), flow, 0.0)


def answer(transaction: ClientTransaction, status: int, tag: str = "theirs", body: bytes = b"") -> Response:
    return response_of(make_response(transaction.request, status, to_tag=tag, body=body).to_bytes())


def reply(
    layer: TransactionLayer, transaction: ClientTransaction, status: int, now: float, tag: str = "theirs"
) -> None:
    layer.receive(answer(transaction, status, tag), PEER, now)


def statuses(layer: TransactionLayer) -> list[int]:
    events = layer.events()
    return [event.response.status for event in events if isinstance(event, ResponseArrived)]


class TestInvite:
    """Figure 5, with Accepted of RFC 6026."""

    def test_calling_repeats_with_timer_a_until_timer_b(self) -> None:
        layer = layer_of()
        transaction = start(layer, "INVITE")
        assert lines(sent(layer)) == ["INVITE"]
        assert run_until(layer, 40.0) == [(at, "INVITE") for at in (0.5, 1.5, 3.5, 7.5, 15.5, 31.5)]
        assert only(layer.events()) == ClientFailed(transaction, "timeout")
        assert len(layer) == 0
        assert layer.next_timer() is None

    def test_calling_to_proceeding_stops_repeats_and_has_no_timeout(self) -> None:
        layer = layer_of()
        transaction = start(layer, "INVITE")
        sent(layer)
        reply(layer, transaction, 180, 0.1)
        assert statuses(layer) == [180]
        assert transaction.state is ClientState.PROCEEDING
        assert run_until(layer, 300.0) == []
        assert layer.events() == []
        reply(layer, transaction, 183, 301.0)
        assert statuses(layer) == [183]

    @pytest.mark.parametrize("first", [None, 180])
    def test_to_completed_sends_ack_and_waits_timer_d(self, first: int | None) -> None:
        layer = layer_of()
        transaction = start(layer, "INVITE")
        (invite,) = sent(layer)
        if first is not None:
            reply(layer, transaction, first, 0.1)
        reply(layer, transaction, 486, 1.0)
        assert statuses(layer)[-1] == 486
        (ack,) = sent(layer)
        # 17.1.1.3
        assert isinstance(ack, Request)
        assert ack.method == "ACK"
        assert ack.cseq == (1, "ACK")
        assert ack.to.tag == "theirs"
        for name in ("Via", "From", "Call-ID", "Route"):
            assert ack.get_all(name) == invite.get_all(name)
        reply(layer, transaction, 486, 2.0)
        assert lines(sent(layer)) == ["ACK"]
        assert statuses(layer) == []
        layer.handle_timer(32.9)
        assert transaction.state is ClientState.COMPLETED
        layer.handle_timer(33.0)
        assert len(layer) == 0

    def test_to_accepted_passes_every_2xx_until_timer_m(self) -> None:
        """RFC 6026 7.2: forks answer late, and the user sends its own ACKs."""
        layer = layer_of()
        transaction = start(layer, "INVITE")
        sent(layer)
        reply(layer, transaction, 200, 1.0)
        assert transaction.data == b""  # it is not sent again
        reply(layer, transaction, 200, 1.5)
        reply(layer, transaction, 200, 2.0, tag="fork")
        assert statuses(layer) == [200, 200, 200]
        reply(layer, transaction, 486, 3.0)
        reply(layer, transaction, 180, 3.0)
        assert statuses(layer) == []
        assert sent(layer) == []
        run_until(layer, 32.9)
        assert transaction.state is ClientState.ACCEPTED
        layer.handle_timer(33.0)
        assert len(layer) == 0
        reply(layer, transaction, 200, 34.0)
        assert layer.counters["stray_response"] == 1

    @pytest.mark.parametrize("status", [None, 100, 180])
    def test_a_transport_failure_is_told_once(self, status: int | None) -> None:
        """17.1.4."""
        layer = layer_of()
        transaction = start(layer, "INVITE")
        if status is not None:
            reply(layer, transaction, status, 0.1)
        layer.events()
        layer.transport_failed(PEER)
        layer.transport_failed(PEER)
        assert only(layer.events()) == ClientFailed(transaction, "transport")

    def test_on_a_reliable_transport_nothing_is_repeated_or_waited_for(self) -> None:
        layer = layer_of()
        transaction = start(layer, "INVITE", TCP)
        sent(layer)
        assert run_until(layer, 31.9) == []
        reply(layer, transaction, 404, 31.9)
        assert lines(sent(layer)) == ["ACK"]
        assert len(layer) == 0

    def test_abandoned_it_says_nothing_more(self) -> None:
        layer = layer_of()
        transaction = start(layer, "INVITE")
        transaction.abandon()
        assert layer.next_timer() is None
        reply(layer, transaction, 200, 1.0)
        # Whoever answers after all is nobody's: its sender is told so.
        assert isinstance(only(layer.events()), StrayAnswer)


class TestNonInvite:
    """Figure 6."""

    def test_trying_repeats_with_timer_e_until_timer_f(self) -> None:
        layer = layer_of()
        transaction = start(layer, "BYE")
        sent(layer)
        expected = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
        assert run_until(layer, 40.0) == [(at, "BYE") for at in expected]
        assert only(layer.events()) == ClientFailed(transaction, "timeout")
        assert len(layer) == 0

    def test_proceeding_repeats_every_t2(self) -> None:
        """17.1.2.2."""
        layer = layer_of()
        transaction = start(layer, "BYE")
        sent(layer)
        reply(layer, transaction, 100, 1.0)
        assert statuses(layer) == [100]
        assert [at for at, _ in run_until(layer, 14.0)] == [5.0, 9.0, 13.0]
        run_until(layer, 32.0)
        assert only(layer.events()) == ClientFailed(transaction, "timeout")

    @pytest.mark.parametrize("first", [None, 100])
    def test_to_completed_absorbs_repeats_until_timer_k(self, first: int | None) -> None:
        layer = layer_of()
        transaction = start(layer, "BYE")
        sent(layer)
        if first is not None:
            reply(layer, transaction, first, 0.1)
            layer.events()
        reply(layer, transaction, 200, 1.0)
        reply(layer, transaction, 200, 2.0)
        assert statuses(layer) == [200]
        assert run_until(layer, 5.9) == []
        assert transaction.state is ClientState.COMPLETED
        layer.handle_timer(6.0)
        assert len(layer) == 0

    def test_on_a_reliable_transport_it_ends_with_the_answer(self) -> None:
        layer = layer_of()
        transaction = start(layer, "OPTIONS", TCP)
        assert run_until(layer, 31.0) == []
        reply(layer, transaction, 200, 31.0)
        assert len(layer) == 0


def test_other_timer_values_scale_everything() -> None:
    layer = TransactionLayer((Flow("UDP", "192.0.2.2", 5060),), values=TimerValues(t1=0.1, t2=0.4))
    start(layer, "OPTIONS")
    sent(layer)
    assert [at for at, _ in run_until(layer, 10.0)][:4] == [0.1, 0.3, 0.7, 1.1]
    assert isinstance(only(layer.events()), ClientFailed)


def test_the_via_is_ours_and_unique() -> None:
    """8.1.1.7, RFC 3581 3."""
    layer = layer_of()
    one, other = start(layer, "OPTIONS"), start(layer, "OPTIONS")
    via = one.request.top_via
    assert (via.host, via.port, via.transport, via.asks_rport) == ("192.0.2.2", 5060, "UDP", True)
    assert (via.branch or "").startswith("z9hG4bK")
    assert via.branch != other.request.top_via.branch


def test_a_response_with_our_branch_and_another_method_is_stray() -> None:
    """17.1.3: the method of the CSeq tells a CANCEL's 200 from an INVITE's."""
    layer = layer_of()
    transaction = start(layer, "INVITE")
    response = answer(transaction, 200, body=SDP)
    response.set("CSeq", "1 CANCEL")
    layer.receive(response, PEER, 0.1)
    assert layer.events() == []
    assert layer.counters["stray_response"] == 1
