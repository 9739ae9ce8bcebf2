"""Sessions that the message centre begins (3.4, 2.2.1; 5.0, 2.3.7): it connects and sends outbind, the ESME
answers with a bind."""

from __future__ import annotations

import asyncio
import logging
import ssl as tls
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from smpp.aio.client import ConnectFailed
from smpp.aio.connection import Connection, OnEvents, Tap
from smpp.aio.link import BoundLink, LinkState
from smpp.aio.server import Server
from smpp.events import Bound, ConnectionMustClose, Event, OutbindReceived
from smpp.pdu import Bind, Outbind
from smpp.session import SessionConfig

log = logging.getLogger(__name__)

CONNECTIONS_MAX: Final = 8
"""Connections to an OutbindLink, bound or not yet: one message centre, and some that came by mistake."""


async def send_outbind(
    host: str,
    port: int,
    outbind: Outbind,
    on_events: OnEvents,
    config: SessionConfig | None = None,
    *,
    timeout: float = 10.0,
    ssl: tls.SSLContext | None = None,
    tap: Tap | None = None,
    on_lost: Callable[[Connection], None] | None = None,
) -> Connection:
    """A message centre's connection on which outbind is sent. BindRequested follows to `on_events`, or
    ConnectionMustClose after session_init_s. Raises ConnectFailed after `timeout` seconds at most."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout):
            _, connection = await loop.create_connection(
                lambda: Connection("mc", on_events, config or SessionConfig(), tap=tap, on_lost=on_lost),
                host,
                port,
                ssl=ssl,
            )
    except (OSError, TimeoutError) as error:
        raise ConnectFailed(str(error) or "timed out") from None
    connection.request(outbind)
    return connection


@dataclass(frozen=True, slots=True)
class OutbindConfig:
    """Where to wait, and as whom to bind. Seconds."""

    host: str
    port: int
    """0 takes a free one."""
    bind: Bind
    session: SessionConfig = field(default_factory=SessionConfig)


class OutbindLink(BoundLink):
    """An ESME that waits for its message centre to connect: one bound connection at a time.

    `accept` looks at the outbind's system_id and password, and at the connection's address and certificate;
    False ends the connection. An outbind while bound is refused too.
    """

    def __init__(
        self,
        config: OutbindConfig,
        accept: Callable[[Connection, Outbind], bool],
        on_events: OnEvents,
        *,
        name: str = "",
        ssl: tls.SSLContext | None = None,
        tap: Tap | None = None,
        on_state: Callable[[OutbindLink, LinkState], None] | None = None,
    ) -> None:
        super().__init__(name or f"outbind {config.host}:{config.port}", on_events, ssl, tap, on_state)
        self.config = config
        self._accept = accept
        self._server: Server | None = None

    @property
    def port(self) -> int:
        """The port that is listened on; 0 before start."""
        return self._server.port if self._server is not None else 0

    async def start(self) -> None:
        """Listens. Raises OSError when the address is taken."""
        self._server = Server(
            self._receive,
            self.config.session,
            connections_max=CONNECTIONS_MAX,
            ssl=self._ssl,
            tap=self._tap,
            role="esme",
        )
        await self._server.start(self.config.host, self.config.port)
        self._set_state(LinkState.LISTENING)

    async def stop(self, drain_s: float = 5.0) -> None:
        """Ends the connection in order within `drain_s` seconds and listens no more."""
        if self._server is not None:
            await self._server.stop(drain_s)
            self._server = None
        self._set_state(LinkState.STOPPED)

    def _receive(self, connection: Connection, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, OutbindReceived):
                self._answer(connection, event)
            elif isinstance(event, Bound):
                # Before the owner hears of it, so that it can send at once.
                self._connection = connection
                self._set_state(LinkState.BOUND)
            elif isinstance(event, ConnectionMustClose):
                self.last_error = event.reason
                if connection is self._connection:
                    self._connection = None
                    self._set_state(LinkState.LISTENING)
        self._on_events(connection, events)

    def _answer(self, connection: Connection, event: OutbindReceived) -> None:
        outbind = event.pdu.body
        assert isinstance(outbind, Outbind)
        if self._connection is not None:
            log.warning("link %s: outbind while bound", self.name)
        elif self._accept(connection, outbind):
            self._connection = connection
            connection.request(self.config.bind)
            return
        else:
            log.warning("link %s: outbind refused", self.name)
        # After this callback, so that its events are told in order.
        asyncio.get_running_loop().call_soon(connection.abort, "outbind refused")
