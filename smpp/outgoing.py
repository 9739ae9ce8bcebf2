"""Our requests that wait for their responses."""

from __future__ import annotations

from typing import Any, Final

from smpp.constants import MAX_SEQUENCE_NUMBER
from smpp.events import PendingRequest

OWN: Final = object()
"""Context of the session's own requests (bind, unbind, enquire_link): they are outside the window."""


class Outgoing:
    """Sequence numbers given out, and what waits under them. Bounded by the window and the session's own."""

    def __init__(self, response_s: float) -> None:
        # Requests wait in the order in which they were sent and all wait equally long:
        # the first entry is always the first to time out.
        self.pending: dict[int, PendingRequest] = {}
        self.own = 0
        """How many of them are the session's own."""
        self.response_s = response_s
        """From a request to its response; for those that wait too when it is set."""
        self._next = 1

    @property
    def unacknowledged(self) -> int:
        """Requests of the application that wait."""
        return len(self.pending) - self.own

    def take_sequence_number(self) -> int:
        """3.4, 3.2: from 1 to 0x7FFFFFFF, then from 1 again; never one that still waits."""
        number = self._next
        while number in self.pending:
            number = number + 1 if number < MAX_SEQUENCE_NUMBER else 1
        self._next = number + 1 if number < MAX_SEQUENCE_NUMBER else 1
        return number

    def add(self, sequence_number: int, command_id: int, context: Any, now: float, done: Any) -> None:
        """Notes a request that was sent."""
        if context is OWN:
            self.own += 1
        self.pending[sequence_number] = PendingRequest(sequence_number, command_id, context, now, done)

    def take(self, sequence_number: int) -> PendingRequest | None:
        """The request with that sequence number, which waits no more; None when there is none."""
        request = self.pending.pop(sequence_number, None)
        if request is not None and request.context is OWN:
            self.own -= 1
        return request

    def next_due(self) -> float | None:
        """When the first request times out."""
        for request in self.pending.values():
            return request.sent_at + self.response_s
        return None

    def take_expired(self, now: float) -> list[PendingRequest]:
        """The requests whose time is over, which wait no more."""
        expired: list[PendingRequest] = []
        for request in self.pending.values():
            if now < request.sent_at + self.response_s:
                break
            expired.append(request)
        for request in expired:
            self.take(request.sequence_number)
        return expired

    def take_all(self) -> list[PendingRequest]:
        """The application's requests that wait; afterwards none does."""
        lost = [request for request in self.pending.values() if request.context is not OWN]
        self.pending.clear()
        self.own = 0
        return lost
