"""What happens later, in one heap: answers, deliveries, retries, replies."""

import heapq
from collections.abc import Callable
from typing import Any

Action = Callable[[Any], None]


class Timers:
    """Actions by the millisecond at which they are due; equal ones in the order of their coming.

    Bounded by what it serves: at most a few entries an open message. Entries are not taken out: an action
    that has lost its reason finds that out itself.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Action, Any]] = []
        self._count = 0
        self.on_earlier: Callable[[int], None] | None = None
        """Told when something is due before all that was known."""

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, due_at: int, action: Action, argument: Any) -> None:
        """Call ``action(argument)`` at `due_at`, milliseconds since the epoch."""
        self._count += 1
        heap = self._heap
        heapq.heappush(heap, (due_at, self._count, action, argument))
        if self.on_earlier is not None and heap[0][1] == self._count:
            self.on_earlier(due_at)

    @property
    def next_due(self) -> int | None:
        """When the first is due."""
        return self._heap[0][0] if self._heap else None

    def run(self, now_ms: int) -> None:
        """Do all that is due."""
        heap = self._heap
        while heap and heap[0][0] <= now_ms:
            _, _, action, argument = heapq.heappop(heap)
            action(argument)
