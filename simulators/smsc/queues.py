"""What waits for a peer: messages for the handsets, receipts and MOs for each ESME account."""

from collections import deque
from collections.abc import Callable
from typing import Literal

from simulators.smsc.messages import Message
from smpp.aio.connection import Connection
from smpp.constants import CommandStatus
from smpp.session import LocalProtocolError

Answered = Callable[[Message, int | None], None]
"""Called with the command status of the peer's response; None when none came."""

EXTRAS_MAX = 10_000
"""Intermediate notices that wait in one queue; one more drops the oldest."""


class PeerQueue:
    """Messages for one account, sent over whichever of its binds has room, in order.

    Bounded by `open_max`, since every entry is an open message.
    """

    def __init__(
        self,
        frame_of: Callable[[Message], bytes],
        answered: Answered,
        *,
        copies: int = 1,
        bind: Literal["any", "same", "other"] = "any",
        sent: Callable[[Message], None] | None = None,
    ) -> None:
        self._frame_of = frame_of
        self._answered = answered
        self._copies = copies
        self._bind = bind
        self._sent = sent
        self._waiting: deque[Message] = deque()
        self._extras: deque[bytes] = deque(maxlen=EXTRAS_MAX)
        self.connections: list[Connection] = []
        self._turn = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def push(self, message: Message) -> None:
        """Queue a message; `pump` sends it."""
        if message.queued_in is not self:
            message.queued_in = self
            self._waiting.append(message)

    def push_extra(self, frame: bytes) -> None:
        """Queue a frame that is sent once and not kept."""
        self._extras.append(frame)

    @staticmethod
    def discard(message: Message) -> None:
        """Take a message out of the queue; its place is skipped when its turn comes."""
        message.queued_in = None

    def pump(self) -> None:
        """Send while a bind has room in its window."""
        waiting = self._waiting
        while self._extras:
            connection = self._next_connection(None)
            if connection is None or not _send(connection, self._extras[0]):
                return
            self._extras.popleft()
        while waiting:
            message = waiting[0]
            if message.queued_in is not self:
                waiting.popleft()
                continue
            connection = self._next_connection(message.connection)
            if connection is None:
                return
            frame = self._frame_of(message)
            try:
                connection.request_frame(frame, context=(self, message))
            except LocalProtocolError:
                return
            waiting.popleft()
            message.queued_in, message.in_flight = None, True
            if self._copies > 1 and not message.mobile_originated:
                for _ in range(self._copies - 1):
                    _send(connection, frame)
            if self._sent is not None:
                self._sent(message)

    def on_answer(self, message: Message, status: int | None) -> None:
        """A peer answered with that command_status, or not at all; `pump` when all of a read are told."""
        message.in_flight = False
        self._answered(message, status)

    def _next_connection(self, submitter: object) -> Connection | None:
        """A bind that has room. Binds take turns, unless the dialect prefers or shuns the submitter's."""
        connections = self.connections
        count = len(connections)
        if count == 1:
            return connections[0] if _has_room(connections[0]) else None
        if self._bind == "same" and submitter in connections:
            connection = connections[connections.index(submitter)]
            return connection if _has_room(connection) else None
        spare: Connection | None = None
        for _ in range(count):
            self._turn = (self._turn + 1) % count
            connection = connections[self._turn]
            if _has_room(connection):
                if self._bind != "other" or connection is not submitter:
                    return connection
                spare = connection
        return spare


def _has_room(connection: Connection) -> bool:
    return connection.window_free > 0 and connection.can_send


def _send(connection: Connection, frame: bytes) -> bool:
    try:
        connection.request_frame(frame)
    except LocalProtocolError:
        return False
    return True


def is_ok(status: int | None) -> bool:
    """The peer took it."""
    return status == CommandStatus.ESME_ROK
