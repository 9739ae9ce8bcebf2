"""The log as tables in its owner's database.

What becomes a leaf says nothing about what it stands for::

    commitment = SM3("ASCS-REC1" 00 | salt[32] | record)
    entry      = "ASCS-LEAF1" 00 | commitment[32]                    43 bytes
    sealed     = seal(salt | record), associated data "ASCS-REC1" 00 | u64 index

The salt is random for each record and lies inside the seal. So a witness that sees every entry cannot
test a guess at a record; whoever is shown record and salt checks them against the log with no key but
the log's public one; and when the data key or the sealed row is destroyed nothing can be guessed
either, while the tree still verifies. (The commitment is to the plaintext, because SM4-GCM commits to no key:
one ciphertext can be made to open to two texts under two keys.)

Every function takes a :class:`sqlite3.Connection`, inside the owner's own transaction, and holds
no state between calls: a rolled-back append leaves nothing behind. Readers may use any connection.
"""

import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NewType, Protocol

from evidence import checkpoint as checkpoints
from evidence.checkpoint import Checkpoint
from evidence.merkle import Node, Tree, leaf_hash
from foundation.rows import execute_rows
from gm.sm2 import PrivateKey
from gm.sm3 import sm3

EvidenceId = NewType("EvidenceId", int)
"""Index of an entry in the log, from 0."""

SALT_SIZE: Final = 32
RECORD_MAX: Final = 65_536
"""Longest record, in bytes."""
BATCH_MAX: Final = 10_000
"""Most records in one append: it bounds memory and the time that the writer is held."""
CHECKPOINT_AGE_MAX_MS: Final = 60_000
"""A log that does not grow gets a new checkpoint when its last is this old, to show that it is alive."""

ENTRY_TAG: Final = b"ASCS-LEAF1\0"
RECORD_TAG: Final = b"ASCS-REC1\0"

SCHEMA: Final = (
    """
    CREATE TABLE evidence_entries (
        entry_index INTEGER PRIMARY KEY,
        commitment BLOB NOT NULL,
        appended_at INTEGER NOT NULL,
        subject INTEGER,
        sealed BLOB
    )
    """,
    """
    CREATE INDEX evidence_by_subject ON evidence_entries (subject, entry_index) WHERE subject IS NOT NULL
    """,
    """
    CREATE TABLE evidence_nodes (
        position INTEGER PRIMARY KEY,
        hash BLOB NOT NULL
    )
    """,
    """
    CREATE TABLE evidence_checkpoints (
        checkpoint_id INTEGER PRIMARY KEY,
        size INTEGER NOT NULL,
        time_ms INTEGER NOT NULL,
        root BLOB NOT NULL,
        signature BLOB NOT NULL
    )
    """,
)
"""Statements for the owner's migration. Times are milliseconds since the epoch; ``subject`` is the owner's number
of whom a record is about, by which its records are found and erased together; ``sealed`` and ``subject`` are NULL
once erased."""


class Sealer(Protocol):
    """Seals records under the party's data keys; opening raises an error if the key is gone."""

    def seal(self, plaintext: bytes, aad: bytes) -> bytes:
        """Encrypt and authenticate."""

    def open(self, sealed: bytes, aad: bytes) -> bytes:
        """Undo :meth:`seal`."""


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint and the log's signature over it."""

    checkpoint: Checkpoint
    signature: bytes
    """64 bytes, ``r | s``."""


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That one entry is in the log of ``size`` entries."""

    index: int
    size: int
    entry: bytes
    """The leaf's bytes, 43."""
    proof: list[bytes]
    """Hashes, lowest first."""
    root: bytes
    """Root of the log of ``size`` entries."""


@dataclass(frozen=True, slots=True)
class OpenedRecord:
    """A record with what shows that it is the one committed to."""

    record: bytes
    salt: bytes


class ErasedError(LookupError):
    """The record was erased; its entry is still in the log."""


def commitment_of(record: bytes, salt: bytes) -> bytes:
    """Salted commitment to a record, 32 bytes."""
    return sm3(RECORD_TAG + salt + record)


def entry_of(commitment: bytes) -> bytes:
    """The leaf's bytes for a commitment, 43."""
    return ENTRY_TAG + commitment


class EvidenceLog:
    """The log that ``key`` signs. Threads may share one; writers come one at a time, by the database."""

    def __init__(self, key: PrivateKey) -> None:
        self._key = key
        self.log_id = checkpoints.log_id(key.public_key)
        """32 bytes."""

    def append(self, conn: sqlite3.Connection, record: bytes, *, sealer: Sealer, now_ms: int) -> EvidenceId:
        """Append one record: :meth:`append_many`."""
        return self.append_many(conn, (record,), sealer=sealer, now_ms=now_ms)[0]

    def append_many(
        self,
        conn: sqlite3.Connection,
        records: Sequence[bytes],
        *,
        sealer: Sealer | Sequence[Sealer],
        now_ms: int,
        subjects: Sequence[int | None] | None = None,
    ) -> list[EvidenceId]:
        """Append up to :data:`BATCH_MAX` records in order, in the caller's transaction; gives their indices.

        ``sealer`` is one for all, or one for each record; ``subjects``, if given, one for each too. Raises
        ValueError for a batch or a record that is too large.
        """
        if len(records) > BATCH_MAX or any(len(record) > RECORD_MAX for record in records):
            raise ValueError(f"at most {BATCH_MAX} records of at most {RECORD_MAX} bytes")
        first = size(conn)
        salts = secrets.token_bytes(SALT_SIZE * len(records))
        sealers = sealer if isinstance(sealer, Sequence) else (sealer,) * len(records)
        about = subjects if subjects is not None else (None,) * len(records)
        rows: list[tuple[int, bytes, int, int | None, bytes]] = []
        leaves: list[bytes] = []
        for offset, record in enumerate(records):
            salt = salts[offset * SALT_SIZE : (offset + 1) * SALT_SIZE]
            commitment = commitment_of(record, salt)
            sealed = sealers[offset].seal(salt + record, _associated(first + offset))
            rows.append((first + offset, commitment, now_ms, about[offset], sealed))
            leaves.append(leaf_hash(ENTRY_TAG + commitment))
        execute_rows(
            conn,
            "INSERT INTO evidence_entries (entry_index, commitment, appended_at, subject, sealed) VALUES @rows",
            rows,
        )
        Tree(_SqliteNodes(conn), first).append(leaves)
        return [EvidenceId(first + offset) for offset in range(len(records))]

    def checkpoint(self, conn: sqlite3.Connection, now_ms: int) -> SignedCheckpoint:
        """The log as it is now, signed and kept.

        A log that did not grow keeps its last checkpoint until that is :data:`CHECKPOINT_AGE_MAX_MS` old.
        Times never go back, even if the clock does.
        """
        entries, last = size(conn), self.latest(conn)
        if last is not None:
            fresh = now_ms - last.checkpoint.time_ms < CHECKPOINT_AGE_MAX_MS
            if last.checkpoint.size == entries and fresh:
                return last
            now_ms = max(now_ms, last.checkpoint.time_ms)
        new = Checkpoint(self.log_id, entries, now_ms, Tree(_SqliteNodes(conn), entries).root())
        signed = SignedCheckpoint(new, checkpoints.sign(self._key, new))
        conn.execute(
            "INSERT INTO evidence_checkpoints (size, time_ms, root, signature) VALUES (?, ?, ?, ?)",
            (new.size, new.time_ms, new.root, signed.signature),
        )
        return signed

    def latest(self, conn: sqlite3.Connection) -> SignedCheckpoint | None:
        """The last checkpoint signed, or None before the first."""
        row = conn.execute(
            "SELECT size, time_ms, root, signature FROM evidence_checkpoints"
            " ORDER BY checkpoint_id DESC LIMIT 1"
        ).fetchone()
        if row is None:
            return None
        return SignedCheckpoint(Checkpoint(self.log_id, row[0], row[1], row[2]), row[3])

    def inclusion(self, conn: sqlite3.Connection, index: int, size: int | None = None) -> InclusionProof:
        """Proof that entry ``index`` is in the log of ``size`` entries (default: now), and that log's root.

        Raises ValueError unless 0 ≤ index < size ≤ the log's size.
        """
        tree = _tree(conn)
        entries = tree.size if size is None else size
        proof = tree.inclusion(index, entries)
        return InclusionProof(index, entries, entry_of(_commitment(conn, index)), proof, tree.root(entries))

    def consistency(self, conn: sqlite3.Connection, first: int, second: int | None = None) -> list[bytes]:
        """Proof that the log of ``second`` entries (default: now) only appended to the log of ``first``.

        Raises ValueError unless 0 < first ≤ second ≤ the log's size.
        """
        return _tree(conn).consistency(first, second)

    def entries(self, conn: sqlite3.Connection, start: int, count: int) -> list[bytes]:
        """Entries from index ``start`` on, ``count`` or :data:`BATCH_MAX` at most: what a witness fetches."""
        rows = conn.execute(
            "SELECT commitment FROM evidence_entries WHERE entry_index >= ? ORDER BY entry_index LIMIT ?",
            (start, max(0, min(count, BATCH_MAX))),
        )
        return [entry_of(row[0]) for row in rows]

    def open(self, conn: sqlite3.Connection, index: int, *, sealer: Sealer) -> OpenedRecord:
        """The record at ``index``, checked against its entry.

        Raises LookupError if there is none, :class:`ErasedError` if it was erased, ValueError if it is
        not what was committed to, and what the sealer raises if it does not open.
        """
        row = conn.execute(
            "SELECT commitment, sealed FROM evidence_entries WHERE entry_index = ?", (index,)
        ).fetchone()
        if row is None:
            raise LookupError("no such entry")
        if row[1] is None:
            raise ErasedError("the record was erased")
        plain = sealer.open(row[1], _associated(index))
        opened = OpenedRecord(record=plain[SALT_SIZE:], salt=plain[:SALT_SIZE])
        if commitment_of(opened.record, opened.salt) != row[0]:
            raise ValueError("the record is not the one committed to")
        return opened

    def about(
        self,
        conn: sqlite3.Connection,
        subject: int,
        *,
        after: int = -1,
        before: int | None = None,
        limit: int,
    ) -> list[int]:
        """Indices of the records about a subject, in order: above ``after``, below ``before``, at most ``limit``."""
        rows = conn.execute(
            "SELECT entry_index FROM evidence_entries WHERE subject = ? AND entry_index > ? AND entry_index < ?"
            " ORDER BY entry_index LIMIT ?",
            (subject, after, size(conn) if before is None else before, limit),
        )
        return [row[0] for row in rows]

    def erase(self, conn: sqlite3.Connection, subject: int) -> int:
        """Remove every sealed record about a subject, and that they were about it; how many there were. Their
        entries stay and the log still verifies.

        Copies may exist in the database's journal and in backups: what makes the erasure final is the destruction
        of the data key that sealed them.
        """
        return conn.execute(
            "UPDATE evidence_entries SET sealed = NULL, subject = NULL WHERE subject = ?", (subject,)
        ).rowcount


def size(conn: sqlite3.Connection) -> int:
    """Number of entries in the log."""
    last = conn.execute("SELECT max(entry_index) FROM evidence_entries").fetchone()[0]
    return 0 if last is None else int(last) + 1


def _tree(conn: sqlite3.Connection) -> Tree:
    return Tree(_SqliteNodes(conn), size(conn))


def _associated(index: int) -> bytes:
    return RECORD_TAG + index.to_bytes(8, "big")


def _commitment(conn: sqlite3.Connection, index: int) -> bytes:
    row = conn.execute("SELECT commitment FROM evidence_entries WHERE entry_index = ?", (index,)).fetchone()
    if row is None:
        raise KeyError(index)
    commitment: bytes = row[0]
    return commitment


class _SqliteNodes:
    """Complete nodes in ``evidence_nodes``, by the order in which appending makes them, so that every insert
    goes to the table's end. Leaves are not kept twice: their hashes come from the entries."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    def get(self, level: int, index: int) -> bytes:
        if level == 0:
            return leaf_hash(entry_of(_commitment(self._conn, index)))
        row = self._conn.execute(
            "SELECT hash FROM evidence_nodes WHERE position = ?", (_position(level, index),)
        ).fetchone()
        if row is None:
            raise KeyError((level, index))
        value: bytes = row[0]
        return value

    def put(self, nodes: Sequence[Node]) -> None:
        execute_rows(
            self._conn,
            "INSERT INTO evidence_nodes (position, hash) VALUES @rows",
            [(_position(level, index), value) for level, index, value in nodes if level],
        )


def _position(level: int, index: int) -> int:
    """Place of an inner node in the order of making: n leaves complete n - popcount(n) inner nodes, and the
    last leaf under this one completes the nodes above itself from level 1 up."""
    last_leaf = ((index + 1) << level) - 1
    return last_leaf - last_leaf.bit_count() + level - 1
