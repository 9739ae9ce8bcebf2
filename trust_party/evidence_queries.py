"""Queries for evidence by AID or edi_id: enterprises of their own, carriers of their subscribers, regulators of any.

An answer is the whole evidence of one consent, page by page, each a bundle that proves itself. What the asker may not
know of and what there is not look alike. Each query is itself evidence, sealed and erased with the consent that it was
about; of queries regulators alone are told. Standard: T/ISC 0049-2024, 6.1.1.7, 6.2.1.4 and 6.3.1.1.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from foundation.allowance import Allowance
from foundation.store import Store
from interparty.query_messages import PAGE_MAX, EvidencePage, EvidenceQuery
from trust_party import evidence_log
from trust_party.aids import STATUS, State, state_at
from trust_party.bundles import Bundles
from trust_party.directory import Caller
from trust_party.evidence_log import Evidence
from trust_party.store.rows import padded

PAGE_BYTES: Final = 2 * 1024 * 1024
"""Bytes of records in one answer, after which it ends early."""

_CONSENT: Final = (
    "SELECT f.aid, f.enterprise, f.state, f.not_after, f.pending_until, f.confirmed_carrier"
    " FROM {} JOIN authorizations f ON f.data_key_id = a.data_key_id WHERE {} ORDER BY f.evidence_id"
)
_BY_AID: Final = _CONSENT.format("authorizations a", "a.aid = ?")
_BY_EDI: Final = _CONSENT.format("edis e JOIN authorizations a ON a.aid = e.aid", "e.edi_id = ?")
_RECORDS: Final = (
    "SELECT record_id, length(sealed) AS octets FROM evidence_records"
    " WHERE subject IN ({}) ORDER BY record_id LIMIT ? OFFSET ?"
)


class EvidenceQueries:
    """Answers queries by AID and edi_id."""

    def __init__(
        self,
        store: Store,
        evidence: Evidence,
        bundles: Bundles,
        per_minute: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._evidence = evidence
        self._bundles = bundles
        self._allowance = Allowance(per_minute, per_minute)
        self._clock = clock

    def take(self, party: str) -> bool:
        """Count a query of a party, also of one by number; False when it has had all of this minute's."""
        now = self._clock()
        if self._allowance.is_over((party,), now):
            return False
        self._allowance.spend((party,), 1, now)
        return True

    async def page(self, caller: Caller, asked: EvidenceQuery, now_ms: int) -> EvidencePage | None:
        """The page that was asked for; None alike for what is unknown, erased, or not the caller's to know.

        Raises StoreBusy, StoreUnavailable.
        """
        consent = await self._consent(caller, asked)
        # What is found is what was on record before this query.
        records, more = await self._records(caller, consent, asked.skip or 0) if consent else ([], False)
        await self._store.write(lambda conn: self._record(conn, caller, asked, consent, now_ms))
        if not consent:
            return None
        bundle = await self._bundles.export(records) if records else None
        if records and bundle is None:
            return None  # erased since it was found
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
            bundle=bundle,
            more=more,
        )

    async def _consent(self, caller: Caller, asked: EvidenceQuery) -> list[sqlite3.Row]:
        """The AIDs of the consent in the order of their issue, none if the caller may not know of it."""
        if asked.aid is not None:
            rows = await self._store.read(_BY_AID, (int(asked.aid),))
        elif caller.role != "enterprise":
            rows = await self._store.read(_BY_EDI, (bytes.fromhex(asked.edi_id or ""),))
        else:
            rows = []
        if rows and caller.role == "enterprise" and rows[0]["enterprise"] != caller.id:
            return []
        # A subscriber is a carrier's own once it confirmed the consent; before, several may hold an EDI.
        if rows and caller.role == "carrier" and rows[0]["confirmed_carrier"] != caller.id:
            return []
        return rows

    async def _records(
        self, caller: Caller, consent: Sequence[sqlite3.Row], skip: int
    ) -> tuple[list[int], bool]:
        """The records of a page, and whether there are more behind it."""
        subjects = [row["aid"] for row in consent]
        if caller.role in ("regulator", "trust party"):
            # Nobody else learns, not even by a gap in the count, that somebody asked.
            subjects += [evidence_log.queries_about(aid) for aid in subjects]
        marks, params = padded(subjects)
        found = await self._store.read(_RECORDS.replace("{}", marks), [*params, PAGE_MAX + 1, skip])
        page: list[int] = []
        octets = 0
        for row in found[:PAGE_MAX]:
            octets += row["octets"] or 0
            if page and octets > PAGE_BYTES:
                break
            page.append(row["record_id"])
        return page, len(found) > len(page)

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
