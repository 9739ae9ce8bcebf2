"""One ESME connection: connect, bind, send, close."""

from __future__ import annotations

import asyncio
import ssl as tls
from collections.abc import Callable

from smpp.aio.connection import Connection, Done, OnEvents, Tap
from smpp.constants import CommandId
from smpp.constants import CommandStatus as Status
from smpp.events import BindRefused, Bound, ConnectionMustClose, Event, RequestReceived
from smpp.pdu import Bind, Body, Pdu
from smpp.session import LocalProtocolError, SessionConfig


class ConnectFailed(Exception):
    """No connection, or no answer to the bind, in time."""


class BindRefusedError(Exception):
    """The message centre refused the bind with that command_status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"bind refused with status 0x{status:08X}")
        self.status = status


class NotBound(LocalProtocolError):
    """There is no bound connection now."""


def refuse_requests(connection: Connection, events: list[Event]) -> None:
    """For an ESME that takes no messages: each is answered with a temporary error, so that it is kept."""
    for event in events:
        if isinstance(event, RequestReceived) and event.pdu.command_id != CommandId.ALERT_NOTIFICATION:
            connection.reject(event.pdu, Status.ESME_RX_T_APPN)


async def open_bound(
    host: str,
    port: int,
    bind: Bind,
    on_events: OnEvents,
    config: SessionConfig,
    *,
    timeout: float,
    ssl: tls.SSLContext | None = None,
    tap: Tap | None = None,
    on_lost: Callable[[Connection], None] | None = None,
) -> tuple[Connection, Pdu]:
    """A connection that is bound, and the bind response. All of it takes at most `timeout` seconds.

    Events before the bind's outcome stay inside; later ones go to `on_events`, as does Bound itself.
    Raises ConnectFailed, BindRefusedError.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Pdu] = loop.create_future()

    def watch(connection: Connection, events: list[Event]) -> None:
        for event in events:
            if outcome.done():
                break
            if isinstance(event, Bound):
                outcome.set_result(event.pdu)
            elif isinstance(event, BindRefused):
                outcome.set_exception(BindRefusedError(event.status))
            elif isinstance(event, ConnectionMustClose):
                outcome.set_exception(ConnectFailed(event.reason))
        if outcome.done() and not outcome.cancelled() and outcome.exception() is None:
            on_events(connection, events)

    connection: Connection | None = None
    try:
        async with asyncio.timeout(timeout):
            _, connection = await loop.create_connection(
                lambda: Connection("esme", watch, config, tap=tap, on_lost=on_lost), host, port, ssl=ssl
            )
            connection.request(bind)
            return connection, await outcome
    except (OSError, TimeoutError) as error:
        if connection is not None:
            connection.abort("bind not answered in time")
        raise ConnectFailed(str(error) or "timed out") from None
    except asyncio.CancelledError:
        if connection is not None:
            connection.abort("cancelled")
        raise


class Client:
    """An ESME with one connection and no reconnect; `smpp.aio.link.Link` keeps one up."""

    def __init__(
        self,
        bind: Bind,
        on_events: OnEvents | None = None,
        config: SessionConfig | None = None,
        *,
        ssl: tls.SSLContext | None = None,
        tap: Tap | None = None,
    ) -> None:
        self._bind = bind
        self._on_events = on_events or refuse_requests
        self._config = config or SessionConfig()
        self._ssl = ssl
        self._tap = tap
        self._connection: Connection | None = None

    async def connect(self, host: str, port: int, timeout: float = 10.0) -> Pdu:
        """Connects and binds; returns the bind response. Raises ConnectFailed, BindRefusedError."""
        self._connection, response = await open_bound(
            host,
            port,
            self._bind,
            self._on_events,
            self._config,
            timeout=timeout,
            ssl=self._ssl,
            tap=self._tap,
        )
        return response

    @property
    def connection(self) -> Connection:
        """Raises NotBound before `connect`."""
        if self._connection is None:
            raise NotBound("not connected")
        return self._connection

    def request(self, body: Body, done: Done) -> int:
        """See Connection.request."""
        return self.connection.request(body, done)

    async def call(self, body: Body) -> Pdu:
        """See Connection.call."""
        return await self.connection.call(body)

    def respond(self, sequence_number: int, body: Body, status: int = 0) -> None:
        """See Connection.respond."""
        self.connection.respond(sequence_number, body, status)

    def reject(self, request: Pdu, status: int) -> None:
        """See Connection.reject."""
        self.connection.reject(request, status)

    async def close(self, timeout: float = 5.0) -> None:
        """Unbinds and closes, within `timeout` seconds."""
        if self._connection is not None:
            await self._connection.close(timeout)
