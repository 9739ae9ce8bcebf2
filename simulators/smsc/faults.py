"""Connections that fail on purpose: they hang, or end when nobody expects it."""

import asyncio
import math
import random
import socket
import struct
from collections.abc import Callable
from typing import Literal

from simulators.smsc.settings import Faults
from smpp.aio.connection import Connection, OnEvents
from smpp.config import SessionConfig
from smpp.events import Event
from smpp.pdu import Body, Outbind, Pdu

HELD_MAX = 4 << 20
"""Octets that a hanging connection takes in before it stops reading; TCP does the rest."""
NEVER = 1 << 62

Disconnect = Literal["reset", "close", "unbind"]
_LINGER = struct.pack("ii", 1, 0)


class FaultyConnection(Connection):
    """A connection of an SMSC that can be told to hang.

    While it hangs nothing is answered, enquire_link and unbind included, and nothing is sent; TCP stays up.
    What came meanwhile is taken up at the end.
    """

    def __init__(
        self, on_events: OnEvents, config: SessionConfig, on_lost: Callable[[Connection], None]
    ) -> None:
        super().__init__("mc", on_events, config, on_lost=on_lost)
        self.number = 0
        """Of the connection in this run, from 1."""
        self.requests = 0
        self.trips: list[tuple[int, str]] = []
        """(number of a request, what happens at it), soonest last."""
        self.is_hung = False
        self.is_cut = False
        """Ended on purpose: what is left of the same read counts as lost."""
        self.hung_until: int | None = None
        """Milliseconds since the epoch; None: for good."""
        self.held_events: list[Event] = []
        self._stalled: list[bytes] = []
        self._stalled_octets = 0
        self._stalled_answers: list[Callable[[], None]] = []
        self._own_transport: asyncio.Transport | None = None
        self._closing: asyncio.Task[None] | None = None

    # Ends by accident and hanging

    def plan(self, faults: Faults, seed: int) -> None:
        """Draw at which requests it will fail; a function of the seed and the connection's number."""
        chance = random.Random(f"{seed}:{self.number}")
        hang = min(faults.hang_after or NEVER, _first(chance, faults.hang_share))
        end = min(faults.disconnect_after or NEVER, _first(chance, faults.disconnect_share))
        trips = [(self.requests + at, what) for at, what in ((hang, "hang"), (end, faults.disconnect))]
        self.trips = sorted((trip for trip in trips if trip[0] < NEVER), reverse=True)

    def plan_next_hang(self, share: float, seed: int) -> None:
        """Draw when it will hang again."""
        at = _first(random.Random(f"{seed}:{self.number}:{self.requests}"), share)
        if at < NEVER:
            self.trips = sorted([*self.trips, (self.requests + at, "hang")], reverse=True)

    def hang(self, until: int | None) -> None:
        """Stop answering until `until`, milliseconds since the epoch."""
        self.is_hung = True
        self.hung_until = until

    def resume(self) -> list[Event]:
        """Go on. Returns the requests that were taken in and not handled; hands over what came since."""
        self.is_hung = False
        answers, self._stalled_answers = self._stalled_answers, []
        for answer in answers:
            answer()
        events, self.held_events = self.held_events, []
        data, self._stalled = b"".join(self._stalled), []
        self._stalled_octets = 0
        transport = self._own_transport
        if transport is not None and not transport.is_closing():
            transport.resume_reading()
            if data:
                asyncio.get_running_loop().call_soon(super().data_received, data)
        return events

    def keep_alive(self) -> None:
        """A hanging connection does not give up its peer, as it would one that is silent."""
        super().data_received(b"")

    def cut(self, how: Disconnect) -> None:
        """End it: "reset" sends TCP RST, "close" FIN after what was answered; "unbind" is in order: what was
        taken is answered first."""
        if how == "unbind":
            self._closing = asyncio.get_running_loop().create_task(self.close())
            return
        self.is_cut = True
        transport = self._own_transport
        if how == "reset" and transport is not None:
            # Linger of zero: closing sends RST and drops what was not sent.
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
            transport.abort()
        self.abort("cut on purpose")

    # Connection's side

    @property
    def window_free(self) -> int:
        return 0 if self.is_hung else super().window_free

    def respond(self, sequence_number: int, body: Body, status: int = 0) -> None:
        if self.is_hung:
            respond = super().respond
            self._stalled_answers.append(lambda: respond(sequence_number, body, status))
        else:
            super().respond(sequence_number, body, status)

    def respond_message(
        self, sequence_number: int, message_id: bytes = b"", command_id: int | None = None
    ) -> None:
        if self.is_hung:
            respond = super().respond_message
            self._stalled_answers.append(lambda: respond(sequence_number, message_id, command_id))
        else:
            super().respond_message(sequence_number, message_id, command_id)

    def reject(self, request: Pdu, status: int) -> None:
        if self.is_hung:
            reject = super().reject
            self._stalled_answers.append(lambda: reject(request, status))
        else:
            super().reject(request, status)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._own_transport = transport  # type: ignore[assignment]  # a stream's, as Connection has it
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if not self.is_hung:
            return super().data_received(data)
        self._stalled.append(data)
        self._stalled_octets += len(data)
        if self._stalled_octets >= HELD_MAX and self._own_transport is not None:
            self._own_transport.pause_reading()


def _first(chance: random.Random, share: float) -> int:
    """The number of the first request that a share of all befalls."""
    drawn = chance.random()
    if share <= 0:
        return NEVER
    if share >= 1:
        return 1
    # Geometric: the drawing of every single request in one.
    return max(1, math.ceil(math.log1p(-drawn) / math.log1p(-share)))


class Listener:
    """Accepts ESMEs, and calls those that wait for outbind."""

    def __init__(self, on_events: OnEvents, config: SessionConfig, connections_max: int = 1000) -> None:
        self.connections: set[FaultyConnection] = set()
        self._on_events = on_events
        self._config = config
        self._connections_max = connections_max
        self._server: asyncio.Server | None = None
        self._count = 0

    @property
    def port(self) -> int:
        """The port that is listened on; 0 before start."""
        if self._server is None or not self._server.sockets:
            return 0
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes a free one. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, host, port, backlog=256)

    async def call(self, host: str, port: int, system_id: bytes, password: bytes, timeout: float) -> None:
        """Connect to an ESME and ask it to bind (3.4 2.2.1). Raises OSError, TimeoutError."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(timeout):
            _, connection = await loop.create_connection(self._accept, host, port)
        if isinstance(connection, FaultyConnection):
            connection.request(Outbind(system_id, password))

    async def stop(self, drain_s: float = 5.0) -> None:
        """Take no more connections and end every one in order."""
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            if connection.is_hung:
                connection.abort("the SMSC stops")
        await asyncio.gather(*(connection.close(drain_s) for connection in list(self.connections)))

    def _accept(self) -> asyncio.BaseProtocol:
        if len(self.connections) >= self._connections_max:
            return _Refusal()
        connection = FaultyConnection(self._on_events, self._config, self._lost)
        self._count += 1
        connection.number = self._count
        self.connections.add(connection)
        return connection

    def _lost(self, connection: Connection) -> None:
        assert isinstance(connection, FaultyConnection)
        self.connections.discard(connection)


class _Refusal(asyncio.Protocol):
    """Closes what it is given."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
