"""An SMPP listener: accepts connections and hands their events to one callback."""

from __future__ import annotations

import asyncio
import logging
import ssl as tls
from typing import Final

from smpp.aio.connection import Connection, OnEvents, Tap
from smpp.session import SessionConfig
from smpp.states import Role

log = logging.getLogger(__name__)

CONNECTIONS_MAX: Final = 1000
"""Default cap of open connections, bound or not; one more is closed on arrival."""
BACKLOG: Final = 256


class Server:
    """A message centre's listener; with role "esme", that of an ESME which waits for outbind."""

    def __init__(
        self,
        on_events: OnEvents,
        config: SessionConfig | None = None,
        *,
        connections_max: int = CONNECTIONS_MAX,
        ssl: tls.SSLContext | None = None,
        tap: Tap | None = None,
        role: Role = "mc",
    ) -> None:
        self.connections: set[Connection] = set()
        self._on_events = on_events
        self._config = config or SessionConfig()
        self._connections_max = connections_max
        self._ssl = ssl
        self._tap = tap
        self._role: Role = role
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port that is listened on; 0 before start."""
        if self._server is None or not self._server.sockets:
            return 0
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self, host: str, port: int) -> None:
        """Listens; port 0 takes a free one. Raises OSError when the address is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, host, port, ssl=self._ssl, backlog=BACKLOG)

    async def stop(self, drain_s: float = 5.0) -> None:
        """Takes no more connections, then ends every one in order within `drain_s` seconds."""
        if self._server is not None:
            self._server.close()
        if self.connections:
            await asyncio.gather(*(connection.close(drain_s) for connection in list(self.connections)))

    def _accept(self) -> asyncio.BaseProtocol:
        if len(self.connections) >= self._connections_max:
            log.warning("connection refused: connections_max reached")
            return _Refusal()
        connection = Connection(
            self._role, self._on_events, self._config, tap=self._tap, on_lost=self.connections.discard
        )
        self.connections.add(connection)
        return connection


class _Refusal(asyncio.Protocol):
    """Closes what it is given."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
