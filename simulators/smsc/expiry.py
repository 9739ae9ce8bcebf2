"""Which open messages have outlived their validity, without a look at all of them at once."""

from __future__ import annotations

from collections.abc import Iterator

from simulators.smsc.messages import Message

SLICE = 4_000
"""Open messages looked at in one call."""
EVERY_MS = 1_000
"""From the start of one round over all open messages to the next, at least."""


class Expiry:
    """Goes round the open messages a slice at a time."""

    def __init__(self) -> None:
        self._round: list[Message] = []
        self._began_at = 0

    def over(self, open_messages: dict[int, Message], now: int) -> Iterator[Message]:
        """Those of the next slice whose validity is over at `now` (milliseconds) and that nobody is being sent."""
        if not self._round:
            if now - self._began_at < EVERY_MS:
                return
            self._began_at = now
            self._round = list(open_messages.values())
        batch, self._round = self._round[:SLICE], self._round[SLICE:]
        for message in batch:
            if message.expires_at <= now and not message.in_flight and message.id in open_messages:
                yield message
