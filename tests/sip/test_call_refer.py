"""REFER and its NOTIFYs between two user agents in memory (RFC 3515)."""

from __future__ import annotations

import pytest

from sip.agent_config import DEFAULT_ALLOW
from sip.call import Call, CallState
from sip.call_refer import REFER_LIFETIME
from sip.events import CallEnded, Event, ReferProgress, ReferReceived, ResponseReceived
from sip.flow import Flow
from sip.headers import NameAddr
from sip.uri import SipUri
from tests.sip.pair import ALICE, BOB, Pair, established
from tests.sip.wire import request_text

CAROL = NameAddr(SipUri("carol", "192.0.2.3"))
TRANSFERS = {"allow": (*DEFAULT_ALLOW, "REFER", "NOTIFY")}


def joined() -> tuple[Pair, Call]:
    return established(alice=TRANSFERS, bob=TRANSFERS)


def accepts(pair: Pair, *statuses: int) -> None:
    def react(event: Event, now: float) -> None:
        assert isinstance(event, ReferReceived)
        event.call.accept_refer(now)
        for status in statuses:
            event.call.notify_refer(status, now)

    pair.on(BOB, ReferReceived, react)


def test_a_transfer_is_accepted_and_told_to_its_end() -> None:
    """2.4.4, 2.4.5: 202, NOTIFY at once, NOTIFY for each change, the last one terminated."""
    pair, call = joined()
    accepts(pair, 180, 200)
    call.refer(CAROL, pair.now, [("Referred-By", "<sip:alice@192.0.2.1>")])
    pair.run(1.0)
    (received,) = pair.all(BOB, ReferReceived)
    assert str(received.refer_to) == str(CAROL)
    assert received.referred_by is not None
    (answer,) = pair.all(ALICE, ResponseReceived)
    assert answer.response.status == 202
    progress = pair.all(ALICE, ReferProgress)
    assert [(item.status, item.over) for item in progress] == [(100, False), (180, False), (200, True)]
    first, *_, last = pair.wire(BOB, "NOTIFY")
    assert first.get("Content-Type") == "message/sipfrag;version=2.0"
    assert first.body == b"SIP/2.0 100 Trying\r\n"
    assert (first.get("Event"), first.get("Subscription-State")) == ("refer", "active;expires=180")
    assert last.get("Subscription-State") == "terminated;reason=noresource"
    assert call.state is CallState.ESTABLISHED
    call.hangup(pair.now)
    assert pair.empty()


def test_a_second_transfer_is_told_apart() -> None:
    """2.4.6: its NOTIFYs carry the number of their REFER."""
    pair, call = joined()
    accepts(pair, 486)
    for _ in range(2):
        call.refer(CAROL, pair.now)
        pair.run(1.0)
    events = [item.get("Event") for item in pair.wire(BOB, "NOTIFY")]
    number = pair.wire(ALICE, "REFER")[1].cseq.number
    assert events == ["refer", "refer", f"refer;id={number}", f"refer;id={number}"]


def test_a_transfer_may_be_refused() -> None:
    pair, call = joined()
    pair.on(BOB, ReferReceived, lambda event, now: event.call.reject_refer(603, now))  # type: ignore[union-attr]
    call.refer(CAROL, pair.now)
    pair.run(1.0)
    (answer,) = pair.all(ALICE, ResponseReceived)
    assert answer.response.status == 603
    assert pair.wire(BOB, "NOTIFY") == []
    pair.callee.notify_refer(200, pair.now)
    pair.callee.accept_refer(pair.now)
    pair.run(1.0)
    assert pair.wire(BOB, "NOTIFY") == []
    assert call.state is CallState.ESTABLISHED


def test_one_is_worked_on_at_a_time() -> None:
    pair, call = joined()
    call.refer(CAROL, pair.now)
    call.refer(CAROL, pair.now)
    pair.run(1.0)
    assert len(pair.all(BOB, ReferReceived)) == 1
    assert pair.messages(BOB)[-1] == "491"


@pytest.mark.parametrize("accepted", [True, False])
def test_it_ends_by_itself(accepted: bool) -> None:
    """The subscription that a REFER makes is bounded."""
    pair, call = joined()
    if accepted:
        accepts(pair)
    call.refer(CAROL, pair.now)
    pair.run(REFER_LIFETIME + 1.0)
    if accepted:
        last = pair.all(ALICE, ReferProgress)[-1]
        assert last.over
        assert last.request.get("Subscription-State") == "terminated;reason=timeout"
    else:
        assert not pair.all(ALICE, ReferProgress)
    call.hangup(pair.now)
    assert pair.empty()


@pytest.mark.parametrize("extra", ["", "Refer-To: <sip:\r\n"])
def test_without_one_target_it_is_400(extra: str) -> None:
    """2.4.1."""
    pair, call = joined()
    invite = pair.wire(ALICE, "INVITE")[0]
    assert call.dialog is not None
    data = request_text(
        "REFER",
        cseq=9,
        from_tag=invite.from_.tag or "",
        to_tag=call.dialog.remote.tag,
        call_id=call.call_id,
        extra=extra,
    )
    pair.bob.receive_datagram(data, Flow("UDP", ALICE, 5060), pair.now)
    pair.run(0.1)
    assert pair.messages(BOB)[-1] == "400"


def test_a_broken_notify_is_400() -> None:
    pair, call = joined()
    call.refer(CAROL, pair.now)
    pair.run(0.1)
    headers = [("Event", "refer"), ("Subscription-State", "active")]
    pair.callee.request_in_dialog("NOTIFY", pair.now, b"hello", "message/sipfrag", headers)
    pair.run(0.1)
    assert pair.messages(ALICE)[-1] == "400"
    assert pair.all(ALICE, ReferProgress) == []


def test_a_notify_that_nobody_asked_for_is_481_and_does_not_end_the_call() -> None:
    """RFC 6665 4.1.3, RFC 5057 4.1."""
    pair, call = joined()
    accepts(pair)
    call.refer(CAROL, pair.now)
    pair.run(0.5)
    call._referring = False  # the referrer lost its subscription
    pair.callee.notify_refer(180, pair.now)
    pair.run(1.0)
    assert pair.messages(ALICE)[-1] == "481"
    assert not pair.all(BOB, CallEnded)
    assert call.state is CallState.ESTABLISHED
    call._referring = True
    call.refer(CAROL, pair.now)
    pair.run(0.1)
    assert len(pair.all(BOB, ReferReceived)) == 2  # the first is forgotten


def test_who_does_not_list_refer_gets_none() -> None:
    pair, call = established()
    call.refer(CAROL, pair.now)
    pair.run(1.0)
    (answer,) = pair.all(ALICE, ResponseReceived)
    assert answer.response.status == 405
    assert pair.all(BOB, ReferReceived) == []
