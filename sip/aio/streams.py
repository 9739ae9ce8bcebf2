"""TCP and TLS connections of one endpoint (RFC 3261 18.2 to 18.4): accepted, made where a message needs one, and
bounded in number, in what waits to be sent, and in time."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import Counter
from typing import Any, Final, Protocol, cast

from sip.flow import Flow, default_port
from sip.framing import StreamFramer
from sip.parser import SipParseError, parse
from sip.uri import bare_host

log = logging.getLogger(__name__)

CONNECTIONS_MAX: Final = 10_000
"""Connections of one endpoint; one more that comes is closed, and what needs one more fails."""
ADDRESS_CONNECTIONS_MAX: Final = 1_000
"""Connections accepted from one address."""
UNSENT_MAX: Final = 1024 * 1024
"""Octets that wait for a peer that does not read; over it the connection is given up."""
CONNECT_S: Final = 5.0
"""Seconds for TCP and TLS together."""
MESSAGE_S: Final = 30.0
"""Seconds in which a message that has begun must end."""
IDLE_S: Final = 900.0
"""Seconds without a message after which a connection is closed; whoever needs it makes another."""
SWEEP_S: Final = 10.0
"""How exact MESSAGE_S and IDLE_S are."""


class Owner(Protocol):
    """What the connections tell their endpoint."""

    def received(self, data: bytes, flow: Flow) -> None: ...
    def failed(self, flow: Flow) -> None: ...


class Streams:
    """Connections by the flow that they are: (transport, peer's address, peer's port)."""

    def __init__(self, owner: Owner, counters: Counter[str], client_tls: ssl.SSLContext | None) -> None:
        self._owner = owner
        self._counters = counters
        self._client_tls = client_tls
        self._loop = asyncio.get_running_loop()
        self._connections: dict[Flow, Connection] = {}
        self._making: dict[Flow, tuple[asyncio.Task[None], list[bytes]]] = {}
        self._of_address: Counter[str] = Counter()
        self._servers: list[asyncio.Server] = []
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False
        self._names: dict[Flow, str] = {}

    def __len__(self) -> int:
        return len(self._connections) + len(self._making)

    async def listen(self, transport: str, host: str, port: int, tls: ssl.SSLContext | None) -> Flow:
        """Accept connections; gives the bound address. Raises OSError."""
        server = await self._loop.create_server(
            lambda: Connection(self, transport),
            host,
            port,
            ssl=tls,
            ssl_handshake_timeout=None if tls is None else CONNECT_S,
            backlog=1024,
            reuse_address=True,
        )
        self._servers.append(server)
        bound = server.sockets[0].getsockname()
        return Flow(transport, bound[0], bound[1])

    def expect_name(self, flow: Flow, name: str) -> None:
        """The name that a TLS server at this flow must show in its certificate; without one its address."""
        if flow in self._names or len(self._names) < CONNECTIONS_MAX:
            self._names[flow] = name

    def certificate(self, flow: Flow) -> bytes | None:
        """The certificate (DER) that the peer showed, None without TLS or certificate."""
        connection = self._connections.get(flow)
        return None if connection is None else connection.certificate

    def send(self, data: bytes, flow: Flow) -> None:
        """Send on the connection that this flow is; without one, make it."""
        connection = self._connections.get(flow)
        if connection is not None:
            connection.send(data)
            return
        if data.startswith(b"SIP/2.0 "):
            target = _response_target(data, flow)
            if target is None:
                self._counters["response_lost"] += 1
                return
            # 18.2.2: its connection is gone; a new one, to where the top Via says.
            flow = target
            if (connection := self._connections.get(flow)) is not None:
                connection.send(data)
                return
        making = self._making.get(flow)
        if making is None:
            if self._closed or len(self) >= CONNECTIONS_MAX:
                self._counters["connections_refused"] += 1
                self._loop.call_soon(self._owner.failed, flow)
                return
            making = self._making[flow] = (self._loop.create_task(self._connect(flow)), [])
        if sum(map(len, making[1])) + len(data) > UNSENT_MAX:
            self._counters["send_backlog"] += 1
            return
        making[1].append(data)

    async def _connect(self, flow: Flow) -> None:
        tls = None
        try:
            if flow.transport == "TLS":
                tls = self._client_tls
                if tls is None:
                    raise OSError("no TLS is configured for connections of ours")
            async with asyncio.timeout(CONNECT_S):
                await self._loop.create_connection(
                    lambda: Connection(self, flow.transport, flow),
                    flow.host,
                    flow.port,
                    ssl=tls,
                    server_hostname=None if tls is None else self._names.get(flow, flow.host),
                )
        except (OSError, TimeoutError, ssl.SSLError) as error:
            log.warning("no %s connection to port %d: %s", flow.transport, flow.port, type(error).__name__)
            self._making.pop(flow, None)
            self._owner.failed(flow)

    def opened(self, connection: Connection) -> bool:
        """A connection is there; False when there are too many."""
        flow = connection.flow
        assert flow is not None
        _, waiting = self._making.pop(flow, (None, []))
        if not connection.is_ours and (
            self._closed
            or len(self) >= CONNECTIONS_MAX
            or self._of_address[flow.host] >= ADDRESS_CONNECTIONS_MAX
        ):
            self._counters["connections_refused"] += 1
            return False
        self._connections[flow] = connection
        if not connection.is_ours:
            self._of_address[flow.host] += 1
        for data in waiting:
            connection.send(data)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)
        return True

    def lost(self, connection: Connection) -> None:
        flow = connection.flow
        if flow is None or self._connections.get(flow) is not connection:
            return
        del self._connections[flow]
        if not connection.is_ours:
            self._of_address[flow.host] -= 1
            if not self._of_address[flow.host]:
                del self._of_address[flow.host]
        self._owner.failed(flow)

    def received(self, connection: Connection, data: bytes) -> None:
        flow = connection.flow
        assert flow is not None
        fed = connection.framer.feed(data)
        for _ in range(fed.pings):
            self._counters["keepalive"] += 1
            connection.send(b"\r\n")  # RFC 5626 4.4.1
        for message in fed.messages:
            connection.heard_at = self._loop.time()
            self._owner.received(message, flow)
        if fed.fault is not None:
            self._counters["stream_faults"] += 1
            log.warning("%s connection closed: %s", flow.transport, fed.fault)
            connection.close()
        elif not connection.framer.is_within_message:
            connection.begun_at = None
        elif connection.begun_at is None or fed.messages:
            connection.begun_at = self._loop.time()

    def gave_up(self, why: str) -> None:
        self._counters[why] += 1

    def _sweep(self) -> None:
        self._sweeper = None
        now = self._loop.time()
        for connection in list(self._connections.values()):
            if connection.begun_at is not None and now - connection.begun_at > MESSAGE_S:
                self.gave_up("slow_messages")
                connection.abort()
            elif now - connection.heard_at > IDLE_S:
                connection.close()
        if self._connections:
            self._sweeper = self._loop.call_later(SWEEP_S, self._sweep)

    def close(self) -> None:
        """Accept nothing more; what was written is sent, then each connection ends."""
        self._closed = True
        for server in self._servers:
            server.close()
        for task, _ in self._making.values():
            task.cancel()
        self._making.clear()
        for connection in list(self._connections.values()):
            connection.close()
        if self._sweeper is not None:
            self._sweeper.cancel()


class Connection(asyncio.Protocol):
    """One TCP or TLS connection. ``wanted`` is the flow that it was made for; an accepted one has its peer's."""

    def __init__(self, streams: Streams, transport: str, wanted: Flow | None = None) -> None:
        self._streams = streams
        self._kind = transport
        self._transport: asyncio.Transport | None = None
        self.is_ours = wanted is not None
        self.flow = wanted
        self.framer = StreamFramer()
        self.heard_at = asyncio.get_running_loop().time()
        self.begun_at: float | None = None
        """Since when a message is incomplete."""
        self.certificate: bytes | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer: Any = transport.get_extra_info("peername")
        if peer is None:
            transport.close()
            return
        if self.flow is None:
            self.flow = Flow(self._kind, peer[0], peer[1])
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if tls is not None:
            self.certificate = tls.getpeercert(binary_form=True)
        if not self._streams.opened(self):
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._streams.received(self, data)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, _error: Exception | None) -> None:
        self._streams.lost(self)
        self._transport = None

    def send(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() + len(data) > UNSENT_MAX:
            self._streams.gave_up("send_backlog")
            self._transport.abort()
            return
        self._transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def _response_target(data: bytes, flow: Flow) -> Flow | None:
    """18.2.2: received, or the host of sent-by, with sent-by's port."""
    try:
        via = parse(data, stream=True).top_via
    except SipParseError:
        return None
    return Flow(
        flow.transport, bare_host(via.received or flow.host), via.port or default_port(flow.transport)
    )
