"""Row ids: 63-bit, growing with time, unique in this store."""

from __future__ import annotations

import time

_SEQUENCE_BITS = 20


class IdSource:
    """Milliseconds since the epoch shifted left by 20 bits, plus a counter.

    Time-ordered ids keep the store's B-trees appending, and survive a restart without a counter on disk.
    """

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        """The next id; strictly greater than every one before it, also when the clock steps back."""
        self._last = max(self._last + 1, time.time_ns() // 1_000_000 << _SEQUENCE_BITS)
        return self._last


def text_of(row_id: int) -> str:
    """A row id as the enterprise sees it: 16 hexadecimal digits (SMPP message_id holds 64)."""
    return f"{row_id:016x}"


def id_of(text: str) -> int | None:
    """The row id of such a text, None when it is none of ours."""
    if len(text) != 16:
        return None
    try:
        return int(text, 16)
    except ValueError:
        return None
