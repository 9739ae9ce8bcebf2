"""Erasure at the end of retention: a consent's data key is destroyed, and with it everything that was kept of it.

What stays is the log, whose leaves are salted commitments and verify as before, and the bare digits of the AIDs,
which are never issued again. Due is a consent whose every AID ended (expired, revoked, replaced) so long ago.
"""

import asyncio
import sqlite3
from typing import Final

from foundation import audit
from foundation.logs import get_logger
from foundation.store import Store
from trust_party import data_keys
from trust_party.aids import State
from trust_party.clock import DAY_MS
from trust_party.clock import now_ms as wall_ms
from trust_party.data_keys import DataKeys
from trust_party.evidence_log import Evidence

ERASE_CONSENTS: Final = 20
"""Consents erased in one commit."""
EVERY_SECONDS: Final = 600.0
ERASED_PARTY: Final = "erased"
"""Stands for the enterprise of an erased AID among the revocations, whose numbers must have no gap."""

UNLINKED, UNKNOWN, LIVE = "UNLINKED", "UNKNOWN", "LIVE"

_DUE: Final = (
    "SELECT DISTINCT a.data_key_id FROM authorizations a WHERE a.state >= 3 AND a.changed_at <= :until"
    " AND NOT EXISTS (SELECT 1 FROM authorizations o WHERE o.data_key_id = a.data_key_id"
    " AND (o.state < 3 OR o.changed_at > :until)) LIMIT :consents"
)

_log = get_logger(__name__)


class Erasure:
    """Erases what is due. `party` is the trust party's own id, for the audit."""

    def __init__(
        self, store: Store, evidence: Evidence, keys: DataKeys, *, party: str, retention_days: int
    ) -> None:
        self._store = store
        self._evidence = evidence
        self._keys = keys
        self._party = party
        self._retention_days = retention_days
        self._in_log = False
        """What was erased may still lie in the write-ahead log."""

    async def run(self, every_seconds: float = EVERY_SECONDS) -> None:
        """Erase for ever."""
        while True:
            try:
                erased = await self.erase(wall_ms())
            except Exception:  # the store may be busy; the next round tries again
                _log.exception("erasure failed")
            else:
                if erased:
                    _log.info("consents erased at the end of retention", count=erased)
            await asyncio.sleep(every_seconds)

    async def erase(self, now_ms: int) -> int:
        """Erase every consent that is due; how many. On return nothing of them is in the database file or its log.

        Raises StoreBusy, StoreUnavailable, sqlite3.Error.
        """
        total = 0
        while True:
            erased = await self._store.write(lambda conn: self._erase(conn, now_ms))
            total += erased
            if erased < ERASE_CONSENTS:
                break
        await self._finish(total > 0)
        return total

    async def _finish(self, erased: bool) -> None:
        """Take what was erased out of memory and out of the write-ahead log, now or, if others hold it, next time."""
        if erased:
            self._keys.forget()
            self._in_log = True
        if self._in_log:
            self._in_log = not await self._store.truncate_log()
            if self._in_log:
                _log.warning("write-ahead log not truncated; tried again at the next round")

    async def unlink(self, aid: int, enterprise: str, order: str, now_ms: int) -> str:
        """Erase the consent behind an AID before its time, by order: its nonce is gone, and nothing links it any more.

        UNLINKED; UNKNOWN for no AID of this enterprise; LIVE while an AID of the consent may still be used. Raises as
        `erase`.
        """
        result = await self._store.write(lambda conn: self._unlink(conn, aid, enterprise, order, now_ms))
        await self._finish(result == UNLINKED)
        return result

    def _unlink(self, conn: sqlite3.Connection, aid: int, enterprise: str, order: str, now_ms: int) -> str:
        row = conn.execute(
            "SELECT data_key_id FROM authorizations WHERE aid = ? AND enterprise = ?", (aid, enterprise)
        ).fetchone()
        if row is None:
            return UNKNOWN
        states = conn.execute("SELECT state FROM authorizations WHERE data_key_id = ?", (row[0],))
        if any(state < State.EXPIRED for (state,) in states):
            return LIVE
        detail = {"consents": 1, "records": self._erase_consent(conn, row[0]), "order": order}
        self._evidence.append(conn, [{"kind": "ERASURE", "at": now_ms, **detail}], now_ms)
        audit.append(
            conn, at_ms=now_ms, user=self._party, event="evidence.erase", success=True, detail=detail
        )
        return UNLINKED

    def _erase(self, conn: sqlite3.Connection, now_ms: int) -> int:
        until = now_ms - self._retention_days * DAY_MS
        due = [row[0] for row in conn.execute(_DUE, {"until": until, "consents": ERASE_CONSENTS})]
        if not due:
            return 0
        records = sum(self._erase_consent(conn, key_id) for key_id in due)
        detail = {"consents": len(due), "records": records, "retention_days": self._retention_days}
        self._evidence.append(conn, [{"kind": "ERASURE", "at": now_ms, **detail}], now_ms)
        audit.append(
            conn, at_ms=now_ms, user=self._party, event="evidence.erase", success=True, detail=detail
        )
        return len(due)

    def _erase_consent(self, conn: sqlite3.Connection, key_id: int) -> int:
        rows = conn.execute(
            "SELECT aid, batch_id, agreement_sm3 FROM authorizations WHERE data_key_id = ?", (key_id,)
        ).fetchall()
        records = 0
        for aid, _, _ in rows:
            conn.execute(
                "DELETE FROM communications WHERE evidence_id IN"
                " (SELECT record_id FROM evidence_records WHERE subject = ?)",
                (aid,),
            )
            records += self._evidence.erase(conn, aid)
            conn.execute("DELETE FROM confirmation_outbox WHERE aid = ?", (aid,))
            conn.execute("DELETE FROM edis WHERE aid = ?", (aid,))
            conn.execute("DELETE FROM orders WHERE aid = ? AND result IS NOT NULL", (aid,))
            # A carrier that reads these anew finds an EDI that nobody has.
            conn.execute(
                "UPDATE revocations SET enterprise = ?, edi_id = zeroblob(16) WHERE aid = ?",
                (ERASED_PARTY, aid),
            )
            conn.execute("INSERT INTO tombstones (aid) VALUES (?)", (aid,))
        conn.execute("DELETE FROM authorizations WHERE data_key_id = ?", (key_id,))
        data_keys.destroy(conn, key_id)
        for batch_id in {row[1] for row in rows}:
            # What was signed is a list of digests: it serves the others of its request until the last of them goes.
            conn.execute(
                "DELETE FROM deposit_batches WHERE id = ?"
                " AND NOT EXISTS (SELECT 1 FROM authorizations WHERE batch_id = ?)",
                (batch_id, batch_id),
            )
        for agreement in {bytes(row[2]) for row in rows}:
            conn.execute(
                "DELETE FROM agreements WHERE sm3 = ?"
                " AND NOT EXISTS (SELECT 1 FROM authorizations WHERE agreement_sm3 = ?)",
                (agreement, agreement),
            )
        return records
