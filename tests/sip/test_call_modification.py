"""UPDATE and glare between two user agents in memory (RFC 3261 14, RFC 3311, RFC 3264)."""

from __future__ import annotations

import pytest

from sip.agent_config import DEFAULT_ALLOW
from sip.call import Call, CallState
from sip.digest import Authenticator, Credentials, ha1
from sip.events import (
    CallEnded,
    CallProgress,
    Event,
    IncomingCall,
    ModificationAnswered,
    ModificationFailed,
    ModificationReceived,
)
from tests.sip.pair import ALICE, ANSWER, BOB, Pair, established
from tests.sip.wire import SDP

OTHER = SDP.replace(b"4000", b"4002")
KNOWN = {"reliable_provisional": "supported"}


def early() -> tuple[Pair, Call]:
    """A call whose first offer was answered reliably before the call is."""
    pair = Pair(alice=KNOWN, bob=KNOWN)
    pair.on(BOB, IncomingCall, lambda event, now: event.call.ring(now, 183, ANSWER))  # type: ignore[union-attr]
    call = pair.dial(until=0.5)
    assert pair.all(ALICE, CallProgress)[0].reliable
    return pair, call


class TestUpdate:
    @pytest.mark.parametrize("caller_asks", [True, False])
    @pytest.mark.parametrize("answered", [True, False])
    def test_either_side_may_offer_before_and_after_the_answer(
        self, caller_asks: bool, answered: bool
    ) -> None:
        """RFC 3311 5.1, 5.2."""
        pair, call = established() if answered else early()
        asking, asker, asked = (call, ALICE, BOB) if caller_asks else (pair.callee, BOB, ALICE)
        pair.accepts(asked)
        assert asking.peer_allows("UPDATE")
        assert asking.update(OTHER, pair.now)
        assert not asking.update(OTHER, pair.now)
        assert not asking.reinvite(OTHER, pair.now)
        pair.run(1.0)
        (received,) = pair.all(asked, ModificationReceived)
        assert (received.request.method, received.request.body) == ("UPDATE", OTHER)
        (done,) = pair.all(asker, ModificationAnswered)
        assert (done.response.cseq.method, done.response.body) == ("UPDATE", ANSWER)
        if not answered:
            pair.callee.answer(b"", pair.now)
            pair.run(1.0)
        assert call.state is pair.callee.state is CallState.ESTABLISHED
        call.hangup(pair.now)
        assert pair.empty()

    def test_without_a_body_it_only_refreshes_and_is_answered_unseen(self) -> None:
        pair, call = established()
        assert call.update(b"", pair.now)
        pair.run(1.0)
        assert pair.all(BOB, ModificationReceived) == []
        assert pair.messages(BOB)[-1] == "200"

    def test_it_is_not_sent_before_the_first_offer_is_answered(self) -> None:
        """RFC 3311 5.1; and not to a peer that does not take it."""
        pair = Pair()
        pair.bob_answers(180)
        call = pair.dial()
        assert not call.update(OTHER, pair.now)
        assert not pair.callee.update(OTHER, pair.now)
        pair, call = established(bob={"allow": DEFAULT_ALLOW[:5]})
        assert not call.peer_allows("UPDATE")
        assert not call.update(OTHER, pair.now)
        call.hangup(pair.now)
        assert not call.update(OTHER, pair.now)

    @pytest.mark.parametrize(("asker", "status"), [(BOB, 491), (ALICE, 500)])
    def test_it_is_refused_before_the_first_offer_is_answered(self, asker: str, status: int) -> None:
        """RFC 3311 5.2: 491 where our own offer is open, 500 and a time where theirs is."""
        pair = Pair(alice={"allow": DEFAULT_ALLOW}, bob={"allow": DEFAULT_ALLOW})

        def ring(event: Event, now: float) -> None:
            assert isinstance(event, IncomingCall)
            event.call.ring(now, 180, headers=[("Allow", "UPDATE")])

        pair.on(BOB, IncomingCall, ring)
        call = pair.dial()
        asking = call if asker == ALICE else pair.callee
        for dialog in (asking.dialog, *asking.early_dialogs.values()):
            if dialog is not None:
                dialog.negotiated = True  # a peer that does not keep the rule
        assert asking.update(OTHER, pair.now)
        pair.run(1.0)
        (failed,) = pair.all(asker, ModificationFailed)
        assert failed.status == status
        assert failed.response is not None
        assert (failed.response.get("Retry-After") is not None) == (status == 500)
        assert call.state is CallState.PROCEEDING

    def test_a_refused_change_leaves_the_call(self) -> None:
        pair, call = established()
        pair.on(BOB, ModificationReceived, lambda event, now: event.call.reject_modification(488, now))  # type: ignore[union-attr]
        call.update(OTHER, pair.now)
        pair.run(1.0)
        (failed,) = pair.all(ALICE, ModificationFailed)
        assert failed.status == 488
        assert call.state is CallState.ESTABLISHED

    def test_a_second_one_before_the_first_is_answered_is_500_with_a_time(self) -> None:
        """RFC 3311 5.2, RFC 3261 14.2."""
        pair, call = established()
        call.update(OTHER, pair.now)
        pair.run(0.1)
        call._modification = call._change = None  # a peer that does not wait
        call.update(OTHER, pair.now)
        pair.run(0.1)
        (refusal,) = pair.wire(BOB, 500)
        assert 0 <= int(refusal.get("Retry-After") or "-1") <= 10


class TestGlare:
    @pytest.mark.parametrize("first", ["INVITE", "UPDATE"])
    @pytest.mark.parametrize("second", ["INVITE", "UPDATE"])
    def test_both_asking_at_once_are_both_told_491(self, first: str, second: str) -> None:
        pair, call = established()
        for side, method in ((call, first), (pair.callee, second)):
            assert (side.reinvite if method == "INVITE" else side.update)(OTHER, pair.now)
        pair.run(1.0)
        for host in (ALICE, BOB):
            (failed,) = pair.all(host, ModificationFailed)
            assert failed.status == 491
        assert call.state is pair.callee.state is CallState.ESTABLISHED

    @pytest.mark.parametrize("method", ["reinvite", "update"])
    def test_each_tries_again_after_its_wait(self, method: str) -> None:
        """14.1: the Call-ID's owner after 2.1 to 4 seconds, the other after up to 2."""
        pair, call = established()
        pair.accepts(ALICE)
        pair.accepts(BOB)
        at = pair.now
        for side in (call, pair.callee):
            assert getattr(side, method)(OTHER, at, retries=3)
        assert not call.reinvite(OTHER, at)
        pair.network.run(at + 2.05)
        assert pair.all(BOB, ModificationAnswered)
        assert not pair.all(ALICE, ModificationAnswered)
        pair.network.run(at + 4.1)
        assert pair.all(ALICE, ModificationAnswered)
        for host in (ALICE, BOB):
            assert not pair.all(host, ModificationFailed)
        call.hangup(pair.now)
        assert pair.empty()

    def test_a_call_that_ends_meanwhile_tries_no_more(self) -> None:
        pair, call = established()
        call.reinvite(OTHER, pair.now, retries=3)
        pair.callee.reinvite(OTHER, pair.now, retries=3)
        pair.run(0.1)
        call.hangup(pair.now)
        pair.run(70.0)  # the called side may have been let in within that tenth of a second
        assert pair.messages(ALICE).count("INVITE") == 2
        assert pair.empty()

    @pytest.mark.parametrize("method", ["reinvite", "update"])
    def test_who_hangs_up_answers_what_was_asked_before(self, method: str) -> None:
        """15.1.2 has the receiver of a BYE answer 487; its sender owes an answer as well."""
        pair, call = established()
        assert getattr(pair.callee, method)(OTHER, pair.now)
        pair.run(0.1)
        assert pair.all(ALICE, ModificationReceived)
        call.hangup(pair.now)
        pair.run(1.0)
        assert pair.wire(ALICE, 487)
        assert pair.empty()

    def test_what_the_peer_never_answers_is_given_up_after_the_call(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pair, call = established()
        assert pair.callee.reinvite(OTHER, pair.now)
        pair.run(0.5)
        assert "100" in pair.messages(ALICE)
        with monkeypatch.context() as patch:
            # Of the caller alone: the BYE reaches the other side later.
            patch.setattr(Call, "_leave_unanswered", lambda *_: None)
            call.hangup(pair.now)
        pair.run(31.0)
        assert len(pair.bob.layer)
        pair.run(2.0)
        assert not len(pair.bob.layer)

    def test_who_is_never_let_in_is_told_in_the_end(self) -> None:
        pair, call = established()
        pair.on(BOB, ModificationReceived, lambda event, now: event.call.reject_modification(491, now))  # type: ignore[union-attr]
        call.reinvite(OTHER, pair.now, retries=2)
        pair.run(20.0)
        (failed,) = pair.all(ALICE, ModificationFailed)
        assert failed.status == 491
        assert pair.messages(ALICE).count("INVITE") == 4


def test_a_challenge_inside_the_call_is_answered() -> None:
    """22.2: a request in the dialog is sent once more, with the next number of the dialog."""
    pair = Pair()
    pair.bob_answers()
    call = pair.dial(credentials=Credentials("alice", "right"))
    server = Authenticator("bob", b"k" * 32, lambda user, alg: ha1(user, "bob", "right", alg))

    def react(event: Event, now: float) -> None:
        assert isinstance(event, ModificationReceived)
        values = event.request.get_all("Proxy-Authorization")
        if server.verify(values, event.request.method, str(event.request.uri), now).ok:
            event.call.accept_modification(ANSWER, now)
        else:
            headers = [("Proxy-Authenticate", value) for value in server.challenges(now)]
            event.call.reject_modification(407, now, headers)

    pair.on(BOB, ModificationReceived, react)
    assert call.reinvite(OTHER, pair.now)
    pair.run(1.0)
    assert pair.all(ALICE, ModificationAnswered)
    assert [item.cseq.number for item in pair.wire(ALICE, "INVITE")] == [1, 2, 3]
    call.credentials = Credentials("alice", "wrong")
    assert call.update(OTHER, pair.now)
    pair.run(1.0)
    (failed,) = pair.all(ALICE, ModificationFailed)
    assert failed.status == 407


@pytest.mark.parametrize("seed", range(15))
def test_changes_both_ways_over_a_bad_wire(seed: int) -> None:
    """Glare with loss, copies and disorder: each side's change is made in the end, or it is told; the call
    lives on."""
    pair, call = established(seed=seed)
    pair.accepts(ALICE)
    pair.accepts(BOB)
    wire = pair.network
    wire.loss, wire.duplicate, wire.jitter = 0.2, 0.2, 0.3
    for index, side in enumerate((call, pair.callee)):
        asks = side.reinvite if (seed + index) % 2 else side.update
        assert asks(OTHER, pair.now, retries=5)
    pair.run(100.0)
    for host in (ALICE, BOB):
        outcome = [*pair.all(host, ModificationAnswered), *pair.all(host, ModificationFailed)]
        assert len(outcome) == 1, pair.names(host)
    assert not pair.all(ALICE, CallEnded)
    assert call.state is pair.callee.state is CallState.ESTABLISHED
    call.hangup(pair.now)
    assert pair.empty()
