"""Session timers between two user agents in memory (RFC 4028)."""

from __future__ import annotations

from typing import Any

import pytest

from sip.agent_config import DEFAULT_ALLOW
from sip.call import Call, CallState
from sip.events import CallEnded, CallFailed
from tests.sip.pair import ALICE, BOB, Pair

TIMED = {"session_expires": 180}
NO_UPDATE = {"allow": tuple(method for method in DEFAULT_ALLOW if method != "UPDATE")}


def up(alice: dict[str, Any], bob: dict[str, Any], **wire: Any) -> tuple[Pair, Call]:
    pair = Pair(alice=alice, bob=bob, **wire)
    pair.bob_answers()
    pair.accepts(ALICE)
    pair.accepts(BOB)
    call = pair.dial(until=10.0)
    assert call.state is CallState.ESTABLISHED
    return pair, call


@pytest.mark.parametrize(
    ("alice", "bob", "refresher", "method"),
    [
        (TIMED, TIMED, ALICE, "UPDATE"),
        (TIMED, TIMED | NO_UPDATE, ALICE, "INVITE"),
        (TIMED, {}, ALICE, "UPDATE"),
        ({}, TIMED, BOB, "UPDATE"),
        (NO_UPDATE, TIMED, BOB, "INVITE"),
    ],
)
def test_a_session_is_refreshed_at_half_its_interval(
    alice: dict[str, Any], bob: dict[str, Any], refresher: str, method: str
) -> None:
    """7.2, 7.4, 9: also where the other side does not know the extension."""
    pair, call = up(alice, bob)
    told = {host: len(pair.told[host]) for host in (ALICE, BOB)}
    first = len(pair.wire(refresher, method))
    pair.run(85.0)
    assert len(pair.wire(refresher, method)) == first + 1
    pair.run(905.0)
    assert call.state is pair.callee.state is CallState.ESTABLISHED
    assert len(pair.wire(refresher, method)) - first in (10, 11)
    other = BOB if refresher == ALICE else ALICE
    assert not pair.wire(other, "UPDATE")
    assert len(pair.wire(other, "INVITE")) == (other == ALICE)  # the one that made the call
    assert len(pair.told[refresher]) == told[refresher]  # a refresh is nothing to tell its sender's user
    call.hangup(pair.now)
    assert pair.empty()


@pytest.mark.parametrize("gone", [ALICE, BOB])
def test_a_peer_that_vanished_ends_the_call(gone: str) -> None:
    """10: on either side, whoever refreshes."""
    pair, call = up(TIMED, TIMED)
    pair.network.loss = 1.0
    pair.run(200.0)
    left = BOB if gone == ALICE else ALICE
    (ended,) = pair.all(left, CallEnded)
    assert ended.cause == ("unreachable" if left == ALICE else "session-expired")
    assert "BYE" in pair.messages(left)
    assert call.over
    assert pair.callee.over
    assert pair.empty()


def test_the_side_that_waits_gives_up_before_the_end() -> None:
    """10: a third of the interval or 32 seconds before."""
    pair, _ = up(TIMED, TIMED)
    pair.network.loss = 1.0
    pair.network.run(147.9)
    assert not pair.callee.over
    pair.network.run(148.2)
    assert pair.callee.over


def test_an_interval_that_is_refused_is_raised() -> None:
    """7.3: 422 and Min-SE."""
    pair, call = up({"session_expires": 100}, {"session_expires": 300, "min_se": 200})
    first, second = pair.wire(ALICE, "INVITE")
    assert first.get("Session-Expires") == "100"
    assert (second.get("Session-Expires"), second.get("Min-SE")) == ("200", "200")
    assert second.cseq.number == 2
    assert first.call_id == second.call_id
    assert pair.wire(BOB, 200)[0].get("Session-Expires") == "200;refresher=uac"
    call.hangup(pair.now)
    assert pair.empty()


def test_a_refuser_that_is_never_content_is_left() -> None:
    pair = Pair(alice=TIMED)
    pair.bob_answers(422)
    pair.dial()
    (failed,) = pair.all(ALICE, CallFailed)
    assert failed.status == 422
    assert pair.messages(ALICE) == ["INVITE", "ACK"]


@pytest.mark.parametrize("seed", range(8))
def test_sessions_live_on_over_a_bad_wire(seed: int) -> None:
    pair, call = up(TIMED, TIMED, seed=seed, loss=0.2, duplicate=0.2, jitter=0.3)
    pair.run(600.0)
    assert call.state is pair.callee.state is CallState.ESTABLISHED
    call.hangup(pair.now)
    pair.run(100.0)
    assert pair.empty()
