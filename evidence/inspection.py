"""What an auditor is shown by the log's owner: every leaf is a record that is there, one that was erased, or padding.

A witness cannot tell padding from records, so it cannot tell either whether the owner keeps records under leaves that
it calls padding. With the owner's keys it can be told: padding is made anew from its batch's secret and compared.
"""

import sqlite3
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from evidence import batches
from evidence.log import NEWEST, Sealer
from evidence.merkle import Appender, position

FAULTS_MAX: Final = 100
"""Faults that are told; there may be more."""

_BATCHES: Final = (
    "SELECT first_leaf, leaves, first_record, records, slots, padding_sealed FROM evidence_batches"
    " ORDER BY first_leaf"
)


@dataclass(slots=True)
class Inspection:
    """What was found."""

    batches: int
    leaves: int
    records: int
    erased: int
    padding: int
    pending: int
    """Records that no batch has taken yet."""
    faults: list[str]
    """What is not as it must be; empty for a log that holds."""


def inspect(conn: sqlite3.Connection, *, sealer: Sealer) -> Inspection:
    """Go through the whole log of a database, leaf by leaf, in memory that does not grow with it.

    Raises what the sealer raises when a batch's secret does not open, and sqlite3.Error.
    """
    found = Inspection(0, 0, 0, 0, 0, 0, [])
    tree = Appender()
    next_record = 0
    for first_leaf, leaves, first_record, count, slots, padding_sealed in conn.execute(_BATCHES):
        if first_leaf != tree.size or first_record != next_record:
            _fault(found, f"batch at leaf {first_leaf}: it does not follow the one before")
            return found
        next_record = first_record + count
        nodes = _leaves(conn, first_leaf, leaves)
        said = batches.padding_leaves(first_leaf, leaves, padding_sealed, sealer=sealer)
        of_records = dict(
            zip(struct.unpack(f">{count}H", slots), _records(conn, first_record, count), strict=False)
        )
        for slot in range(leaves):
            node, row = nodes.get(slot), of_records.get(slot)
            if row is None:
                found.padding += 1
                if node != said(slot):
                    _fault(found, f"leaf {first_leaf + slot}: neither a record nor padding")
                continue
            found.records += 1
            found.erased += row[1]
            if node != row[0]:
                _fault(found, f"leaf {first_leaf + slot}: not the record that is kept for it")
        if len(nodes) != leaves or len(of_records) != count:
            _fault(found, f"batch at leaf {first_leaf}: leaves or records of it are missing")
            return found
        tree.append([nodes[slot] for slot in range(leaves)])
        found.batches += 1
    found.leaves = tree.size
    found.pending = int(conn.execute(batches.COUNT).fetchone()[0]) - next_record
    newest = conn.execute(NEWEST).fetchone()
    if newest is None or (newest[1], newest[3]) != (tree.size, tree.root()):
        _fault(found, "the newest checkpoint is not of these leaves")
    return found


def _fault(found: Inspection, text: str) -> None:
    if len(found.faults) < FAULTS_MAX:
        found.faults.append(text)


def _leaves(conn: sqlite3.Connection, first: int, count: int) -> dict[int, bytes]:
    """Leaf hashes of a batch by slot, as the tree has them."""
    rows = conn.execute(
        "SELECT position, hash FROM evidence_nodes WHERE position BETWEEN ? AND ?",
        (position(0, first), position(0, first + count - 1)),
    )
    nodes = {row[0]: bytes(row[1]) for row in rows}
    places = ((slot, position(0, first + slot)) for slot in range(count))
    return {slot: nodes[place] for slot, place in places if place in nodes}


def _records(conn: sqlite3.Connection, first: int, count: int) -> Iterator[tuple[bytes, bool]]:
    """Leaf of each record, and whether it was erased."""
    for row in conn.execute(
        "SELECT leaf, sealed IS NULL FROM evidence_records WHERE record_id BETWEEN ? AND ? ORDER BY record_id",
        (first, first + count - 1),
    ):
        yield bytes(row[0]), bool(row[1])
