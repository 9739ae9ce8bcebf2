"""Bundles: records of the evidence log with all that proves them to others, offline.

What a bundle shows of others is nothing: of the enterprise's other consents of the same request it holds digests alone.
"""

import json
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

from evidence import merkle
from evidence.log import ErasedError, OpenedRecord
from foundation.store import Store
from interparty.evidence_messages import BUNDLE_RECORDS_MAX, Bundle, BundleRecord, LaterCheckpoint, LogKey
from interparty.key_messages import LogKeys
from interparty.messages import CheckpointBody
from trust_party.evidence_log import Evidence, consistency, inclusions
from trust_party.sequencer import Sequencer
from trust_party.sign_keys import SignKeys
from trust_party.witnesses import Witnesses

OPENED_AT_ONCE: Final = 100
"""Records opened in one operation of the store."""

LogKeysNow = Callable[[], Awaitable[LogKeys]]
"""Every key that the log had."""

_PARTY_FIELDS: Final = ("enterprise", "carrier", "by", "approver", "requester", "party")


class Bundles:
    """Makes bundles."""

    def __init__(
        self,
        store: Store,
        evidence: Evidence,
        sequencer: Sequencer,
        witnesses: Witnesses,
        sign_keys: SignKeys,
        log_keys: LogKeysNow,
    ) -> None:
        self._store = store
        self._evidence = evidence
        self._sequencer = sequencer
        self._witnesses = witnesses
        self._sign_keys = sign_keys
        self._log_keys = log_keys

    async def export(self, record_ids: Sequence[int]) -> Bundle | None:
        """The bundle of up to BUNDLE_RECORDS_MAX committed records, in order; None if all of them were erased.

        It waits until they are in the log, and proves them under the checkpoint that most witnesses cosigned. Raises
        LookupError for a record that does not exist, ValueError for too many, StoreBusy, StoreUnavailable.
        """
        if len(record_ids) > BUNDLE_RECORDS_MAX:
            raise ValueError(f"at most {BUNDLE_RECORDS_MAX} records in one bundle")
        opened: list[tuple[int, OpenedRecord, list[str] | None]] = []
        for at in range(0, len(record_ids), OPENED_AT_ONCE):
            op = partial(self._open, record_ids=record_ids[at : at + OPENED_AT_ONCE])
            opened += await self._store.write(op)
        if not opened:
            return None
        indices = await self._sequencer.indices([record_id for record_id, _, _ in opened])
        last = max(indices.values())
        newest = self._sequencer.newest
        if newest is None or newest.size <= last:
            newest = await self._evidence.newest(self._store)
        assert newest is not None  # a batch is signed in the commit that makes it
        chosen = await self._witnesses.best(last + 1) or await self._witnesses.witnessed(newest)
        proofs = await inclusions(
            self._store, [indices[record_id] for record_id, _, _ in opened], chosen.checkpoint
        )
        records = [
            BundleRecord(
                index=proof.index,
                record=one.record.decode(),
                salt=one.salt.hex(),
                proof=proof.proof,
                consents=consents,
            )
            for (_, one, consents), proof in zip(opened, proofs, strict=True)
        ]
        log_id = chosen.checkpoint.log_id
        chain = (await self._log_keys()).keys
        later = await self._later(chosen.checkpoint, newest)
        parties = {party for _, one, _ in opened for party in _parties(json.loads(one.record))}
        for seen in (chosen, later):
            if seen is not None:
                parties.update(each.statement.witness for each in seen.cosignatures)
        known = await self._sign_keys.of(parties)
        return Bundle(
            log=LogKey(
                log_id=log_id,
                # The key may be destroyed since: its successor knows it.
                public_key=next(each.public_key for each in chain if each.log_id == log_id),
            ),
            checkpoint=chosen.checkpoint,
            cosignatures=chosen.cosignatures,
            successions=chain if len(chain) > 1 else None,
            later=later,
            records=records,
            keys={keyid: key.to_bytes().hex() for keyid, key in known.keys.items()},
            notices=known.notices or None,
        )

    async def _later(self, chosen: CheckpointBody, newest: CheckpointBody) -> LaterCheckpoint | None:
        if newest.size <= chosen.size:
            return None
        proof = await consistency(self._store, chosen.size, newest.size, newest)
        witnessed = await self._witnesses.witnessed(newest)
        return LaterCheckpoint(checkpoint=newest, cosignatures=witnessed.cosignatures, proof=proof.proof)

    def _open(
        self, conn: sqlite3.Connection, record_ids: Sequence[int]
    ) -> list[tuple[int, OpenedRecord, list[str] | None]]:
        opened = []
        for record_id in record_ids:
            try:
                one = self._evidence.open(conn, record_id)
            except ErasedError:
                continue
            opened.append((record_id, one, _consents(conn, json.loads(one.record))))
        return opened


def _consents(conn: sqlite3.Connection, record: dict[str, Any]) -> list[str] | None:
    """The list that the enterprise signed, for the record of a deposit; None for any other."""
    if record.get("kind") != "DEPOSIT":
        return None
    row = conn.execute(
        "SELECT b.consents FROM authorizations a JOIN deposit_batches b ON b.id = a.batch_id WHERE a.aid = ?",
        (int(record["aid"]),),
    ).fetchone()
    if row is None:
        return None
    return [row[0][at : at + merkle.HASH_SIZE].hex() for at in range(0, len(row[0]), merkle.HASH_SIZE)]


def _parties(record: dict[str, Any]) -> set[str]:
    """Who is named in a record as one who may have signed something in it."""
    found: set[str] = set()
    for each in (record, record.get("consent"), record.get("statement")):
        if isinstance(each, dict):
            found.update(each[name] for name in _PARTY_FIELDS if isinstance(each.get(name), str))
    return found
