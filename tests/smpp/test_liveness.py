"""A session's timers (3.4, 7.2): the peer's silence is first asked about, then ended."""

import pytest

from smpp.config import SessionConfig
from smpp.liveness import Due, Liveness, Stage, stage_of
from smpp.states import SessionState

CONFIG = SessionConfig(session_init_s=10, enquire_link_s=30, inactivity_s=100)


def test_one_that_does_not_bind_in_time_is_given_up() -> None:
    live = Liveness(CONFIG, now=5.0)
    assert live.next_due(Stage.OPENING) == 15.0
    assert live.due(Stage.OPENING, 14.9) is None
    assert live.due(Stage.OPENING, 15.0) is Due.GIVE_UP


def test_silence_is_asked_about_once_until_something_comes() -> None:
    live = Liveness(CONFIG, now=0.0)
    assert live.next_due(Stage.BOUND) == 30.0
    assert live.due(Stage.BOUND, 30.0) is Due.ENQUIRE
    assert live.due(Stage.BOUND, 31.0) is None
    live.last_received, live.enquiring = 32.0, False
    assert live.next_due(Stage.BOUND) == 62.0
    assert live.due(Stage.BOUND, 62.0) is Due.ENQUIRE


def test_a_session_without_transactions_is_unbound_however_lively_its_link() -> None:
    live = Liveness(CONFIG, now=0.0)
    live.last_received = 99.0
    assert live.due(Stage.BOUND, 99.9) is None
    assert live.due(Stage.BOUND, 100.0) is Due.UNBIND


@pytest.mark.parametrize("stage", Stage)
def test_what_is_switched_off_is_never_due(stage: Stage) -> None:
    live = Liveness(SessionConfig(session_init_s=0, enquire_link_s=0, inactivity_s=0), now=0.0)
    assert live.next_due(stage) is None
    assert live.due(stage, 1e9) is None


def test_nothing_is_due_while_a_session_ends() -> None:
    live = Liveness(CONFIG, now=0.0)
    assert live.next_due(Stage.ENDING) is None
    assert live.due(Stage.ENDING, 1e9) is None


@pytest.mark.parametrize("state", SessionState)
def test_only_a_bound_session_that_is_not_unbinding_is_kept_alive(state: SessionState) -> None:
    bound = state in (SessionState.BOUND_TX, SessionState.BOUND_RX, SessionState.BOUND_TRX)
    assert (stage_of(state, False) is Stage.BOUND) is bound
    opening = state in (SessionState.OPEN, SessionState.OUTBOUND)
    assert stage_of(state, True) is (Stage.OPENING if opening else Stage.ENDING)
