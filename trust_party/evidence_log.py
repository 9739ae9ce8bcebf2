"""What the trust party puts into the evidence log, and the log's answers as messages."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from evidence.log import EvidenceLog, SignedCheckpoint
from evidence.log import size as log_size
from evidence.merkle import leaf_hash
from foundation.seal import Sealer
from gm.sm2 import PrivateKey
from interparty.messages import CheckpointBody, ConsistencyBody, InclusionBody
from interparty.text import b64url_encode


class Evidence:
    """The trust party's one log. Its methods run in operations of the store."""

    def __init__(self, key: PrivateKey, sealer: Sealer) -> None:
        self._log = EvidenceLog(key)
        self._sealer = sealer

    def next_id(self, conn: sqlite3.Connection) -> int:
        """The evidence id that the next record appended in this transaction will have."""
        return log_size(conn)

    def append(self, conn: sqlite3.Connection, records: Sequence[dict[str, Any]], now_ms: int) -> list[int]:
        """Append records (plain JSON objects, each with its `kind`) and return their evidence ids."""
        entries = [
            json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
            for record in records
        ]
        return self.append_bytes(conn, entries, now_ms)

    def append_bytes(self, conn: sqlite3.Connection, records: Sequence[bytes], now_ms: int) -> list[int]:
        """As `append`, of records in the form that it writes."""
        return [int(one) for one in self._log.append_many(conn, records, sealer=self._sealer, now_ms=now_ms)]

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
