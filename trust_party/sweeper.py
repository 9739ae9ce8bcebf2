"""Expiry as a matter of record, and the log's checkpoints.

Validity is checked on every use; the sweeper makes what is over EXPIRED, with evidence, and frees the
memory that live AIDs take. Standard: T/ISC 0049-2024, 6.2.2.2.
"""

import asyncio
import sqlite3
from typing import Final

from foundation.logs import get_logger
from foundation.store import Store
from trust_party.aids import State, move
from trust_party.clock import now_ms as wall_ms
from trust_party.evidence_log import Evidence
from trust_party.sequencer import Sequencer
from trust_party.store.commit import commit_then
from trust_party.verification import LiveIndex

SWEEP_ROWS: Final = 500
"""Authorizations that expire in one commit."""

_log = get_logger(__name__)


class Sweeper:
    """Expires what is over."""

    def __init__(self, store: Store, evidence: Evidence, sequencer: Sequencer, live: LiveIndex) -> None:
        self._store = store
        self._evidence = evidence
        self._sequencer = sequencer
        self._live = live

    async def run(self, every_seconds: float) -> None:
        """Sweep for ever."""
        while True:
            await asyncio.sleep(every_seconds)
            try:
                expired = await self.sweep(wall_ms())
            except Exception:  # the store may be busy; the next round tries again
                _log.exception("sweep failed")
            else:
                if expired:
                    _log.info("authorizations expired", count=expired)

    async def sweep(self, now_ms: int) -> int:
        """Expire all that is over by `now_ms`, then take all records into the log and sign it; how many that were.

        Raises StoreBusy, StoreUnavailable.
        """
        total = 0
        while True:
            expired = await commit_then(self._store, lambda conn: self._expire(conn, now_ms), self._drop)
            total += len(expired)
            if len(expired) < SWEEP_ROWS:
                break
        await self._sequencer.run()
        return total

    def _drop(self, aids: list[int]) -> None:
        for aid in aids:
            self._live.drop(aid)

    def _expire(self, conn: sqlite3.Connection, now_ms: int) -> list[int]:
        over: list[tuple[int, State]] = []
        for state, query in _OVER.items():
            params = {"now": now_ms, "rows": SWEEP_ROWS - len(over)}
            over += [(row[0], state) for row in conn.execute(query, params)]
        for aid, state in over:
            move(conn, aid, state, State.EXPIRED, now_ms)
            conn.execute("DELETE FROM confirmation_outbox WHERE aid = ?", (aid,))
        records = [
            {"kind": "EXPIRY", "aid": str(aid), "was": state.name, "at": now_ms} for aid, state in over
        ]
        self._evidence.append(conn, records, now_ms)
        return [aid for aid, _ in over]


# One partial index serves each.
_OVER: Final = {
    State.PENDING: "SELECT aid FROM authorizations WHERE state = 1 AND pending_until <= :now LIMIT :rows",
    State.ACTIVE: "SELECT aid FROM authorizations WHERE state = 2 AND not_after <= :now LIMIT :rows",
}
