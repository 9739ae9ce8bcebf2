"""How a task is ended: whatever runs inside it, the one who waits for its end waits no longer than that takes."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final

AGAIN_SECONDS: Final = 0.5
"""How long a task has to follow before it is cancelled once more."""
TIMES_MAX: Final = 20
"""How often it is cancelled; then it is left behind."""

_log = logging.getLogger(__name__)


async def end(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel what still runs and return when all of it has ended; what failed is logged, and what goes on after
    TIMES_MAX. None is nothing.

    A task is asked again when it goes on: libraries swallow a cancellation that comes in the wrong moment
    (asyncio.wait_for before Python 3.12, when what it waits for is just done), and a loop inside would then run for
    ever, and with it whoever waits for its end.
    """
    ending = {task for task in tasks if task is not None}
    running = ending
    for _ in range(TIMES_MAX):
        if not running:
            break
        for each in running:
            each.cancel()
        try:
            _, running = await asyncio.wait(running, timeout=AGAIN_SECONDS)
        except asyncio.CancelledError:
            for each in running:
                each.cancel()
            raise
    for each in ending:
        if each in running:
            _log.error("%s does not end", each.get_name())
        elif not each.cancelled() and (error := each.exception()) is not None:
            _log.error("%s failed", each.get_name(), exc_info=error)


async def first(*works: Coroutine[Any, Any, None]) -> None:
    """Do all of this at once until one of it is over; the rest is ended. Raises what that one raises."""
    begun = [asyncio.create_task(work) for work in works]
    try:
        over, _ = await asyncio.wait(begun, return_when=asyncio.FIRST_COMPLETED)
        for task in over:
            task.result()
    finally:
        await end(*(task for task in begun if not task.done()))
