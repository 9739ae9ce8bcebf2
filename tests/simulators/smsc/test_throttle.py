"""Rate limits and congestion."""

import pytest

from simulators.smsc.throttle import Bucket, congestion


def test_a_burst_is_taken_at_once_and_then_an_even_flow() -> None:
    bucket = Bucket(10, 3, 0)
    assert [bucket.take(0) for _ in range(4)] == [True, True, True, False]
    assert bucket.used(0) == 1
    assert [bucket.take(99), bucket.take(100), bucket.take(100)] == [False, True, False]


def test_tokens_do_not_pile_up_and_time_does_not_run_back() -> None:
    bucket = Bucket(10, 2, 1_000)
    assert [bucket.take(3_600_000) for _ in range(3)] == [True, True, False]
    assert not bucket.take(0)


@pytest.mark.parametrize(("shares", "state"), [((0.0,), 0), ((0.3, 0.85), 85), ((2.0,), 99)])
def test_congestion_is_that_of_the_busiest_part(shares: tuple[float, ...], state: int) -> None:
    assert congestion(*shares) == state
