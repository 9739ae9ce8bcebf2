"""Timers as numbers: one heap for all transactions, dialogs and calls, and the values of RFC 3261 table 4."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

COMPACT_FROM = 1024
"""Heap entries from which cancelled ones are swept out once they are the majority."""

Fire = Callable[[float], None]


@dataclass(slots=True, frozen=True)
class TimerValues:
    """Seconds (RFC 3261 table 4). ``t1``: round-trip estimate; ``t2``: longest retransmit interval; ``t4``:
    longest life of a message in the network; ``d``: wait for late responses on an unreliable transport."""

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    d: float = 32.0
    trying: float = 0.2
    """RFC 3261 17.2.1: a 100 goes when the user is silent for this long."""

    @property
    def timeout(self) -> float:
        """64*T1: timers B, F, H, J, L and M."""
        return 64 * self.t1


class Timer:
    """One pending timer. ``cancel`` may be called at any time, more than once."""

    __slots__ = ("_heap", "at", "fire", "queued")

    def __init__(self, heap: TimerHeap, at: float, fire: Fire) -> None:
        self._heap = heap
        self.at = at
        self.fire: Fire | None = fire
        self.queued = True

    def cancel(self) -> None:
        if self.fire is not None:
            self.fire = None
            if self.queued:
                self._heap.dropped()


class TimerHeap:
    """Timers ordered by time. Bounded by what owns them: each transaction and call holds a few at most.

    ``on_change`` is called when one is set that is due before all others.
    """

    __slots__ = ("_cancelled", "_entries", "_order", "on_change")

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Timer]] = []
        self._order = 0
        self._cancelled = 0
        self.on_change: Callable[[], None] | None = None

    def __len__(self) -> int:
        return len(self._entries) - self._cancelled

    def set(self, at: float, fire: Fire) -> Timer:
        """Call ``fire(now)`` at the time ``at`` or soon after."""
        timer = Timer(self, at, fire)
        self._push(at, timer)
        if self._entries[0][2] is timer and self.on_change is not None:
            self.on_change()
        return timer

    def move(self, timer: Timer | None, at: float, fire: Fire) -> Timer:
        """In the place of a timer that is no longer wanted. Where that one would have been earlier it is put off,
        which costs nothing: a transaction does so with each state."""
        if timer is not None:
            if timer.queued and timer.fire is not None and timer.at <= at:
                timer.at, timer.fire = at, fire
                return timer
            timer.cancel()
        return self.set(at, fire)

    def _push(self, at: float, timer: Timer) -> None:
        self._order += 1
        heapq.heappush(self._entries, (at, self._order, timer))

    def dropped(self) -> None:
        self._cancelled += 1
        if self._cancelled * 2 > len(self._entries) >= COMPACT_FROM:
            self._entries = [entry for entry in self._entries if entry[2].fire is not None]
            heapq.heapify(self._entries)
            self._cancelled = 0

    def next(self) -> float | None:
        """When the next timer is due, None when there is none."""
        entries = self._entries
        while entries:
            at, _, timer = entries[0]
            if timer.fire is None:
                heapq.heappop(entries)
                self._cancelled -= 1
            elif timer.at > at:
                heapq.heappop(entries)
                self._push(timer.at, timer)
            else:
                return at
        return None

    def run(self, now: float) -> None:
        """Fire what is due. What is set meanwhile for the past waits for the next run."""
        due: list[Timer] = []
        while self._entries and self._entries[0][0] <= now:
            at, _, timer = heapq.heappop(self._entries)
            if timer.fire is None:
                self._cancelled -= 1
            elif timer.at > at:
                self._push(timer.at, timer)  # it was put off meanwhile
            else:
                timer.queued = False
                due.append(timer)
        for timer in due:
            fire = timer.fire  # None where one that fired before cancelled it
            if fire is not None:
                timer.fire = None
                fire(now)
