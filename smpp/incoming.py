"""The peer's requests that wait for our responses."""

from __future__ import annotations


class Incoming:
    """Sequence numbers of requests handed to the application. A peer may use one twice: each is answered."""

    def __init__(self) -> None:
        self.open: dict[int, int] = {}
        """Sequence number → how many unanswered requests bear it."""
        self.count = 0

    def settle(self, sequence_number: int) -> bool:
        """One request with that number is answered; False when none is open."""
        count = self.open.pop(sequence_number, 0)
        if not count:
            return False
        if count > 1:
            self.open[sequence_number] = count - 1
        self.count -= 1
        return True

    def clear(self) -> None:
        """Forgets them all."""
        self.open.clear()
        self.count = 0
