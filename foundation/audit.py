"""An audit log in the owner's database that shows when a row was changed, removed or put in.

Each row's hash covers the row and the hash before it. Who can rewrite the whole table could rewrite the
chain too: so `head` is handed to others (a checkpoint, a witness, a backup) from time to time.
"""

import json
import sqlite3
from typing import Any, Final

from foundation.numbers import mask
from gm.sm3 import sm3

DETAIL_MAX: Final = 16_384
"""Bytes of a row's detail as JSON."""

SCHEMA: Final = (
    """
    CREATE TABLE audit (
        sequence INTEGER PRIMARY KEY,
        at_ms BIGINT NOT NULL,
        actor TEXT NOT NULL,
        event TEXT NOT NULL,
        success INTEGER NOT NULL,
        detail TEXT NOT NULL,
        hash BLOB NOT NULL
    )
    """,
    """
    CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END
    """,
    """
    CREATE TRIGGER audit_is_not_removed BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END
    """,
)
"""Statements for the owner's migration, one after the other."""

FIRST_HASH: Final = bytes(32)
_TAG = b"ASCS-AUDIT1\0"


class AuditError(ValueError):
    """The event cannot be recorded as given."""


def append(
    conn: sqlite3.Connection, *, at_ms: int, user: str, event: str, success: bool, detail: dict[str, Any]
) -> int:
    """Append an event in the caller's transaction and return its sequence, from 1 without gaps.

    `detail` is plain data; numbers of persons in it are masked. Raises AuditError when it is too large.
    """
    sequence, before = head(conn)
    sequence += 1
    text = _json(mask(detail))
    if len(text.encode()) > DETAIL_MAX:
        raise AuditError(f"detail is larger than {DETAIL_MAX} bytes")
    digest = _hash(before, sequence, at_ms, user, event, int(success), text)
    conn.execute(
        "INSERT INTO audit (sequence, at_ms, actor, event, success, detail, hash)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (sequence, at_ms, user, event, int(success), text, digest),
    )
    return sequence


def head(conn: sqlite3.Connection) -> tuple[int, bytes]:
    """The newest row's sequence and hash: what to hand to others. (0, zeros) of an empty log."""
    row = conn.execute("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1").fetchone()
    return (0, FIRST_HASH) if row is None else (int(row[0]), bytes(row[1]))


def verify(conn: sqlite3.Connection, known: tuple[int, bytes] | None = None) -> int | None:
    """The sequence of the first row that is not as it was appended, or None when all are.

    `known` is an earlier `head`, kept elsewhere: it shows rows cut off at the end, and a chain made anew.
    """
    before, expected = FIRST_HASH, 1
    rows = conn.execute(
        "SELECT sequence, at_ms, actor, event, success, detail, hash FROM audit ORDER BY sequence"
    )
    for sequence, at_ms, actor, event, success, detail, digest in rows:
        before = _hash(before, sequence, at_ms, actor, event, success, detail)
        if (
            sequence != expected
            or digest != before
            or (known and known[0] == sequence and known[1] != digest)
        ):
            return expected
        expected += 1
    return expected if known is not None and known[0] >= expected else None


def _hash(before: bytes, *fields: int | str) -> bytes:
    return sm3(_TAG + before + _json(fields).encode())


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
