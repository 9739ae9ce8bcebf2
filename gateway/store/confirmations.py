"""Deposits whose subscriber is to confirm, the codes sent for them, and what the network asserted."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class State(IntEnum):
    """NEW: not opened yet. WAITING: for a reply or the network. DONE: signed. DEAD: for good, see cause."""

    NEW = 1
    WAITING = 2
    DONE = 3
    DEAD = 4


@dataclass(frozen=True, slots=True)
class ConfirmationRow:
    """One deposit. `sealed` holds the request, and the code once one was sent. Times in milliseconds."""

    id: int
    deposit_id: str
    enterprise_id: str
    edi_id: bytes | None
    msisdn_index: bytes | None
    state: int
    received_at: int
    expires_at: int
    attempts: int
    cause: str | None
    sealed: bytes


_COLUMNS = (
    "id, deposit_id, enterprise_id, edi_id, msisdn_index, state, received_at, expires_at, attempts,"
    " cause, sealed"
)


def insert(conn: sqlite3.Connection, row: ConfirmationRow) -> None:
    """Idempotent by deposit_id."""
    conn.execute(
        f"INSERT INTO confirmation ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (deposit_id) DO NOTHING",
        (
            row.id,
            row.deposit_id,
            row.enterprise_id,
            row.edi_id,
            row.msisdn_index,
            row.state,
            row.received_at,
            row.expires_at,
            row.attempts,
            row.cause,
            row.sealed,
        ),
    )


def new(conn: sqlite3.Connection, limit: int) -> list[ConfirmationRow]:
    rows = conn.execute(
        f"SELECT {_COLUMNS} FROM confirmation WHERE state = ? ORDER BY id LIMIT ?",
        (State.NEW, limit),
    )
    return [ConfirmationRow(*row) for row in rows]


def waiting_for(conn: sqlite3.Connection, msisdn_index: bytes, now_ms: int) -> list[ConfirmationRow]:
    """What one subscriber was asked and has not answered, newest first."""
    rows = conn.execute(
        f"SELECT {_COLUMNS} FROM confirmation WHERE msisdn_index = ? AND state = ? AND expires_at > ?"
        " ORDER BY id DESC LIMIT 50",
        (msisdn_index, State.WAITING, now_ms),
    )
    return [ConfirmationRow(*row) for row in rows]


def name_edis(conn: sqlite3.Connection, row_id: int, edi_ids: Iterable[bytes]) -> None:
    """The EDIs of a deposit, under each of which the network may speak of it."""
    conn.executemany(
        "INSERT INTO confirmation_edi (edi_id, confirmation_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(edi_id, row_id) for edi_id in edi_ids],
    )


def by_edi(conn: sqlite3.Connection, edi_id: bytes, now_ms: int) -> ConfirmationRow | None:
    """The deposit that waits and has this EDI among its own."""
    row = conn.execute(
        f"SELECT {_COLUMNS} FROM confirmation WHERE id IN"
        " (SELECT confirmation_id FROM confirmation_edi WHERE edi_id = ?) AND state = ? AND expires_at > ? LIMIT 1",
        (edi_id, State.WAITING, now_ms),
    ).fetchone()
    return None if row is None else ConfirmationRow(*row)


def settle(
    conn: sqlite3.Connection,
    row_id: int,
    state: State,
    *,
    edi_id: bytes | None = None,
    msisdn_index: bytes | None = None,
    cause: str | None = None,
    sealed: bytes | None = None,
) -> None:
    """Move a deposit on; what is None stays as it is."""
    conn.execute(
        "UPDATE confirmation SET state = ?, edi_id = COALESCE(?, edi_id),"
        " msisdn_index = COALESCE(?, msisdn_index), cause = ?, sealed = COALESCE(?, sealed) WHERE id = ?",
        (state, edi_id, msisdn_index, cause, sealed, row_id),
    )


def count_attempt(conn: sqlite3.Connection, row_id: int) -> None:
    conn.execute("UPDATE confirmation SET attempts = attempts + 1 WHERE id = ?", (row_id,))


def expire(conn: sqlite3.Connection, now_ms: int) -> int:
    """End what nobody answered; returns how many."""
    return conn.execute(
        "UPDATE confirmation SET state = ?, cause = 'UNANSWERED' WHERE state = ? AND expires_at <= ?",
        (State.DEAD, State.WAITING, now_ms),
    ).rowcount


def count_code(
    conn: sqlite3.Connection, msisdn_index: bytes, enterprise_id: str, day: int, allowed: int
) -> bool:
    """Count one code message to a subscriber for an enterprise today; False when it is one too many."""
    row = conn.execute(
        "SELECT sent FROM code_sent WHERE msisdn_index = ? AND enterprise_id = ? AND day = ?",
        (msisdn_index, enterprise_id, day),
    ).fetchone()
    if row is not None and row[0] >= allowed:
        return False
    conn.execute(
        "INSERT INTO code_sent (msisdn_index, enterprise_id, day, sent) VALUES (?, ?, ?, 1)"
        " ON CONFLICT (msisdn_index, enterprise_id, day) DO UPDATE SET sent = sent + 1",
        (msisdn_index, enterprise_id, day),
    )
    return True


def put_assertion(
    conn: sqlite3.Connection, edi_id: bytes, msisdn_index: bytes, asserted_at: int, received_at: int
) -> None:
    conn.execute(
        "INSERT INTO network_assertion (edi_id, msisdn_index, asserted_at, received_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (edi_id) DO NOTHING",
        (edi_id, msisdn_index, asserted_at, received_at),
    )


def assertion(conn: sqlite3.Connection, edi_id: bytes, since_ms: int) -> bytes | None:
    """The MSISDN index that the network asserted for an EDI's session, if it is fresh."""
    row = conn.execute(
        "SELECT msisdn_index FROM network_assertion WHERE edi_id = ? AND received_at >= ?", (edi_id, since_ms)
    ).fetchone()
    return None if row is None else bytes(row[0])


def drop_assertions(conn: sqlite3.Connection, before_ms: int) -> int:
    return conn.execute("DELETE FROM network_assertion WHERE received_at < ?", (before_ms,)).rowcount
