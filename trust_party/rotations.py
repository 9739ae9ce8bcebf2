"""Another AID for the same consent: the old one is ROTATED and refused, the new one ACTIVE in the same commit.

The consent, its confirmation and its EDIs stay as they are, so that nobody has to confirm anew; replies and callbacks
restore to the new AID. It is derived from the same consent with the next attempt, or under a newer key. Rotating an AID
again gives the AID that it got: an answer may be lost on its way. Standard: T/ISC 0049-2024, 6.2.2.1.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from foundation import audit
from foundation.logs import get_logger
from foundation.store import Store
from gm.keystore import KeyProvider
from interparty import statements
from interparty.deposit_messages import RotationResult
from interparty.messages import Consent, SignedRotation
from trust_party import revocations
from trust_party.aids import STATUS, NoFreeAid, State, derive_free, move, state_at
from trust_party.data_keys import DataKeys
from trust_party.deposits import CONSENT_AAD
from trust_party.directory import Enterprise
from trust_party.evidence_log import Evidence
from trust_party.guesses import Guesses
from trust_party.revocations import RevocationFeed
from trust_party.sequencer import Sequencer
from trust_party.store.commit import commit_then
from trust_party.store.rows import padded
from trust_party.verification import BY_AID, LiveIndex

UNKNOWN: Final = RotationResult(status="UNKNOWN")
NOT_ACTIVE: Final = RotationResult(status="UNKNOWN")
"""An own AID that is no guess."""
EXHAUSTED: Final = RotationResult(status="EXHAUSTED")

_FIND: Final = (
    "SELECT a.enterprise, a.state, a.not_after, a.pending_until, a.consent_sm3, a.consent_sealed, n.aid AS new_aid,"
    " n.state AS new_state, n.not_after AS new_not_after, n.pending_until AS new_pending_until,"
    " n.evidence_id AS new_evidence_id"
    " FROM authorizations a LEFT JOIN authorizations n ON n.replaces = a.aid WHERE a.aid = ?"
)
_KEPT: Final = (
    "enterprise, not_before, not_after, pending_until, terms_id, batch_id, data_key_id, agreement_sm3, consent_sm3,"
    " consent_sealed, proof_sealed, confirmed_carrier, confirmed_edi_id"
)
"""What the new AID has of the old one."""
_COPY: Final = (
    f"INSERT INTO authorizations ({_KEPT}, aid, state, key_epoch, attempt, nonce_index, evidence_id, deposited_at,"  # noqa: S608
    f" changed_at, replaces) SELECT {_KEPT}, :new, :active, :epoch, :attempt, :nonce_index, :evidence_id, :now, :now,"
    " aid FROM authorizations WHERE aid = :old"
)

_log = get_logger(__name__)

# In the results, the evidence id is the record's number until it is known which leaf that is.
_Outcome = tuple[list[RotationResult], list[int], list[sqlite3.Row], list[revocations.Told]]


class Rotations:
    """Takes rotations."""

    def __init__(
        self,
        store: Store,
        keys: KeyProvider,
        data_keys: DataKeys,
        evidence: Evidence,
        sequencer: Sequencer,
        live: LiveIndex,
        feed: RevocationFeed,
        guesses: Guesses,
        aid_prefix: str,
    ) -> None:
        self._store = store
        self._keys = keys
        self._data_keys = data_keys
        self._evidence = evidence
        self._sequencer = sequencer
        self._live = live
        self._feed = feed
        self._guesses = guesses
        self._prefix = aid_prefix

    async def rotate(
        self, caller: Enterprise, rotations: Sequence[SignedRotation], now_ms: int
    ) -> list[RotationResult]:
        """One result each, in order. UNKNOWN: not signed by the caller, not its own, or not active.

        Raises StoreBusy, StoreUnavailable, and HTTPException 429 for one who named too many unknown AIDs.
        """
        self._guesses.check(caller.id, caller.id)
        genuine = await asyncio.to_thread(_genuine, caller, rotations)
        if not all(genuine):
            _log.warning("rotation not signed by its sender", party=caller.id)

        def follow(outcome: _Outcome) -> None:
            _, replaced, rows, told = outcome
            for aid in replaced:
                self._live.drop(aid)
            for row in rows:
                self._live.put(row["aid"], self._live.read(row))
            self._feed.committed(told)

        def op(conn: sqlite3.Connection) -> _Outcome:
            return self._keep(conn, rotations, genuine, now_ms)

        results = (await commit_then(self._store, op, follow))[0]
        self._guesses.count(caller.id, caller.id, sum(each is UNKNOWN for each in results))
        records = [int(each.evidence_id) for each in results if each.evidence_id is not None]
        leaves = await self._sequencer.indices(records)
        return [
            each
            if each.evidence_id is None
            else each.model_copy(update={"evidence_id": str(leaves[int(each.evidence_id)])})
            for each in results
        ]

    def _keep(
        self,
        conn: sqlite3.Connection,
        rotations: Sequence[SignedRotation],
        genuine: Sequence[bool],
        now_ms: int,
    ) -> _Outcome:
        results: list[RotationResult] = []
        records: list[dict[str, Any]] = []
        replaced: list[int] = []
        made: list[int] = []
        over: list[revocations.Over] = []
        first_id = self._evidence.next_id(conn)
        for signed, is_genuine in zip(rotations, genuine, strict=True):
            statement = signed.statement
            row = conn.execute(_FIND, (int(statement.aid),)).fetchone() if is_genuine else None
            if row is None or row["enterprise"] != statement.enterprise:
                results.append(UNKNOWN)
                continue
            if row["new_aid"] is not None:
                results.append(_before(row, now_ms))
                continue
            if _state(row, "", now_ms) is not State.ACTIVE:
                results.append(NOT_ACTIVE)
                continue
            try:
                new, record = self._replace(conn, signed, row, first_id + len(records), now_ms)
            except NoFreeAid:
                results.append(EXHAUSTED)
                continue
            old = int(statement.aid)
            over += revocations.over_of(conn, old, "ROTATED")
            records.append(record)
            replaced.append(old)
            made.append(new)
            results.append(
                RotationResult(status="ACTIVE", aid=str(new), evidence_id=str(first_id + len(records) - 1))
            )
        self._evidence.append(conn, records, now_ms)
        rows: list[sqlite3.Row] = []
        if made:
            marks, params = padded(made)
            rows = conn.execute(BY_AID.replace("{}", marks), params).fetchall()
        return results, replaced, rows, revocations.put(conn, over, now_ms)

    def _replace(
        self,
        conn: sqlite3.Connection,
        signed: SignedRotation,
        row: sqlite3.Row,
        evidence_id: int,
        now_ms: int,
    ) -> tuple[int, dict[str, Any]]:
        statement = signed.statement
        old, digest = int(statement.aid), bytes(row["consent_sm3"])
        key = self._data_keys.of_aids(conn, [old])[old]
        consent = Consent.model_validate_json(key.open(row["consent_sealed"], CONSENT_AAD + digest))
        derived = derive_free(conn, self._keys, consent, digest, self._prefix)
        move(conn, old, State.ACTIVE, State.ROTATED, now_ms)
        # The nonce is the newest AID's: a deposit made again finds that one.
        nonce_index = conn.execute("SELECT nonce_index FROM authorizations WHERE aid = ?", (old,)).fetchone()[
            0
        ]
        conn.execute("UPDATE authorizations SET nonce_index = NULL WHERE aid = ?", (old,))
        conn.execute(
            _COPY,
            {
                "new": derived.aid,
                "active": int(State.ACTIVE),
                "epoch": derived.epoch,
                "attempt": derived.attempt,
                "nonce_index": nonce_index,
                "evidence_id": evidence_id,
                "now": now_ms,
                "old": old,
            },
        )
        conn.execute("UPDATE edis SET aid = ? WHERE aid = ?", (derived.aid, old))
        detail = {"aid": str(old), "replaced_by": str(derived.aid)}
        audit.append(
            conn,
            at_ms=now_ms,
            user=statement.enterprise,
            event="authorization.rotate",
            success=True,
            detail=detail,
        )
        record = {
            "kind": "ROTATION",
            "aid": str(derived.aid),
            "replaces": str(old),
            "key_epoch": derived.epoch,
            "attempt": derived.attempt,
            "consent_sm3": digest.hex(),
            "statement": statement.fields(),
            "signature": signed.signature,
        }
        return derived.aid, record


def _genuine(caller: Enterprise, rotations: Sequence[SignedRotation]) -> list[bool]:
    return [
        signed.statement.enterprise == caller.id
        and any(
            statements.verify(key, statements.ROTATE, signed.statement, signed.signature)
            for key in caller.sign_keys.values()
        )
        for signed in rotations
    ]


def _state(row: sqlite3.Row, prefix: str, now_ms: int) -> State:
    return state_at(
        State(row[prefix + "state"]),
        not_after=row[prefix + "not_after"],
        pending_until=row[prefix + "pending_until"],
        now_ms=now_ms,
    )


def _before(row: sqlite3.Row, now_ms: int) -> RotationResult:
    """What rotating it gave, with the status of that now."""
    return RotationResult(
        status=STATUS[_state(row, "new_", now_ms)],
        aid=str(row["new_aid"]),
        evidence_id=str(row["new_evidence_id"]),
    )
