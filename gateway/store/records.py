"""CDRs and refusals: what happened, kept inside the carrier domain."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

REFUSALS_KEPT = 1_000_000
"""Refusal rows kept; the oldest go first."""


@dataclass(frozen=True, slots=True)
class CdrRow:
    """One logical message or call (话单). Times in milliseconds; `octets` is text or media in both directions."""

    id: int
    kind: str  # mt · mo · call · callback
    enterprise_id: str
    access_number: str
    aid: str
    edi_id: bytes | None
    started_at: int
    answered_at: int | None
    ended_at: int | None
    result: str
    octets: int


def put_cdr(conn: sqlite3.Connection, row: CdrRow) -> None:
    conn.execute(
        "INSERT INTO cdr (id, kind, enterprise_id, access_number, aid, edi_id, started_at, answered_at,"
        " ended_at, result, octets) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            row.id,
            row.kind,
            row.enterprise_id,
            row.access_number,
            row.aid,
            row.edi_id,
            row.started_at,
            row.answered_at,
            row.ended_at,
            row.result,
            row.octets,
        ),
    )


def put_refusal(
    conn: sqlite3.Connection,
    row_id: int,
    at: int,
    enterprise_id: str,
    channel: str,
    access_number: str,
    aid: str,
    cause: str,
) -> None:
    """The precise cause stays here; the enterprise sees the uniform refusal."""
    conn.execute(
        "INSERT INTO refusal (id, at, enterprise_id, channel, access_number, aid, cause)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (row_id, at, enterprise_id, channel, access_number, aid, cause),
    )


def trim_refusals(conn: sqlite3.Connection) -> int:
    """Keep the newest REFUSALS_KEPT; returns how many went."""
    oldest = conn.execute(
        "SELECT id FROM refusal ORDER BY id DESC LIMIT 1 OFFSET ?", (REFUSALS_KEPT,)
    ).fetchone()
    if oldest is None:
        return 0
    return conn.execute("DELETE FROM refusal WHERE id <= ?", (oldest[0],)).rowcount
