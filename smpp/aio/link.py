"""A link to a message centre that is kept up: rebinds with backoff, a deadline on every wait."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl as tls
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from smpp.aio.client import BindRefusedError, ConnectFailed, NotBound, open_bound
from smpp.aio.connection import Connection, Done, OnEvents, Tap
from smpp.events import Bound, ConnectionMustClose, Event
from smpp.pdu import Bind, Body
from smpp.session import SessionConfig

log = logging.getLogger(__name__)


class LinkState(Enum):
    STOPPED = "stopped"
    CONNECTING = "connecting"
    LISTENING = "listening"
    """Waits for the message centre's outbind; see `smpp.aio.outbind`."""
    BOUND = "bound"
    BACKOFF = "backoff"


@dataclass(frozen=True, slots=True)
class LinkConfig:
    """Where to, as whom, and how patiently. Seconds."""

    host: str
    port: int
    bind: Bind
    session: SessionConfig = field(default_factory=SessionConfig)
    connect_timeout_s: float = 10.0
    """For TCP, TLS and bind together."""
    backoff_min_s: float = 0.5
    backoff_max_s: float = 30.0
    """The pause doubles from least to most while attempts fail, less up to a quarter at random."""


class BoundLink:
    """What owners of a link use, however its connection comes about: one bound connection or none."""

    def __init__(
        self,
        name: str,
        on_events: OnEvents,
        ssl: tls.SSLContext | None,
        tap: Tap | None,
        on_state: Callable[[Any, LinkState], None] | None,
    ) -> None:
        self.name = name
        self.last_error = ""
        """Why the last attempt failed or the last connection ended."""
        self._on_events = on_events
        self._ssl = ssl
        self._tap = tap
        self._on_state = on_state
        self._state = LinkState.STOPPED
        self._connection: Connection | None = None
        self._bound = asyncio.Event()

    @property
    def state(self) -> LinkState:
        return self._state

    @property
    def connection(self) -> Connection | None:
        """The bound connection, None while there is none."""
        return self._connection if self._state is LinkState.BOUND else None

    @property
    def is_bound(self) -> bool:
        connection = self.connection
        return connection is not None and connection.is_bound

    @property
    def window_free(self) -> int:
        """Requests that may be sent now; 0 when not bound."""
        connection = self.connection
        return connection.window_free if connection is not None else 0

    async def wait_bound(self, timeout: float) -> None:
        """Returns once the link is bound. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            await self._bound.wait()

    def request(self, body: Body, done: Done | None = None, *, context: Any = None) -> int:
        """See Connection.request; raises NotBound while there is no connection."""
        return self._require().request(body, done, context=context)

    def request_frame(self, frame: bytes, done: Done | None = None, *, context: Any = None) -> int:
        """See Connection.request_frame; raises NotBound while there is no connection."""
        return self._require().request_frame(frame, done, context=context)

    def _require(self) -> Connection:
        connection = self.connection
        if connection is None or not connection.is_bound:
            raise NotBound(f"link {self.name} is not bound")
        return connection

    def _set_state(self, state: LinkState) -> None:
        if state is self._state:
            return
        log.info("link %s: %s -> %s", self.name, self._state.value, state.value)
        self._state = state
        if state is LinkState.BOUND:
            self._bound.set()
        else:
            self._bound.clear()
        if self._on_state is not None:
            self._on_state(self, state)


class Link(BoundLink):
    """Supervises one bound connection. Events of every connection it makes go to `on_events`."""

    def __init__(
        self,
        config: LinkConfig,
        on_events: OnEvents,
        *,
        name: str = "",
        ssl: tls.SSLContext | None = None,
        tap: Tap | None = None,
        on_state: Callable[[Link, LinkState], None] | None = None,
    ) -> None:
        super().__init__(name or f"{config.host}:{config.port}", on_events, ssl, tap, on_state)
        self.config = config
        self.failures = 0
        """Attempts that failed since the link was last bound."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to keep the link up. Needs a running loop."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(
                self._supervise(), name=f"smpp link {self.name}"
            )

    async def stop(self, drain_s: float = 5.0) -> None:
        """Ends the connection in order within `drain_s` seconds and makes no other."""
        connection = self.connection
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if connection is not None:
            await connection.close(drain_s)
        self._set_state(LinkState.STOPPED)

    def _receive(self, connection: Connection, events: list[Event]) -> None:
        if any(isinstance(event, Bound) for event in events):
            # Before the owner hears of it, so that it can send at once.
            self.failures = 0
            self._connection = connection
            self._set_state(LinkState.BOUND)
        for event in events:
            if isinstance(event, ConnectionMustClose):
                self.last_error = event.reason
        self._on_events(connection, events)

    async def _supervise(self) -> None:
        config = self.config
        while True:
            self._set_state(LinkState.CONNECTING)
            try:
                connection, _ = await open_bound(
                    config.host,
                    config.port,
                    config.bind,
                    self._receive,
                    config.session,
                    timeout=config.connect_timeout_s,
                    ssl=self._ssl,
                    tap=self._tap,
                )
            except (ConnectFailed, BindRefusedError) as error:
                self.failures += 1
                self.last_error = str(error)
                log.warning("link %s: %s", self.name, error)
            else:
                await connection.wait_closed()
                self._connection = None
            self._set_state(LinkState.BACKOFF)
            await asyncio.sleep(self._pause())

    def _pause(self) -> float:
        """Seconds to the next attempt; drawn a little apart so that many links do not return as one."""
        doubled = self.config.backoff_min_s * 2.0 ** min(self.failures, 30)
        return min(doubled, self.config.backoff_max_s) * random.uniform(0.75, 1.0)
