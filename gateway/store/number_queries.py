"""Queries by number: who may approve them, which there were, and whose EDIs they mean."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from gateway.store import subscribers
from gateway.store.vault import Vault
from masking.resolve import day_window

APPROVERS_MAX = 1_000
"""People enrolled."""

_SEAL = "number_query.number"


@dataclass(frozen=True, slots=True)
class ApproverRow:
    """Someone who may agree to queries of one requester; `public_key` is SM2, 65 bytes."""

    id: str
    requester: str
    name: str
    public_key: bytes
    enrolled_at: int


@dataclass(frozen=True, slots=True)
class QueryRow:
    """A query that was answered. Times in milliseconds; `approvers` by id, separated by spaces."""

    sealed_sm3: bytes
    at: int
    requester: str
    case_ref: str
    enterprise_id: str
    period_from: int
    period_to: int
    approvers: str
    found: int
    number_sealed: bytes


_APPROVER = ", ".join(ApproverRow.__slots__)
_QUERY = ", ".join(QueryRow.__slots__)


def add_approver(conn: sqlite3.Connection, row: ApproverRow) -> None:
    """Raises ValueError for an id or a key that is enrolled already: one key is one person."""
    taken = conn.execute(
        "SELECT 1 FROM approver WHERE id = ? OR public_key = ?", (row.id, row.public_key)
    ).fetchone()
    if taken is not None:
        raise ValueError("an approver of this id, or with this key, is enrolled already")
    if conn.execute("SELECT COUNT(*) FROM approver").fetchone()[0] >= APPROVERS_MAX:
        raise ValueError(f"{APPROVERS_MAX} approvers are enrolled already")
    conn.execute(
        f"INSERT INTO approver ({_APPROVER}) VALUES (?, ?, ?, ?, ?)",
        (row.id, row.requester, row.name, row.public_key, row.enrolled_at),
    )


def remove_approver(conn: sqlite3.Connection, approver_id: str) -> ApproverRow:
    """Raises ValueError when there is none of this id."""
    row = conn.execute(f"SELECT {_APPROVER} FROM approver WHERE id = ?", (approver_id,)).fetchone()
    if row is None:
        raise ValueError("no approver of this id is enrolled")
    conn.execute("DELETE FROM approver WHERE id = ?", (approver_id,))
    return ApproverRow(*row)


def approvers(conn: sqlite3.Connection) -> list[ApproverRow]:
    """Everyone enrolled, by id."""
    return [ApproverRow(*row) for row in conn.execute(f"SELECT {_APPROVER} FROM approver ORDER BY id")]


def is_known(conn: sqlite3.Connection, sealed_sm3: bytes) -> bool:
    """Whether this very query was answered before."""
    row = conn.execute("SELECT 1 FROM number_query WHERE sealed_sm3 = ?", (sealed_sm3,)).fetchone()
    return row is not None


def count_since(conn: sqlite3.Connection, requester: str, at_ms: int) -> int:
    """Queries of a requester that were answered at or after a time."""
    row = conn.execute(
        "SELECT COUNT(*) FROM number_query WHERE requester = ? AND at >= ?", (requester, at_ms)
    ).fetchone()
    return int(row[0])


def put(conn: sqlite3.Connection, row: QueryRow) -> None:
    conn.execute(
        f"INSERT INTO number_query ({_QUERY}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        tuple(getattr(row, name) for name in QueryRow.__slots__),
    )


def forget_before(conn: sqlite3.Connection, at_ms: int) -> None:
    """Forget queries of before a time, with the numbers asked about."""
    conn.execute("DELETE FROM number_query WHERE at < ?", (at_ms,))


def queries(conn: sqlite3.Connection, limit: int) -> list[QueryRow]:
    """The newest, newest first."""
    rows = conn.execute(f"SELECT {_QUERY} FROM number_query ORDER BY at DESC LIMIT ?", (limit,))
    return [QueryRow(*row) for row in rows]


def seal_number(vault: Vault, number: str) -> bytes:
    return vault.seal(_SEAL, number.encode("ascii"))


def open_number(vault: Vault, row: QueryRow) -> str:
    """The number that a query was about."""
    return vault.open(_SEAL, row.number_sealed).decode("ascii")


def edi_ids_of(
    conn: sqlite3.Connection, msisdn_index: bytes, enterprise_id: str, start: int, end: int
) -> list[bytes]:
    """The enterprise's EDIs of every subscriber who held the number at some time of [start, end) ms, newest first.

    An EDI is the subscriber's who held the number, with the identifier that was sealed, on its as-of day. So the
    EDIs of who held the number before or after the period are not among them, although it is the same number.
    """
    lines = subscribers.holdings_of_number(conn, msisdn_index)
    holders = {line.subscriber_id for line in lines if line.valid(start, end)}
    rows = conn.execute(
        "SELECT edi_id, id_type, identifier_index, as_of FROM edi WHERE msisdn_index = ? AND enterprise_id = ?"
        " ORDER BY as_of DESC, edi_id",
        (msisdn_index, enterprise_id),
    ).fetchall()
    found: list[bytes] = []
    for edi_id, id_type, identifier_index, as_of in rows:
        day = day_window(as_of)
        theirs = {
            line.subscriber_id
            for line in lines
            if line.id_type == id_type and line.identifier == identifier_index.hex() and line.valid(*day)
        }
        if theirs & holders:
            found.append(bytes(edi_id))
    return found
