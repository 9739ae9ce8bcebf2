"""Queries for evidence by AID or edi_id: enterprises of their own, carriers of their subscribers, regulators of any.

An answer is the whole evidence of one consent, page by page and of one state of the log: records with their salts and
proofs. What the asker may not know of and what there is not look alike. Each query is itself evidence, sealed and
erased with the consent that it was about; of queries regulators alone are told. Standard: T/ISC 0049-2024, 6.1.1.7,
6.2.1.4 and 6.3.1.1.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from evidence.log import opened
from foundation.store import Store
from interparty.messages import CheckpointBody
from interparty.query_messages import PAGE_MAX, EvidencePage, EvidenceQuery, EvidenceRecord
from interparty.text import b64url_encode
from trust_party import evidence_log
from trust_party.admission import Caller
from trust_party.aids import STATUS, State, state_at
from trust_party.data_keys import DataKeys
from trust_party.evidence_log import Evidence
from trust_party.sequencer import Sequencer
from trust_party.store.rows import padded

PAGE_BYTES: Final = 2 * 1024 * 1024
"""Bytes of records in one answer, after which it ends early."""

_CONSENT: Final = (
    "SELECT f.aid, f.enterprise, f.state, f.not_after, f.pending_until, f.confirmed_carrier, k.sealed AS data_key"
    " FROM {} JOIN authorizations f ON f.data_key_id = a.data_key_id JOIN data_keys k ON k.id = f.data_key_id"
    " WHERE {} ORDER BY f.evidence_id"
)
_BY_AID: Final = _CONSENT.format("authorizations a", "a.aid = ?")
_BY_EDI: Final = _CONSENT.format("edis e JOIN authorizations a ON a.aid = e.aid", "e.edi_id = ?")
_LAST_BATCH: Final = (
    "SELECT first_leaf + leaves AS size, first_record + records AS records FROM evidence_batches"
    " WHERE first_leaf < ? ORDER BY first_leaf DESC LIMIT 1"
)
_CHECKPOINT: Final = (
    "SELECT size, time_ms, root, signature FROM evidence_checkpoints WHERE size = ?"
    " ORDER BY checkpoint_id LIMIT 1"
)
_RECORDS: Final = (
    "SELECT record_id, leaf, appended_at, sealed FROM evidence_records"
    " WHERE subject IN ({}) AND record_id < ? ORDER BY record_id LIMIT ? OFFSET ?"
)


class NoSuchSize(ValueError):
    """The log never had a checkpoint of this size."""


class _Snapshot(NamedTuple):
    """A state of the log."""

    checkpoint: CheckpointBody
    records: int
    """Records with a lower number are in it."""


class EvidenceQueries:
    """Answers queries by AID and edi_id."""

    def __init__(self, store: Store, evidence: Evidence, sequencer: Sequencer, data_keys: DataKeys) -> None:
        self._store = store
        self._evidence = evidence
        self._sequencer = sequencer
        self._data_keys = data_keys

    async def page(self, caller: Caller, asked: EvidenceQuery, now_ms: int) -> EvidencePage | None:
        """The page that was asked for; None alike for what is unknown, erased, or not the caller's to know.

        Raises NoSuchSize, StoreBusy, StoreUnavailable.
        """
        snapshot = await self._snapshot(asked.size)
        consent = await self._consent(caller, asked)
        await self._store.write(lambda conn: self._record(conn, caller, asked, consent, now_ms))
        if not consent:
            return None
        rows, more = await self._rows(caller, consent, snapshot, asked.skip or 0)
        # Erased since it was found.
        if any(row["sealed"] is None for row in rows):
            return None
        last = consent[-1]
        state = state_at(
            State(last["state"]),
            not_after=last["not_after"],
            pending_until=last["pending_until"],
            now_ms=now_ms,
        )
        return EvidencePage(
            aids=[str(row["aid"]) for row in consent],
            enterprise=last["enterprise"],
            status=STATUS[state],
            checkpoint=snapshot.checkpoint,
            records=await self._proved(rows, consent[0]["data_key"], snapshot.checkpoint),
            more=more,
        )

    async def _snapshot(self, size: int | None) -> _Snapshot:
        if size is None:
            # Everything that is on record by now is to be in the answer.
            await self._sequencer.run()
            newest = self._sequencer.newest
            assert newest is not None
        else:
            rows = await self._store.read(_CHECKPOINT, (size,))
            if not rows:
                raise NoSuchSize
            newest = evidence_log.checkpoint_body(self._evidence.log.signed(*rows[0]))
        rows = await self._store.read(_LAST_BATCH, (newest.size,))
        return _Snapshot(newest, rows[0]["records"] if rows else 0)

    async def _consent(self, caller: Caller, asked: EvidenceQuery) -> list[sqlite3.Row]:
        """The AIDs of the consent in the order of their issue, none if the caller may not know of it."""
        if asked.aid is not None:
            rows = await self._store.read(_BY_AID, (int(asked.aid),))
        elif caller.role == "carrier":
            rows = await self._store.read(_BY_EDI, (bytes.fromhex(asked.edi_id or ""),))
        else:
            rows = []
        if rows and caller.role == "enterprise" and rows[0]["enterprise"] != caller.id:
            return []
        # A subscriber is a carrier's own once it confirmed the consent; before, several may hold an EDI.
        if rows and caller.role == "carrier" and rows[0]["confirmed_carrier"] != caller.id:
            return []
        return rows

    def _record(
        self,
        conn: sqlite3.Connection,
        caller: Caller,
        asked: EvidenceQuery,
        consent: Sequence[sqlite3.Row],
        now_ms: int,
    ) -> None:
        record: dict[str, Any] = {
            "kind": "QUERY",
            "by": caller.id,
            "role": caller.role,
            "asked": asked.fields(),
            "answered": bool(consent),
            "at": now_ms,
        }
        about = int(consent[-1]["aid"]) if consent else None
        self._evidence.append_query(conn, record, about, now_ms)

    async def _rows(
        self, caller: Caller, consent: Sequence[sqlite3.Row], snapshot: _Snapshot, skip: int
    ) -> tuple[list[sqlite3.Row], bool]:
        """The records of a page, and whether there are more behind it."""
        subjects = [row["aid"] for row in consent]
        if caller.role == "regulator":
            # Nobody else learns, not even by a gap in the count, that somebody asked.
            subjects += [evidence_log.queries_about(aid) for aid in subjects]
        marks, params = padded(subjects)
        found = await self._store.read(
            _RECORDS.replace("{}", marks), [*params, snapshot.records, PAGE_MAX + 1, skip]
        )
        page, size = found[:PAGE_MAX], 0
        for count, row in enumerate(page):
            size += len(row["sealed"] or b"")
            if size > PAGE_BYTES:
                page = page[: max(count, 1)]
                break
        return page, len(found) > len(page)

    async def _proved(
        self, rows: Sequence[sqlite3.Row], data_key: bytes, checkpoint: CheckpointBody
    ) -> list[EvidenceRecord]:
        if not rows:
            return []
        key = self._data_keys.opened(data_key)
        indices = await evidence_log.leaf_indices(self._store, [row["record_id"] for row in rows])
        proofs = await evidence_log.inclusions(
            self._store, [indices[row["record_id"]] for row in rows], checkpoint
        )
        records: list[EvidenceRecord] = []
        for row, proof in zip(rows, proofs, strict=True):
            record = opened(row["record_id"], row["leaf"], row["sealed"], sealer=key)
            records.append(
                EvidenceRecord(
                    appended_at=row["appended_at"],
                    record=b64url_encode(record.record),
                    salt=record.salt.hex(),
                    inclusion=proof.model_copy(update={"checkpoint": None}),
                )
            )
        return records
