"""What the trust party puts into the evidence log, and the log's answers as messages."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from evidence import batches, merkle
from evidence.log import NEWEST, NODES, EvidenceLog, OpenedRecord, SignedCheckpoint, next_record
from evidence.log import Sealer as RecordSealer
from foundation.seal import Sealer
from foundation.store import Store
from gm.sm2 import PrivateKey
from interparty.messages import CheckpointBody, ConsistencyBody, InclusionBody
from interparty.text import b64url_encode
from trust_party.data_keys import DataKeys
from trust_party.keys import LogKeys
from trust_party.store.rows import KEYS_MAX, read_in


class Evidence:
    """The trust party's one log. Methods that take a connection run in operations of the store, the others read
    what is committed: what a checkpoint covers never changes.

    The subject of a record is its AID, and its seal the data key of that AID's consent; a record about no AID is
    sealed under the party's own.
    """

    def __init__(self, keys: PrivateKey | LogKeys, sealer: Sealer, data_keys: DataKeys) -> None:
        self.log = EvidenceLog(keys if isinstance(keys, PrivateKey) else keys.current)
        self.sealer = sealer
        self._data_keys = data_keys

    def next_id(self, conn: sqlite3.Connection) -> int:
        """The number that the next record appended in this transaction will have. Numbers stay inside: they count
        what happens. Outside, a record is known by the index of its leaf."""
        return next_record(conn)

    def append(self, conn: sqlite3.Connection, records: Sequence[dict[str, Any]], now_ms: int) -> list[int]:
        """Append records (plain JSON objects, each with its `kind`) and return their numbers.

        The sequencer takes them into the log after the commit. What has an `aid` is about that AID, whose
        authorization must be in the store already; an AID that is not there is no subject.
        """
        entries = [
            json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
            for record in records
        ]
        aids = [int(record["aid"]) if "aid" in record else None for record in records]
        keys = self._data_keys.of_aids(conn, list({aid for aid in aids if aid is not None}))
        subjects = [aid if aid in keys else None for aid in aids]
        sealers = [self.sealer if aid is None else keys[aid] for aid in subjects]
        return self.append_bytes(conn, entries, subjects, sealers, now_ms)

    def append_bytes(
        self,
        conn: sqlite3.Connection,
        records: Sequence[bytes],
        subjects: Sequence[int | None],
        sealers: Sequence[RecordSealer],
        now_ms: int,
    ) -> list[int]:
        """As `append`, of records in the form that it writes, each with its AID and its consent's data key."""
        ids = self.log.append_many(conn, records, sealer=sealers, now_ms=now_ms, subjects=subjects)
        return [int(one) for one in ids]

    def append_query(
        self, conn: sqlite3.Connection, record: dict[str, Any], aid: int | None, now_ms: int
    ) -> None:
        """Append the record of a query about an AID, None for one that was not answered.

        It is sealed and erased with the AID's other records, but not found among them: whom an AID belongs to must not
        learn that somebody asked.
        """
        keys = {} if aid is None else self._data_keys.of_aids(conn, [aid])
        text = json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
        if aid is None or aid not in keys:
            self.append_bytes(conn, [text], [None], [self.sealer], now_ms)
        else:
            self.append_bytes(conn, [text], [queries_about(aid)], [keys[aid]], now_ms)

    def open(self, conn: sqlite3.Connection, record_id: int) -> OpenedRecord:
        """A record and its salt. Raises as EvidenceLog.open."""
        row = conn.execute(
            "SELECT subject FROM evidence_records WHERE record_id = ?", (record_id,)
        ).fetchone()
        sealer: RecordSealer = self.sealer
        if row is not None and row[0] is not None:
            aid = abs(row[0])  # see queries_about
            sealer = self._data_keys.of_aids(conn, [aid])[aid]
        return self.log.open(conn, record_id, sealer=sealer)

    def about(
        self, conn: sqlite3.Connection, aid: int, *, after: int = -1, before: int | None = None, limit: int
    ) -> list[int]:
        """Numbers of the records about an AID: EvidenceLog.about."""
        return self.log.about(conn, aid, after=after, before=before, limit=limit)

    def erase(self, conn: sqlite3.Connection, aid: int) -> int:
        """Remove what is on record about an AID; how many records: EvidenceLog.erase."""
        return self.log.erase(conn, aid) + self.log.erase(conn, queries_about(aid))

    async def newest(self, store: Store) -> CheckpointBody | None:
        """The newest checkpoint, None before the first. Raises StoreBusy, StoreUnavailable."""
        rows = await store.read(NEWEST)
        return checkpoint_body(self.log.signed(*rows[0])) if rows else None


def queries_about(aid: int) -> int:
    """The subject of records of queries about an AID."""
    return -aid


async def leaf_indices(store: Store, record_ids: Sequence[int]) -> dict[int, int]:
    """Leaf index by record number, without those that no batch has taken yet. Raises StoreBusy, StoreUnavailable."""
    found: dict[int, int] = {}
    for at in range(0, len(record_ids), KEYS_MAX):
        rows = await read_in(store, batches.LEAF_OF_RECORD + "({})", record_ids[at : at + KEYS_MAX])
        for row in rows:
            index = batches.leaf_index(row["first_leaf"], row["slot"])
            if index is not None:
                found[row["record_id"]] = index
    return found


async def inclusion(store: Store, index: int, checkpoint: CheckpointBody, size: int) -> InclusionBody:
    """As `inclusions`, of one leaf in a log of `size` leaves, at most the checkpoint's; it goes along if it is of that
    size. Raises ValueError for an index or size that the log does not have."""
    if size > checkpoint.size:
        raise ValueError("outside the log")
    return (await _inclusions(store, [index], size, checkpoint if checkpoint.size == size else None))[0]


async def inclusions(store: Store, indices: Sequence[int], checkpoint: CheckpointBody) -> list[InclusionBody]:
    """Proofs that leaves are in the log of a checkpoint, in order. Raises ValueError for an index beyond it,
    StoreBusy, StoreUnavailable."""
    return await _inclusions(store, indices, checkpoint.size, checkpoint)


async def _inclusions(
    store: Store, indices: Sequence[int], size: int, checkpoint: CheckpointBody | None
) -> list[InclusionBody]:
    plans = [merkle.inclusion(index, size) for index in indices]
    root = merkle.root_plan(size)
    leaves = [merkle.position(0, index) for index in indices]
    nodes = await _nodes(store, [*plans, root], leaves)
    root_text = root.hashes(nodes)[0].hex()
    return [
        InclusionBody(
            index=index,
            size=size,
            leaf=nodes[leaf].hex(),
            proof=[node.hex() for node in plan.hashes(nodes)],
            root=root_text,
            checkpoint=checkpoint,
        )
        for index, plan, leaf in zip(indices, plans, leaves, strict=True)
    ]


async def leaves(store: Store, start: int, count: int, newest: CheckpointBody) -> list[bytes]:
    """Leaf hashes from an index on, none beyond the newest checkpoint. Raises StoreBusy, StoreUnavailable."""
    end = min(start + count, newest.size)
    if start >= end:
        return []
    rows = await store.read(
        "SELECT position, hash FROM evidence_nodes WHERE position BETWEEN ? AND ?",
        (merkle.position(0, start), merkle.position(0, end - 1)),
    )
    nodes = {row["position"]: row["hash"] for row in rows}
    return [nodes[merkle.position(0, index)] for index in range(start, end)]


async def consistency(store: Store, first: int, second: int, newest: CheckpointBody) -> ConsistencyBody:
    """Proof that the log of `second` leaves extends that of `first`; `newest` bounds both.

    Raises ValueError for sizes that the log does not have, StoreBusy, StoreUnavailable.
    """
    if second > newest.size:
        raise ValueError("outside the log")
    plan = merkle.consistency(first, second)
    proof = plan.hashes(await _nodes(store, [plan], []))
    return ConsistencyBody(first=first, second=second, proof=[node.hex() for node in proof])


async def _nodes(store: Store, plans: Sequence[merkle.Plan], positions: Sequence[int]) -> Mapping[int, bytes]:
    wanted = sorted({place for plan in plans for place in plan.places()}.union(positions))
    nodes: dict[int, bytes] = {}
    for at in range(0, len(wanted), KEYS_MAX):
        rows = await read_in(store, NODES + "({})", wanted[at : at + KEYS_MAX])
        nodes.update((row["position"], row["hash"]) for row in rows)
    return nodes


def checkpoint_body(signed: SignedCheckpoint) -> CheckpointBody:
    """A checkpoint as it goes over the wire."""
    return CheckpointBody(
        log_id=signed.checkpoint.log_id.hex(),
        size=signed.checkpoint.size,
        time_ms=signed.checkpoint.time_ms,
        root=signed.checkpoint.root.hex(),
        signature=b64url_encode(signed.signature),
    )
