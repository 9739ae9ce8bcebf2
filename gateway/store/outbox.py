"""What waits for another party's answer: deliver_sm for an enterprise, statements for the trust party."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from foundation.rows import execute_keys, execute_rows


class TrustKind(IntEnum):
    """What a row for the trust party is. Reports are CDRs and wait there."""

    CONFIRMATION = 1
    CANCELLATION = 2


class EnterpriseRow(NamedTuple):
    """A receipt or reply, as the deliver_sm frame. Times in milliseconds."""

    id: int
    account: str
    created_at: int
    expires_at: int
    body: bytes
    is_sealed: int
    """1 for a reply, which is a person's own words. A receipt holds no number and no text."""


_FIELDS = ", ".join(EnterpriseRow._fields)


def put_enterprise(conn: sqlite3.Connection, rows: Sequence[tuple[int, str, int, int, bytes, int]]) -> None:
    """Rows with the fields of EnterpriseRow."""
    execute_rows(conn, f"INSERT INTO enterprise_outbox ({_FIELDS}) VALUES @rows", rows)


def for_account(conn: sqlite3.Connection, account: str, after: int, limit: int) -> list[EnterpriseRow]:
    """What waits for an account, oldest first, beyond row `after`."""
    rows = conn.execute(
        f"SELECT {_FIELDS} FROM enterprise_outbox WHERE account = ? AND id > ? ORDER BY id LIMIT ?",
        (account, after, limit),
    )
    return [EnterpriseRow._make(row) for row in rows]


def waits_for(conn: sqlite3.Connection, account: str) -> bool:
    """Whether anything waits for an account."""
    row = conn.execute("SELECT 1 FROM enterprise_outbox WHERE account = ? LIMIT 1", (account,)).fetchone()
    return row is not None


def done_enterprise(conn: sqlite3.Connection, row_ids: Sequence[int]) -> None:
    execute_keys(conn, "DELETE FROM enterprise_outbox WHERE id IN (@keys)", row_ids)


def expire_enterprise(conn: sqlite3.Connection, now_ms: int) -> int:
    """Drop what waited beyond its validity; returns how many."""
    return conn.execute("DELETE FROM enterprise_outbox WHERE expires_at < ?", (now_ms,)).rowcount


def put_trust(conn: sqlite3.Connection, row_id: int, kind: TrustKind, created_at: int, body: str) -> None:
    """`body` is the JSON of one element of the request; no number is in it, only `edi_id`s."""
    conn.execute(
        "INSERT INTO trust_outbox (id, kind, created_at, body) VALUES (?, ?, ?, ?)",
        (row_id, kind, created_at, body),
    )


def for_trust(conn: sqlite3.Connection, kind: TrustKind, limit: int) -> list[tuple[int, str]]:
    return list(
        conn.execute("SELECT id, body FROM trust_outbox WHERE kind = ? ORDER BY id LIMIT ?", (kind, limit))
    )


def done_trust(conn: sqlite3.Connection, row_ids: list[int]) -> None:
    conn.executemany("DELETE FROM trust_outbox WHERE id = ?", [(row_id,) for row_id in row_ids])


def backlog(conn: sqlite3.Connection) -> tuple[int, int]:
    """Rows that wait for enterprises, and for the trust party."""
    enterprise = conn.execute("SELECT COUNT(*) FROM enterprise_outbox").fetchone()[0]
    trust = conn.execute("SELECT COUNT(*) FROM trust_outbox").fetchone()[0]
    return int(enterprise), int(trust)
