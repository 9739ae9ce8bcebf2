"""Long messages from enterprises: parts held until all are there, one outcome and one record for the whole.

The first part to come is authorized; its set is then open for HOLD_S. Each further part belongs to it by
account, access number, AID, reference and total. When the set is whole its parts go to the SMSC together;
when it does not become whole, what came is REJECTED.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.store import long_messages, messages, records
from gateway.store.messages import MessageRow, Stored
from smpp.receipts import MessageState

HOLD_S: Final = 60
"""How long parts wait for the others."""
AGAIN_S: Final = 600
"""How long after a long message was opened its parts are taken for the same when they come again."""
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


def give_up(conn: sqlite3.Connection, now: int, limit: int) -> list[PartEnd]:
    """The outcomes of parts whose others did not come in time.

    Parts that were sent again after their whole had gone (their response was lost, say) are told what became of
    the first: the same octets under the same marks. Only now can that be known: a sender may use a reference
    again for another text, whose parts begin alike.
    """
    ends: list[PartEnd] = []
    for long_id in long_messages.incomplete(conn, now - HOLD_S * 1000, limit):
        long = long_messages.get(conn, long_id)
        assert long is not None
        held = [part for part in long_messages.parts(conn, long_id) if part.state == messages.State.HELD]
        before = long_messages.whole_before(conn, long, long.opened_at - AGAIN_S * 1000)
        firsts = [] if before is None else _firsts(conn, before, held)
        if not firsts:
            ends += (PartEnd(part.row, MessageState.REJECTED, 0) for part in held)
        elif any(first.state != messages.State.FINAL for first in firsts):
            long_messages.look_later(conn, long_id, now)
        else:
            # Contact, CDR and report are the first one's.
            long_messages.end(conn, long_id)
            ends += (
                PartEnd(part.row, MessageState(first.outcome or 0), first.error or 0)
                for part, first in zip(held, firsts, strict=True)
            )
    return ends


def _firsts(conn: sqlite3.Connection, before: long_messages.LongRow, held: Sequence[Stored]) -> list[Stored]:
    """For each part the same one of an earlier whole; nothing when any of them says something else."""
    known = {(each.row.part, each.row.digest): each for each in long_messages.parts(conn, before.id)}
    found = [known.get((part.row.part, part.row.digest)) for part in held]
    return [first for first in found if first is not None] if None not in found else []


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
