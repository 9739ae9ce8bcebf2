"""Tokens for tags, branches and Call-IDs that nobody can guess (RFC 3261 19.3, 8.1.1.7)."""

from __future__ import annotations

import os

POOL_OCTETS = 4096
"""Drawn from the kernel at a time: asking it for a dozen octets costs as much as for hundreds, ten times a call."""


class _Pool:
    """Random octets, each given out once."""

    def __init__(self) -> None:
        self._octets = b""
        self._at = 0

    def clear(self) -> None:
        """Give out nothing more of what was drawn."""
        self._octets = b""

    def take(self, count: int) -> bytes:
        at = self._at
        taken = self._octets[at : at + count]
        if len(taken) < count:
            self._octets, at = os.urandom(POOL_OCTETS), 0
            taken = self._octets[:count]
        self._at = at + count
        return taken


_POOL = _Pool()
# A forked process must not give out what its parent does.
os.register_at_fork(after_in_child=_POOL.clear)


def token(octets: int) -> str:
    """So many random octets (at most POOL_OCTETS) in hexadecimal digits. Of one thread alone."""
    return _POOL.take(octets).hex()
