"""Calls between two user agents in memory: RFC 3261 clauses 9, 13, 14, 15 and 22."""

from __future__ import annotations

import pytest

from sip.call import CallState
from sip.dialog import DialogError
from sip.digest import Authenticator, Credentials, ha1
from sip.events import (
    CallAnswered,
    CallCancelled,
    CallEnded,
    CallEstablished,
    CallFailed,
    CallProgress,
    CallRequest,
    Event,
    IncomingCall,
    ModificationAcknowledged,
    ModificationAnswered,
    ModificationFailed,
    ModificationReceived,
    RequestFailed,
    ResponseReceived,
)
from sip.flow import Flow
from tests.sip.pair import ALICE, ANSWER, BOB, Pair, established
from tests.sip.wire import SDP, invite_text


class TestEstablishment:
    """13.2 and 13.3."""

    def test_a_call_rings_is_answered_and_ends(self) -> None:
        pair = Pair()
        pair.bob_answers(180)
        call = pair.dial()
        assert call.state is CallState.PROCEEDING
        progress = pair.last(ALICE)
        assert isinstance(progress, CallProgress)
        assert progress.dialog is not None
        assert not progress.dialog.confirmed
        pair.callee.answer(ANSWER, pair.now)
        pair.run(1.0)
        answered = pair.last(ALICE)
        assert isinstance(answered, CallAnswered)
        assert answered.response.body == ANSWER
        assert isinstance(pair.last(BOB), CallEstablished)
        call.hangup(pair.now)
        assert call.over
        pair.run(1.0)
        ended = pair.last(BOB)
        assert isinstance(ended, CallEnded)
        assert ended.cause == "bye"
        assert pair.messages(ALICE) == ["INVITE", "ACK", "BYE"]
        assert pair.messages(BOB) == ["180", "200", "200"]
        assert pair.names(ALICE) == ["CallProgress", "CallAnswered"]
        assert pair.empty()

    def test_the_callee_may_hang_up(self) -> None:
        pair, call = established()
        pair.callee.hangup(pair.now)
        pair.run(1.0)
        assert pair.names(ALICE) == ["CallEnded"]
        assert call.over
        assert pair.empty()

    def test_early_media_is_told_with_its_description(self) -> None:
        pair = Pair()
        pair.on(BOB, IncomingCall, lambda event, now: event.call.ring(now, 183, ANSWER))  # type: ignore[union-attr]
        pair.dial()
        progress = pair.last(ALICE)
        assert isinstance(progress, CallProgress)
        assert (progress.response.status, progress.response.body) == (183, ANSWER)

    @pytest.mark.parametrize("status", [302, 404, 486, 503, 603])
    def test_a_refusal_is_told_with_its_status(self, status: int) -> None:
        pair = Pair()
        pair.bob_answers(status)
        call = pair.dial()
        failed = pair.last(ALICE)
        assert isinstance(failed, CallFailed)
        assert failed.status == status
        assert call.over
        assert pair.names(BOB) == ["IncomingCall"]
        assert pair.empty()

    def test_nobody_there_is_408(self) -> None:
        pair = Pair(loss=1.0)
        pair.dial(until=40.0)
        failed = pair.last(ALICE)
        assert isinstance(failed, CallFailed)
        assert (failed.status, failed.response) == (408, None)
        assert pair.empty()

    def test_no_way_is_503(self) -> None:
        pair = Pair(loss=1.0)
        pair.dial(until=0.0)
        pair.alice.transport_failed(Flow("UDP", BOB, 5060), pair.now)
        pair.run(0.1)
        failed = pair.last(ALICE)
        assert isinstance(failed, CallFailed)
        assert failed.status == 503

    def test_a_late_offer_is_answered_in_the_ack(self) -> None:
        """13.2.1, 13.2.2.4."""
        pair = Pair()
        pair.bob_answers(200, SDP)
        call = pair.dial(body=b"")
        assert call.state is CallState.ANSWERED
        call.acknowledge(ANSWER, pair.now)
        pair.run(1.0)
        done = pair.last(BOB)
        assert isinstance(done, CallEstablished)
        assert done.ack.body == ANSWER
        assert call.state is CallState.ESTABLISHED

    def test_a_2xx_is_repeated_until_the_ack_and_then_the_call_ends_with_bye(self) -> None:
        """13.3.1.4."""
        pair = Pair()
        pair.bob_answers()
        pair.dial(body=b"", until=31.0)  # late offer, never acknowledged
        assert pair.messages(BOB) == ["200"] * 10
        pair.run(2.0)
        ended = pair.last(BOB)
        assert isinstance(ended, CallEnded)
        assert ended.cause == "ack-timeout"
        assert pair.messages(BOB)[-1] == "BYE"
        assert isinstance(pair.last(ALICE), CallEnded)
        assert pair.empty()

    def test_a_retransmitted_2xx_is_acknowledged_again(self) -> None:
        """13.2.2.4."""
        pair = Pair()
        pair.bob_answers()
        pair.dial()
        invite = pair.callee.invite
        assert invite is not None
        response = next(event.response for event in pair.told[ALICE] if isinstance(event, CallAnswered))
        pair.alice.receive(response, Flow("UDP", BOB, 5060), pair.now)
        pair.run(0.1)
        assert pair.messages(ALICE) == ["INVITE", "ACK", "ACK"]
        assert pair.names(ALICE) == ["CallAnswered"]

    def test_ringing_is_repeated_every_minute(self) -> None:
        """13.3.1.1."""
        pair = Pair()
        pair.bob_answers(180)
        pair.dial(until=150.0)
        assert pair.messages(BOB) == ["180"] * 3

    def test_ringing_ends(self) -> None:
        pair = Pair(ring_max=30.0)
        pair.bob_answers(180)
        pair.dial(until=40.0)
        assert isinstance(pair.last(ALICE), CallFailed)
        assert isinstance(pair.last(BOB), CallCancelled | CallEnded)
        assert pair.empty()

    def test_a_callee_that_never_decides_answers_480_in_the_end(self) -> None:
        pair = Pair(ring_max=30.0)
        pair.bob_answers(180)
        pair.bob.receive_datagram(invite_text(), Flow("UDP", ALICE, 5060), 0.0)
        pair.run(31.0)
        ended = pair.last(BOB)
        assert isinstance(ended, CallEnded)
        assert ended.cause == "expired"
        assert pair.messages(BOB)[:2] == ["180", "480"]

    def test_over_the_cap_a_call_is_answered_503(self) -> None:
        pair = Pair(calls_max=1)
        pair.bob_answers(180)
        pair.dial()
        with pytest.raises(OverflowError):
            pair.dial()
        pair.alice.calls.clear()
        pair.dial()
        failed = pair.last(ALICE)
        assert isinstance(failed, CallFailed)
        assert failed.status == 503


class TestCancel:
    """9.1, 9.2 and their races."""

    def test_a_ringing_call_is_taken_back(self) -> None:
        pair = Pair()
        pair.bob_answers(180)
        call = pair.dial()
        call.cancel(pair.now, [("Reason", 'SIP;cause=200;text="Call completed elsewhere"')])
        pair.run(1.0)
        cancelled, failed = pair.last(BOB), pair.last(ALICE)
        assert isinstance(cancelled, CallCancelled)
        assert (cancelled.request.get("Reason") or "").startswith("SIP;cause=200")
        assert isinstance(failed, CallFailed)
        assert failed.status == 487
        assert pair.messages(ALICE) == ["INVITE", "CANCEL", "ACK"]
        assert pair.messages(BOB) == ["180", "200", "487"]
        assert pair.empty()

    def test_no_cancel_goes_before_a_provisional_response(self) -> None:
        """9.1."""
        pair = Pair()
        call = pair.dial(until=0.1)  # Bob is silent: his 100 comes after 200 ms
        call.hangup(pair.now)
        assert pair.messages(ALICE) == ["INVITE"]
        pair.run(1.0)
        assert pair.messages(ALICE) == ["INVITE", "CANCEL", "ACK"]
        assert isinstance(pair.last(BOB), CallCancelled)
        assert pair.empty()

    def test_a_2xx_that_was_faster_is_acknowledged_and_ended(self) -> None:
        pair = Pair()
        pair.bob_answers(180)
        call = pair.dial()
        pair.callee.answer(ANSWER, pair.now)
        call.cancel(pair.now)
        pair.run(1.0)
        ended = pair.last(ALICE)
        assert isinstance(ended, CallEnded)
        assert ended.cause == "cancelled"
        assert pair.names(BOB) == ["IncomingCall", "CallEstablished", "CallEnded"]
        assert pair.messages(ALICE) == ["INVITE", "CANCEL", "ACK", "BYE"]
        assert pair.empty()

    def test_a_cancel_that_nobody_answers_ends_the_call(self) -> None:
        """9.1: after 64*T1."""
        pair = Pair()
        pair.bob_answers(180)
        call = pair.dial()
        pair.network.loss = 1.0
        call.cancel(pair.now)
        pair.run(31.9)
        assert not call.over
        pair.run(0.2)
        failed = pair.last(ALICE)
        assert isinstance(failed, CallFailed)
        assert (failed.status, failed.response) == (487, None)

    def test_an_answered_call_cannot_be_cancelled(self) -> None:
        pair, call = established()
        call.cancel(pair.now)
        pair.run(1.0)
        assert call.state is CallState.ESTABLISHED

    def test_a_callee_that_hangs_up_before_the_ack_waits_for_it(self) -> None:
        """15: no BYE from the callee before the ACK."""
        pair = Pair()
        pair.bob_answers()
        call = pair.dial(body=b"")
        pair.callee.hangup(pair.now)
        pair.run(1.0)
        assert "BYE" not in pair.messages(BOB)
        call.acknowledge(ANSWER, pair.now)
        pair.run(1.0)
        assert pair.messages(BOB)[-1] == "BYE"
        assert pair.names(BOB) == ["IncomingCall"]
        assert pair.empty()


class TestChallenges:
    """22.2."""

    @staticmethod
    def challenge(pair: Pair) -> None:
        server = Authenticator(
            "bob",
            b"k" * 32,
            lambda user, algorithm: ha1(user, "bob", "right", algorithm) if user == "alice" else None,
        )

        def react(event: Event, now: float) -> None:
            assert isinstance(event, IncomingCall)
            request = event.request
            values = request.get_all("Proxy-Authorization")
            if server.verify(values, request.method, str(request.uri), now).ok:
                event.call.answer(ANSWER, now)
            else:
                headers = [("Proxy-Authenticate", value) for value in server.challenges(now)]
                event.call.reject(407, now, headers=headers)

        pair.on(BOB, IncomingCall, react)

    def test_a_challenge_is_answered_unseen(self) -> None:
        pair = Pair()
        self.challenge(pair)
        call = pair.dial(credentials=Credentials("alice", "right"))
        assert call.state is CallState.ESTABLISHED
        assert pair.names(ALICE) == ["CallAnswered"]
        assert pair.messages(ALICE) == ["INVITE", "ACK", "INVITE", "ACK"]
        first, second = (event.request for event in pair.told[BOB] if isinstance(event, IncomingCall))
        assert first.call_id == second.call_id
        assert (first.cseq.number, second.cseq.number) == (1, 2)
        assert first.top_via.branch != second.top_via.branch

    @pytest.mark.parametrize("credentials", [None, Credentials("alice", "wrong")])
    def test_a_wrong_password_is_told(self, credentials: Credentials | None) -> None:
        pair = Pair()
        self.challenge(pair)
        pair.dial(credentials=credentials)
        failed = pair.last(ALICE)
        assert isinstance(failed, CallFailed)
        assert failed.status == 407
        assert pair.empty()


class TestModification:
    """Clause 14."""

    @pytest.mark.parametrize("caller_asks", [True, False])
    def test_either_side_may_change_the_session(self, caller_asks: bool) -> None:
        pair, call = established()
        asking, asked = (call, BOB) if caller_asks else (pair.callee, ALICE)
        pair.accepts(asked)
        assert asking.reinvite(SDP.replace(b"4000", b"4002"), pair.now)
        assert not asking.reinvite(SDP, pair.now)  # 14.1: one at a time
        pair.run(1.0)
        asker = ALICE if caller_asks else BOB
        answered = pair.last(asker)
        assert isinstance(answered, ModificationAnswered)
        assert answered.response.body == ANSWER
        assert isinstance(pair.last(asked), ModificationAcknowledged)
        call.hangup(pair.now)
        assert pair.empty()

    def test_a_refused_change_leaves_the_call(self) -> None:
        pair, call = established()
        pair.on(BOB, ModificationReceived, lambda event, now: event.call.reject_modification(488, now))  # type: ignore[union-attr]
        call.reinvite(SDP, pair.now)
        pair.run(1.0)
        failed = pair.last(ALICE)
        assert isinstance(failed, ModificationFailed)
        assert failed.status == 488
        assert call.state is CallState.ESTABLISHED

    def test_an_offer_may_be_asked_for(self) -> None:
        pair, call = established()
        pair.accepts(BOB, SDP)
        call.reinvite(b"", pair.now)
        pair.run(0.3)
        assert isinstance(pair.last(ALICE), ModificationAnswered)
        call.acknowledge(ANSWER, pair.now)
        pair.run(1.0)
        done = pair.last(BOB)
        assert isinstance(done, ModificationAcknowledged)
        assert done.ack.body == ANSWER

    def test_glare_is_491_both_ways(self) -> None:
        """14.2."""
        pair, call = established()
        assert call.reinvite(SDP, pair.now)
        assert pair.callee.reinvite(SDP, pair.now)
        pair.run(1.0)
        for host in (ALICE, BOB):
            failed = pair.last(host)
            assert isinstance(failed, ModificationFailed)
            assert failed.status == 491
        assert call.state is pair.callee.state is CallState.ESTABLISHED

    def test_a_peer_that_forgot_the_call_ends_it(self) -> None:
        """14.1, 12.2.1.2: 481."""
        pair, call = established()
        pair.bob._dialogs.clear()
        call.reinvite(SDP, pair.now)
        pair.run(1.0)
        assert pair.names(ALICE) == ["ModificationFailed", "CallEnded"]
        assert call.over

    def test_an_unacknowledged_change_ends_the_call(self) -> None:
        pair, call = established()
        pair.accepts(BOB)
        call.reinvite(b"", pair.now)
        pair.run(33.0)
        ended = pair.last(BOB)
        assert isinstance(ended, CallEnded)
        assert ended.cause == "ack-timeout"
        assert pair.empty()

    def test_a_change_is_not_made_outside_an_established_call(self) -> None:
        pair = Pair()
        pair.bob_answers(180)
        assert not pair.dial().reinvite(SDP, pair.now)


class TestRequestsInside:
    def test_info_passes_both_ways(self) -> None:
        pair, call = established()
        pair.on(BOB, CallRequest, lambda event, now: pair.bob.respond(event.transaction, 200, now=now))  # type: ignore[union-attr]
        call.request_in_dialog("INFO", pair.now, b"Signal=5\r\n", "application/dtmf-relay", context="mine")
        pair.run(1.0)
        inside, response = pair.last(BOB), pair.last(ALICE)
        assert isinstance(inside, CallRequest)
        assert (inside.request.body, inside.request.content_type) == (
            b"Signal=5\r\n",
            "application/dtmf-relay",
        )
        assert isinstance(response, ResponseReceived)
        assert (response.call, response.transaction.context) == (call, "mine")

    def test_options_inside_is_answered_unseen(self) -> None:
        pair, call = established()
        call.request_in_dialog("OPTIONS", pair.now)
        pair.run(1.0)
        response = pair.last(ALICE)
        assert isinstance(response, ResponseReceived)
        assert response.response.status == 200
        assert pair.names(BOB) == ["IncomingCall"]

    def test_a_peer_that_is_gone_ends_the_call(self) -> None:
        """12.2.1.2."""
        pair, call = established()
        pair.network.loss = 1.0
        call.request_in_dialog("INFO", pair.now)
        pair.run(40.0)
        assert pair.names(ALICE) == ["RequestFailed", "CallEnded"]
        assert isinstance(pair.told[ALICE][0], RequestFailed)
        assert call.over

    def test_without_a_dialog_there_is_no_request(self) -> None:
        pair = Pair()
        call = pair.dial(until=0.1)
        with pytest.raises(DialogError):
            call.request_in_dialog("INFO", pair.now)

    def test_crossing_byes_both_get_200(self) -> None:
        pair, call = established()
        call.hangup(pair.now)
        pair.callee.hangup(pair.now)
        pair.run(1.0)
        assert pair.messages(ALICE)[-2:] == ["BYE", "200"]
        assert pair.messages(BOB)[-2:] == ["BYE", "200"]
        assert pair.empty()

    def test_a_bye_is_repeated_until_answered_and_then_forgotten(self) -> None:
        pair, call = established()
        pair.network.loss = 1.0
        call.hangup(pair.now)
        pair.run(40.0)
        assert pair.messages(ALICE).count("BYE") == 11
        assert pair.alice._dialogs == {}


@pytest.mark.parametrize("seed", range(12))
def test_calls_succeed_over_a_bad_wire(seed: int) -> None:
    """One datagram in five lost, one in five doubled, all out of order: each call is set up, changed and ended."""
    pair = Pair(seed=seed, loss=0.2, duplicate=0.2, jitter=0.3)
    pair.bob_answers()
    pair.accepts(BOB)
    call = pair.dial(until=20.0)
    assert call.state is pair.callee.state is CallState.ESTABLISHED
    assert call.reinvite(SDP, pair.now)
    pair.run(20.0)
    assert isinstance(pair.last(ALICE), ModificationAnswered)
    call.hangup(pair.now)
    pair.run(20.0)
    assert isinstance(pair.last(BOB), CallEnded)
    assert pair.names(BOB) == [
        "IncomingCall",
        "CallEstablished",
        "ModificationReceived",
        "ModificationAcknowledged",
        "CallEnded",
    ]
    assert pair.empty()


@pytest.mark.parametrize("seed", range(12))
def test_cancels_and_answers_race_over_a_bad_wire(seed: int) -> None:
    """Whoever wins, both sides end with one verdict and nothing is left."""
    pair = Pair(seed=seed, loss=0.15, duplicate=0.2, jitter=0.4)
    pair.bob_answers(180)
    call = pair.dial(until=5.0)
    pair.run(pair.network.draw.random() * 0.2)
    pair.callee.answer(ANSWER, pair.now)
    pair.run(pair.network.draw.random() * 0.5)
    call.hangup(pair.now)
    pair.run(100.0)
    assert call.over
    assert pair.callee.over
    endings = [name for name in pair.names(BOB) if name in ("CallCancelled", "CallEnded")]
    assert len(endings) == 1
    assert pair.empty()


def test_an_ended_call_is_kept_by_nothing_but_the_callers_invite() -> None:
    """Which acknowledges a late answer again. All else that stays for late messages is small."""
    pair, call = established()
    callee = pair.callee
    call.hangup(pair.now)
    pair.run(1.0)
    owners = [each.owner for agent in (pair.alice, pair.bob) for each in agent.layer._servers.values()]
    assert owners == [None] * len(owners) != []
    assert callee.invite is not None
    assert list(callee.invite.request.items()) == []
    assert callee.call_id == call.call_id  # its own is whole
    assert pair.empty()
