"""Whether an AID is what its record says: derived again from the consent on record, under the enterprise's key.

For an auditor with the key store. Nothing is changed. Once the consent's data key is destroyed its nonce is gone, and
nobody, whatever keys they hold, can tell any more from which consent an AID came. Standard: T/ISC 0049-2024, 6.2.2.1.
"""

import json
import sqlite3
from dataclasses import dataclass
from typing import Any, Final, Literal

from foundation.seal import Sealer
from gm.errors import GmError, KeyStoreError
from gm.keystore import KeyProvider
from gm.sm2 import PublicKey
from interparty import statements
from interparty.aid import derive
from interparty.messages import Consent
from trust_party.aids import AID_KEY_PURPOSE, STATUS, State
from trust_party.data_keys import DataKeys
from trust_party.deposits import CONSENT_AAD
from trust_party.evidence_log import Evidence
from trust_party.keys import LogKeys, open_store
from trust_party.settings import TrustSettings

Verdict = Literal["DERIVED", "UNLINKED", "NEVER_ISSUED", "KEY_DESTROYED", "DIFFERS"]
"""DERIVED: all of it comes out again. UNLINKED: the nonce was destroyed. KEY_DESTROYED: the enterprise's key of then.
DIFFERS: something on record is not what the rest says."""

_FIND: Final = (
    "SELECT a.enterprise, a.state, a.key_epoch, a.attempt, a.consent_sm3, a.consent_sealed, a.evidence_id, a.replaces,"
    " b.keyid, b.signature, b.consents FROM authorizations a JOIN deposit_batches b ON b.id = a.batch_id"
    " WHERE a.aid = ?"
)


@dataclass(frozen=True, slots=True)
class Derivation:
    """What was found."""

    verdict: Verdict
    findings: list[str]
    """In plain words, one a line."""


def audit(settings: TrustSettings, aid: str) -> Derivation:
    """Derive an AID again, beside a running trust party or without one.

    Raises KeyStoreError, OSError, sqlite3.Error.
    """
    keys = open_store(settings)
    conn = sqlite3.connect(f"{settings.database.resolve().as_uri()}?mode=ro", uri=True)
    conn.row_factory = sqlite3.Row
    try:
        conn.execute("BEGIN")
        return _audit(conn, settings, keys, aid)
    finally:
        conn.close()


def _audit(conn: sqlite3.Connection, settings: TrustSettings, keys: KeyProvider, aid: str) -> Derivation:
    number = int(aid)
    row = conn.execute(_FIND, (number,)).fetchone()
    if row is None:
        if conn.execute("SELECT 1 FROM tombstones WHERE aid = ?", (number,)).fetchone() is None:
            return Derivation("NEVER_ISSUED", [f"{aid} was never issued here"])
        return Derivation(
            "UNLINKED",
            [f"{aid} was issued; its consent's nonce is destroyed, and nothing links it to anybody"],
        )
    enterprise, digest = row["enterprise"], bytes(row["consent_sm3"])
    findings = [f"{aid} is {STATUS[State(row['state'])]}, of {enterprise}"]
    data_keys = DataKeys(Sealer(keys))
    try:
        data_key = data_keys.of_aids(conn, [number])[number]
        canonical = data_key.open(row["consent_sealed"], CONSENT_AAD + digest)
        consent = Consent.model_validate_json(canonical)
    except (GmError, KeyError, ValueError) as error:
        return _differs(findings, f"its consent does not open: {error}")
    if statements.consent_sm3(consent) != digest:
        return _differs(findings, "the consent is not the one of its SM3")
    try:
        key = keys.get(AID_KEY_PURPOSE + enterprise, row["key_epoch"])
    except KeyStoreError as error:
        return Derivation("KEY_DESTROYED", [*findings, str(error)])
    for attempt in range(row["attempt"] + 1):
        derived = derive(
            key.hmac,
            epoch=key.version,
            attempt=attempt,
            enterprise=enterprise,
            nonce=bytes.fromhex(consent.nonce),
            consent_sm3=digest,
            prefix=settings.aid_prefix,
        )
        if attempt < row["attempt"] and not _is_taken(conn, int(derived)):
            return _differs(findings, f"attempt {attempt} gives {derived}, which nobody has")
    if derived != aid:
        return _differs(findings, f"it derives to {derived}")
    findings.append(
        f"derived again: key {AID_KEY_PURPOSE}{enterprise} version {key.version}, attempt {row['attempt']},"
        f" consent {digest.hex()}"
    )
    if row["replaces"] is not None:
        findings.append(f"it replaced {row['replaces']:018d}")
    fault = _check_record(conn, keys, data_keys, row, aid, consent, findings) or _check_signature(
        conn, row, digest, findings
    )
    return _differs(findings, fault) if fault else Derivation("DERIVED", findings)


def _check_record(
    conn: sqlite3.Connection,
    keys: KeyProvider,
    data_keys: DataKeys,
    row: sqlite3.Row,
    aid: str,
    consent: Consent,
    findings: list[str],
) -> str | None:
    """What is wrong with the evidence of the AID's making."""
    evidence = Evidence(LogKeys(keys), Sealer(keys), data_keys)
    try:
        record: dict[str, Any] = json.loads(evidence.open(conn, row["evidence_id"]).record)
    except (GmError, LookupError, ValueError) as error:
        return f"its evidence, record {row['evidence_id']}, does not open: {error}"
    kind = "DEPOSIT" if row["replaces"] is None else "ROTATION"
    expected: dict[str, Any] = {
        "kind": kind,
        "aid": aid,
        "key_epoch": row["key_epoch"],
        "attempt": row["attempt"],
    }
    if row["replaces"] is None:
        expected |= {"consent": consent.fields()}
    else:
        replaced = f"{row['replaces']:018d}"
        expected |= {"consent_sm3": statements.consent_sm3(consent).hex(), "replaces": replaced}
    if any(record.get(name) != value for name, value in expected.items()):
        return f"its evidence, record {row['evidence_id']}, says otherwise"
    findings.append(f"record {row['evidence_id']} ({kind}) says the same, and is what its leaf commits to")
    return None


def _check_signature(
    conn: sqlite3.Connection, row: sqlite3.Row, digest: bytes, findings: list[str]
) -> str | None:
    """What is wrong with the enterprise's signature over the consent."""
    signed = bytes(row["consents"])
    digests = [signed[at : at + 32] for at in range(0, len(signed), 32)]
    if digest not in digests:
        return "the enterprise did not sign this consent"
    key = conn.execute("SELECT public_key FROM sign_keys WHERE keyid = ?", (row["keyid"],)).fetchone()
    message = statements.signed_bytes(statements.CONSENT, [each.hex() for each in digests])
    if key is None or not PublicKey.from_bytes(key[0]).verify(message, bytes(row["signature"])):
        return f"the signature of {row['keyid']} over the consent does not hold"
    findings.append(f"the consent is signed by {row['keyid']}, with {len(digests) - 1} others")
    return None


def _is_taken(conn: sqlite3.Connection, aid: int) -> bool:
    sql = "SELECT 1 FROM authorizations WHERE aid = ? UNION ALL SELECT 1 FROM tombstones WHERE aid = ?"
    return conn.execute(sql, (aid, aid)).fetchone() is not None


def _differs(findings: list[str], fault: str) -> Derivation:
    return Derivation("DIFFERS", [*findings, fault])
