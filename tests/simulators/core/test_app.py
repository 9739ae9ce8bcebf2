"""The simulated core serves until it is told to stop, and leaves its port free."""

import asyncio
import socket

from simulators.core.app import run
from simulators.core.settings import CoreSettings
from tests.ports import free_port


async def test_it_runs_until_it_is_told_to_stop(tmp_path) -> None:
    side = {"host": "127.0.0.1", "port": 9}
    settings = CoreSettings.model_validate(
        {"port": free_port(socket.SOCK_DGRAM), "gateway": side, "handsets": side, "log_dir": tmp_path}
    )
    stop = asyncio.Event()
    running = asyncio.create_task(run(settings, stop))
    await asyncio.sleep(0)
    stop.set()
    async with asyncio.timeout(10):
        await running
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(("127.0.0.1", settings.port))
