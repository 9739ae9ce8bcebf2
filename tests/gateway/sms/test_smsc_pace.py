"""A link keeps its rate, slows down when it is throttled and recovers."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sms.smsc_pace import BURST_S, FREE_ABOVE, LIMIT_MIN, Pace

NOW = 1_000.0


def pace(rate: float = 0.0, burst: float = 0.0, pause_s: float = 1.0, recover_s: float = 30.0) -> Pace:
    return Pace(rate, burst, pause_s=pause_s, recover_s=recover_s, now=NOW)


def send_at_once(made: Pace, now: float, most: int = 10_000) -> int:
    """How many messages go before the link must wait."""
    sent = 0
    while sent < most and made.wait(now) == 0:
        made.take(now)
        sent += 1
    return sent


def send_for(made: Pace, start: float, seconds: float, step: float = 0.01) -> int:
    """How many go in that time from a sender that looks every `step` seconds."""
    return sum(send_at_once(made, start + turn * step) for turn in range(round(seconds / step)))


def test_without_a_rate_nothing_waits() -> None:
    made = pace()
    assert made.limit == inf
    assert send_at_once(made, NOW) == 10_000


def test_a_burst_goes_at_once_then_the_rate_holds() -> None:
    made = pace(rate=100, burst=20)
    assert send_at_once(made, NOW) == 20
    assert made.wait(NOW) == pytest.approx(0.01)
    assert send_for(made, NOW + 0.01, 10.0) == pytest.approx(1_000, abs=1)


def test_without_a_burst_it_is_a_tenth_of_a_second() -> None:
    assert send_at_once(pace(rate=100), NOW) == 100 * BURST_S


def test_one_message_always_fits() -> None:
    made = pace(rate=0.5, burst=1)
    assert send_at_once(made, NOW) == 1
    assert made.wait(NOW) == pytest.approx(2.0)
    assert send_at_once(made, NOW + 2.0) == 1


def test_idleness_gathers_no_more_than_the_burst() -> None:
    made = pace(rate=100, burst=20)
    send_at_once(made, NOW)
    assert send_at_once(made, NOW + 3_600) == 20


def test_a_fast_link_keeps_its_rate_although_timers_come_late() -> None:
    made = pace(rate=5_000, burst=1)
    assert send_for(made, NOW, 2.0, step=0.015) == pytest.approx(10_000, rel=0.02)


@given(
    st.floats(0.1, 10_000),
    st.integers(0, 1_000),
    st.lists(st.floats(0, 5), max_size=50),
)
def test_never_more_than_rate_and_burst(rate: float, burst: int, gaps: list[float]) -> None:
    made = pace(rate=rate, burst=burst)
    now, sent = NOW, 0
    for gap in gaps:
        now += gap
        sent += send_at_once(made, now, most=100)
    most = max(1.0, burst, rate * BURST_S)
    assert sent <= most + (now - NOW) * rate + 0.001


@given(st.floats(0.1, 10_000), st.lists(st.floats(0.001, 5), min_size=1, max_size=30))
def test_after_the_wait_it_told_a_message_goes(rate: float, gaps: list[float]) -> None:
    made = pace(rate=rate)
    now = NOW
    for gap in gaps:
        send_at_once(made, now, most=2_000)
        now += min(gap, made.wait(now))
        now += made.wait(now)
        assert made.wait(now) < 1e-9


class TestThrottled:
    def test_it_pauses_then_sends_half_as_fast(self) -> None:
        made = pace(rate=100)
        assert made.throttled(NOW)
        assert made.wait(NOW) == 1.0
        assert made.wait(NOW + 0.75) == 0.25
        assert made.limit == 50
        assert send_for(made, NOW + 1.0, 1.0) == pytest.approx(50, abs=3)

    def test_the_answer_may_name_the_pause(self) -> None:
        made = pace(rate=100)
        made.throttled(NOW, 5.0)
        assert made.wait(NOW) == 5.0

    def test_answers_to_what_was_sent_before_the_pause_are_no_news(self) -> None:
        made = pace(rate=100)
        made.throttled(NOW)
        assert not made.throttled(NOW + 0.5)
        assert made.limit == 50
        assert made.throttled(NOW + 1.0)
        assert made.limit == 25

    def test_the_halved_rate_doubles_and_stops_at_the_configured_one(self) -> None:
        made = pace(rate=100, recover_s=30)
        made.throttled(NOW)
        made.wait(NOW + 1.0 + 15.0)
        assert made.limit == pytest.approx(50 * 2**0.5)
        made.wait(NOW + 1.0 + 31.0)
        assert made.limit == 100
        send_at_once(made, NOW + 32)
        assert send_for(made, NOW + 32, 1.0) == pytest.approx(100, abs=1)

    def test_it_stops_at_one_a_second(self) -> None:
        made = pace(rate=100)
        now = NOW
        for _ in range(20):
            made.throttled(now)
            now += 1.0
        assert made.limit == LIMIT_MIN

    def test_a_rate_below_one_a_second_is_not_raised(self) -> None:
        made = pace(rate=0.5)
        made.throttled(NOW)
        assert made.limit == 0.5

    def test_a_link_without_a_rate_is_slowed_from_what_it_sent(self) -> None:
        made = pace(recover_s=30)
        for tick in range(2_000):
            made.take(NOW + tick * 0.005)
        made.throttled(NOW + 10)
        assert made.limit == pytest.approx(100, rel=0.05)

    def test_a_burst_after_idleness_counts_as_a_tenth_of_a_second(self) -> None:
        made = pace()
        for _ in range(200):
            made.take(NOW + 100)
        made.throttled(NOW + 100.01)
        assert made.limit == pytest.approx(1_000)

    def test_a_link_without_a_rate_is_free_again_in_the_end(self) -> None:
        made = pace(recover_s=30)
        for tick in range(200):
            made.take(NOW + tick * 0.01)
        made.throttled(NOW + 2)
        limited = made.limit
        made.wait(NOW + 3 + 60)
        assert made.limit == pytest.approx(limited * 4)
        # Three doublings: half, once, twice, four times what it sent.
        made.wait(NOW + 3 + 91)
        assert FREE_ABOVE == 4
        assert made.limit == inf
        assert send_at_once(made, NOW + 95) == 10_000
