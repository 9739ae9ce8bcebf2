"""Front processes that run in the loop of the test, over the real sockets between them and the gateway."""

import asyncio
import os
import socket
from collections.abc import Sequence

from gateway.access_number import AccessNumberRow
from gateway.sms.esme_session import EsmeSession
from gateway.workers.process import FrontProcess
from gateway.workers.stand_in import StandIn
from smpp.events import Event


class InLoop:
    """As asyncio.subprocess.Process."""

    def __init__(self, channel: int, handed: int) -> None:
        self.pid = 0
        self._channel = socket.socket(fileno=os.dup(channel))
        self._handed = socket.socket(fileno=os.dup(handed))
        self._channel.setblocking(False)
        self.front = FrontProcess(self._handed)
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            await self.front.run(self._channel)
        finally:
            self._handed.close()

    def kill(self) -> None:
        """All its sockets close at once."""
        self._task.cancel()

    async def wait(self) -> int:
        await asyncio.wait([self._task])
        return 0 if not self._task.cancelled() else -9


async def in_loop(_name: str, channel: int, handed: int) -> InLoop:
    """A gateway.workers.worker.Spawn."""
    return InLoop(channel, handed)


class Nobody:
    """An owner that nothing concerns."""

    def on_events(self, session: EsmeSession, events: list[Event]) -> None: ...

    def number_of(self, address: str) -> AccessNumberRow | None:
        return None

    def gone(self, session: StandIn) -> None: ...

    def throttled(self, system_id: str, messages: int) -> None: ...

    def resumed(self, sessions: Sequence[EsmeSession]) -> None: ...
