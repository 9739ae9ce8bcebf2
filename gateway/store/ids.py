"""Row ids: 63-bit, growing with time, unique in this store."""

from __future__ import annotations

import sqlite3
import string
import time
from typing import Final

_SEQUENCE_BITS: Final = 20
_TIME_BITS: Final = 42
"""Milliseconds since the epoch, until the year 2109."""
_ID_END: Final = 1 << _TIME_BITS + _SEQUENCE_BITS
_DIGITS: Final = frozenset(string.hexdigits)


_TABLES: Final = (
    "message", "long_message", "parked_receipt", "revocation", "inbound", "enterprise_outbox", "confirmation",
    "cdr", "refusal", "trust_outbox", "call",
)  # fmt: skip
"""Where ids of an IdSource are."""


class IdSource:
    """Milliseconds since the epoch shifted left by 20 bits, plus a counter.

    Time-ordered ids keep the store's B-trees appending, and survive a restart without a counter on disk.
    """

    def __init__(self) -> None:
        self._last = 0

    def begin_after(self, row_id: int) -> None:
        """Give no id up to this one: those of an earlier process, whose clock may have been ahead of ours."""
        self._last = max(self._last, row_id)

    def next(self) -> int:
        """The next id; strictly greater than every one before it, also when the clock steps back."""
        self._last = max(self._last + 1, time.time_ns() // 1_000_000 << _SEQUENCE_BITS)
        return self._last

    def block(self, count: int) -> int:
        """The first of `count` ids that follow each other without a gap."""
        first = self.next()
        self._last = first + count - 1
        return first


def highest(conn: sqlite3.Connection) -> int:
    """The newest id in the store, 0 in an empty one."""
    newest = " UNION ALL ".join(f"SELECT max(id) AS id FROM {table}" for table in _TABLES)
    return int(conn.execute(f"SELECT ifnull(max(id), 0) FROM ({newest})").fetchone()[0])


def text_of(row_id: int) -> str:
    """A row id as the enterprise sees it: 16 hexadecimal digits (SMPP message_id holds 64)."""
    return f"{row_id:016x}"


def id_of(text: str) -> int | None:
    """The row id of such a text, None when it is none of ours: then no store needs to be asked."""
    # int() takes signs, prefixes and underscores as well; the store takes no integer beyond 63 bits.
    if len(text) != 16 or not _DIGITS.issuperset(text):
        return None
    row_id = int(text, 16)
    return row_id if row_id < _ID_END else None
