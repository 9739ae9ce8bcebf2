"""Messages towards the SMSC: from acceptance to their outcome.

States: HELD (a part of a long message whose other parts are not there), QUEUED (committed, the SMSC has
not answered for it), ACCEPTED (the SMSC gave an id), FINAL. A crash leaves rows as they were; QUEUED ones
are sent again, so a message whose response was lost may reach the handset twice, and none is lost. A
message that has its outcome lives on as a CDR alone; parts of a long one stay FINAL until all are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from foundation.rows import execute_keys, execute_rows, select_keys

PARKED_MAX: Final = 200_000
"""Receipts kept whose message is not known yet; the oldest go first."""


class Kind(IntEnum):
    """Whose message it is."""

    ENTERPRISE = 0
    CARRIER = 1  # the confirmation code and the opt-out notice: the two sent without an authorization


ENTERPRISE: Final = int(Kind.ENTERPRISE)
"""A plain number: sqlite3 looks for an adapter of any other type, by way of an exception."""


class State(IntEnum):
    HELD = 0
    QUEUED = 1
    ACCEPTED = 2
    FINAL = 3


class MessageRow(NamedTuple):
    """One message. Times in milliseconds. The submit_sm for the SMSC is beside it, sealed."""

    id: int
    public_id: int
    """By which the enterprise knows it; several of one submit_multi share one."""
    kind: int
    account: str
    enterprise_id: str
    access_number: str
    """As the message shows it, with what the enterprise appended."""
    aid: str
    edi_id: bytes | None
    registered_delivery: int
    priority: int
    octets: int
    """Of its text, without the user data header."""
    digest: bytes | None
    """Of its text. Of a part of a long message, whose whole text is digested: Vault.fingerprint of its frame."""
    long_id: int | None
    """The long message that it is a part of."""
    part: int
    """Which part, from 1; 0 when it is whole."""
    accepted_at: int
    not_before: int
    expires_at: int


_FIELDS: Final = ", ".join(MessageRow._fields)
_WIDTH: Final = len(MessageRow._fields)


class Stored(NamedTuple):
    """A message as it is in the store: `sealed` is the submit_sm frame, None once FINAL."""

    row: MessageRow
    state: int
    upstream: str | None
    upstream_id: str | None
    outcome: int | None
    error: int | None
    done_at: int | None
    sealed: bytes | None


_STORED: Final = f"{_FIELDS}, state, upstream, upstream_id, outcome, error, done_at, sealed"


def _stored(row: Sequence[object]) -> Stored:
    return Stored(MessageRow._make(row[:_WIDTH]), *row[_WIDTH:])  # type: ignore[arg-type]


def insert(conn: sqlite3.Connection, rows: Sequence[tuple[MessageRow, State, bytes]]) -> None:
    """Commit messages, each with its state and its sealed frame."""
    execute_rows(
        conn,
        f"INSERT INTO message ({_FIELDS}, state, sealed) VALUES @rows",
        [(*row, int(state), sealed) for row, state, sealed in rows],
    )


def get(conn: sqlite3.Connection, message_id: int) -> Stored | None:
    row = conn.execute(f"SELECT {_STORED} FROM message WHERE id = ?", (message_id,)).fetchone()
    return None if row is None else _stored(row)


def of_public_id(conn: sqlite3.Connection, public_id: int, first: int, last: int) -> list[Stored]:
    """All messages that share a public id; they have the ids from `first` to `last`."""
    rows = conn.execute(
        f"SELECT {_STORED} FROM message WHERE id BETWEEN ? AND ? AND public_id = ?",
        (first, last, public_id),
    )
    return [_stored(row) for row in rows]


def of_long(conn: sqlite3.Connection, long_id: int) -> list[Stored]:
    """The parts of a long message, in their order."""
    rows = conn.execute(
        f"SELECT {_STORED} FROM message WHERE long_id = ? ORDER BY part",
        (long_id,),
    )
    return [_stored(row) for row in rows]


def queued_to(
    conn: sqlite3.Connection, account: str, access_number: str, aid: str, limit: int
) -> list[Stored]:
    """What an account has QUEUED from one access number to one AID, oldest first."""
    rows = conn.execute(
        f"SELECT {_STORED} FROM message WHERE state = 1 AND account = ? AND access_number = ? AND aid = ?"
        " ORDER BY id LIMIT ?",
        (account, access_number, aid, limit),
    )
    return [_stored(row) for row in rows]


def due(conn: sqlite3.Connection, now_ms: int, held: Sequence[int], limit: int) -> list[Stored]:
    """QUEUED messages whose time has come, the longest waiting first, without those `held` in memory."""
    skip = frozenset(held)
    rows = conn.execute(
        "SELECT id FROM message WHERE state = 1 AND not_before <= ? ORDER BY not_before, id LIMIT ?",
        (now_ms, limit + len(skip)),
    )
    ids = [row[0] for row in rows if row[0] not in skip][:limit]
    found = select_keys(conn, f"SELECT {_STORED} FROM message WHERE id IN (@keys)", ids)
    return sorted(map(_stored, found), key=lambda stored: (stored.row.not_before, stored.row.id))


def accept(conn: sqlite3.Connection, accepted: Sequence[tuple[int, str, str]]) -> None:
    """The SMSC answered for messages: (id, upstream key, the id as it wrote it)."""
    conn.executemany(
        "UPDATE message SET state = 2, upstream = ?2, upstream_id = ?3 WHERE id = ?1 AND state = 1", accepted
    )


def accept_nameless(conn: sqlite3.Connection, ids: Sequence[int]) -> None:
    """The SMSC answered for messages without giving an id: no receipt can name them."""
    execute_keys(conn, "UPDATE message SET state = 2 WHERE id IN (@keys) AND state = 1", ids)


class Named(NamedTuple):
    """A pending message that the SMSC knows, with the key and the id that it gave."""

    row: MessageRow
    upstream: str
    upstream_id: str


def named(conn: sqlite3.Connection, keys: Sequence[str]) -> list[Named]:
    """The ACCEPTED messages under upstream keys."""
    rows = select_keys(
        conn,
        f"SELECT {_FIELDS}, upstream, upstream_id FROM message WHERE upstream IN (@keys) AND state = 2",
        keys,
    )
    return [Named(MessageRow._make(row[:_WIDTH]), row[_WIDTH], row[_WIDTH + 1]) for row in rows]


class ParkedReceipt(NamedTuple):
    """A receipt that came before the response which names its message."""

    id: int
    upstream: str
    upstream_id: str
    received_at: int
    message_state: int
    error: int


def park(conn: sqlite3.Connection, receipts: Sequence[ParkedReceipt]) -> None:
    """Keep receipts whose message is not known yet."""
    execute_rows(
        conn, f"INSERT INTO parked_receipt ({', '.join(ParkedReceipt._fields)}) VALUES @rows", receipts
    )


def unpark(conn: sqlite3.Connection, keys: Sequence[str]) -> list[ParkedReceipt]:
    """Take out the receipts under upstream keys, oldest first."""
    found = sorted(
        ParkedReceipt._make(row)
        for row in select_keys(
            conn,
            f"SELECT {', '.join(ParkedReceipt._fields)} FROM parked_receipt WHERE upstream IN (@keys)",
            keys,
        )
    )
    execute_keys(conn, "DELETE FROM parked_receipt WHERE id IN (@keys)", [each.id for each in found])
    return found


def any_parked(conn: sqlite3.Connection) -> bool:
    """Whether any receipt waits for its message."""
    return conn.execute("SELECT 1 FROM parked_receipt LIMIT 1").fetchone() is not None


def forget_parked(conn: sqlite3.Connection, upstream_id: str, keys: Sequence[str]) -> None:
    """A receipt has its message: it is kept no longer under any of the keys that it might have meant."""
    conn.executemany(
        "DELETE FROM parked_receipt WHERE upstream = ? AND upstream_id = ?",
        [(key, upstream_id) for key in keys],
    )


def trim_parked(conn: sqlite3.Connection, before_ms: int) -> int:
    """Forget receipts that no response claimed, and the oldest beyond PARKED_MAX; returns how many."""
    late = conn.execute("DELETE FROM parked_receipt WHERE received_at < ?", (before_ms,)).rowcount
    surplus = conn.execute(
        "DELETE FROM parked_receipt WHERE id <= (SELECT id FROM parked_receipt ORDER BY id DESC LIMIT 1 OFFSET ?)",
        (PARKED_MAX,),
    ).rowcount
    return late + surplus


def remove(conn: sqlite3.Connection, ids: Sequence[int]) -> int:
    """Messages that have their outcome go; returns how many were still there."""
    return execute_keys(conn, "DELETE FROM message WHERE id IN (@keys)", ids)


def close_part(conn: sqlite3.Connection, message_id: int, outcome: int, error: int, done_at: int) -> bool:
    """Give a part of a long message its outcome; False when it had one already."""
    return (
        conn.execute(
            "UPDATE message SET state = 3, outcome = ?, error = ?, done_at = ?, sealed = NULL, upstream = NULL"
            " WHERE id = ? AND state <> 3",
            (outcome, error, done_at, message_id),
        ).rowcount
        == 1
    )


def replace(conn: sqlite3.Connection, row: MessageRow, sealed: bytes, state: State = State.QUEUED) -> bool:
    """Another text and other times for a message that is still in that state; False when it is not."""
    return (
        conn.execute(
            "UPDATE message SET registered_delivery = ?, octets = ?, digest = ?, not_before = ?, expires_at = ?,"
            " sealed = ? WHERE id = ? AND state = ?",
            (
                row.registered_delivery,
                row.octets,
                row.digest,
                row.not_before,
                row.expires_at,
                sealed,
                row.id,
                int(state),
            ),
        ).rowcount
        == 1
    )


def postpone(conn: sqlite3.Connection, message_id: int, not_before: int) -> None:
    """Try again later: a transient error, or the trust party did not answer at dispatch."""
    conn.execute("UPDATE message SET not_before = ? WHERE id = ? AND state = 1", (not_before, message_id))


def overdue(conn: sqlite3.Connection, now_ms: int, receipt_wait_ms: int, limit: int) -> list[MessageRow]:
    """Messages past their validity; ACCEPTED ones only when their receipt has been waited for as well."""
    rows = conn.execute(
        f"SELECT {_FIELDS} FROM message WHERE expires_at < ? AND (state < 2 OR (state = 2 AND expires_at < ?))"
        " ORDER BY expires_at LIMIT ?",
        (now_ms, now_ms - receipt_wait_ms, limit),
    )
    return [MessageRow._make(row) for row in rows]


def unreceipted(
    conn: sqlite3.Connection, from_ms: int, to_ms: int, skip: Collection[int], limit: int
) -> list[Stored]:
    """ACCEPTED messages whose validity ended between two times and which their SMSC knows by an id, without those
    in `skip`; the ones that wait longest first."""
    rows = conn.execute(
        "SELECT id FROM message WHERE expires_at >= ? AND expires_at < ? AND state = 2 AND upstream IS NOT NULL"
        " ORDER BY expires_at LIMIT ?",
        (from_ms, to_ms, limit + len(skip)),
    )
    ids = [row[0] for row in rows if row[0] not in skip][:limit]
    return [
        _stored(row) for row in select_keys(conn, f"SELECT {_STORED} FROM message WHERE id IN (@keys)", ids)
    ]


def under_edis(
    conn: sqlite3.Connection,
    edi_ids: Iterable[bytes],
    enterprises: Collection[str],
    after: int,
    rows_read: int,
) -> tuple[list[Stored], int | None]:
    """The pending messages under EDIs, and all of some enterprises, among the next `rows_read` rows beyond id `after`,
    and the id to go on from; None at the end.

    There is no index on edi_id: one is written with every message, and this is read once a revocation.
    """
    wanted = frozenset(edi_ids)
    rows = conn.execute(
        "SELECT id, edi_id, enterprise_id FROM message WHERE id > ? ORDER BY id LIMIT ?", (after, rows_read)
    ).fetchall()
    # The carrier's own messages have no EDI.
    ids = [row[0] for row in rows if row[1] in wanted or (row[1] is not None and row[2] in enterprises)]
    found = select_keys(
        conn,
        f"SELECT {_STORED} FROM message WHERE id IN (@keys) AND state < 3",
        ids,
    )
    return [_stored(row) for row in found], rows[-1][0] if len(rows) == rows_read else None


def backlog(conn: sqlite3.Connection, until_ms: int, limit: int) -> int:
    """QUEUED messages that are due until then, up to `limit`."""
    return int(
        conn.execute(
            "SELECT count(*) FROM (SELECT 1 FROM message WHERE state = 1 AND not_before <= ? LIMIT ?)",
            (until_ms, limit),
        ).fetchone()[0]
    )
