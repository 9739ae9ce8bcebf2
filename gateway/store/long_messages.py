"""Long messages: one authorization and one record for all parts of a text."""

from __future__ import annotations

import sqlite3
from enum import IntEnum
from typing import NamedTuple

from gateway.store import messages
from gateway.store.messages import Stored


class State(IntEnum):
    """OPEN: parts are missing. COMPLETE: all were let go to the SMSC. ENDED: it never became whole, or all is final."""

    OPEN = 0
    COMPLETE = 1
    ENDED = 2


class LongRow(NamedTuple):
    """One long message; its id is the id of the part that came first. Times in milliseconds."""

    id: int
    account: str
    access_number: str
    aid: str
    reference: int
    total: int
    aggregate: int
    """1: the account wants one receipt for all parts."""
    state: int
    opened_at: int
    octets: int
    digest: bytes | None
    """Of the whole text."""


_FIELDS = ", ".join(LongRow._fields)


def insert(conn: sqlite3.Connection, row: LongRow) -> None:
    marks = ", ".join("?" * len(row))
    conn.execute(f"INSERT INTO long_message ({_FIELDS}) VALUES ({marks})", row)


def get(conn: sqlite3.Connection, long_id: int) -> LongRow | None:
    row = conn.execute(f"SELECT {_FIELDS} FROM long_message WHERE id = ?", (long_id,)).fetchone()
    return None if row is None else LongRow._make(row)


def open_one(
    conn: sqlite3.Connection, account: str, access_number: str, aid: str, reference: int, total: int
) -> LongRow | None:
    """The long message to which a part belongs, None when its first part has not come."""
    row = conn.execute(
        f"SELECT {_FIELDS} FROM long_message WHERE state = 0 AND aid = ? AND access_number = ?"
        " AND reference = ? AND account = ? AND total = ? ORDER BY id DESC LIMIT 1",
        (aid, access_number, reference, account, total),
    ).fetchone()
    return None if row is None else LongRow._make(row)


def whole_before(conn: sqlite3.Connection, row: LongRow, opened_after: int) -> LongRow | None:
    """The last long message with the same marks before `row` that became whole, opened after that time (ms)."""
    found = conn.execute(
        f"SELECT {_FIELDS} FROM long_message WHERE aid = ? AND access_number = ? AND reference = ?"
        " AND account = ? AND total = ? AND id < ? AND state > 0 AND octets > 0 AND opened_at > ?"
        " ORDER BY id DESC LIMIT 1",
        (row.aid, row.access_number, row.reference, row.account, row.total, row.id, opened_after),
    ).fetchone()
    return None if found is None else LongRow._make(found)


def look_later(conn: sqlite3.Connection, long_id: int, now_ms: int) -> None:
    """Hold its parts as if it had been opened now."""
    conn.execute("UPDATE long_message SET opened_at = ? WHERE id = ? AND state = 0", (now_ms, long_id))


def parts(conn: sqlite3.Connection, long_id: int) -> list[Stored]:
    """The parts that are there, in their order."""
    return messages.of_long(conn, long_id)


def complete(conn: sqlite3.Connection, long_id: int, octets: int, digest: bytes | None) -> None:
    """All parts are there: let them go to the SMSC."""
    conn.execute(
        "UPDATE long_message SET state = 1, octets = ?, digest = ? WHERE id = ?", (octets, digest, long_id)
    )
    conn.execute("UPDATE message SET state = 1 WHERE long_id = ? AND state = 0", (long_id,))


def end(conn: sqlite3.Connection, long_id: int) -> bool:
    """Nothing more will become of it; False when that was so already."""
    return (
        conn.execute("UPDATE long_message SET state = 2 WHERE id = ? AND state < 2", (long_id,)).rowcount == 1
    )


def incomplete(conn: sqlite3.Connection, opened_before: int, limit: int) -> list[int]:
    """Long messages whose parts did not all come in time."""
    rows = conn.execute(
        "SELECT id FROM long_message WHERE state = 0 AND opened_at < ? ORDER BY id LIMIT ?",
        (opened_before, limit),
    )
    return [row[0] for row in rows]


def forget(conn: sqlite3.Connection, opened_before: int, limit: int) -> int:
    """Drop what has ended, with its parts; returns how many."""
    rows = conn.execute(
        "SELECT id FROM long_message WHERE state = 2 AND opened_at < ? ORDER BY id LIMIT ?",
        (opened_before, limit),
    ).fetchall()
    for row in rows:
        conn.execute("DELETE FROM message WHERE long_id = ?", (row[0],))
        conn.execute("DELETE FROM long_message WHERE id = ?", (row[0],))
    return len(rows)
