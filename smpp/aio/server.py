"""An SMPP server: accepts connections on one or more listeners and hands their events to one callback.

Connections are counted when they are accepted, before any TLS handshake, so that neither what never
finishes one nor what never binds can hold more than the caps allow.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
import ssl as tls
from collections import Counter
from typing import Final

from smpp.aio.connection import Connection, OnEvents, Tap
from smpp.session import SessionConfig
from smpp.states import Role

log = logging.getLogger(__name__)

CONNECTIONS_MAX: Final = 1000
"""Default cap of open connections, bound or not; one more is closed on arrival."""
BACKLOG: Final = 256
"""Connections that the kernel holds for us to accept."""
HANDSHAKE_S: Final = 10.0
"""Deadline of a TLS handshake where session_init_s is off."""
ACCEPT_RETRY_S: Final = 0.5
"""Pause after the system could not give us a connection: without descriptors, asking at once is a busy loop."""
REFUSALS_NOTED: Final = 1_000
"""Of refused connections the first is logged, and every so many."""


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
        """`address_connections_max` bounds what one peer opens: an IPv4 address, or an IPv6 network of 64 bits."""
        self.connections: set[Connection] = set()
        """All that are accepted, those in a TLS handshake too."""
        self.refused = 0
        """Connections closed on arrival, since one of the caps was reached."""
        self._on_events = on_events
        self._config = config or SessionConfig()
        self._connections_max = connections_max
        self._address_connections_max = address_connections_max or connections_max
        self._ssl = ssl
        self._tap = tap
        self._role: Role = role
        self._listeners: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._opening: dict[Connection, asyncio.Task[None]] = {}
        self._origins: dict[Connection, str] = {}
        self._of_origin: Counter[str] = Counter()

    @property
    def port(self) -> int:
        """The port of the first listener; 0 before start."""
        return int(self._listeners[0].getsockname()[1]) if self._listeners else 0

    async def start(self, host: str, port: int) -> None:
        """Listens; port 0 takes a free one. Raises OSError when the address is taken."""
        await self.listen(host, port, ssl=self._ssl)

    async def listen(self, host: str, port: int, *, ssl: tls.SSLContext | None = None) -> int:
        """Listens on one more address, over TLS with `ssl`; returns its port. Raises OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        opened: list[socket.socket] = []
        try:
            for family, _, _, _, address in dict.fromkeys(found):
                # With port 0, a name's second address gets the port that its first was given.
                taken = opened[0].getsockname()[1] if opened else port
                opened.append(_listener(family, str(address[0]), taken))
        except OSError:
            for listener in opened:
                listener.close()
            raise
        self._listeners += opened
        self._accepting += [loop.create_task(self._accept(listener, ssl)) for listener in opened]
        return int(opened[0].getsockname()[1])

    async def stop_listening(self) -> None:
        """Takes no more connections; those that are bound stay."""
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        self._accepting.clear()
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()

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

    async def _accept(self, listener: socket.socket, ssl: tls.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, address = await loop.sock_accept(listener)
            except OSError as error:
                log.warning("no connection accepted: %s", error)
                await asyncio.sleep(ACCEPT_RETRY_S)
                continue
            origin = _origin(str(address[0]))
            if (
                len(self.connections) >= self._connections_max
                or self._of_origin[origin] >= self._address_connections_max
            ):
                sock.close()
                self._note_refusal(origin)
            else:
                self._open(sock, origin, ssl)

    def _open(self, sock: socket.socket, origin: str, ssl: tls.SSLContext | None) -> None:
        connection = Connection(
            self._role, self._on_events, self._config, tap=self._tap, on_lost=self._forget
        )
        self.connections.add(connection)
        self._origins[connection] = origin
        self._of_origin[origin] += 1
        task = asyncio.get_running_loop().create_task(self._connect(connection, sock, ssl))
        self._opening[connection] = task  # one each, so no more than connections_max

    async def _connect(self, connection: Connection, sock: socket.socket, ssl: tls.SSLContext | None) -> None:
        """Gives the socket to the connection, after the handshake where there is one."""
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection,
                sock,
                ssl=ssl,
                ssl_handshake_timeout=None if ssl is None else self._config.session_init_s or HANDSHAKE_S,
            )
        except (OSError, tls.SSLError) as error:
            log.info("connection from %s ended in its handshake: %s", self._origins.get(connection), error)
            self._forget(connection)
        except BaseException:
            self._forget(connection)
            raise
        finally:
            self._opening.pop(connection, None)

    def _forget(self, connection: Connection) -> None:
        self.connections.discard(connection)
        origin = self._origins.pop(connection, None)
        if origin is not None:
            self._of_origin[origin] -= 1
            if not self._of_origin[origin]:
                del self._of_origin[origin]

    def _note_refusal(self, origin: str) -> None:
        if self.refused % REFUSALS_NOTED == 0:
            log.warning("connection from %s refused, as %d before it: too many", origin, self.refused)
        self.refused += 1


def _listener(family: int, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setblocking(False)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _origin(address: str) -> str:
    """What counts as one peer: whoever has one IPv6 address has 2^64 of them."""
    with contextlib.suppress(ValueError):
        found = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(found, ipaddress.IPv6Address):
            if found.ipv4_mapped is not None:
                return str(found.ipv4_mapped)
            return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
    return address
