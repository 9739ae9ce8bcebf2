"""What was kept long enough: one bounded deletion for each kind of row. A row that something waits for stays.

Rows end in about the order in which they were put. So each deletion looks at the oldest rows alone, as many as it may
delete: a table of millions costs no more than a small one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

from foundation.rows import execute_keys
from gateway.store import confirmations, inbound
from interparty.edi import date_in_shanghai

Drop = Callable[[sqlite3.Connection, int, int], int]
"""Takes (connection, time in ms, rows at most), deletes what ended before that time, and gives how many rows."""


def cdrs(conn: sqlite3.Connection, before_ms: int, limit: int) -> int:
    """CDRs that the trust party has a report of. The newest stays: its number must not be given again, since the trust
    party has everything up to a number."""
    reported, newest = conn.execute(
        "SELECT (SELECT seq FROM report_position WHERE id = 1), (SELECT MAX(seq) FROM cdr)"
    ).fetchone()
    rows = conn.execute("SELECT seq, ended_at FROM cdr ORDER BY seq LIMIT ?", (limit,))
    due = [seq for seq, ended_at in rows if ended_at < before_ms and seq <= reported and seq < newest]
    return execute_keys(conn, "DELETE FROM cdr WHERE seq IN (@keys)", due)


def replies(conn: sqlite3.Connection, before_ms: int, limit: int) -> int:
    """Messages from subscribers that were handed over or refused, with their text."""
    due = _in_states(
        conn,
        "SELECT id, received_at FROM inbound WHERE state = ? ORDER BY id LIMIT ?",
        (inbound.State.DONE, inbound.State.REFUSED),
        before_ms,
        limit,
    )
    return execute_keys(conn, "DELETE FROM inbound WHERE id IN (@keys)", due)


def confirmed(conn: sqlite3.Connection, before_ms: int, limit: int) -> int:
    """Deposits that were confirmed, or for good not, with what was asked and the code."""
    due = _in_states(
        conn,
        "SELECT id, expires_at FROM confirmation WHERE state = ? ORDER BY id LIMIT ?",
        (confirmations.State.DONE, confirmations.State.DEAD),
        before_ms,
        limit,
    )
    execute_keys(conn, "DELETE FROM confirmation_edi WHERE confirmation_id IN (@keys)", due)
    return execute_keys(conn, "DELETE FROM confirmation WHERE id IN (@keys)", due)


def codes(conn: sqlite3.Connection, before_ms: int, limit: int) -> int:
    """How many codes a subscriber was sent for an enterprise on a day."""
    first_kept = date_in_shanghai(before_ms)
    rows = conn.execute("SELECT rowid, day FROM code_sent ORDER BY rowid LIMIT ?", (limit,))
    due = [rowid for rowid, day in rows if day < first_kept]
    return execute_keys(conn, "DELETE FROM code_sent WHERE rowid IN (@keys)", due)


def refusals(conn: sqlite3.Connection, before_ms: int, limit: int) -> int:
    """Contacts that were refused."""
    rows = conn.execute("SELECT id, at FROM refusal ORDER BY id LIMIT ?", (limit,))
    due = [row_id for row_id, at in rows if at < before_ms]
    return execute_keys(conn, "DELETE FROM refusal WHERE id IN (@keys)", due)


def _in_states(
    conn: sqlite3.Connection, sql: str, states: Sequence[int], before_ms: int, limit: int
) -> list[Any]:
    rows = [row for state in states for row in conn.execute(sql, (int(state), limit))]
    return [row_id for row_id, ended_at in rows if ended_at < before_ms][:limit]


KINDS: Final[dict[str, Drop]] = {
    "cdr": cdrs,
    "reply": replies,
    "confirmation": confirmed,
    "code": codes,
    "refusal": refusals,
}
"""By name."""
