"""In the place of aiomqtt.Client: a broker that confirms nothing, and a client that loses a cancellation.

aiomqtt waits with asyncio.wait_for, which loses one that comes in the moment in which the confirmation does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiomqtt


class DeafBroker:
    """`client` stands for aiomqtt.Client. With `times_out`, aiomqtt has waited long enough for a confirmation."""

    def __init__(self, times_out: bool = False) -> None:
        self.times_out = times_out
        self.connections = 0
        self.published = asyncio.Event()
        self.messages = self._messages()

    @asynccontextmanager
    async def client(self, *_: Any, **__: Any) -> AsyncIterator[DeafBroker]:
        self.connections += 1
        self.messages = self._messages()
        yield self

    async def _messages(self) -> AsyncIterator[Any]:
        await asyncio.Event().wait()
        yield

    async def subscribe(self, *_: Any, **__: Any) -> None:
        pass

    async def publish(self, *_: Any, **__: Any) -> None:
        self.published.set()
        if self.times_out:
            raise aiomqtt.MqttError("Operation timed out")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return
