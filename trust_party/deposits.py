"""Deposit of consents: everything that can be checked here is, then evidence, AID and carrier in one commit.

What cannot be checked here, whether a person consented at all, the carrier asks the subscriber: until
then the AID is PENDING. Standard: T/ISC 0049-2024, 6.2.1.1 and 6.2.2.1.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from foundation.seal import Sealer
from foundation.store import Store
from gm.errors import GmError
from gm.keystore import KeyProvider
from gm.sm3 import sm3
from interparty import edi as edis
from interparty import statements
from interparty.deposit_messages import Deposit, DepositRequest, DepositResult
from interparty.edi import EdiError, EdiHeader
from interparty.messages import Consent, InclusionBody
from interparty.text import b64url_decode
from trust_party import data_keys
from trust_party.aids import STATUS, Derived, State, Terms, derive_free, state_at, terms_row
from trust_party.clock import DAY_MS, HOUR_MS
from trust_party.data_keys import DataKey, DataKeys
from trust_party.directory import Carrier, Enterprise
from trust_party.evidence_log import Evidence
from trust_party.keys import AGREEMENT
from trust_party.sequencer import Sequencer
from trust_party.settings import TrustSettings

CLOCK_SKEW_MS: Final = 60_000
"""How far an enterprise's clock may be ahead."""
NONCE_LABEL: Final = "consent-nonce"
CONSENT_AAD: Final = b"authorizations.consent|"
AGREEMENT_AAD: Final = b"agreements.text|"
PROOF_AAD: Final = b"authorizations.proof|"


class SignatureRefused(Exception):
    """The enterprise's signature over the list does not verify: nothing of it is taken."""


class Refused(Exception):
    """One deposit is refused; `reason` is what its result says."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class SealedFor:
    """One EDI of a deposit."""

    edi_id: bytes
    edi: bytes
    carrier: str


@dataclass(frozen=True, slots=True)
class Checked:
    """A deposit that passed every check outside the store."""

    consent: Consent
    consent_sm3: bytes
    edis: list[SealedFor]
    terms: str
    nonce: bytes
    data_key_sealed: bytes
    consent_sealed: bytes
    agreement_sealed: bytes | None
    proof_sealed: bytes | None


@dataclass(frozen=True, slots=True)
class _Batch:
    """What one enterprise signed at once."""

    enterprise: str
    keyid: str
    signature: bytes
    consents: bytes
    """The SM3s of all consents in order, 32 bytes each: what was signed."""
    deposits: list[Checked | Refused]


class _Kept(NamedTuple):
    """A deposit that is on record."""

    aid: int
    record_id: int
    """Of its evidence."""
    state: State


class Deposits:
    """Takes deposits. `deposited` is called with the carriers that have something new to confirm."""

    def __init__(
        self,
        settings: TrustSettings,
        store: Store,
        keys: KeyProvider,
        sealer: Sealer,
        data_keys: DataKeys,
        evidence: Evidence,
        sequencer: Sequencer,
        deposited: Callable[[set[str]], None],
    ) -> None:
        self._settings = settings
        self._store = store
        self._keys = keys
        self._sealer = sealer
        self._data_keys = data_keys
        self._evidence = evidence
        self._sequencer = sequencer
        self._deposited = deposited

    async def deposit(
        self, caller: Enterprise, carriers: Mapping[str, Carrier], request: DepositRequest, now_ms: int
    ) -> list[DepositResult]:
        """Take each deposit or refuse it; one result each, in order.

        A deposit made again, the same consent with the same nonce, gets the AID that it got first: an
        answer may be lost on its way. Raises SignatureRefused, StoreBusy, StoreUnavailable.
        """
        # Signature and hashes take milliseconds for a long list: off the loop.
        batch = await asyncio.to_thread(self._check, caller, dict(carriers), request, now_ms)
        kept = await self._store.write(lambda conn: self._keep(conn, batch, now_ms))
        self._deposited(
            {sealed.carrier for one in batch.deposits if isinstance(one, Checked) for sealed in one.edis}
        )
        proofs = iter(await self._sequencer.proofs([one.record_id for one in kept if isinstance(one, _Kept)]))
        return [_result(one, proofs) for one in kept]

    # --- checks that need no store ---------------------------------------------------------------------

    def _check(
        self, caller: Enterprise, carriers: dict[str, Carrier], request: DepositRequest, now_ms: int
    ) -> _Batch:
        consents = statements.consent_list(deposit.consent for deposit in request.deposits)
        signed = statements.signed_bytes(statements.CONSENT, consents)
        try:
            signature = b64url_decode(request.signature)
        except ValueError:
            raise SignatureRefused from None
        keyid = next((k for k, key in caller.sign_keys.items() if key.verify(signed, signature)), None)
        if keyid is None:
            raise SignatureRefused
        checked: list[Checked | Refused] = []
        for deposit in request.deposits:
            try:
                checked.append(self._check_one(caller, carriers, deposit, now_ms))
            except Refused as refused:
                checked.append(refused)
        return _Batch(caller.id, keyid, signature, bytes.fromhex("".join(consents)), checked)

    def _check_one(
        self, caller: Enterprise, carriers: dict[str, Carrier], deposit: Deposit, now_ms: int
    ) -> Checked:
        consent = deposit.consent
        if consent.enterprise != caller.id:
            raise Refused("ENTERPRISE")
        self._check_times(consent, now_ms)
        sealed_for = [self._check_edi(carriers, text, now_ms) for text in deposit.edis]
        if [one.edi_id.hex() for one in sealed_for] != consent.edi_ids:
            raise Refused("EDI_IDS")
        if len(set(consent.edi_ids)) != len(consent.edi_ids):
            raise Refused("EDI_IDS")
        canonical = statements.jcs(consent)
        digest = sm3(canonical)
        key, key_sealed = self._data_keys.make()
        return Checked(
            consent=consent,
            consent_sm3=digest,
            edis=sealed_for,
            terms=Terms.body_of(consent),
            nonce=bytes.fromhex(consent.nonce),
            data_key_sealed=key_sealed,
            consent_sealed=key.seal(canonical, CONSENT_AAD + digest),
            agreement_sealed=self._open_envelope(
                deposit.agreement, consent.agreement_sm3, self._sealer, AGREEMENT_AAD, "AGREEMENT"
            ),
            proof_sealed=self._open_envelope(deposit.proof, consent.proof_sm3, key, PROOF_AAD, "PROOF"),
        )

    def _check_times(self, consent: Consent, now_ms: int) -> None:
        limits = self._settings
        if not -CLOCK_SKEW_MS <= now_ms - consent.collected_at <= limits.collected_hours * HOUR_MS:
            raise Refused("STALE")
        if (
            consent.term_from >= consent.term_to
            or consent.term_to <= now_ms
            # Validity is the authorization's, never permanent (6.2.2.1 b).
            or consent.term_to - consent.term_from > limits.term_days_max * DAY_MS
            or consent.term_from > now_ms + limits.term_ahead_days * DAY_MS
        ):
            raise Refused("TERM")

    def _check_edi(self, carriers: dict[str, Carrier], text: str, now_ms: int) -> SealedFor:
        try:
            edi = edis.from_text(text)
            header = EdiHeader.parse(edi)
        except EdiError:
            raise Refused("EDI_FORMAT") from None
        carrier = carriers.get(header.carrier)
        if carrier is None or header.carrier_key_id not in carrier.edi_key_ids:
            raise Refused("EDI_CARRIER")
        # Without this bound a second-hand phone's IMEI and an old date would reach its former owner.
        first = edis.date_in_shanghai(now_ms - self._settings.as_of_days * DAY_MS)
        if not first <= header.as_of <= edis.date_in_shanghai(now_ms):
            raise Refused("EDI_AS_OF")
        return SealedFor(edis.edi_id(edi), edi, header.carrier)

    def _open_envelope(
        self, envelope_text: str | None, digest_hex: str, sealer: Sealer | DataKey, aad: bytes, reason: str
    ) -> bytes | None:
        """A text that came in an envelope, compared with the consent's digest of it and sealed for keeping."""
        if envelope_text is None:
            return None
        digest = bytes.fromhex(digest_hex)
        try:
            envelope = b64url_decode(envelope_text)
        except ValueError:
            raise Refused(reason) from None
        for key in self._keys.keys(AGREEMENT):
            if key.state not in ("active", "retired"):
                continue
            try:
                text = key.sm2.decrypt(envelope)
            except GmError:
                continue
            if sm3(text) == digest:
                return sealer.seal(text, aad + digest)
        raise Refused(reason)

    # --- in operations of the store ----------------------------------------------------------------------

    def _keep(self, conn: sqlite3.Connection, batch: _Batch, now_ms: int) -> list[_Kept | Refused]:
        kept: list[_Kept | Refused] = []
        records: list[dict[str, Any]] = []
        batch_id: int | None = None
        first_id = self._evidence.next_id(conn)
        # Nonces that another process indexed anew are under a key that this one may not have seen.
        self._sealer.refresh()
        for one in batch.deposits:
            if isinstance(one, Refused):
                kept.append(one)
                continue
            before = self._known(conn, batch.enterprise, one, now_ms)
            if before is not None:
                kept.append(before)
                continue
            if batch_id is None:
                batch_id = _insert_batch(conn, batch, now_ms)
            derived = derive_free(conn, self._keys, one.consent, one.consent_sm3, self._settings.aid_prefix)
            evidence_id = first_id + len(records)
            self._insert(conn, batch_id, one, derived, evidence_id, now_ms)
            records.append(_record(batch, one, derived))
            kept.append(_Kept(derived.aid, evidence_id, State.PENDING))
        self._evidence.append(conn, records, now_ms)
        return kept

    def _known(
        self, conn: sqlite3.Connection, enterprise: str, one: Checked, now_ms: int
    ) -> _Kept | Refused | None:
        tags = self._sealer.tags(NONCE_LABEL, one.nonce)
        marks = ", ".join("?" * len(tags))
        row = conn.execute(
            "SELECT aid, evidence_id, state, not_after, pending_until, consent_sm3 FROM authorizations"  # noqa: S608
            f" WHERE enterprise = ? AND nonce_index IN ({marks})",
            (enterprise, *tags),
        ).fetchone()
        if row is not None:
            if row[5] != one.consent_sm3:
                return Refused("NONCE_REUSED")
            state = state_at(State(row[2]), not_after=row[3], pending_until=row[4], now_ms=now_ms)
            return _Kept(row[0], row[1], state)
        for sealed in one.edis:
            if conn.execute("SELECT 1 FROM edis WHERE edi_id = ?", (sealed.edi_id,)).fetchone():
                return Refused("EDI_REUSED")
        return None

    def _insert(
        self,
        conn: sqlite3.Connection,
        batch_id: int,
        one: Checked,
        derived: Derived,
        evidence_id: int,
        now_ms: int,
    ) -> None:
        consent = one.consent
        pending_until = now_ms + int(self._settings.pending_hours * HOUR_MS)
        conn.execute(
            "INSERT INTO authorizations (aid, enterprise, state, not_before, not_after, pending_until,"
            " terms_id, key_epoch, attempt, batch_id, data_key_id, agreement_sm3, consent_sm3, consent_sealed,"
            " proof_sealed, nonce_index, evidence_id, deposited_at, changed_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                derived.aid,
                consent.enterprise,
                int(State.PENDING),
                consent.term_from,
                consent.term_to,
                pending_until,
                terms_row(conn, one.terms),
                derived.epoch,
                derived.attempt,
                batch_id,
                data_keys.insert(conn, one.data_key_sealed),
                bytes.fromhex(consent.agreement_sm3),
                one.consent_sm3,
                one.consent_sealed,
                one.proof_sealed,
                self._sealer.tags(NONCE_LABEL, one.nonce)[0],
                evidence_id,
                now_ms,
                now_ms,
            ),
        )
        conn.executemany(
            "INSERT INTO edis (edi_id, aid, position, carrier, edi) VALUES (?, ?, ?, ?, ?)",
            [(s.edi_id, derived.aid, at, s.carrier, s.edi) for at, s in enumerate(one.edis)],
        )
        conn.executemany(
            "INSERT INTO confirmation_outbox (carrier, deposit_id, aid) VALUES (?, ?, ?)",
            [
                (carrier, one.consent_sm3.hex(), derived.aid)
                for carrier in sorted({s.carrier for s in one.edis})
            ],
        )
        if one.agreement_sealed is not None:
            conn.execute(
                "INSERT INTO agreements (sm3, text_sealed) VALUES (?, ?) ON CONFLICT (sm3) DO NOTHING",
                (bytes.fromhex(consent.agreement_sm3), one.agreement_sealed),
            )


def _result(kept: _Kept | Refused, proofs: Iterator[InclusionBody]) -> DepositResult:
    if isinstance(kept, Refused):
        return DepositResult(error=kept.reason)
    inclusion = next(proofs)
    return DepositResult(
        aid=str(kept.aid),
        evidence_id=str(inclusion.index),
        status=STATUS[kept.state],
        inclusion=inclusion,
    )


def _insert_batch(conn: sqlite3.Connection, batch: _Batch, now_ms: int) -> int:
    row = conn.execute(
        "INSERT INTO deposit_batches"
        " (enterprise, keyid, signature, consents, received_at) VALUES (?, ?, ?, ?, ?) RETURNING id",
        (batch.enterprise, batch.keyid, batch.signature, batch.consents, now_ms),
    ).fetchone()
    return int(row[0])


def _record(batch: _Batch, one: Checked, derived: Derived) -> dict[str, Any]:
    """The evidence of one deposit, with all that derived its AID but the enterprise's key (6.2.2.1 d)."""
    return {
        "kind": "DEPOSIT",
        "aid": str(derived.aid),
        "key_epoch": derived.epoch,
        "attempt": derived.attempt,
        "consent": one.consent.fields(),
        "signed": {
            "keyid": batch.keyid,
            "signature": batch.signature.hex(),
            "consents_sm3": sm3(batch.consents).hex(),
        },
    }
