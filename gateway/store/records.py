"""CDRs and refusals: what happened, kept inside the carrier domain. A CDR is the report's own outbox."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from foundation.rows import execute_rows

REFUSALS_KEPT = 1_000_000
"""Refusal rows kept; the oldest go first."""


class CdrRow(NamedTuple):
    """One logical message or call (话单). Times in milliseconds."""

    id: int
    public_id: int
    """By which the enterprise knows the message; several of one submit_multi share one."""
    kind: str
    """mt · mo · call · callback"""
    account: str
    """The SMPP account, or the trunk."""
    enterprise_id: str
    access_number: str
    aid: str
    edi_id: bytes | None
    started_at: int
    answered_at: int | None
    ended_at: int
    result: str
    error: int = 0
    parts: int = 1
    """Segments of a message."""
    octets: int = 0
    """Of text, or of media in both directions."""
    digest: bytes | None = None
    """Of the content; the content itself is not kept."""
    media: str | None = None
    """Of a call, JSON: for `enterprise` and `core`, what came from that side: `packets`, `octets`, `lost` and
    `jitter_ms` (null where rtpengine anchored the call), `refused` datagrams."""


_FIELDS = ", ".join(CdrRow._fields)


def put_cdrs(conn: sqlite3.Connection, rows: Sequence[CdrRow]) -> None:
    execute_rows(conn, f"INSERT INTO cdr ({_FIELDS}) VALUES @rows", rows)


def cdrs(conn: sqlite3.Connection, first: int, last: int) -> list[CdrRow]:
    """Those with ids from `first` to `last`."""
    rows = conn.execute(f"SELECT {_FIELDS} FROM cdr WHERE id BETWEEN ? AND ? ORDER BY id", (first, last))
    return [CdrRow._make(row) for row in rows]


class Unreported(NamedTuple):
    """What the trust party is told of a CDR."""

    position: int
    id: int
    kind: str
    edi_id: bytes | None
    enterprise_id: str
    access_number: str
    result: str
    started_at: int
    ended_at: int
    digest: bytes | None


_REPORTED = ", ".join(Unreported._fields[1:])


def unreported(conn: sqlite3.Connection, limit: int) -> list[Unreported]:
    """CDRs that the trust party has not been told of, in the order in which they came."""
    cursor = conn.cursor()
    # Plain tuples: what is read here are thousands of rows a second.
    cursor.row_factory = None
    cursor.execute(
        f"SELECT seq, {_REPORTED} FROM cdr WHERE seq > (SELECT seq FROM report_position WHERE id = 1)"
        " ORDER BY seq LIMIT ?",
        (limit,),
    )
    return list(map(Unreported._make, cursor))


def set_reported(conn: sqlite3.Connection, position: int) -> None:
    """The trust party has everything up to `position`."""
    conn.execute("UPDATE report_position SET seq = ? WHERE id = 1 AND seq < ?", (position, position))


def unreported_count(conn: sqlite3.Connection) -> int:
    row = conn.execute(
        "SELECT COALESCE(MAX(seq), 0) - (SELECT seq FROM report_position WHERE id = 1) FROM cdr"
    ).fetchone()
    return max(int(row[0]), 0)


class RefusalRow(NamedTuple):
    """A contact that was refused. The precise cause stays here; the enterprise sees the uniform refusal."""

    id: int
    at: int
    enterprise_id: str
    channel: str
    access_number: str
    aid: str
    cause: str


def put_refusals(conn: sqlite3.Connection, rows: Sequence[RefusalRow]) -> None:
    execute_rows(conn, f"INSERT INTO refusal ({', '.join(RefusalRow._fields)}) VALUES @rows", rows)


def trim_refusals(conn: sqlite3.Connection) -> int:
    """Keep the newest REFUSALS_KEPT; returns how many went."""
    oldest = conn.execute(
        "SELECT id FROM refusal ORDER BY id DESC LIMIT 1 OFFSET ?", (REFUSALS_KEPT,)
    ).fetchone()
    if oldest is None:
        return 0
    return conn.execute("DELETE FROM refusal WHERE id <= ?", (oldest[0],)).rowcount
