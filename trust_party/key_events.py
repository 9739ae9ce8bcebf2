"""What became of other parties' keys, as they report it, and what is on record about any party's keys.

A report is known by party and event id, so that telling it again changes nothing, and is signed with SM2: the party can
be held to it. Whoever asks gets bundles that prove themselves: a party about its own keys, regulator and trust party
about any.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from foundation.allowance import Allowance
from foundation.logs import get_logger
from foundation.store import Store
from interparty import statements
from interparty.key_messages import EVENTS_MAX, SignedKeyEvent
from interparty.query_messages import PAGE_MAX, KeyEvidencePage, KeyEvidenceQuery
from trust_party.bundles import Bundles
from trust_party.directory import Caller
from trust_party.evidence_log import Evidence
from trust_party.key_records import record_signed

AHEAD_MS: Final = 300_000
"""How far ahead of ours a party's clock may be. How old an event is does not matter: it may have waited for us."""
EVENTS_BURST: Final = 10 * EVENTS_MAX
EVENTS_PER_MINUTE: Final = 20
"""New events of one party, all at once and for good. A store of keys has tens."""

_ALL_SEEING: Final = ("regulator", "trust party")

_log = get_logger(__name__)


class EventsRefused(ValueError):
    """The report is not taken; says why."""


class TooManyEvents(Exception):
    """The party reports more than keys can go through; later it may go on."""


class KeyEvents:
    """Takes reports, and answers queries."""

    def __init__(
        self,
        store: Store,
        evidence: Evidence,
        bundles: Bundles,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._evidence = evidence
        self._bundles = bundles
        self._allowance = Allowance(EVENTS_PER_MINUTE, EVENTS_BURST)
        self._clock = clock

    async def take(self, caller: Caller, events: Sequence[SignedKeyEvent], now_ms: int) -> int:
        """Put a party's events on record; how many of them are on record now.

        Raises EventsRefused if one is not the caller's or not signed under a key of its, and then takes none;
        TooManyEvents, StoreBusy, StoreUnavailable.
        """
        if self._allowance.is_over((caller.id,), self._clock()):
            raise TooManyEvents
        await asyncio.to_thread(_check, caller, events, now_ms)
        new = await self._store.write(lambda conn: self._keep(conn, caller, events, now_ms))
        self._allowance.spend((caller.id,), new, self._clock())
        if new:
            _log.info("key events recorded", party=caller.id, events=new)
        return len(events)

    def _keep(
        self, conn: sqlite3.Connection, caller: Caller, events: Sequence[SignedKeyEvent], now_ms: int
    ) -> int:
        new: dict[str, SignedKeyEvent] = {}
        for one in events:
            event_id = one.statement.event_id
            row = conn.execute(
                "SELECT 1 FROM key_records WHERE party = ? AND event_id = ?", (caller.id, event_id)
            ).fetchone()
            if row is None:
                new.setdefault(event_id, one)
        record_signed(conn, self._evidence, list(new.values()), now_ms)
        return len(new)

    async def page(self, caller: Caller, asked: KeyEvidenceQuery, now_ms: int) -> KeyEvidencePage | None:
        """What is on record about a party's keys, in order; None for a party that the caller may not ask about.

        Raises StoreBusy, StoreUnavailable.
        """
        party = asked.party or caller.id
        may = caller.role in _ALL_SEEING or party == caller.id
        skip = asked.skip or 0
        found = []
        if may:
            rows = await self._store.read(
                "SELECT record_id FROM key_records WHERE party = ? ORDER BY record_id LIMIT ? OFFSET ?",
                (party, PAGE_MAX + 1, skip),
            )
            found = [row["record_id"] for row in rows]
        await self._store.write(lambda conn: self._record(conn, caller, asked, party, may, now_ms))
        if not may:
            return None
        page = found[:PAGE_MAX]
        return KeyEvidencePage(
            party=party,
            bundle=await self._bundles.export(page) if page else None,
            more=len(found) > len(page),
        )

    def _record(
        self,
        conn: sqlite3.Connection,
        caller: Caller,
        asked: KeyEvidenceQuery,
        party: str,
        answered: bool,
        now_ms: int,
    ) -> None:
        record: dict[str, Any] = {
            "kind": "QUERY",
            "by": caller.id,
            "role": caller.role,
            "asked": asked.fields() | {"keys_of": party},
            "answered": answered,
            "at": now_ms,
        }
        self._evidence.append_query(conn, record, None, now_ms)


def _check(caller: Caller, events: Sequence[SignedKeyEvent], now_ms: int) -> None:
    for one in events:
        statement = one.statement
        if statement.party != caller.id:
            raise EventsRefused("an event is of another party's keys")
        key = caller.sign_keys.get(one.keyid)
        if key is None or not statements.verify(key, statements.KEYEVENT, statement, one.signature):
            raise EventsRefused(f"event {statement.sequence} is not signed under a known key")
        if statement.at > now_ms + AHEAD_MS:
            raise EventsRefused(f"event {statement.sequence} is of a time to come")
