"""How busy the SMS side is, as SMPP 5.0's congestion_state tells a sender before it must be throttled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

CONGESTED: Final = 100
"""5.0, 4.8.4.18: 0 idle, 1 to 29 low load, 30 to 49 medium, 50 to 79 high, 80 to 89 the load recommended at
most, 90 to 99 nearing congestion, 100 congested."""
STEP: Final = 5
"""A state goes up at once and down only when the load is so much lower, or nothing waits: else it would
flicker at a border."""


def congestion_state(load: float, previous: int) -> int:
    """The state for a load from 0 (nothing waits) to 1 (a queue is full), after the `previous` one."""
    found = min(CONGESTED, max(0, int(load * CONGESTED)))
    if 0 < previous - found < STEP and found > 0:
        return previous
    return found


class Congestion:
    """Watches queues, each by how full it is; the fullest counts, since one that is full stops all."""

    def __init__(self, *queues: Callable[[], float]) -> None:
        """Each answers from 0 to 1, cheaply: they are asked at each read of a session."""
        self._queues = queues
        self._state = 0

    def look(self) -> int:
        """The state now."""
        load = max((queue() for queue in self._queues), default=0.0)
        self._state = congestion_state(load, self._state)
        return self._state

    @property
    def state(self) -> int:
        """As of the last look."""
        return self._state

    @property
    def congested(self) -> bool:
        """Whether nothing more should be taken, as of the last look."""
        return self._state >= CONGESTED
