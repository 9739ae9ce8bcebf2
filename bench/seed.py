"""Active AIDs by the ten thousand, for benches: put in by the stores' own modules, without the messages between.

Through the product's own routes an AID costs about 5 ms: two SM2 envelopes, four signatures and a code by
SMS. Here the rooms that write the stores are called in their own order instead, with the signatures made
once a batch. What a send touches is what a real deposit leaves: subscriber, holding, opened EDI and
confirmation at the carrier; consent, terms, EDI, evidence and live index at the trust party. Only the
inside of an EDI is random octets: nobody opens it after the deposit.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ascs.commands.common import load_settings
from ascs.demo.layout import CARRIER, DemoEnterprise, Person
from foundation.seal import Sealer
from foundation.store import Store
from gateway import app as gateway_app
from gateway.settings import GatewaySettings
from gateway.store import edis
from gateway.store.domain import Domain
from gateway.store.subscribers import HoldingLine, import_lines
from gm.sm2 import PrivateKey
from interparty import edi, statements
from interparty.deposit_messages import Deposit, DepositRequest
from interparty.edi import EdiHeader, IdType
from interparty.messages import Confirmation, Consent
from trust_party import confirmations
from trust_party.data_keys import DataKeys
from trust_party.deposits import Deposits
from trust_party.directory import Directory
from trust_party.evidence_log import Evidence
from trust_party.keys import LogKeys, open_store
from trust_party.sequencer import Sequencer
from trust_party.settings import TrustSettings
from trust_party.store import MIGRATIONS

BATCH = 500
TERM_MS = 365 * 86_400_000
VALID_FROM_MS = 1_577_808_000_000
"""2020-01-01 in Asia/Shanghai."""
FREQUENCY = "99999/hour"
"""The most that a consent can say."""


@dataclass(frozen=True, slots=True)
class Given:
    """One person's consent, its EDI, and the AID once there is one."""

    person: Person
    consent: Consent
    edi: bytes
    consent_sm3: bytes


def given_consent(enterprise: DemoEnterprise, person: Person, now_ms: int) -> Given:
    header = EdiHeader(IdType.IMSI, CARRIER, "K001", edi.date_in_shanghai(now_ms)).to_bytes()
    sealed = header + os.urandom(edi.LENGTH - len(header))
    consent = Consent(
        enterprise=enterprise.id,
        service=enterprise.service,
        channels=["sms", "voice"],
        access_numbers=[enterprise.access_number],
        hours="00:00-24:00",
        frequency=FREQUENCY,
        term_from=now_ms - 1000,
        term_to=now_ms + TERM_MS,
        agreement_version="v1",
        agreement_sm3="11" * 32,
        page_version_sm3="22" * 32,
        confirmed_by="page",
        proof_sm3="ef" * 32,
        edi_ids=[edi.edi_id(sealed).hex()],
        nonce=os.urandom(16).hex(),
        collected_at=now_ms,
    )
    return Given(person, consent, sealed, statements.consent_sm3(consent))


async def seed(
    trust: Path, gateway: Path, key: PrivateKey, enterprise: DemoEnterprise, people: Sequence[Person]
) -> list[str]:
    """Make one ACTIVE AID a person in both stores and return them in order. Neither party may be running.

    `trust`, `gateway`: configuration files of initialised parties; `key`: the enterprise's, for its consents.
    """
    trust_settings = load_settings(trust, TrustSettings)
    keys = open_store(trust_settings)
    sealer = Sealer(keys)
    store = Store.open(trust_settings.database, MIGRATIONS)
    domain, _ = gateway_app.open_domain(load_settings(gateway, GatewaySettings))
    directory = Directory(store, keys)
    data_keys = DataKeys(sealer)
    evidence = Evidence(LogKeys(keys), sealer, data_keys)
    sequencer = Sequencer(store, evidence, 0, lambda: time.time_ns() // 1_000_000)
    deposits = Deposits(
        trust_settings, store, keys, sealer, data_keys, evidence, sequencer, lambda carriers: None
    )
    aids: list[str] = []
    try:
        await directory.refresh()
        for at in range(0, len(people), BATCH):
            now_ms = time.time_ns() // 1_000_000
            given = [given_consent(enterprise, person, now_ms) for person in people[at : at + BATCH]]
            consents = [each.consent for each in given]
            request = DepositRequest(
                deposits=[Deposit(consent=each.consent, edis=[edi.to_text(each.edi)]) for each in given],
                signature=statements.sign(key, statements.CONSENT, statements.consent_list(consents)),
            )
            results = await deposits.deposit(
                directory.enterprises[enterprise.id], directory.carriers, request, now_ms
            )
            assert all(each.aid for each in results), results[0].error
            aids += [each.aid for each in results if each.aid]
            await store.write(
                partial(_confirm, given=given, aids=aids[at:], evidence=evidence, now_ms=now_ms)
            )
            await domain.store.write(partial(_open, domain=domain, given=given, now_ms=now_ms))
    finally:
        await domain.store.close()
        await store.close()
    return aids


def _confirm(
    conn: sqlite3.Connection, given: Sequence[Given], aids: Sequence[str], evidence: Evidence, now_ms: int
) -> None:
    """As `trust_party.confirmations` does once the carriers' signatures have been checked."""
    records = []
    for each, aid in zip(given, aids, strict=True):
        statement = Confirmation(
            carrier=CARRIER,
            enterprise=each.consent.enterprise,
            consent_sm3=each.consent_sm3.hex(),
            edi_id=each.consent.edi_ids[0],
            method="network",
            confirmed_at=now_ms,
        )
        confirmations._activate(conn, int(aid), statement, now_ms)
        records.append({"kind": "CONFIRMATION", "aid": aid, "statement": statement.fields()})
    evidence.append(conn, records, now_ms)


def _open(conn: sqlite3.Connection, domain: Domain, given: Sequence[Given], now_ms: int) -> None:
    """What opening a deposit and the subscriber's confirmation leave at the carrier."""
    vault = domain.vault
    import_lines(
        conn,
        vault,
        [
            HoldingLine(each.person.msisdn, int(IdType.IMSI), each.person.imsi, VALID_FROM_MS, None)
            for each in given
        ],
        now_ms,
    )
    for each in given:
        edis.insert(
            conn,
            edis.EdiRow(
                edi_id=edi.edi_id(each.edi),
                enterprise_id=each.consent.enterprise,
                msisdn_index=vault.msisdn_index(conn, each.person.msisdn),
                msisdn_sealed=vault.seal_msisdn(each.person.msisdn),
                id_type=int(IdType.IMSI),
                identifier_index=vault.identifier_index(conn, int(IdType.IMSI), each.person.imsi),
                as_of=edi.date_in_shanghai(now_ms),
                consent_sm3=each.consent_sm3,
                confirmed_at=now_ms,
            ),
        )
