"""Messages towards the SMSC: from acceptance to their outcome.

States: QUEUED (committed, the SMSC has not answered for it), ACCEPTED (the SMSC gave an id),
FINAL. A crash leaves rows QUEUED or ACCEPTED; QUEUED ones are sent again, so a message whose
response was lost may reach the handset twice, and none is lost.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum


class Kind(IntEnum):
    """Whose message it is."""

    ENTERPRISE = 0
    CARRIER = 1  # the confirmation code and the opt-out notice: the two sent without an authorization


class State(IntEnum):
    QUEUED = 1
    ACCEPTED = 2
    FINAL = 3


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One message. Times in milliseconds; `sealed` is the sealed submit_sm frame, absent once FINAL."""

    id: int
    kind: int
    account: str
    enterprise_id: str
    access_number: str
    aid: str
    edi_id: bytes | None
    registered_delivery: int
    state: int
    accepted_at: int
    not_before: int
    expires_at: int
    sealed: bytes | None


_COLUMNS = (
    "id, kind, account, enterprise_id, access_number, aid, edi_id, registered_delivery, state, accepted_at,"
    " not_before, expires_at, sealed"
)


@dataclass(frozen=True, slots=True)
class ParkedReceipt:
    """A receipt that came before the response which names its message."""

    message_state: int
    error_code: str
    received_at: int


def insert(conn: sqlite3.Connection, row: MessageRow) -> None:
    conn.execute(
        f"INSERT INTO message ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (
            row.id,
            row.kind,
            row.account,
            row.enterprise_id,
            row.access_number,
            row.aid,
            row.edi_id,
            row.registered_delivery,
            row.state,
            row.accepted_at,
            row.not_before,
            row.expires_at,
            row.sealed,
        ),
    )


def get(conn: sqlite3.Connection, message_id: int) -> MessageRow | None:
    row = conn.execute(f"SELECT {_COLUMNS} FROM message WHERE id = ?", (message_id,)).fetchone()  # noqa: S608
    return None if row is None else MessageRow(*row)


def due(conn: sqlite3.Connection, now_ms: int, held: Sequence[int], limit: int) -> list[MessageRow]:
    """QUEUED messages whose time has come, oldest first, without those already `held` in memory."""
    rows = conn.execute(
        f"SELECT {_COLUMNS} FROM message WHERE state = ? AND not_before <= ? ORDER BY id LIMIT ?",  # noqa: S608
        (State.QUEUED, now_ms, limit + len(held)),
    )
    skip = frozenset(held)
    return [MessageRow(*row) for row in rows if row[0] not in skip][:limit]


def normal(upstream_id: str) -> str:
    """An upstream id without what SMSCs vary from response to receipt: case and leading zeros."""
    return upstream_id.strip().lower().lstrip("0") or "0"


def accept(conn: sqlite3.Connection, message_id: int, link: str, upstream_id: str) -> ParkedReceipt | None:
    """The SMSC answered with its id. Gives the receipt that beat this response, if one is parked."""
    conn.execute(
        "UPDATE message SET state = ?, upstream_link = ?, upstream_id = ?, upstream_normal = ?"
        " WHERE id = ? AND state = ?",
        (State.ACCEPTED, link, upstream_id, normal(upstream_id), message_id, State.QUEUED),
    )
    parked = conn.execute(
        "SELECT id, message_state, error_code, received_at FROM parked_receipt"
        " WHERE link = ? AND (upstream_id = ? OR upstream_normal = ?) ORDER BY upstream_id = ? DESC, id LIMIT 1",
        (link, upstream_id, normal(upstream_id), upstream_id),
    ).fetchone()
    if parked is None:
        return None
    conn.execute("DELETE FROM parked_receipt WHERE id = ?", (parked[0],))
    return ParkedReceipt(parked[1], parked[2], parked[3])


def correlate(conn: sqlite3.Connection, link: str, forms: Iterable[str]) -> MessageRow | None:
    """The message that a receipt names; `forms` are the ids it may mean, the raw one first.

    The raw id decides when it is known. Otherwise a normalised form decides only when exactly one
    message answers to it: two candidates mean that nobody knows, and the receipt is nobody's.
    """
    ids = list(dict.fromkeys(forms))
    columns = ", ".join(f"m.{name.strip()}" for name in _COLUMNS.split(","))
    rows = conn.execute(
        f"SELECT {columns} FROM message m WHERE m.upstream_link = ? AND m.upstream_id = ?"  # noqa: S608
        " ORDER BY m.id DESC LIMIT 1",
        (link, ids[0]),
    ).fetchall()
    if not rows:
        normals = list(dict.fromkeys(normal(form) for form in ids))
        marks = ", ".join("?" * len(normals))
        rows = conn.execute(
            f"SELECT {columns} FROM message m WHERE m.upstream_link = ? AND m.upstream_normal IN ({marks})"  # noqa: S608
            " AND m.state <> ? LIMIT 2",
            (link, *normals, State.FINAL),
        ).fetchall()
    return MessageRow(*rows[0]) if len(rows) == 1 else None


def park(
    conn: sqlite3.Connection,
    row_id: int,
    link: str,
    upstream_id: str,
    received_at: int,
    state: int,
    error: str,
) -> None:
    """Keep a receipt whose message is not known yet."""
    conn.execute(
        "INSERT INTO parked_receipt (id, link, upstream_id, upstream_normal, received_at, message_state,"
        " error_code) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (row_id, link, upstream_id, normal(upstream_id), received_at, state, error),
    )


def drop_parked(conn: sqlite3.Connection, before_ms: int) -> int:
    """Forget receipts that no response claimed; returns how many."""
    return conn.execute("DELETE FROM parked_receipt WHERE received_at < ?", (before_ms,)).rowcount


def finish(conn: sqlite3.Connection, message_id: int, outcome: int, done_at: int) -> bool:
    """Give the message its final state (smpp MessageState); False when it had one already."""
    changed = conn.execute(
        "UPDATE message SET state = ?, outcome = ?, done_at = ?, sealed = NULL WHERE id = ? AND state <> ?",
        (State.FINAL, outcome, done_at, message_id, State.FINAL),
    ).rowcount
    return changed == 1


def postpone(conn: sqlite3.Connection, message_id: int, not_before: int) -> None:
    """Try again later: a transient error, or the trust party did not answer at dispatch."""
    conn.execute(
        "UPDATE message SET not_before = ? WHERE id = ? AND state = ?",
        (not_before, message_id, State.QUEUED),
    )


def overdue(conn: sqlite3.Connection, queued_ms: int, accepted_ms: int, limit: int) -> list[MessageRow]:
    """Messages past their validity (QUEUED before `queued_ms`), or left without a receipt (`accepted_ms`)."""
    rows = conn.execute(
        f"SELECT {_COLUMNS} FROM message WHERE (state = ? AND expires_at < ?)"  # noqa: S608
        " OR (state = ? AND expires_at < ?) LIMIT ?",
        (State.QUEUED, queued_ms, State.ACCEPTED, accepted_ms, limit),
    )
    return [MessageRow(*row) for row in rows]


def pending_count(conn: sqlite3.Connection) -> int:
    return int(conn.execute("SELECT COUNT(*) FROM message WHERE state <> ?", (State.FINAL,)).fetchone()[0])
