"""What waits for a peer: messages for the handsets, receipts and MOs for each ESME account."""

import heapq
from collections import deque
from collections.abc import Callable

from simulators.smsc.messages import Message
from smpp.aio.connection import Connection, RequestFailed
from smpp.constants import CommandStatus
from smpp.pdu import DeliverSm, Pdu
from smpp.session import LocalProtocolError

Answered = Callable[[Message, int | None], None]
"""Called with the command status of the peer's response; None when none came."""


class PeerQueue:
    """Messages for one account, sent over whichever of its binds has room, in order.

    Bounded by messages.OPEN_MAX, since every entry is an open message.
    """

    def __init__(self, build: Callable[[Message], DeliverSm], answered: Answered) -> None:
        self._build = build
        self._answered = answered
        self._waiting: deque[Message] = deque()
        self.connections: list[Connection] = []
        self._turn = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def push(self, message: Message) -> None:
        """Queue a message; `pump` sends it."""
        if message.queued_in is not self:
            message.queued_in = self
            self._waiting.append(message)

    @staticmethod
    def discard(message: Message) -> None:
        """Take a message out of the queue; its place is skipped when its turn comes."""
        message.queued_in = None

    def pump(self) -> None:
        """Send while a bind has room in its window."""
        while self._waiting:
            message = self._waiting[0]
            if message.queued_in is not self:
                self._waiting.popleft()
                continue
            connection = self._next_connection()
            if connection is None:
                return

            def done(result: Pdu | RequestFailed, message: Message = message) -> None:
                message.in_flight = False
                self._answered(message, result.command_status if isinstance(result, Pdu) else None)
                self.pump()

            try:
                connection.request(self._build(message), done)
            except LocalProtocolError:
                return
            self._waiting.popleft()
            message.queued_in, message.in_flight = None, True

    def _next_connection(self) -> Connection | None:
        """Binds take turns, so receipts come on any of them."""
        for _ in range(len(self.connections)):
            self._turn = (self._turn + 1) % len(self.connections)
            connection = self.connections[self._turn]
            if connection.can_send and connection.window_free > 0:
                return connection
        return None


class DueHeap:
    """Messages that are offered again later: scheduled, delayed or retried. Bounded like PeerQueue."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Message]] = []

    def push(self, message: Message) -> None:
        """Hold `message` until its ``due_at``."""
        heapq.heappush(self._heap, (message.due_at, message.id, message))

    def next_due(self) -> int | None:
        """When the first is due, milliseconds since the epoch."""
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now_ms: int) -> list[Message]:
        """Every message that is due. One whose ``due_at`` was changed meanwhile has another place or none."""
        due = []
        while self._heap and self._heap[0][0] <= now_ms:
            due_at, _, message = heapq.heappop(self._heap)
            if message.due_at == due_at:
                due.append(message)
        return due


def is_ok(status: int | None) -> bool:
    """The peer took it."""
    return status == CommandStatus.ESME_ROK
