"""Start and stop of the simulated core."""

import asyncio

from simulators.core.b2bua import Core
from simulators.core.settings import CoreSettings
from simulators.usage import report


async def run(settings: CoreSettings, stop: asyncio.Event, every_s: float | None = None) -> None:
    """Serve until `stop` is set, and print what happens every `every_s` seconds."""
    core = await Core.start(settings)
    telling = None if every_s is None else asyncio.create_task(report(every_s, core.describe, print))
    try:
        await stop.wait()
    finally:
        if telling is not None:
            telling.cancel()
        await core.stop()
