"""The log as tables in its owner's database: records as they come, leaves in padded batches.

What becomes a leaf says nothing about what it stands for::

    commitment = SM3("ASCS-REC1" 00 | salt[32] | record)
    entry      = "ASCS-LEAF1" 00 | commitment[32]                    43 bytes
    sealed     = seal(salt | record), associated data "ASCS-REC1" 00 | u64 record number

The salt is random for each record and lies inside the seal. So a witness that sees every leaf cannot
test a guess at a record; whoever is shown record and salt checks them against the log with no key but
the log's public one; and when the data key or the sealed row is destroyed nothing can be guessed
either, while the tree still verifies. (The commitment is to the plaintext, because SM4-GCM commits to no key:
one ciphertext can be made to open to two texts under two keys.)

A record is numbered when it is appended, in its owner's transaction, and is pending until a batch takes it into the
tree (`evidence.batches`): record numbers count what happened and stay inside; leaf indices tell nothing of it.

Every function takes a :class:`sqlite3.Connection`, inside the owner's own transaction, and holds
no state between calls: what is rolled back leaves nothing behind.
"""

import secrets
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NewType, Protocol

from evidence import checkpoint as checkpoints
from evidence.checkpoint import Checkpoint
from evidence.merkle import leaf_hash
from foundation.rows import execute_rows
from gm.sm2 import PrivateKey, PublicKey
from gm.sm3 import sm3

RecordId = NewType("RecordId", int)
"""Number of a record, from 0 in the order in which they were appended."""

SALT_SIZE: Final = 32
RECORD_MAX: Final = 65_536
"""Longest record, in bytes."""
APPEND_MAX: Final = 10_000
"""Most records in one append: it bounds memory and the time that the writer is held."""
CHECKPOINT_AGE_MAX_MS: Final = 60_000
"""A log that does not grow gets a new checkpoint when its last is this old, to show that it is alive."""

ENTRY_TAG: Final = b"ASCS-LEAF1\0"
RECORD_TAG: Final = b"ASCS-REC1\0"

NODES_TABLE: Final = "CREATE TABLE evidence_nodes (position INTEGER PRIMARY KEY, hash BLOB NOT NULL)"
"""Nodes of the tree, by :func:`evidence.merkle.position`."""

SCHEMA: Final = (
    """
    CREATE TABLE evidence_records (
        record_id INTEGER PRIMARY KEY,
        leaf BLOB NOT NULL,
        appended_at BIGINT NOT NULL,
        subject BIGINT,
        sealed BLOB
    )
    """,
    """
    CREATE INDEX evidence_by_subject ON evidence_records (subject, record_id) WHERE subject IS NOT NULL
    """,
    """
    CREATE TABLE evidence_batches (
        first_leaf BIGINT PRIMARY KEY,
        leaves INTEGER NOT NULL,
        first_record BIGINT NOT NULL UNIQUE,
        records INTEGER NOT NULL,
        slots BLOB NOT NULL,
        padding_sealed BLOB NOT NULL
    )
    """,
    NODES_TABLE,
    """
    CREATE TABLE evidence_checkpoints (
        checkpoint_id INTEGER PRIMARY KEY,
        log_id BLOB NOT NULL,
        size BIGINT NOT NULL,
        time_ms BIGINT NOT NULL,
        root BLOB NOT NULL,
        signature BLOB NOT NULL
    )
    """,
    "CREATE INDEX evidence_checkpoints_by_size ON evidence_checkpoints (size, time_ms)",
    """
    CREATE TABLE evidence_cosignatures (
        checkpoint_id INTEGER NOT NULL REFERENCES evidence_checkpoints (checkpoint_id),
        witness TEXT NOT NULL,
        signed_at BIGINT NOT NULL,
        signature TEXT NOT NULL,
        PRIMARY KEY (checkpoint_id, witness)
    )
    """,
    """
    CREATE TABLE evidence_witnesses (
        witness TEXT PRIMARY KEY,
        checkpoint_id INTEGER NOT NULL REFERENCES evidence_checkpoints (checkpoint_id),
        signed_at BIGINT NOT NULL
    )
    """,
)
"""Statements for the owner's migration. Times are milliseconds since the epoch; ``leaf`` is the leaf's hash;
``subject`` is the owner's number of whom a record is about, by which its records are found and erased together;
``sealed`` and ``subject`` are NULL once erased; nodes of the tree lie by :func:`evidence.merkle.position`."""

NODES: Final = "SELECT position, hash FROM evidence_nodes WHERE position IN "
NEWEST: Final = (
    "SELECT log_id, size, time_ms, root, signature FROM evidence_checkpoints"
    " ORDER BY checkpoint_id DESC LIMIT 1"
)


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
class OpenedRecord:
    """A record with what shows that it is the one committed to."""

    record: bytes
    salt: bytes


class ErasedError(LookupError):
    """The record was erased; its leaf is still in the log."""


def leaf_of(record: bytes, salt: bytes) -> bytes:
    """Hash of the leaf that stands for a record, 32 bytes: of an entry that holds a salted commitment to it."""
    return leaf_hash(ENTRY_TAG + sm3(RECORD_TAG + salt + record))


class EvidenceLog:
    """The log that ``key`` signs. Threads may share one; writers come one at a time, by the database.

    ``key`` may be a function that gives the key of the moment: then checkpoints of one tree follow each other under
    one key and its successors (:mod:`evidence.succession`).
    """

    def __init__(self, key: PrivateKey | Callable[[], PrivateKey]) -> None:
        self._source = key

    @property
    def public_key(self) -> PublicKey:
        """Of the key that signs now."""
        return self._key().public_key

    def _key(self) -> PrivateKey:
        return self._source if isinstance(self._source, PrivateKey) else self._source()

    @property
    def log_id(self) -> bytes:
        """The log's name under the key that signs now, 32 bytes."""
        return checkpoints.log_id(self.public_key)

    def append(self, conn: sqlite3.Connection, record: bytes, *, sealer: Sealer, now_ms: int) -> RecordId:
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
    ) -> list[RecordId]:
        """Append up to :data:`APPEND_MAX` records in order, in the caller's transaction; gives their numbers.

        They are in the log once a batch has taken them. ``sealer`` is one for all, or one for each record;
        ``subjects``, if given, one for each too. Raises ValueError for too many records or one too long.
        """
        if len(records) > APPEND_MAX or any(len(record) > RECORD_MAX for record in records):
            raise ValueError(f"at most {APPEND_MAX} records of at most {RECORD_MAX} bytes")
        first = next_record(conn)
        salts = secrets.token_bytes(SALT_SIZE * len(records))
        sealers = sealer if isinstance(sealer, Sequence) else (sealer,) * len(records)
        about = subjects if subjects is not None else (None,) * len(records)
        rows: list[tuple[int, bytes, int, int | None, bytes]] = []
        for number, record in enumerate(records):
            salted = salts[number * SALT_SIZE : (number + 1) * SALT_SIZE] + record
            leaf = leaf_hash(ENTRY_TAG + sm3(RECORD_TAG + salted))
            sealed = sealers[number].seal(salted, _associated(first + number))
            rows.append((first + number, leaf, now_ms, about[number], sealed))
        execute_rows(
            conn,
            "INSERT INTO evidence_records (record_id, leaf, appended_at, subject, sealed) VALUES @rows",
            rows,
        )
        return [RecordId(first + number) for number in range(len(records))]

    def checkpoint(self, conn: sqlite3.Connection, size: int, root: bytes, now_ms: int) -> SignedCheckpoint:
        """The log of ``size`` leaves under ``root``, signed and kept.

        A log that did not grow keeps its last checkpoint until that is :data:`CHECKPOINT_AGE_MAX_MS` old.
        Times never go back, even if the clock does.
        """
        last, key = self.latest(conn), self._key()
        log_id = checkpoints.log_id(key.public_key)
        if last is not None:
            fresh = (
                last.checkpoint.log_id == log_id and now_ms - last.checkpoint.time_ms < CHECKPOINT_AGE_MAX_MS
            )
            if last.checkpoint.size == size and fresh:
                return last
            now_ms = max(now_ms, last.checkpoint.time_ms)
        new = Checkpoint(log_id, size, now_ms, root)
        signed = SignedCheckpoint(new, checkpoints.sign(key, new))
        conn.execute(
            "INSERT INTO evidence_checkpoints (log_id, size, time_ms, root, signature) VALUES (?, ?, ?, ?, ?)",
            (new.log_id, new.size, new.time_ms, new.root, signed.signature),
        )
        return signed

    def latest(self, conn: sqlite3.Connection) -> SignedCheckpoint | None:
        """The last checkpoint signed, or None before the first."""
        row = conn.execute(NEWEST).fetchone()
        return None if row is None else self.signed(*row)

    @staticmethod
    def signed(log_id: bytes, size: int, time_ms: int, root: bytes, signature: bytes) -> SignedCheckpoint:
        """A checkpoint of this log from its columns."""
        return SignedCheckpoint(Checkpoint(log_id, size, time_ms, root), signature)

    def open(self, conn: sqlite3.Connection, record_id: int, *, sealer: Sealer) -> OpenedRecord:
        """The record of that number, checked against its leaf.

        Raises LookupError if there is none, :class:`ErasedError` if it was erased, ValueError if it is
        not what was committed to, and what the sealer raises if it does not open.
        """
        row = conn.execute(
            "SELECT leaf, sealed FROM evidence_records WHERE record_id = ?", (record_id,)
        ).fetchone()
        if row is None:
            raise LookupError("no such record")
        return opened(record_id, row[0], row[1], sealer=sealer)

    def about(
        self,
        conn: sqlite3.Connection,
        subject: int,
        *,
        after: int = -1,
        before: int | None = None,
        limit: int,
    ) -> list[int]:
        """Numbers of the records about a subject, in order: above ``after``, below ``before``, at most ``limit``."""
        rows = conn.execute(
            "SELECT record_id FROM evidence_records WHERE subject = ? AND record_id > ? AND record_id < ?"
            " ORDER BY record_id LIMIT ?",
            (subject, after, next_record(conn) if before is None else before, limit),
        )
        return [row[0] for row in rows]

    def erase(self, conn: sqlite3.Connection, subject: int) -> int:
        """Remove every sealed record about a subject, and that they were about it; how many there were. Their
        leaves stay and the log still verifies.

        Copies may exist in the database's journal and in backups: what makes the erasure final is the destruction
        of the data key that sealed them.
        """
        return conn.execute(
            "UPDATE evidence_records SET sealed = NULL, subject = NULL WHERE subject = ?", (subject,)
        ).rowcount


def opened(record_id: int, leaf: bytes, sealed: bytes | None, *, sealer: Sealer) -> OpenedRecord:
    """A record from the columns of its row; raises as :meth:`EvidenceLog.open`."""
    if sealed is None:
        raise ErasedError("the record was erased")
    plain = sealer.open(sealed, _associated(record_id))
    found = OpenedRecord(record=plain[SALT_SIZE:], salt=plain[:SALT_SIZE])
    if leaf_of(found.record, found.salt) != leaf:
        raise ValueError("the record is not the one committed to")
    return found


def next_record(conn: sqlite3.Connection) -> int:
    """The number of the record that is appended next, which is how many there are."""
    last = conn.execute("SELECT max(record_id) FROM evidence_records").fetchone()[0]
    return 0 if last is None else int(last) + 1


def _associated(record_id: int) -> bytes:
    return RECORD_TAG + record_id.to_bytes(8, "big")
