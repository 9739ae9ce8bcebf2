"""A trust party's parts without a network, with one carrier and two enterprises admitted."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from foundation.key_provider import KeyStoreSettings
from foundation.seal import Sealer
from foundation.store import Store
from gm.keystore import ITERATIONS_MIN, KeyProvider, KeyStore
from gm.sm2 import PrivateKey
from interparty import edi as edis
from interparty import statements
from interparty.deposit_messages import (
    CancellationResult,
    ConfirmationResult,
    Deposit,
    DepositRequest,
    DepositResult,
    RotationResult,
)
from interparty.edi import IdType
from interparty.hot_messages import asked_question
from interparty.messages import (
    Cancellation,
    Confirmation,
    Consent,
    Rotation,
    SignedCancellation,
    SignedConfirmation,
    SignedRotation,
)
from interparty.verify_messages import VerifyAnswer, VerifyItem, VerifyResponse
from trust_party.admission import admit_carrier, admit_enterprise, admit_regulator
from trust_party.answered import AnsweredBatches
from trust_party.app import init
from trust_party.bundles import Bundles
from trust_party.cancellations import Cancellations
from trust_party.clock import DAY_MS, HOUR_MS, now_ms
from trust_party.confirmations import Confirmations
from trust_party.data_keys import DataKeys
from trust_party.deposits import Deposits
from trust_party.directory import Caller, Directory
from trust_party.erasure import Erasure
from trust_party.evidence_log import Evidence
from trust_party.evidence_queries import EvidenceQueries
from trust_party.guesses import Guesses
from trust_party.key_events import KeyEvents
from trust_party.key_exchange import KeyExchange
from trust_party.keys import SIGN, LogKeys, open_store
from trust_party.number_queries import NumberQueries
from trust_party.reports import Reports
from trust_party.restoration import Restoration
from trust_party.revocations import RevocationFeed
from trust_party.rotations import Rotations
from trust_party.sequencer import Sequencer
from trust_party.settings import TlsSettings, TrustSettings
from trust_party.sign_keys import SignKeys
from trust_party.store import MIGRATIONS
from trust_party.sweeper import Sweeper
from trust_party.verification import LiveIndex, Verification
from trust_party.witnesses import Witnesses

NOW = 1_790_000_000_000
"""2026-09-21 22:13:20 in Asia/Shanghai."""
TODAY = 20260921
ACCESS_NUMBER = "106900001"
CARRIER = "CMCC"
OTHER_CARRIER = "CUCC"
REGULATOR = "miit-test"
EDI_KEY = "0001"
HMAC_KEY = bytes(range(32))
RETENTION_DAYS = 100


def settings_in(folder: Path) -> TrustSettings:
    pki = folder / "pki"
    return TrustSettings(
        data_dir=folder,
        port=0,
        evidence_seconds=0,
        tls=TlsSettings(ca=pki / "ca.pem", cert=pki / "ttp.pem", key=pki / "ttp.key"),
        keystore=KeyStoreSettings(path=folder / "keys.store", passphrase_file=folder / "passphrase"),
    )


def initialise(settings: TrustSettings) -> None:
    """As `init`, with the fewest rounds of PBKDF2 that a key store takes."""
    settings.keystore.passphrase_file.write_text("correct horse")
    KeyStore.create(settings.keystore.path, "correct horse", iterations=ITERATIONS_MIN)
    init(settings)


@dataclass
class People:
    """The keys of everyone but the trust party."""

    enterprises: dict[str, PrivateKey] = field(
        default_factory=lambda: {"ent-a": PrivateKey.generate(), "ent-b": PrivateKey.generate()}
    )
    carriers: dict[str, PrivateKey] = field(
        default_factory=lambda: {CARRIER: PrivateKey.generate(), OTHER_CARRIER: PrivateKey.generate()}
    )
    regulators: dict[str, PrivateKey] = field(default_factory=lambda: {REGULATOR: PrivateKey.generate()})
    edi_key: PrivateKey = field(default_factory=PrivateKey.generate)

    def admit(self, settings: TrustSettings, url: str = "https://127.0.0.1:1") -> None:
        for enterprise, key in self.enterprises.items():
            admit_enterprise(settings, enterprise, f"Enterprise {enterprise}", key.public_key.to_pem())
        for carrier, key in self.carriers.items():
            admit_carrier(
                settings,
                carrier,
                f"Carrier {carrier}",
                url,
                edi_key_id=EDI_KEY,
                edi_public_pem=self.edi_key.public_key.to_pem(),
                sign_public_pem=key.public_key.to_pem(),
                hmac_key=HMAC_KEY,
            )
        for regulator, key in self.regulators.items():
            admit_regulator(settings, regulator, f"Regulator {regulator}", key.public_key.to_pem())

    def seal(
        self, nonce: bytes, *, enterprise: str = "ent-a", as_of: int = TODAY, carrier: str = CARRIER
    ) -> bytes:
        return edis.seal(
            self.edi_key.public_key,
            id_type=IdType.IMSI,
            identifier="460001234567890",
            enterprise=enterprise,
            consent_nonce=nonce,
            as_of=as_of,
            carrier=carrier,
            carrier_key_id=EDI_KEY,
        )

    def sign_deposits(self, deposits: Sequence[Deposit], enterprise: str = "ent-a") -> DepositRequest:
        consents = statements.consent_list(deposit.consent for deposit in deposits)
        signature = statements.sign(self.enterprises[enterprise], statements.CONSENT, consents)
        return DepositRequest(deposits=list(deposits), signature=signature)

    def confirmation(self, consent: Consent, *, carrier: str = CARRIER, **changed: object) -> Confirmation:
        fields = {
            "carrier": carrier,
            "enterprise": consent.enterprise,
            "consent_sm3": statements.consent_sm3(consent).hex(),
            "edi_id": consent.edi_ids[0],
            "method": "sms-code",
            "confirmed_at": NOW,
        }
        return Confirmation.model_validate(fields | changed)

    def sign_confirmation(self, statement: Confirmation, carrier: str = CARRIER) -> SignedConfirmation:
        key = self.carriers[carrier]
        return SignedConfirmation(
            statement=statement, signature=statements.sign(key, statements.CONFIRM, statement)
        )

    def cancellation(self, key: PrivateKey, **fields: object) -> SignedCancellation:
        defaults = {"enterprise": "ent-a", "cause": "USER", "at": NOW}
        statement = Cancellation.model_validate(defaults | fields)
        return SignedCancellation(
            statement=statement, signature=statements.sign(key, statements.CANCEL, statement)
        )

    def rotation(self, key: PrivateKey, **fields: object) -> SignedRotation:
        statement = Rotation.model_validate({"enterprise": "ent-a", "at": NOW} | fields)
        return SignedRotation(
            statement=statement, signature=statements.sign(key, statements.ROTATE, statement)
        )


def deposit_of(people: People, *, edis_of: Sequence[bytes] | None = None, **changed: object) -> Deposit:
    """A deposit that the trust party takes; `changed` are fields of its consent."""
    nonce = bytes.fromhex(str(changed.get("nonce", secrets.token_hex(16))))
    enterprise = str(changed.get("enterprise", "ent-a"))
    sealed = [people.seal(nonce, enterprise=enterprise)] if edis_of is None else list(edis_of)
    return _deposit(sealed, {"enterprise": enterprise, "nonce": nonce.hex()} | changed)


def deposit_now(edi: bytes, nonce: bytes, **changed: object) -> Deposit:
    """A deposit for parties that run: collected now, for any hour of a day from now."""
    now = now_ms()
    times = {"term_from": now, "term_to": now + DAY_MS, "collected_at": now, "hours": "00:00-24:00"}
    return _deposit([edi], {"enterprise": "ent-a", "nonce": nonce.hex(), **times} | changed)


def _deposit(sealed: Sequence[bytes], changed: Mapping[str, object]) -> Deposit:
    fields: dict[str, object] = {
        "service": "Delivery notices",
        "channels": ["sms", "voice"],
        "access_numbers": [ACCESS_NUMBER],
        "hours": "08:00-21:00",
        "frequency": "20/day",
        "term_from": NOW,
        "term_to": NOW + 30 * DAY_MS,
        "agreement_version": "2026-1",
        "agreement_sm3": "ab" * 32,
        "page_version_sm3": "cd" * 32,
        "confirmed_by": "page",
        "proof_sm3": "ef" * 32,
        "edi_ids": [edis.edi_id(one).hex() for one in sealed],
        "collected_at": NOW - HOUR_MS,
    }
    consent = Consent.model_validate(fields | dict(changed))
    return Deposit(consent=consent, edis=[edis.to_text(one) for one in sealed])


class Party:
    """The parts as app.py puts them together."""

    def __init__(self, settings: TrustSettings, people: People, keys: KeyProvider | None = None) -> None:
        self.settings = settings
        self.people = people
        self.clock = NOW
        """Of the log's checkpoints."""
        self.keys: KeyProvider = open_store(settings) if keys is None else keys
        self.store = Store.open(settings.database, MIGRATIONS, secure_delete=True)
        self.sealer = Sealer(self.keys)
        self.data_keys = DataKeys(self.sealer)
        self.evidence = Evidence(LogKeys(self.keys), self.sealer, self.data_keys)
        self.sequencer = Sequencer(self.store, self.evidence, settings.evidence_seconds, lambda: self.clock)
        self.witnesses = Witnesses(self.store, self.evidence, self.sequencer, 5000)
        self.live = LiveIndex(settings.live_max)
        self.directory = Directory(self.store, self.keys)
        self.deposited: list[set[str]] = []
        self.deposits = Deposits(
            settings,
            self.store,
            self.keys,
            self.sealer,
            self.data_keys,
            self.evidence,
            self.sequencer,
            self.deposited.append,
        )
        self.guesses = Guesses(
            self.store, self.directory, settings.unknown_aids_per_minute, settings.unknown_aids_burst
        )
        self.answered = AnsweredBatches(self.store, self.evidence)
        self.verification = Verification(
            self.store, self.live, self.keys, self.directory, self.guesses, self.answered.add
        )
        self.restoration = Restoration(self.store, self.live, self.directory)
        self.confirmations = Confirmations(self.store, self.evidence, self.live)
        self.feed = RevocationFeed(self.store, self.keys)
        self.key_exchange = KeyExchange(
            settings.party, self.store, self.keys, self.evidence, self.directory, lambda: self.clock
        )
        self.bundles = Bundles(
            self.store,
            self.evidence,
            self.sequencer,
            self.witnesses,
            SignKeys(self.store, self.keys, settings.party),
            self.key_exchange.log_keys,
        )
        self.key_events = KeyEvents(self.store, self.evidence, self.bundles, lambda: self.seconds)
        self.cancellations = Cancellations(self.store, self.evidence, self.live, self.feed, self.guesses)
        self.rotations = Rotations(
            self.store,
            self.keys,
            self.data_keys,
            self.evidence,
            self.sequencer,
            self.live,
            self.feed,
            self.guesses,
            settings.aid_prefix,
        )
        self.reports = Reports(self.store, self.evidence, self.data_keys)
        self.erasure = Erasure(
            self.store, self.evidence, self.data_keys, party=settings.party, retention_days=RETENTION_DAYS
        )
        self.seconds = 0.0
        """Of the clock that counts queries."""
        self.evidence_queries = EvidenceQueries(
            self.store, self.evidence, self.bundles, settings.queries_per_minute, lambda: self.seconds
        )
        self.number_queries = NumberQueries(
            self.store,
            self.evidence,
            self.sequencer,
            self.directory,
            lambda carrier: self.asked_carriers[carrier.id],
        )
        self.asked_carriers: dict[str, Any] = {}
        """Routes of carriers for queries by number."""
        self.sweeper = Sweeper(self.store, self.evidence, self.sequencer, self.live)

    async def deposit(
        self, *deposits: Deposit, enterprise: str = "ent-a", now: int = NOW
    ) -> list[DepositResult]:
        request = self.people.sign_deposits(deposits, enterprise)
        caller = self.directory.enterprises[enterprise]
        return await self.deposits.deposit(caller, self.directory.carriers, request, now)

    async def confirm(
        self, *statements_: Confirmation, carrier: str = CARRIER, now: int = NOW
    ) -> list[ConfirmationResult]:
        signed = [self.people.sign_confirmation(one, carrier) for one in statements_]
        return await self.confirmations.confirm(self.directory.carriers[carrier], signed, now)

    async def active(self, **changed: Any) -> tuple[str, Consent]:
        """The AID of a deposit that its subscriber confirmed."""
        deposit = deposit_of(self.people, **changed)
        result = (await self.deposit(deposit, enterprise=deposit.consent.enterprise))[0]
        assert result.aid is not None, result.error
        await self.confirm(self.people.confirmation(deposit.consent))
        return result.aid, deposit.consent

    async def cancel(
        self, caller: str, *signed: SignedCancellation, now: int = NOW
    ) -> list[CancellationResult]:
        found = self.directory.caller(caller)
        if caller == self.settings.party:
            found = Caller(caller, "trust party", {"1": self.keys.current(SIGN).sm2.public_key})
        assert found is not None
        return await self.cancellations.cancel(found, signed, now)

    async def rotate(self, aid: str, *, enterprise: str = "ent-a", now: int = NOW) -> RotationResult:
        key = self.people.enterprises[enterprise]
        signed = self.people.rotation(key, enterprise=enterprise, aid=aid)
        caller = self.directory.enterprises[enterprise]
        return (await self.rotations.rotate(caller, [signed], now))[0]

    async def verify(self, *items: VerifyItem, carrier: str = CARRIER, now: int = NOW) -> VerifyResponse:
        body = await self.verification.verify(carrier, [asked_question(one) for one in items], now)
        return VerifyResponse.model_validate_json(body)

    async def verify_one(self, aid: str) -> VerifyAnswer:
        return (await self.verify(item(aid))).answers[0]

    async def reason(self, aid: str, *, carrier: str = CARRIER, now: int = NOW, **changed: object) -> str:
        """Why an item is refused; "" if it is granted."""
        answer = (await self.verify(item(aid, **changed), carrier=carrier, now=now)).answers[0]
        return "" if answer.refusal is None else answer.refusal.reason


def item(aid: str, **changed: object) -> VerifyItem:
    fields = {"aid": aid, "enterprise": "ent-a", "channel": "sms", "access_number": ACCESS_NUMBER}
    return VerifyItem.model_validate(fields | changed)
