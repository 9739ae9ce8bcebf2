"""Server transactions, transition by transition: RFC 3261 figures 7 and 8, RFC 6026 figure 3."""

from __future__ import annotations

import pytest

from sip.flow import Flow
from sip.message import make_response
from sip.transaction import AckArrived, AckMissing, RequestArrived, TransactionLayer
from sip.transaction_server import ServerState, ServerTransaction
from tests.sip.wire import PEER, invite_text, lines, only, request_text, run_until, sent

TCP = Flow("TCP", "192.0.2.1", 5060)


def layer_of() -> TransactionLayer:
    return TransactionLayer((Flow("UDP", "192.0.2.2", 5060),))


def arrive(layer: TransactionLayer, data: bytes, now: float = 0.0, flow: Flow = PEER) -> ServerTransaction:
    layer.receive_datagram(data, flow, now)
    event = only(layer.events())
    assert isinstance(event, RequestArrived)
    return event.transaction


def respond(transaction: ServerTransaction, status: int, now: float) -> None:
    transaction.respond(make_response(transaction.request, status, to_tag=transaction.local_tag), now)


def again(layer: TransactionLayer, data: bytes, now: float) -> list[str | int]:
    """What a retransmission gets; it is never told to the user."""
    layer.receive_datagram(data, PEER, now)
    assert layer.events() == []
    return lines(sent(layer))


INVITE = invite_text()
ACK = request_text("ACK", to_tag="x")


class TestInvite:
    """Figure 7, with Accepted of RFC 6026."""

    def test_a_silent_user_makes_100_after_200_ms(self) -> None:
        """17.2.1."""
        layer = layer_of()
        transaction = arrive(layer, INVITE)
        assert sent(layer) == []
        assert run_until(layer, 10.0) == [(0.2, 100)]
        assert transaction.state is ServerState.PROCEEDING

    def test_a_quick_user_makes_no_100(self) -> None:
        layer = layer_of()
        respond(arrive(layer, INVITE), 180, 0.1)
        assert lines(sent(layer)) == [180]
        assert run_until(layer, 10.0) == []

    def test_proceeding_repeats_the_last_provisional(self) -> None:
        layer = layer_of()
        transaction = arrive(layer, INVITE)
        assert again(layer, INVITE, 0.05) == [100]
        respond(transaction, 180, 0.1)
        respond(transaction, 183, 0.2)
        sent(layer)
        assert again(layer, INVITE, 0.3) == [183]

    def test_to_completed_repeats_with_timer_g_until_timer_h(self) -> None:
        layer = layer_of()
        transaction = arrive(layer, INVITE)
        respond(transaction, 486, 0.0)
        assert lines(sent(layer)) == [486]
        expected = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
        assert run_until(layer, 40.0) == [(at, 486) for at in expected]
        assert only(layer.events()) == AckMissing(transaction)
        assert len(layer) == 0

    def test_completed_to_confirmed_absorbs_acks_until_timer_i(self) -> None:
        layer = layer_of()
        transaction = arrive(layer, INVITE)
        respond(transaction, 486, 0.0)
        sent(layer)
        assert again(layer, INVITE, 0.1) == [486]
        assert again(layer, ACK, 1.0) == []
        assert transaction.state is ServerState.CONFIRMED
        assert again(layer, ACK, 2.0) == []
        assert again(layer, INVITE, 2.0) == []
        assert run_until(layer, 5.9) == []
        assert transaction.state is ServerState.CONFIRMED
        layer.handle_timer(6.0)
        assert len(layer) == 0

    def test_to_accepted_absorbs_the_invite_and_passes_acks(self) -> None:
        """RFC 6026 7.1."""
        layer = layer_of()
        transaction = arrive(layer, INVITE)
        respond(transaction, 200, 0.0)
        assert lines(sent(layer)) == [200]
        assert again(layer, INVITE, 0.1) == []
        respond(transaction, 200, 0.5)
        assert lines(sent(layer)) == [200]
        respond(transaction, 486, 0.6)
        assert sent(layer) == []
        layer.receive_datagram(ACK, PEER, 1.0)
        assert isinstance(only(layer.events()), AckArrived)
        run_until(layer, 31.9)
        assert transaction.state is ServerState.ACCEPTED
        layer.handle_timer(32.0)
        assert len(layer) == 0

    @pytest.mark.parametrize(("status", "repeated"), [(200, []), (486, [486])])
    def test_what_stays_of_one_that_is_answered_is_enough_for_what_comes_late(
        self, status: int, repeated: list[int]
    ) -> None:
        layer = layer_of()
        transaction = arrive(layer, INVITE)
        respond(transaction, status, 0.0)
        sent(layer)
        transaction.forget_request()
        assert (transaction.request.method, list(transaction.request.items())) == ("INVITE", [])
        assert (transaction.last is None) == (not repeated)
        assert again(layer, INVITE, 0.1) == repeated

    def test_nothing_goes_out_after_a_refusal(self) -> None:
        layer = layer_of()
        transaction = arrive(layer, INVITE)
        respond(transaction, 404, 0.0)
        sent(layer)
        for status in (180, 200, 500):
            respond(transaction, status, 0.1)
        assert sent(layer) == []

    def test_on_a_reliable_transport_a_refusal_goes_once(self) -> None:
        layer = layer_of()
        transaction = arrive(layer, INVITE, flow=TCP)
        respond(transaction, 486, 0.0)
        sent(layer)
        assert run_until(layer, 31.0) == []
        layer.receive_datagram(ACK, TCP, 31.0)
        assert len(layer) == 0


class TestNonInvite:
    """Figure 8."""

    def test_trying_is_silent(self) -> None:
        layer = layer_of()
        transaction = arrive(layer, request_text())
        assert again(layer, request_text(), 0.1) == []
        assert transaction.state is ServerState.TRYING

    def test_proceeding_repeats_the_provisional(self) -> None:
        layer = layer_of()
        transaction = arrive(layer, request_text())
        respond(transaction, 100, 0.1)
        assert lines(sent(layer)) == [100]
        assert again(layer, request_text(), 0.2) == [100]
        assert transaction.state is ServerState.PROCEEDING

    @pytest.mark.parametrize("status", [200, 404])
    def test_completed_repeats_the_final_until_timer_j(self, status: int) -> None:
        layer = layer_of()
        transaction = arrive(layer, request_text())
        respond(transaction, status, 1.0)
        respond(transaction, 500, 1.1)
        assert lines(sent(layer)) == [status]
        assert again(layer, request_text(), 2.0) == [status]
        layer.handle_timer(32.9)
        assert transaction.state is ServerState.COMPLETED
        layer.handle_timer(33.0)
        assert len(layer) == 0

    def test_a_user_that_never_answers_leaves_nothing(self) -> None:
        layer = layer_of()
        arrive(layer, request_text())
        layer.handle_timer(32.0)
        assert len(layer) == 0

    def test_on_a_reliable_transport_it_ends_with_the_answer(self) -> None:
        layer = layer_of()
        respond(arrive(layer, request_text(), flow=TCP), 200, 0.0)
        assert len(layer) == 0
