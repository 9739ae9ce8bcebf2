"""Evidence for the trust party's own people, beside a running trust party or without one, and on record like any query.

What they ask by number they ask as a regulator does, through the carriers: here there is no number to look up.
Standard: T/ISC 0049-2024, 6.2.1.4.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Final

from foundation.seal import Sealer
from foundation.store import Store, StoreUnavailable
from interparty.evidence_messages import Bundle
from interparty.query_messages import EvidencePage, EvidenceQuery, KeyEvidenceQuery
from trust_party.bundles import Bundles
from trust_party.clock import now_ms
from trust_party.data_keys import DataKeys
from trust_party.directory import Caller
from trust_party.evidence_log import Evidence
from trust_party.evidence_queries import EvidenceQueries
from trust_party.key_events import KeyEvents
from trust_party.key_exchange import log_keys
from trust_party.keys import LogKeys, open_store
from trust_party.sequencer import Sequencer
from trust_party.settings import TrustSettings
from trust_party.sign_keys import SignKeys
from trust_party.store import MIGRATIONS
from trust_party.witnesses import Witnesses

LOOK_SECONDS: Final = 0.5
LOOKS_MAX: Final = 40
"""Looks for a record's leaf: a running trust party takes records into the log every few seconds."""


class Behind(Sequencer):
    """The log has one writer, the running trust party: in another process it is waited for."""

    def __init__(self, store: Store, evidence: Evidence) -> None:
        super().__init__(store, evidence, 0, now_ms)
        self._looks = 0

    async def run(self) -> None:
        """Wait a moment. Raises StoreUnavailable when nobody takes records into the log."""
        self._looks += 1
        if self._looks > LOOKS_MAX:
            raise StoreUnavailable(
                "a record is not in the log yet, and the trust party does not run to put it there"
            )
        await asyncio.sleep(LOOK_SECONDS)


@contextlib.asynccontextmanager
async def _opened(settings: TrustSettings) -> AsyncIterator[tuple[Store, Evidence, Bundles]]:
    keys = open_store(settings)
    store = Store.open(settings.database, MIGRATIONS, secure_delete=True)
    try:
        sealer = Sealer(keys)
        evidence = Evidence(LogKeys(keys), sealer, DataKeys(sealer))
        sequencer = Behind(store, evidence)
        witnesses = Witnesses(store, evidence, sequencer, int(settings.witness_seconds * 1000))
        yield (
            store,
            evidence,
            Bundles(
                store,
                evidence,
                sequencer,
                witnesses,
                SignKeys(store, keys, settings.party),
                partial(log_keys, store, keys),
            ),
        )
    finally:
        await store.close()


async def evidence_of(settings: TrustSettings, aid: str, case: str) -> list[EvidencePage]:
    """Everything on record about an AID's consent, page by page; none for what is unknown or was erased.

    Raises KeyStoreError, MigrationError, StoreUnavailable, OSError, sqlite3.Error.
    """
    caller = Caller(settings.party, "trust party", {})
    pages: list[EvidencePage] = []
    skip = 0
    async with _opened(settings) as (store, evidence, bundles):
        queries = EvidenceQueries(store, evidence, bundles, settings.queries_per_minute)
        while True:
            asked = EvidenceQuery(aid=aid, case=case, skip=skip or None)
            page = await queries.page(caller, asked, now_ms())
            if page is None:
                return []
            pages.append(page)
            skip += len(page.bundle.records) if page.bundle is not None else 0
            if not page.more:
                return pages


async def key_evidence_of(settings: TrustSettings, party: str, case: str) -> list[Bundle]:
    """Everything on record about a party's keys, or the trust party's own, a bundle a page. Raises as `evidence_of`."""
    caller = Caller(settings.party, "trust party", {})
    found: list[Bundle] = []
    async with _opened(settings) as (store, evidence, bundles):
        events = KeyEvents(store, evidence, bundles)
        while True:
            skip = sum(len(bundle.records) for bundle in found)
            asked = KeyEvidenceQuery(party=party, case=case, skip=skip or None)
            page = await events.page(caller, asked, now_ms())
            if page is not None and page.bundle is not None:
                found.append(page.bundle)
            if page is None or not page.more:
                return found
