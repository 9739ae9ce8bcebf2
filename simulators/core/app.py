"""Start and stop of the simulated core."""

import asyncio

from simulators.core.b2bua import Core
from simulators.core.settings import CoreSettings


async def run(settings: CoreSettings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set."""
    core = await Core.start(settings)
    try:
        await stop.wait()
    finally:
        await core.stop()
