"""A dialog that outlives its user agent: what was saved sends a BYE that the peer takes."""

import json

import pytest

from sip.agent import AgentConfig, UserAgent
from sip.dialog_state import CSEQ_MARGIN, restore, save
from sip.events import CallEnded
from sip.flow import Flow
from tests.sip.pair import ALICE, BOB, established

HERE = Flow("UDP", "192.0.2.9", 5060)


@pytest.mark.parametrize("lost", [ALICE, BOB])
def test_a_new_agent_ends_the_call_of_the_old_one(lost: str) -> None:
    pair, call = established()
    mine, theirs, other = (call, pair.callee, pair.bob) if lost == ALICE else (pair.callee, call, pair.alice)
    assert mine.dialog is not None
    state = json.loads(json.dumps(save(mine.dialog)))
    agent = UserAgent(AgentConfig((HERE,)))
    agent.end_dialog(restore(state), pair.now)
    [(data, flow)] = agent.datagrams()
    assert flow == mine.dialog.flow
    other.receive_datagram(data, HERE, pair.now)
    [event] = [each for each in other.events() if isinstance(each, CallEnded)]
    assert (event.call, event.cause) == (theirs, "bye")


def test_its_number_is_above_whatever_was_sent_since() -> None:
    _, call = established()
    assert call.dialog is not None
    assert restore(save(call.dialog)).local_cseq == call.dialog.local_cseq + CSEQ_MARGIN


def test_a_connection_that_died_is_not_gone_back_to() -> None:
    _, call = established()
    assert call.dialog is not None
    state = save(call.dialog) | {
        "flow": ["TCP", "198.51.100.7", 40123],
        "pinned": True,
        "target": "sip:x@192.0.2.77:5070;transport=tcp",
        "routes": [],
    }
    assert restore(state).flow == Flow("TCP", "192.0.2.77", 5070)


@pytest.mark.parametrize("state", [{}, {"call_id": "x"}, {"flow": [1]}])
def test_what_was_not_saved_is_no_dialog(state: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not a saved dialog"):
        restore(state)
