"""What was kept long enough: one bounded deletion for each kind of row. A row that something waits for stays."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final

from gateway.store import confirmations, inbound
from interparty.edi import date_in_shanghai

Drop = Callable[[sqlite3.Connection, int, int], int]
"""Takes (connection, time in ms, rows at most), deletes what ended before that time, and gives how many rows."""


def cdrs(conn: sqlite3.Connection, before_ms: int, limit: int) -> int:
    """CDRs that the trust party has a report of. The newest stays: its number must not be given again, since the trust
    party has everything up to a number."""
    return conn.execute(
        "DELETE FROM cdr WHERE seq IN (SELECT seq FROM cdr WHERE ended_at < ?"
        " AND seq <= (SELECT seq FROM report_position WHERE id = 1) AND seq < (SELECT MAX(seq) FROM cdr)"
        " ORDER BY seq LIMIT ?)",
        (before_ms, limit),
    ).rowcount


def replies(conn: sqlite3.Connection, before_ms: int, limit: int) -> int:
    """Messages from subscribers that were handed over or refused, with their text."""
    return conn.execute(
        "DELETE FROM inbound WHERE id IN"
        " (SELECT id FROM inbound WHERE received_at < ? AND state <> ? ORDER BY id LIMIT ?)",
        (before_ms, inbound.State.WAITING, limit),
    ).rowcount


def confirmed(conn: sqlite3.Connection, before_ms: int, limit: int) -> int:
    """Deposits that were confirmed, or for good not, with what was asked and the code."""
    ended = (int(confirmations.State.DONE), int(confirmations.State.DEAD))
    rows = conn.execute(
        "SELECT id FROM confirmation WHERE state IN (?, ?) AND expires_at < ? ORDER BY id LIMIT ?",
        (*ended, before_ms, limit),
    ).fetchall()
    ids = [(row[0],) for row in rows]
    conn.executemany("DELETE FROM confirmation_edi WHERE confirmation_id = ?", ids)
    conn.executemany("DELETE FROM confirmation WHERE id = ?", ids)
    return len(ids)


def codes(conn: sqlite3.Connection, before_ms: int, limit: int) -> int:
    """How many codes a subscriber was sent for an enterprise on a day."""
    return conn.execute(
        "DELETE FROM code_sent WHERE rowid IN (SELECT rowid FROM code_sent WHERE day < ? LIMIT ?)",
        (date_in_shanghai(before_ms), limit),
    ).rowcount


def refusals(conn: sqlite3.Connection, before_ms: int, limit: int) -> int:
    """Contacts that were refused."""
    return conn.execute(
        "DELETE FROM refusal WHERE id IN (SELECT id FROM refusal WHERE at < ? ORDER BY id LIMIT ?)",
        (before_ms, limit),
    ).rowcount


KINDS: Final[dict[str, Drop]] = {
    "cdr": cdrs,
    "reply": replies,
    "confirmation": confirmed,
    "code": codes,
    "refusal": refusals,
}
"""By name."""
