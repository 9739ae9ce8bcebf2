"""Accepts connections on one or more listeners, within caps of all of them and of one peer's.

A connection counts from when it is accepted, before any TLS handshake, so that neither what never finishes one nor
what never binds can hold more than the caps allow.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

log = logging.getLogger(__name__)

CONNECTIONS_MAX: Final = 1000
"""Default cap of open connections, bound or not; one more is closed on arrival."""
BACKLOG: Final = 256
"""Connections that the kernel holds for us to accept."""
ACCEPT_RETRY_S: Final = 0.5
"""Pause after the system could not give us a connection: without descriptors, asking at once is a busy loop."""
REFUSALS_NOTED: Final = 1_000
"""Of refused connections the first is logged, and every so many."""

T = TypeVar("T")


class Acceptor(Generic[T]):
    """Listeners, each with a tag of its owner's, and what is open of their connections."""

    def __init__(
        self,
        take: Callable[[socket.socket, tuple[str, int], T], Hashable | None],
        *,
        connections_max: int = CONNECTIONS_MAX,
        address_connections_max: int | None = None,
    ) -> None:
        """`take` gets socket, peer and its listener's tag, and answers by what `forget` will know the connection; None
        when it took it not, and closed it. `address_connections_max` bounds what one peer opens: an IPv4 address, or
        an IPv6 network of 64 bits."""
        self.refused = 0
        """Connections closed on arrival, since one of the caps was reached."""
        self._take = take
        self._connections_max = connections_max
        self._address_connections_max = address_connections_max or connections_max
        self._listeners: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._origins: dict[Hashable, str] = {}
        self._of_origin: Counter[str] = Counter()

    @property
    def port(self) -> int:
        """The port of the first listener; 0 before there is one."""
        return int(self._listeners[0].getsockname()[1]) if self._listeners else 0

    async def listen(self, host: str, port: int, tag: T) -> int:
        """Listens on one more address; port 0 takes a free one. Returns the port. Raises OSError when it is taken."""
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
        self._accepting += [loop.create_task(self._accept(listener, tag)) for listener in opened]
        return int(opened[0].getsockname()[1])

    async def stop(self) -> None:
        """Takes no more connections; those that are open stay."""
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        self._accepting.clear()
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()

    def forget(self, key: Hashable) -> None:
        """A connection is closed."""
        origin = self._origins.pop(key, None)
        if origin is not None:
            self._of_origin[origin] -= 1
            if not self._of_origin[origin]:
                del self._of_origin[origin]

    async def _accept(self, listener: socket.socket, tag: T) -> None:
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
                len(self._origins) >= self._connections_max
                or self._of_origin[origin] >= self._address_connections_max
            ):
                sock.close()
                self._note_refusal(origin)
                continue
            key = self._take(sock, (str(address[0]), int(address[1])), tag)
            if key is not None:
                self._origins[key] = origin
                self._of_origin[origin] += 1

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
