"""Long messages from enterprises: parts held until all are there, one outcome and one record for the whole.

The first part to come is authorized; its set is then open for HOLD_S. Each further part belongs to it by
account, access number, AID, reference and total. When the set is whole its parts go to the SMSC together;
when it does not become whole, what came is REJECTED.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

from gateway.store import long_messages, messages, records
from gateway.store.messages import MessageRow
from smpp.receipts import MessageState

PARTS_MAX: Final = 10
"""Parts of one long message."""
HOLD_S: Final = 60
"""How long parts wait for the others."""
KEPT_S: Final = 86_400
"""How long the parts of a long message that has its outcome can be asked for."""

_WORST: Final = (
    MessageState.DELIVERED,
    MessageState.SKIPPED,
    MessageState.UNKNOWN,
    MessageState.DELETED,
    MessageState.EXPIRED,
    MessageState.REJECTED,
    MessageState.UNDELIVERABLE,
)
"""What became of the whole is what became of the part that fared worst."""


@dataclass(frozen=True, slots=True)
class PartEnd:
    """A receipt to be given for a part, or for the whole."""

    row: MessageRow
    state: MessageState
    error: int


@dataclass(frozen=True, slots=True)
class Closed:
    """What the outcome of one part leads to."""

    receipts: tuple[PartEnd, ...] = ()
    whole: records.CdrRow | None = None


def close_part(
    conn: sqlite3.Connection, row: MessageRow, state: MessageState, error: int, now: int
) -> Closed:
    """Give a part its outcome; with the last one the whole has its own."""
    assert row.long_id is not None
    if not messages.close_part(conn, row.id, int(state), error, now):
        return Closed()
    long = long_messages.get(conn, row.long_id)
    if long is None:
        return Closed()
    own = () if long.aggregate else (PartEnd(row, state, error),)
    parts = long_messages.parts(conn, long.id)
    if any(part.state != messages.State.FINAL for part in parts):
        return Closed(own)
    # Also when others never came: what comes now begins a long message of its own.
    if not long_messages.end(conn, long.id):
        return Closed(own)
    fared = [(MessageState(part.outcome or 0), part.error or 0) for part in parts]
    worst = max(fared, key=lambda each: _WORST.index(each[0]) if each[0] in _WORST else len(_WORST))
    first = parts[0].row
    came_first = next(part.row for part in parts if part.row.id == long.id)
    whole = records.CdrRow(
        long.id, came_first.public_id, "mt", first.account, first.enterprise_id, first.access_number, first.aid,
        first.edi_id, min(part.row.accepted_at for part in parts), None, now, worst[0].name, worst[1],
        len(parts), long.octets, long.digest,
    )  # fmt: skip
    return Closed((PartEnd(first, *worst),) if long.aggregate else own, whole)
