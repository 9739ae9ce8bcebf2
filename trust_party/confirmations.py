"""The carrier's word that the one subscriber behind an EDI consented: PENDING becomes ACTIVE.

Each confirmation is signed with SM2, so that it can be proved later. Taking one again changes nothing.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from foundation.store import Store
from interparty import statements
from interparty.deposit_messages import ConfirmationResult
from interparty.messages import Confirmation, SignedConfirmation
from trust_party.aids import State, move, state_at
from trust_party.directory import Carrier
from trust_party.evidence_log import Evidence
from trust_party.store.commit import commit_then
from trust_party.store.rows import padded
from trust_party.verification import BY_AID, LiveIndex

CLOCK_SKEW_MS: Final = 300_000
"""How far ahead of ours the time of a confirmation may lie."""

UNKNOWN: Final = ConfirmationResult(status="UNKNOWN")
_RESULTS: Final = {
    State.ACTIVE: ConfirmationResult(status="ACTIVE"),
    State.EXPIRED: ConfirmationResult(status="EXPIRED"),
    State.REVOKED: ConfirmationResult(status="REVOKED"),
    # The consent was confirmed before; this AID of it is no longer used.
    State.ROTATED: ConfirmationResult(status="EXPIRED"),
}

_Outcome = tuple[list[ConfirmationResult], list[sqlite3.Row]]


class Confirmations:
    """Takes confirmations."""

    def __init__(self, store: Store, evidence: Evidence, live: LiveIndex) -> None:
        self._store = store
        self._evidence = evidence
        self._live = live

    async def confirm(
        self, caller: Carrier, confirmations: Sequence[SignedConfirmation], now_ms: int
    ) -> list[ConfirmationResult]:
        """One result each, in order. UNKNOWN: not signed by the caller, or it fits no deposit of its own.

        Raises StoreBusy, StoreUnavailable.
        """
        # 0.3 ms a signature: off the loop.
        genuine = await asyncio.to_thread(_genuine, caller, confirmations, now_ms)

        def follow(outcome: _Outcome) -> None:
            for row in outcome[1]:
                self._live.put(row["aid"], self._live.read(row))

        def op(conn: sqlite3.Connection) -> _Outcome:
            return self._keep(conn, confirmations, genuine, now_ms)

        return (await commit_then(self._store, op, follow))[0]

    def _keep(
        self,
        conn: sqlite3.Connection,
        confirmations: Sequence[SignedConfirmation],
        genuine: Sequence[bool],
        now_ms: int,
    ) -> _Outcome:
        results: list[ConfirmationResult] = []
        records: list[dict[str, Any]] = []
        activated: list[int] = []
        for signed, is_genuine in zip(confirmations, genuine, strict=True):
            found = _find(conn, signed.statement, now_ms) if is_genuine else None
            if found is None:
                results.append(UNKNOWN)
                continue
            aid, state = found
            if state is State.PENDING:
                _activate(conn, aid, signed.statement, now_ms)
                activated.append(aid)
                records.append(
                    {
                        "kind": "CONFIRMATION",
                        "aid": str(aid),
                        "statement": signed.statement.fields(),
                        "signature": signed.signature,
                    }
                )
                state = State.ACTIVE
            results.append(_RESULTS[state])
        self._evidence.append(conn, records, now_ms)
        rows: list[sqlite3.Row] = []
        if activated:
            marks, params = padded(activated)
            rows = conn.execute(BY_AID.replace("{}", marks), params).fetchall()
        return results, rows


def _genuine(caller: Carrier, confirmations: Sequence[SignedConfirmation], now_ms: int) -> list[bool]:
    return [
        signed.statement.carrier == caller.id
        and signed.statement.confirmed_at <= now_ms + CLOCK_SKEW_MS
        and any(
            statements.verify(key, statements.CONFIRM, signed.statement, signed.signature)
            for key in caller.sign_keys.values()
        )
        for signed in confirmations
    ]


def _find(conn: sqlite3.Connection, statement: Confirmation, now_ms: int) -> tuple[int, State] | None:
    """The authorization that a confirmation fits in every field, and its state now."""
    row = conn.execute(
        "SELECT a.aid, a.state, a.not_after, a.pending_until FROM edis e"
        " JOIN authorizations a ON a.aid = e.aid"
        " WHERE e.edi_id = ? AND e.carrier = ? AND a.enterprise = ? AND a.consent_sm3 = ?",
        (
            bytes.fromhex(statement.edi_id),
            statement.carrier,
            statement.enterprise,
            bytes.fromhex(statement.consent_sm3),
        ),
    ).fetchone()
    if row is None:
        return None
    return row[0], state_at(State(row[1]), not_after=row[2], pending_until=row[3], now_ms=now_ms)


def _activate(conn: sqlite3.Connection, aid: int, statement: Confirmation, now_ms: int) -> None:
    move(conn, aid, State.PENDING, State.ACTIVE, now_ms)
    conn.execute(
        "UPDATE authorizations SET confirmed_carrier = ?, confirmed_edi_id = ? WHERE aid = ?",
        (statement.carrier, bytes.fromhex(statement.edi_id), aid),
    )
    conn.execute("DELETE FROM confirmation_outbox WHERE aid = ?", (aid,))
