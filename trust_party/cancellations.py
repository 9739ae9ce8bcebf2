"""Cancellation: the evidence becomes invalid and the AID with it, in the commit that is answered.

An enterprise cancels its own AIDs; a carrier passes on its subscriber's opt-out by EDI id; trust party and regulator
may order any to end. An AID that was replaced stands for the one that replaced it: the consent ends. Cancelling again
changes nothing. Standard: T/ISC 0049-2024, 6.2.1.2.
"""

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final

from foundation import audit
from foundation.logs import get_logger
from foundation.store import Store
from interparty import statements
from interparty.deposit_messages import CancellationResult
from interparty.messages import Cancellation, SignedCancellation
from trust_party import revocations
from trust_party.aids import MOVES, State, move
from trust_party.directory import Caller, Role
from trust_party.evidence_log import Evidence
from trust_party.guesses import Guesses
from trust_party.revocations import RevocationFeed
from trust_party.store.commit import commit_then
from trust_party.verification import LiveIndex

CAUSES: Final[Mapping[Role, frozenset[str]]] = {
    "enterprise": frozenset({"USER", "ENTERPRISE"}),
    "carrier": frozenset({"OPT_OUT", "USER", "SUBSCRIBER_CHANGED"}),
    "regulator": frozenset({"REGULATOR"}),
    "trust party": frozenset({"TRUST_PARTY"}),
}
"""What each may state as the cause: nobody speaks for another."""
REVOKED: Final = CancellationResult(status="REVOKED")
UNKNOWN: Final = CancellationResult(status="UNKNOWN")

_log = get_logger(__name__)

_Outcome = tuple[list[CancellationResult], list[int], list[revocations.Told]]


class Cancellations:
    """Takes cancellations."""

    def __init__(
        self, store: Store, evidence: Evidence, live: LiveIndex, feed: RevocationFeed, guesses: Guesses
    ) -> None:
        self._guesses = guesses
        self._store = store
        self._evidence = evidence
        self._live = live
        self._feed = feed

    async def cancel(
        self, caller: Caller, cancellations: Sequence[SignedCancellation], now_ms: int
    ) -> list[CancellationResult]:
        """One result each, in order. UNKNOWN: not signed by the caller, or not the caller's to cancel.

        Raises StoreBusy, StoreUnavailable.
        """
        genuine = await asyncio.to_thread(_genuine, caller, cancellations)
        if not all(genuine):
            _log.warning("cancellation not signed by its sender", party=caller.id)

        def follow(outcome: _Outcome) -> None:
            for aid in outcome[1]:
                self._live.drop(aid)
            self._feed.committed(outcome[2])

        def op(conn: sqlite3.Connection) -> _Outcome:
            return self._keep(conn, caller, cancellations, genuine, now_ms)

        results = (await commit_then(self._store, op, follow))[0]
        # Never a reason not to cancel.
        self._guesses.count(caller.id, caller.id, results.count(UNKNOWN))
        return results

    def _keep(
        self,
        conn: sqlite3.Connection,
        caller: Caller,
        cancellations: Sequence[SignedCancellation],
        genuine: Sequence[bool],
        now_ms: int,
    ) -> _Outcome:
        results: list[CancellationResult] = []
        records: list[dict[str, Any]] = []
        revoked: list[int] = []
        over: list[revocations.Over] = []
        for signed, is_genuine in zip(cancellations, genuine, strict=True):
            statement = signed.statement
            found = _find(conn, caller, statement) if is_genuine else None
            if found is None:
                results.append(UNKNOWN)
                continue
            aid, state = found
            if State.REVOKED in MOVES[state]:
                move(conn, aid, state, State.REVOKED, now_ms)
                conn.execute("DELETE FROM confirmation_outbox WHERE aid = ?", (aid,))
                revoked.append(aid)
                if state is State.ACTIVE:
                    over += revocations.over_of(conn, aid, "REVOKED")
                records.append(
                    {
                        "kind": "CANCELLATION",
                        "aid": str(aid),
                        "by": caller.id,
                        "role": caller.role,
                        "statement": statement.fields(),
                        "signature": signed.signature,
                    }
                )
                detail = {"aid": str(aid), "cause": statement.cause}
                if statement.order is not None:
                    detail["order"] = statement.order
                audit.append(
                    conn,
                    at_ms=now_ms,
                    user=caller.id,
                    event="authorization.cancel",
                    success=True,
                    detail=detail,
                )
                results.append(REVOKED)
            else:
                results.append(REVOKED if state is State.REVOKED else UNKNOWN)
        self._evidence.append(conn, records, now_ms)
        return results, revoked, revocations.put(conn, over, now_ms)


def _genuine(caller: Caller, cancellations: Sequence[SignedCancellation]) -> list[bool]:
    return [
        signed.statement.cause in CAUSES[caller.role]
        and any(
            statements.verify(key, statements.CANCEL, signed.statement, signed.signature)
            for key in caller.sign_keys.values()
        )
        for signed in cancellations
    ]


def _find(conn: sqlite3.Connection, caller: Caller, statement: Cancellation) -> tuple[int, State] | None:
    """The authorization that the caller may cancel by this statement, and its stored state."""
    if statement.edi_id is not None:
        row = conn.execute(
            "SELECT a.aid, a.state, a.enterprise, e.carrier FROM edis e"
            " JOIN authorizations a ON a.aid = e.aid WHERE e.edi_id = ?",
            (bytes.fromhex(statement.edi_id),),
        ).fetchone()
    else:
        row = conn.execute(_BY_AID, (int(statement.aid or 0),)).fetchone()
    if row is None or row[2] != statement.enterprise:
        return None
    if caller.role in ("enterprise", "carrier"):
        owner = row[2] if caller.role == "enterprise" else row[3]
        if owner != caller.id:
            return None
    while State(row[1]) is State.ROTATED:
        row = conn.execute(_REPLACING, (row[0],)).fetchone()
    return row[0], State(row[1])


_BY_AID: Final = "SELECT aid, state, enterprise, confirmed_carrier FROM authorizations WHERE aid = ?"
_REPLACING: Final = "SELECT aid, state FROM authorizations WHERE replaces = ?"
