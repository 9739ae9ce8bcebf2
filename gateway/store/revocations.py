"""EDIs and enterprises whose pending messages are to be stopped: written with what ends them, gone when it is done."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from foundation.rows import execute_keys, execute_rows
from gateway.store.ids import IdSource


class RevocationRow(NamedTuple):
    id: int
    enterprise_id: str
    edi_id: bytes | None
    """None: everything of the enterprise."""


def put(conn: sqlite3.Connection, ids: IdSource, enterprise_id: str, edi_ids: Sequence[bytes | None]) -> None:
    rows = [RevocationRow(ids.next(), enterprise_id, edi_id) for edi_id in edi_ids]
    execute_rows(conn, "INSERT INTO revocation (id, enterprise_id, edi_id) VALUES @rows", rows)


def position(conn: sqlite3.Connection) -> tuple[str, int] | None:
    """Epoch and sequence of the trust party's last revocation that was taken in, None before the first."""
    row = conn.execute("SELECT epoch, sequence FROM revocation_position WHERE id = 1").fetchone()
    return None if row is None else (str(row[0]), int(row[1]))


def set_position(conn: sqlite3.Connection, epoch: str, sequence: int) -> None:
    conn.execute(
        "INSERT INTO revocation_position (id, epoch, sequence) VALUES (1, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, sequence = excluded.sequence",
        (epoch, sequence),
    )


def waiting(conn: sqlite3.Connection, limit: int) -> list[RevocationRow]:
    """The oldest first."""
    rows = conn.execute("SELECT id, enterprise_id, edi_id FROM revocation ORDER BY id LIMIT ?", (limit,))
    return [RevocationRow._make(row) for row in rows]


def done(conn: sqlite3.Connection, row_ids: Sequence[int]) -> None:
    execute_keys(conn, "DELETE FROM revocation WHERE id IN (@keys)", row_ids)
