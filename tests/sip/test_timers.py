"""The timer heap."""

from __future__ import annotations

from sip.timers import COMPACT_FROM, TimerHeap, TimerValues


def test_timers_fire_in_order_and_once() -> None:
    heap, fired = TimerHeap(), list[tuple[str, float]]()
    for name, at in (("b", 2.0), ("a", 1.0), ("c", 3.0)):
        heap.set(at, lambda now, name=name: fired.append((name, now)))
    assert heap.next() == 1.0
    heap.run(2.5)
    assert fired == [("a", 2.5), ("b", 2.5)]
    assert heap.next() == 3.0
    heap.run(9.0)
    heap.run(9.0)
    assert len(fired) == 3
    assert heap.next() is None


def test_a_cancelled_timer_is_silent() -> None:
    heap, fired = TimerHeap(), list[float]()
    timer = heap.set(1.0, fired.append)
    timer.cancel()
    timer.cancel()
    assert (heap.next(), len(heap)) == (None, 0)
    heap.run(2.0)
    assert fired == []


def test_one_timer_may_cancel_another_that_is_due() -> None:
    heap, fired = TimerHeap(), list[float]()
    heap.set(1.0, lambda _: second.cancel())
    second = heap.set(1.0, fired.append)
    heap.run(1.0)
    assert fired == []
    assert len(heap) == 0


def test_what_is_set_for_the_past_meanwhile_waits_for_the_next_run() -> None:
    heap, fired = TimerHeap(), list[float]()
    heap.set(1.0, lambda now: heap.set(now - 1.0, fired.append) and None)
    heap.run(1.0)
    assert fired == []
    assert heap.next() == 0.0


def test_cancelled_timers_are_swept_out() -> None:
    heap = TimerHeap()
    timers = [heap.set(float(n), lambda _: None) for n in range(COMPACT_FROM * 2)]
    for timer in timers[:-1]:
        timer.cancel()
    assert len(heap) == 1
    assert len(heap._entries) < COMPACT_FROM
    assert heap.next() == float(COMPACT_FROM * 2 - 1)


def test_a_shell_hears_of_each_timer_that_is_due_before_all_others() -> None:
    heap, calls = TimerHeap(), list[int]()
    heap.on_change = lambda: calls.append(1)
    heap.set(2.0, lambda _: None)
    heap.set(3.0, lambda _: None)
    assert len(calls) == 1
    heap.set(1.0, lambda _: None)
    assert len(calls) == 2


def test_a_timer_that_is_put_off_fires_once_and_later() -> None:
    heap, fired = TimerHeap(), list[str]()
    timer = heap.set(1.0, lambda _: fired.append("early"))
    moved = heap.move(timer, 5.0, lambda _: fired.append("late"))
    heap.set(3.0, lambda _: fired.append("between"))
    assert heap.next() == 3.0
    heap.run(4.0)
    assert fired == ["between"]
    assert heap.next() == 5.0
    heap.run(5.0)
    assert fired == ["between", "late"]
    assert not moved.queued
    assert heap.next() is None


def test_a_timer_is_brought_forward_and_one_that_fired_is_set_anew() -> None:
    heap, fired = TimerHeap(), list[float]()
    late = heap.set(5.0, fired.append)
    early = heap.move(late, 1.0, fired.append)
    heap.run(1.0)
    heap.move(early, 2.0, fired.append)
    heap.run(9.0)
    assert fired == [1.0, 9.0]
    assert len(heap) == 0


def test_a_timer_that_was_put_off_can_be_cancelled() -> None:
    heap, fired = TimerHeap(), list[float]()
    heap.move(heap.set(1.0, fired.append), 5.0, fired.append).cancel()
    heap.run(9.0)
    assert fired == []
    assert (heap.next(), len(heap)) == (None, 0)


def test_default_values_are_the_rfcs() -> None:
    """RFC 3261 table 4."""
    values = TimerValues()
    assert (values.t1, values.t2, values.t4, values.timeout, values.d) == (0.5, 4.0, 5.0, 32.0, 32.0)
