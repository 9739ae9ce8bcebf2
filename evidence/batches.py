"""Padded batches: how pending records become leaves without telling how many they are.

What is pending becomes a power of two of leaves, at least :data:`LEAVES_MIN`, in one batch or in several equal ones.
Records lie in their batch at places drawn at random, the others are padding: commitments to the record
``{"kind":"PADDING"}``, which nobody but the log's owner can tell from any other. So the size of the tree, the index of
a leaf and the order of two leaves of one batch say nothing about how much else was recorded, beyond the power of two.
An auditor to whom the owner opens a batch sees that what is not a
record is padding, and no record that was held back::

    slot secret = 32 random bytes, sealed with associated data "ASCS-PAD1" 00 | u64 first leaf
    salt        = SM3("ASCS-PAD1" 00 | slot secret | u16 slot)
"""

import secrets
import sqlite3
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from evidence.log import ENTRY_TAG, NODES, RECORD_TAG, EvidenceLog, Sealer, SignedCheckpoint
from evidence.merkle import Appender, Plan, leaf_hash, nodes_made, parts_of, position
from foundation.rows import execute_rows, select_keys
from gm.sm3 import sm3

LEAVES_MIN: Final = 32
"""Leaves of the smallest batch."""
LEAVES_MAX: Final = 8192
"""Leaves of the largest batch: drawing and hashing them is some milliseconds' work."""
TURN_MAX: Final = 65_536
"""Leaves that are planned at once; what is pending beyond waits for the next plan."""
SLICE: Final = 512
"""Leaves that are hashed and written at a time, two or three milliseconds' work."""

PADDING: Final = b'{"kind":"PADDING"}'
PADDING_TAG: Final = b"ASCS-PAD1\0"
SECRET_SIZE: Final = 32
SLOT_SIZE: Final = 2

COUNT: Final = "SELECT COALESCE(MAX(record_id) + 1, 0) FROM evidence_records"
HEAD: Final = (
    "SELECT first_leaf + leaves, first_record + records FROM evidence_batches"
    " ORDER BY first_leaf DESC LIMIT 1"
)
PENDING: Final = "SELECT leaf FROM evidence_records WHERE record_id >= ? ORDER BY record_id LIMIT ?"
LEAF_OF_RECORD: Final = (
    "SELECT r.record_id, b.first_leaf, substr(b.slots, 1 + 2 * (r.record_id - b.first_record), 2) AS slot"
    " FROM evidence_records r JOIN evidence_batches b ON b.first_record ="
    " (SELECT max(first_record) FROM evidence_batches WHERE first_record <= r.record_id)"
    " WHERE r.record_id IN "
)
"""Rows for :func:`leaf_index`; the slot is empty while the record is pending."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records on their way into the tree."""

    first_leaf: int
    first_record: int
    records: int
    slots: bytes
    """Slot of each record in order, u16 each."""
    padding_sealed: bytes
    leaves: list[bytes]
    """Leaf hashes of records and padding, by slot."""


def plan(pending: int) -> list[tuple[int, int]]:
    """How so many pending records become leaves: records and leaves of each batch, which together have a power of two
    of leaves. But for rounding every batch has the same share of records, so that they all look alike."""
    pending = min(pending, TURN_MAX)
    if pending == 0:
        return []
    total = max(LEAVES_MIN, 1 << (pending - 1).bit_length())
    leaves = min(total, LEAVES_MAX)
    count = total // leaves
    return [(pending * (at + 1) // count - pending * at // count, leaves) for at in range(count)]


def draft(
    pending: Sequence[bytes], *, leaves: int, first_leaf: int, first_record: int, sealer: Sealer
) -> Batch:
    """A batch of that many leaves of pending records by their leaf hashes."""
    size = leaves
    draws = memoryview(secrets.token_bytes(8 * size)).cast("Q")
    order = sorted(range(size), key=draws.__getitem__)
    hashes = [b""] * size
    slots = order[: len(pending)]
    for slot, leaf in zip(slots, pending, strict=True):
        hashes[slot] = leaf
    secret = secrets.token_bytes(SECRET_SIZE)
    for slot in order[len(pending) :]:
        hashes[slot] = _padding(secret, slot)
    return Batch(
        first_leaf,
        first_record,
        len(pending),
        struct.pack(f">{len(slots)}H", *slots),
        sealer.seal(secret, PADDING_TAG + first_leaf.to_bytes(8, "big")),
        hashes,
    )


def edge_positions(size: int) -> list[int]:
    """Where the nodes of the right edge lie, in the order in which :class:`Appender` takes them."""
    return [position(*part) for part in parts_of(0, size)]


def slices(batch: Batch, appender: Appender) -> Iterator[tuple[int, list[bytes]]]:
    """Append the batch's leaves, :data:`SLICE` at a time: position of the first new node, and their hashes."""
    for at in range(0, len(batch.leaves), SLICE):
        first = nodes_made(appender.size)
        yield first, appender.append(batch.leaves[at : at + SLICE])


def write_nodes(conn: sqlite3.Connection, first: int, hashes: Sequence[bytes]) -> None:
    """Keep new nodes. What lies beyond the last batch was left by one that was not finished, and is replaced."""
    execute_rows(
        conn,
        "INSERT INTO evidence_nodes (position, hash) VALUES @rows"
        " ON CONFLICT (position) DO UPDATE SET hash = excluded.hash",
        list(enumerate(hashes, first)),
    )


def finish(
    conn: sqlite3.Connection, log: EvidenceLog, batch: Batch, root: bytes, now_ms: int
) -> SignedCheckpoint:
    """Make the batch, whose nodes are written, part of the log, and sign what the log is then."""
    conn.execute(
        "INSERT INTO evidence_batches (first_leaf, leaves, first_record, records, slots, padding_sealed)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            batch.first_leaf,
            len(batch.leaves),
            batch.first_record,
            batch.records,
            batch.slots,
            batch.padding_sealed,
        ),
    )
    return log.checkpoint(conn, batch.first_leaf + len(batch.leaves), root, now_ms)


def sequence(conn: sqlite3.Connection, log: EvidenceLog, *, sealer: Sealer, now_ms: int) -> SignedCheckpoint:
    """Take all pending records into the log, in the caller's transaction, and sign it."""
    while True:
        size, records = conn.execute(HEAD).fetchone() or (0, 0)
        edge = edge_positions(size)
        nodes = nodes_at(conn, edge)
        appender = Appender(size, [nodes[at] for at in edge])
        planned = plan(conn.execute(COUNT).fetchone()[0] - records)
        if not planned:
            return log.checkpoint(conn, size, appender.root(), now_ms)
        for count, leaves in planned:
            pending = [row[0] for row in conn.execute(PENDING, (records, count))]
            batch = draft(
                pending, leaves=leaves, first_leaf=appender.size, first_record=records, sealer=sealer
            )
            for first, hashes in slices(batch, appender):
                write_nodes(conn, first, hashes)
            finish(conn, log, batch, appender.root(), now_ms)
            records += count


def size(conn: sqlite3.Connection) -> int:
    """Leaves in the log."""
    row = conn.execute(HEAD).fetchone()
    return 0 if row is None else int(row[0])


def nodes_at(conn: sqlite3.Connection, positions: Sequence[int]) -> dict[int, bytes]:
    """Nodes of the tree by position; those that are not there are left out."""
    return {row[0]: row[1] for row in select_keys(conn, f"{NODES}(@keys)", positions)}


def hashes(conn: sqlite3.Connection, plan: Plan) -> list[bytes]:
    """The proof or root that a plan describes. Raises KeyError for one beyond the log."""
    return plan.hashes(nodes_at(conn, plan.places()))


def leaf_index(first_leaf: int, slot: bytes) -> int | None:
    """Index of a record's leaf from columns of :data:`LEAF_OF_RECORD`; None while it is pending."""
    return first_leaf + int.from_bytes(slot, "big") if slot else None


def leaf_indices(conn: sqlite3.Connection, record_ids: Sequence[int]) -> dict[int, int]:
    """Leaf index by record number, without those that are pending."""
    found = {}
    for record_id, first_leaf, slot in select_keys(conn, f"{LEAF_OF_RECORD}(@keys)", record_ids):
        index = leaf_index(first_leaf, slot)
        if index is not None:
            found[record_id] = index
    return found


def record_at(conn: sqlite3.Connection, index: int) -> int | None:
    """Number of the record whose leaf has this index, None for padding. Raises LookupError beyond the log."""
    row = conn.execute(
        "SELECT first_leaf, leaves, first_record, slots FROM evidence_batches WHERE first_leaf <= ?"
        " ORDER BY first_leaf DESC LIMIT 1",
        (index,),
    ).fetchone()
    if row is None or index < 0 or index >= row[0] + row[1]:
        raise LookupError("the log has no such leaf")
    slots = struct.unpack(f">{len(row[3]) // SLOT_SIZE}H", row[3])
    try:
        return int(row[2]) + slots.index(index - row[0])
    except ValueError:
        return None


def padding_leaves(
    first_leaf: int, leaves: int, padding_sealed: bytes, *, sealer: Sealer
) -> Callable[[int], bytes]:
    """The leaf hash that padding has at each place of a batch, made anew from the batch's secret: to an auditor it
    shows that there is no record. Raises what the sealer raises, and then ValueError for a place outside the batch."""
    secret = sealer.open(padding_sealed, PADDING_TAG + first_leaf.to_bytes(8, "big"))

    def leaf(slot: int) -> bytes:
        if not 0 <= slot < leaves:
            raise ValueError("outside the batch")
        return _padding(secret, slot)

    return leaf


def _padding(secret: bytes, slot: int) -> bytes:
    salt = sm3(PADDING_TAG + secret + slot.to_bytes(SLOT_SIZE, "big"))
    return leaf_hash(ENTRY_TAG + sm3(RECORD_TAG + salt + PADDING))
