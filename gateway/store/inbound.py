"""Messages from subscribers: from the SMSC's deliver_sm to the enterprise's outbox."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from enum import IntEnum


class State(IntEnum):
    """WAITING: recorded, the AID not asked for yet. DONE: handed to the outbox. REFUSED: recorded, goes nowhere."""

    WAITING = 1
    DONE = 2
    REFUSED = 3


@dataclass(frozen=True, slots=True)
class InboundRow:
    """One message from a subscriber; `sealed` is the sealed deliver_sm frame. Times in milliseconds."""

    id: int
    received_at: int
    access_number: str
    msisdn_index: bytes
    edi_id: bytes | None
    enterprise_id: str | None
    opt_out: int
    state: int
    cause: str | None
    sealed: bytes


_COLUMNS = (
    "id, received_at, access_number, msisdn_index, edi_id, enterprise_id, opt_out, state, cause, sealed"
)


def insert(conn: sqlite3.Connection, row: InboundRow) -> None:
    conn.execute(
        f"INSERT INTO inbound ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            row.id,
            row.received_at,
            row.access_number,
            row.msisdn_index,
            row.edi_id,
            row.enterprise_id,
            row.opt_out,
            row.state,
            row.cause,
            row.sealed,
        ),
    )


def waiting(conn: sqlite3.Connection, limit: int) -> list[InboundRow]:
    """What waits for `restore`, oldest first."""
    rows = conn.execute(
        f"SELECT {_COLUMNS} FROM inbound WHERE state = ? ORDER BY id LIMIT ?",
        (State.WAITING, limit),
    )
    return [InboundRow(*row) for row in rows]


def settle(conn: sqlite3.Connection, row_id: int, state: State, cause: str | None = None) -> bool:
    """End the wait; False when it had ended already."""
    return (
        conn.execute(
            "UPDATE inbound SET state = ?, cause = ? WHERE id = ? AND state = ?",
            (state, cause, row_id, State.WAITING),
        ).rowcount
        == 1
    )
