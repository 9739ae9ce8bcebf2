"""The signed roots of what was answered, put on record: nobody can say later that other answers were given.

A root is over the entries of a batch of answers (interparty.statements.batch_entry), so that a carrier which kept a
question and its answer can prove it. The roots of some seconds become one record of the evidence log.
"""

import asyncio
import sqlite3
import threading
from typing import Any, Final

from foundation.logs import get_logger
from foundation.store import Store
from trust_party.clock import now_ms
from trust_party.evidence_log import Evidence

RECORD_SECONDS: Final = 10.0
"""Longest time from a root's signature to its record."""
ROOTS_A_RECORD: Final = 400
"""About 40 KB."""
ROOTS_MAX: Final = 20_000
"""Roots that wait for a store which is busy; the oldest go first."""

_log = get_logger(__name__)


class AnsweredBatches:
    """Gathers roots from any thread."""

    def __init__(self, store: Store, evidence: Evidence) -> None:
        self._store = store
        self._evidence = evidence
        self._lock = threading.Lock()
        self._waiting: list[tuple[str, dict[str, Any]]] = []

    def add(self, carrier: str, root: bytes, count: int, at_ms: int) -> None:
        """A root over `count` answers to a carrier was signed."""
        with self._lock:
            self._waiting.append((carrier, {"root": root.hex(), "count": count, "at": at_ms}))
            lost = max(0, len(self._waiting) - ROOTS_MAX)
            del self._waiting[:lost]
        if lost:
            _log.error("roots of answers are lost to the record", count=lost)

    async def run(self) -> None:
        """Put on record for ever."""
        while True:
            await asyncio.sleep(RECORD_SECONDS)
            try:
                await self.flush(now_ms())
            except Exception:  # the store may be busy; the next round tries again
                _log.exception("roots of answers wait")

    async def flush(self, at_ms: int) -> int:
        """Put what waits on record; how many roots. Raises StoreBusy, StoreUnavailable."""
        with self._lock:
            taken = list(self._waiting)
        if not taken:
            return 0
        by_carrier: dict[str, list[dict[str, Any]]] = {}
        for carrier, root in taken:
            by_carrier.setdefault(carrier, []).append(root)
        records: list[dict[str, Any]] = [
            {"kind": "VERIFICATIONS", "carrier": carrier, "batches": roots[at : at + ROOTS_A_RECORD]}
            for carrier, roots in by_carrier.items()
            for at in range(0, len(roots), ROOTS_A_RECORD)
        ]

        def op(conn: sqlite3.Connection) -> None:
            self._evidence.append(conn, records, at_ms)

        await self._store.write(op)
        with self._lock:
            # What came meanwhile stays; what was pushed out by it is gone from the front already.
            done = {id(root) for _, root in taken}
            self._waiting = [each for each in self._waiting if id(each[1]) not in done]
        return len(taken)
