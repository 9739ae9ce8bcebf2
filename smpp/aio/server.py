"""An SMPP server: accepts connections on one or more listeners and hands their events to one callback."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl as tls
from typing import Final

from smpp.aio.acceptor import CONNECTIONS_MAX, Acceptor
from smpp.aio.connection import Connection, OnEvents, Tap
from smpp.session import SessionConfig
from smpp.states import Role

log = logging.getLogger(__name__)

HANDSHAKE_S: Final = 10.0
"""Deadline of a TLS handshake where session_init_s is off."""


class Server:
    """A message centre's server; with role "esme", that of an ESME which waits for outbind."""

    def __init__(
        self,
        on_events: OnEvents,
        config: SessionConfig | None = None,
        *,
        connections_max: int = CONNECTIONS_MAX,
        address_connections_max: int | None = None,
        ssl: tls.SSLContext | None = None,
        tap: Tap | None = None,
        role: Role = "mc",
    ) -> None:
        """The caps are those of smpp.aio.acceptor."""
        self.connections: set[Connection] = set()
        """All that are accepted, those in a TLS handshake too."""
        self._on_events = on_events
        self._config = config or SessionConfig()
        self._ssl = ssl
        self._tap = tap
        self._role: Role = role
        self._acceptor: Acceptor[tls.SSLContext | None] = Acceptor(
            self._open, connections_max=connections_max, address_connections_max=address_connections_max
        )
        self._opening: dict[Connection, asyncio.Task[None]] = {}

    @property
    def port(self) -> int:
        """The port of the first listener; 0 before start."""
        return self._acceptor.port

    @property
    def refused(self) -> int:
        """Connections closed on arrival, since one of the caps was reached."""
        return self._acceptor.refused

    async def start(self, host: str, port: int) -> None:
        """Listens; port 0 takes a free one. Raises OSError when the address is taken."""
        await self.listen(host, port, ssl=self._ssl)

    async def listen(self, host: str, port: int, *, ssl: tls.SSLContext | None = None) -> int:
        """Listens on one more address, over TLS with `ssl`; returns its port. Raises OSError."""
        return await self._acceptor.listen(host, port, ssl)

    async def stop_listening(self) -> None:
        """Takes no more connections; those that are bound stay."""
        await self._acceptor.stop()

    async def stop(self, drain_s: float = 5.0) -> None:
        """Takes no more connections, then ends every one in order within `drain_s` seconds."""
        await self.stop_listening()
        opening = list(self._opening.values())
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)
        if self.connections:
            await asyncio.gather(*(connection.close(drain_s) for connection in list(self.connections)))

    # ---- inside

    def _open(self, sock: socket.socket, peer: tuple[str, int], ssl: tls.SSLContext | None) -> Connection:
        connection = Connection(
            self._role, self._on_events, self._config, tap=self._tap, on_lost=self._forget
        )
        self.connections.add(connection)
        task = asyncio.get_running_loop().create_task(self._connect(connection, sock, peer[0], ssl))
        self._opening[connection] = task  # one each, so no more than connections_max
        return connection

    async def _connect(
        self, connection: Connection, sock: socket.socket, address: str, ssl: tls.SSLContext | None
    ) -> None:
        try:
            await connect_accepted(connection, sock, ssl, self._config.session_init_s)
        except (OSError, tls.SSLError) as error:
            log.info("connection from %s ended in its handshake: %s", address, error)
            self._forget(connection)
        except BaseException:
            self._forget(connection)
            raise
        finally:
            self._opening.pop(connection, None)

    def _forget(self, connection: Connection) -> None:
        self.connections.discard(connection)
        self._acceptor.forget(connection)


async def connect_accepted(
    connection: Connection, sock: socket.socket, ssl: tls.SSLContext | None, handshake_s: float
) -> None:
    """Gives an accepted socket to its connection, after the handshake where there is one; it has `handshake_s`
    seconds, where that is 0 HANDSHAKE_S. Raises OSError, ssl.SSLError."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    await asyncio.get_running_loop().connect_accepted_socket(
        lambda: connection,
        sock,
        ssl=ssl,
        ssl_handshake_timeout=None if ssl is None else handshake_s or HANDSHAKE_S,
    )
