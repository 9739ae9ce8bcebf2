"""Reliable provisional responses between two user agents in memory (RFC 3262)."""

from __future__ import annotations

from typing import Any

import pytest

from sip.call import CallState
from sip.call_reliable import RELIABLE_WAITING_MAX
from sip.events import (
    CallAnswered,
    CallCancelled,
    CallEnded,
    CallEstablished,
    CallFailed,
    CallProgress,
    Event,
    IncomingCall,
    ModificationReceived,
    ProvisionalAcknowledged,
)
from sip.flow import Flow
from tests.sip.pair import ALICE, ANSWER, BOB, Pair
from tests.sip.wire import SDP, request_text

KNOWN = {"reliable_provisional": "supported"}
REQUIRED = {"reliable_provisional": "required"}


def pair_of(alice: dict[str, Any] = KNOWN, bob: dict[str, Any] = KNOWN, **wire: Any) -> Pair:
    return Pair(alice=alice, bob=bob, **wire)


def rings(pair: Pair, *bodies: bytes, reliable: bool | None = None, status: int = 183) -> None:
    """Bob sends one provisional response for each body."""

    def react(event: Event, now: float) -> None:
        assert isinstance(event, IncomingCall)
        for body in bodies:
            event.call.ring(now, status, body, reliable=reliable)

    pair.on(BOB, IncomingCall, react)


class TestWho:
    """RFC 3262 3 and 4: what goes reliably."""

    @pytest.mark.parametrize(
        ("alice", "bob", "body", "reliable", "expected"),
        [
            ({}, KNOWN, ANSWER, None, False),
            (KNOWN, {}, ANSWER, None, False),
            (KNOWN, KNOWN, ANSWER, None, True),
            (KNOWN, KNOWN, b"", None, False),
            (KNOWN, KNOWN, b"", True, True),
            (KNOWN, KNOWN, ANSWER, False, False),
            (KNOWN, REQUIRED, b"", None, True),
            (REQUIRED, KNOWN, b"", False, True),
        ],
    )
    def test_both_sides_have_their_say(
        self,
        alice: dict[str, str],
        bob: dict[str, str],
        body: bytes,
        reliable: bool | None,
        expected: bool,
    ) -> None:
        pair = pair_of(alice, bob)
        rings(pair, body, reliable=reliable)
        pair.dial()
        (progress,) = pair.all(ALICE, CallProgress)
        assert progress.reliable == expected
        assert ("PRACK" in pair.messages(ALICE)) == expected
        assert len(pair.all(BOB, ProvisionalAcknowledged)) == expected

    def test_a_callee_that_cannot_refuses_who_requires_it(self) -> None:
        pair = pair_of(REQUIRED, {})
        pair.dial()
        (failed,) = pair.all(ALICE, CallFailed)
        assert failed.status == 420
        assert failed.response is not None
        assert failed.response.get_all("Unsupported") == ["100rel"]

    def test_a_callee_that_requires_it_refuses_who_cannot(self) -> None:
        pair = pair_of({}, REQUIRED)
        pair.dial()
        (failed,) = pair.all(ALICE, CallFailed)
        assert failed.status == 421
        assert failed.response is not None
        assert failed.response.require == ["100rel"]


class TestCallee:
    def test_it_is_repeated_with_growing_waits_and_then_refused_with_504(self) -> None:
        """3: T1 doubled each time, 64*T1 in all."""
        pair = pair_of()
        rings(pair, ANSWER)
        pair.on(ALICE, CallProgress, lambda event, now: None)
        pair.dial(until=0.0)
        pair.network.run(0.011)
        pair.network.loss = 1.0
        pair.run(31.0)
        assert pair.messages(BOB) == ["183"] * 6
        pair.run(1.1)
        (ended,) = pair.all(BOB, CallEnded)
        assert ended.cause == "prack-timeout"
        assert "504" in pair.messages(BOB)
        assert pair.callee.over

    def test_they_go_one_after_another(self) -> None:
        pair = pair_of()
        rings(pair, ANSWER, b"", b"", reliable=True)
        pair.dial(until=0.015)
        assert pair.messages(BOB) == ["183"]
        pair.run(1.0)
        assert pair.messages(BOB) == ["183", "200", "183", "200", "183", "200"]
        numbers = [int(item.get("RSeq") or "0") for item in pair.wire(BOB, 183)]
        assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]
        assert numbers[0] >= 1

    def test_those_that_wait_are_bounded(self) -> None:
        pair = pair_of()
        rings(pair, *[b""] * (RELIABLE_WAITING_MAX + 5), reliable=True)
        pair.dial(until=5.0)
        assert pair.messages(BOB).count("183") == 1 + RELIABLE_WAITING_MAX

    def test_the_answer_waits_for_the_prack_of_a_description(self) -> None:
        """3: no 2xx while a description waits to be acknowledged."""
        pair = pair_of(delay=0.2)

        def react(event: Event, now: float) -> None:
            assert isinstance(event, IncomingCall)
            event.call.ring(now, 183, ANSWER)
            event.call.answer(ANSWER, now)
            event.call.answer(b"ignored", now)

        pair.on(BOB, IncomingCall, react)
        call = pair.dial(until=0.5)
        assert pair.messages(BOB) == ["183"]
        pair.run(1.0)
        assert pair.messages(BOB)[-2:] == ["200", "200"]
        assert call.state is pair.callee.state is CallState.ESTABLISHED
        call.hangup(pair.now)
        assert pair.empty()

    def test_the_answer_does_not_wait_for_the_prack_of_a_mere_ringing(self) -> None:
        pair = pair_of(delay=0.2)

        def react(event: Event, now: float) -> None:
            assert isinstance(event, IncomingCall)
            event.call.ring(now, 180, reliable=True)
            event.call.ring(now, 183, reliable=True)
            event.call.answer(ANSWER, now)

        pair.on(BOB, IncomingCall, react)
        call = pair.dial(until=3.0)
        assert pair.messages(BOB) == ["180", "200", "200"]  # to INVITE and, late, to PRACK
        assert call.state is CallState.ESTABLISHED
        call.hangup(pair.now)
        assert pair.empty()

    def test_a_cancel_ends_an_answer_that_waits(self) -> None:
        pair = pair_of(delay=0.2)

        def react(event: Event, now: float) -> None:
            assert isinstance(event, IncomingCall)
            event.call.ring(now, 183, ANSWER)
            event.call.answer(ANSWER, now)

        pair.on(BOB, IncomingCall, react)
        pair.on(ALICE, CallProgress, lambda event, now: event.call.cancel(now))  # type: ignore[union-attr]
        pair.dial(until=0.25)
        pair.run(5.0)
        assert pair.all(BOB, CallCancelled) or pair.all(BOB, CallEnded)
        assert pair.callee.over
        assert pair.empty()

    def test_a_prack_that_matches_nothing_is_481_and_a_broken_one_400(self) -> None:
        pair = pair_of()
        rings(pair, ANSWER)
        pair.dial()
        (invite,) = pair.wire(ALICE, "INVITE")
        (prack,) = pair.wire(ALICE, "PRACK")
        for number, (rack, status) in enumerate(
            [("1 1 INVITE", "481"), (prack.get("RAck"), "481"), ("x", "400"), (None, "400")]
        ):
            data = request_text(
                "PRACK",
                branch=f"z9hG4bKstray{number}",
                cseq=10 + number,
                to_tag=prack.to.tag,
                from_tag=invite.from_.tag or "",
                call_id=invite.call_id,
                extra="" if rack is None else f"RAck: {rack}\r\n",
            )
            pair.bob.receive_datagram(data, Flow("UDP", ALICE, 5060), pair.now)
            pair.run(0.1)
            assert pair.messages(BOB)[-1] == status
        pair.bob.receive_datagram(request_text("PRACK"), Flow("UDP", ALICE, 5060), pair.now)
        pair.run(0.1)
        assert pair.messages(BOB)[-1] == "481"


class TestOffers:
    """RFC 3262 5 and RFC 3264: where offers and answers may stand."""

    def test_the_answer_may_stand_in_the_provisional_response(self) -> None:
        pair = pair_of()
        rings(pair, ANSWER)
        call = pair.dial()
        assert call.update(SDP, pair.now)  # the first exchange is complete
        pair.callee.reject(486, pair.now)

    def test_a_late_offer_in_the_provisional_response_is_answered_in_the_prack(self) -> None:
        pair = pair_of()
        rings(pair, SDP)
        call = pair.dial(body=b"", until=0.1)
        (progress,) = pair.all(ALICE, CallProgress)
        assert progress.prack_due
        assert pair.messages(ALICE) == ["INVITE"]
        assert call.prack(ANSWER, pair.now)
        assert not call.prack(ANSWER, pair.now)
        pair.run(0.1)
        (acknowledged,) = pair.all(BOB, ProvisionalAcknowledged)
        assert acknowledged.request.body == ANSWER
        assert pair.all(BOB, ModificationReceived) == []
        pair.callee.answer(b"", pair.now)
        pair.run(1.0)
        (answered,) = pair.all(ALICE, CallAnswered)
        assert answered.response.body == b""
        (established,) = pair.all(BOB, CallEstablished)
        assert established.ack.body == b""
        assert call.state is CallState.ESTABLISHED

    def test_a_prack_may_make_an_offer_of_its_own(self) -> None:
        pair = pair_of()
        rings(pair, ANSWER)
        pair.accepts(BOB)
        pair.network.loss = 0.0
        pair.on(ALICE, CallProgress, lambda event, now: None)
        call = pair.dial(until=0.015)
        pair.network.run(0.021)  # the 183 is there and its PRACK under way
        pair.network._wire.clear()
        dialog = next(iter(call.early_dialogs.values()))
        (prack,) = pair.wire(ALICE, "PRACK")
        call._send_prack(dialog, prack.get("RAck") or "", SDP, pair.now)
        pair.run(0.3)
        (offered,) = pair.all(BOB, ModificationReceived)
        assert offered.request.method == "PRACK"
        (answer, *_) = [item for item in pair.wire(BOB, 200) if item.cseq.method == "PRACK"]
        assert answer.body == ANSWER


@pytest.mark.parametrize("seed", range(15))
def test_early_media_and_answer_survive_a_bad_wire(seed: int) -> None:
    """Lost, doubled and out of order: each response is told once, in order, and the call is answered."""
    pair = pair_of(seed=seed, loss=0.2, duplicate=0.2, jitter=0.3)

    def react(event: Event, now: float) -> None:
        assert isinstance(event, IncomingCall)
        event.call.ring(now, 183, ANSWER)
        event.call.ring(now, 180, reliable=True)
        event.call.ring(now, 182, reliable=True)

    pair.on(BOB, IncomingCall, react)
    call = pair.dial(until=60.0)
    assert [item.response.status for item in pair.all(ALICE, CallProgress)] == [183, 180, 182]
    assert len(pair.all(BOB, ProvisionalAcknowledged)) == 3
    pair.callee.answer(b"", pair.now)
    pair.run(30.0)
    assert call.state is pair.callee.state is CallState.ESTABLISHED
    call.hangup(pair.now)
    assert pair.empty()
