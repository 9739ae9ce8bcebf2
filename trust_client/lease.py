"""How long cached grants may be used: by nonces that the trust party echoes. No I/O.

The lease ends LEASE_SECONDS after the echoed nonce was *sent*, by the sender's own monotonic clock: a stream that is
delayed or replayed keeps nothing alive, and no clock of another machine counts.
"""

import secrets
from typing import Final

LEASE_SECONDS: Final = 3.0
NONCE_SECONDS: Final = 0.5
"""From one nonce to the next."""
NONCES_MAX: Final = 8
"""Nonces whose echo still counts; an older one would not prolong the lease by much."""


class Lease:
    """One caller's lease at one trust party."""

    def __init__(self) -> None:
        self._sent: dict[str, float] = {}
        self._until = float("-inf")

    def nonce(self, now: float) -> str:
        """A nonce that is sent now."""
        if len(self._sent) >= NONCES_MAX:
            del self._sent[next(iter(self._sent))]
        nonce = secrets.token_hex(16)
        self._sent[nonce] = now
        return nonce

    def echoed(self, nonce: str) -> bool:
        """A nonce came back. False for one that was not sent lately, or came back before."""
        sent = self._sent.pop(nonce, None)
        if sent is None:
            return False
        self._until = max(self._until, sent + LEASE_SECONDS)
        return True

    def holds(self, now: float) -> bool:
        return now < self._until

    def end(self) -> None:
        """At once, and whatever is still on its way counts for nothing."""
        self._sent.clear()
        self._until = float("-inf")
