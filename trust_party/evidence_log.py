"""What the trust party puts into the evidence log, and the log's answers as messages."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from evidence.log import EvidenceLog, OpenedRecord, Sealer, SignedCheckpoint
from evidence.log import size as log_size
from evidence.merkle import leaf_hash
from gm.sm2 import PrivateKey
from interparty.messages import CheckpointBody, ConsistencyBody, InclusionBody
from interparty.text import b64url_encode
from trust_party.data_keys import DataKeys


class Evidence:
    """The trust party's one log. Its methods run in operations of the store.

    The subject of a record is its AID, and its seal the data key of that AID's consent; a record about no AID is
    sealed under the party's own.
    """

    def __init__(self, key: PrivateKey, sealer: Sealer, data_keys: DataKeys) -> None:
        self._log = EvidenceLog(key)
        self._sealer = sealer
        self._data_keys = data_keys

    def next_id(self, conn: sqlite3.Connection) -> int:
        """The evidence id that the next record appended in this transaction will have."""
        return log_size(conn)

    def append(self, conn: sqlite3.Connection, records: Sequence[dict[str, Any]], now_ms: int) -> list[int]:
        """Append records (plain JSON objects, each with its `kind`) and return their evidence ids.

        What has an `aid` is about that AID, whose authorization must be in the store already; an AID that is not
        there is no subject.
        """
        entries = [
            json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
            for record in records
        ]
        aids = [int(record["aid"]) if "aid" in record else None for record in records]
        keys = self._data_keys.of_aids(conn, list({aid for aid in aids if aid is not None}))
        subjects = [aid if aid in keys else None for aid in aids]
        sealers = [self._sealer if aid is None else keys[aid] for aid in subjects]
        return self.append_bytes(conn, entries, subjects, sealers, now_ms)

    def append_bytes(
        self,
        conn: sqlite3.Connection,
        records: Sequence[bytes],
        subjects: Sequence[int | None],
        sealers: Sequence[Sealer],
        now_ms: int,
    ) -> list[int]:
        """As `append`, of records in the form that it writes, each with its AID and its consent's data key."""
        ids = self._log.append_many(conn, records, sealer=sealers, now_ms=now_ms, subjects=subjects)
        return [int(one) for one in ids]

    def open(self, conn: sqlite3.Connection, evidence_id: int) -> OpenedRecord:
        """A record and its salt. Raises as EvidenceLog.open."""
        row = conn.execute(
            "SELECT subject FROM evidence_entries WHERE entry_index = ?", (evidence_id,)
        ).fetchone()
        sealer: Sealer = self._sealer
        if row is not None and row[0] is not None:
            sealer = self._data_keys.of_aids(conn, [row[0]])[row[0]]
        return self._log.open(conn, evidence_id, sealer=sealer)

    def about(
        self, conn: sqlite3.Connection, aid: int, *, after: int = -1, before: int | None = None, limit: int
    ) -> list[int]:
        """Evidence ids of what is on record about an AID: EvidenceLog.about."""
        return self._log.about(conn, aid, after=after, before=before, limit=limit)

    def erase(self, conn: sqlite3.Connection, aid: int) -> int:
        """Remove what is on record about an AID; how many records: EvidenceLog.erase."""
        return self._log.erase(conn, aid)

    def checkpoint(self, conn: sqlite3.Connection, now_ms: int) -> CheckpointBody:
        """Sign the log as it is now, unless its newest checkpoint is that already."""
        return _checkpoint_body(self._log.checkpoint(conn, now_ms))

    def latest(self, conn: sqlite3.Connection) -> CheckpointBody | None:
        """The newest checkpoint, None before the first."""
        newest = self._log.latest(conn)
        return None if newest is None else _checkpoint_body(newest)

    def inclusion(
        self, conn: sqlite3.Connection, index: int, size: int | None, checkpoint: CheckpointBody | None
    ) -> InclusionBody:
        """Proof that entry `index` is in the log of `size` entries; `checkpoint` goes along if it is of that
        size. Raises ValueError for an index or size that the log does not have."""
        proof = self._log.inclusion(conn, index, size)
        return InclusionBody(
            index=proof.index,
            size=proof.size,
            leaf=leaf_hash(proof.entry).hex(),
            proof=[node.hex() for node in proof.proof],
            root=proof.root.hex(),
            checkpoint=checkpoint if checkpoint is not None and checkpoint.size == proof.size else None,
        )

    def consistency(self, conn: sqlite3.Connection, first: int, second: int) -> ConsistencyBody:
        """Proof that the log of `second` entries extends that of `first`. Raises ValueError as above."""
        proof = self._log.consistency(conn, first, second)
        return ConsistencyBody(first=first, second=second, proof=[node.hex() for node in proof])


def _checkpoint_body(signed: SignedCheckpoint) -> CheckpointBody:
    return CheckpointBody(
        log_id=signed.checkpoint.log_id.hex(),
        size=signed.checkpoint.size,
        time_ms=signed.checkpoint.time_ms,
        root=signed.checkpoint.root.hex(),
        signature=b64url_encode(signed.signature),
    )
