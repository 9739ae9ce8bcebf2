"""How a task is ended: whatever runs inside it, the one who waits for its end waits no longer than that takes."""

import asyncio
import logging
from typing import Any, Final

AGAIN_SECONDS: Final = 0.5
"""How long a task has to follow before it is cancelled once more."""

_log = logging.getLogger(__name__)


async def end(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel what still runs and return when all of it has ended; what failed is logged. None is nothing.

    A task is asked again when it goes on: libraries swallow a cancellation that comes in the wrong moment
    (asyncio.wait_for before Python 3.12, when what it waits for is just done), and a loop inside would then run for
    ever, and with it whoever waits for its end.
    """
    ending = {task for task in tasks if task is not None}
    running = ending
    while running:
        for each in running:
            each.cancel()
        _, running = await asyncio.wait(running, timeout=AGAIN_SECONDS)
    for each in ending:
        if not each.cancelled() and (error := each.exception()) is not None:
            _log.error("%s failed", each.get_name(), exc_info=error)
