"""What congestion_state says, and that it does not flicker."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sms.congestion import CONGESTED, STEP, Congestion, congestion_state


@pytest.mark.parametrize(
    ("load", "state"),
    [(0.0, 0), (0.004, 0), (0.01, 1), (0.5, 50), (0.899, 89), (0.999, 99), (1.0, 100), (1.7, 100), (-1.0, 0)],
)
def test_the_state_is_the_load_in_hundredths(load: float, state: int) -> None:
    assert congestion_state(load, 0) == state


def test_it_goes_up_at_once_and_down_in_steps() -> None:
    state = congestion_state(0.80, 0)
    assert state == 80
    assert congestion_state(0.79, state) == 80
    assert congestion_state(0.76, state) == 80
    assert congestion_state(0.75, state) == 75
    assert congestion_state(0.81, state) == 81


def test_a_full_queue_stays_congested_until_it_has_room_again() -> None:
    assert congestion_state(0.96, CONGESTED) == CONGESTED
    assert congestion_state(0.95, CONGESTED) == 95


@pytest.mark.parametrize("previous", [1, STEP, CONGESTED])
def test_what_is_empty_is_idle(previous: int) -> None:
    assert congestion_state(0.0, previous) == 0


@given(st.floats(-1, 2), st.integers(0, 100))
def test_it_is_always_a_value_of_the_specification_and_near_the_load(load: float, previous: int) -> None:
    state = congestion_state(load, previous)
    assert 0 <= state <= CONGESTED
    assert 0 <= state - min(100, max(0, int(load * 100))) < STEP


def test_the_fullest_queue_counts() -> None:
    loads = [0.2, 0.9]
    congestion = Congestion(lambda: loads[0], lambda: loads[1])
    assert congestion.look() == 90
    loads[0] = 1.0
    assert not congestion.congested, "until it is looked at"
    assert congestion.look() == 100
    assert congestion.congested
    loads[:] = [0.0, 0.0]
    assert (congestion.look(), congestion.state, congestion.congested) == (0, 0, False)


def test_without_queues_it_is_idle() -> None:
    assert Congestion().look() == 0
