"""What one call has to wait for, one step after the other."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

_log = logging.getLogger(__name__)

STEPS_MAX: Final = 32
"""Steps of one call that wait for relay or store; a call that asks for more is released."""

Step = Callable[[], Awaitable[None]]


class Steps:
    """A queue of steps that are run in order, so that descriptions are never mixed up.

    `on_error` is told what a step raised; the steps behind it go on, unless `clear` is called.
    """

    def __init__(self, on_error: Callable[[Exception], None]) -> None:
        self._on_error = on_error
        self._waiting: deque[Step] = deque()
        self._worker: asyncio.Task[None] | None = None

    @property
    def is_full(self) -> bool:
        return len(self._waiting) >= STEPS_MAX

    def add(self, step: Step) -> None:
        """Run this after all that were added before. The bound is the caller's to keep (`is_full`)."""
        self._waiting.append(step)
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work())

    def clear(self) -> None:
        """Forget the steps that have not begun."""
        self._waiting.clear()

    def release(self) -> None:
        """Nobody is told any more of what fails; it is logged."""
        self._on_error = _untold

    async def _work(self) -> None:
        while self._waiting:
            step = self._waiting.popleft()
            try:
                await step()
            except Exception as error:
                self._on_error(error)
        self._worker = None


def _untold(error: Exception) -> None:
    _log.error("a step failed after its call was over", exc_info=error)
