"""Each step in the life of a key as evidence: a record of the log, and an event of the audit chain.

An event of a key of the trust party's own, and one that another party reported, are records of one form: the statement,
and its party's signature. A key that a party delivered, or was admitted with, is a record too.
"""

import sqlite3
from collections.abc import Collection, Sequence
from typing import Any

from foundation import audit
from foundation.identities import KeyId
from foundation.seal import Sealer
from gm.keystore import KeyProvider
from gm.sm3 import sm3
from interparty import key_ledger, statements
from interparty.key_ledger import Author
from interparty.key_messages import KeyEvent, SignedKeyEvent
from trust_party.data_keys import DataKeys
from trust_party.evidence_log import Evidence
from trust_party.keys import SIGN, LogKeys

KIND = "KEY"


def evidence_of(keys: KeyProvider) -> Evidence:
    """The log, for whoever works beside a running trust party: its sequencer takes what is appended."""
    sealer = Sealer(keys)
    return Evidence(LogKeys(keys), sealer, DataKeys(sealer))


def record(
    conn: sqlite3.Connection, evidence: Evidence, keys: KeyProvider, event: KeyEvent, now_ms: int
) -> None:
    """Put what became of a key of the trust party's own on record, and have a running trust party look."""
    signer = keys.current(SIGN)
    signed = SignedKeyEvent(
        statement=event,
        keyid=str(KeyId(event.party, SIGN, signer.version)),
        signature=statements.sign(signer.sm2, statements.KEYEVENT, event),
    )
    record_signed(conn, evidence, [signed], now_ms)
    key_ledger.tell(conn, [event])
    audit.append(
        conn,
        at_ms=now_ms,
        user=event.by,
        event=f"key.{event.event}",
        success=True,
        detail=key_ledger.detail_of(event),
    )
    conn.execute("UPDATE admission_version SET version = version + 1 WHERE id = 1")


def record_signed(
    conn: sqlite3.Connection, evidence: Evidence, signed: Sequence[SignedKeyEvent], now_ms: int
) -> None:
    """Append signed events to the log, each to be found again by its party."""
    records: list[dict[str, Any]] = [
        {"kind": KIND, "event": one.statement.event, **one.fields()} for one in signed
    ]
    ids = evidence.append(conn, records, now_ms)
    conn.executemany(
        "INSERT INTO key_records (record_id, party, event_id) VALUES (?, ?, ?)",
        [
            (number, one.statement.party, one.statement.event_id)
            for number, one in zip(ids, signed, strict=True)
        ],
    )


def record_taken(
    conn: sqlite3.Connection,
    evidence: Evidence,
    own: str,
    party: str,
    keyid: str,
    public_key: bytes | None,
    now_ms: int,
    **more: str,
) -> None:
    """Put it on record that a party's key is known from now on; `public_key` None for a secret one."""
    detail = {"party": party, "keyid": keyid} | more
    if public_key is not None:
        detail["public_sm3"] = sm3(public_key).hex()
    (number,) = evidence.append(conn, [{"kind": KIND, "event": "taken", "at": now_ms, **detail}], now_ms)
    conn.execute("INSERT INTO key_records (record_id, party, event_id) VALUES (?, ?, NULL)", (number, party))
    audit.append(conn, at_ms=now_ms, user=own, event="key.taken", success=True, detail=detail)
    conn.execute("UPDATE admission_version SET version = version + 1 WHERE id = 1")


def settle(
    conn: sqlite3.Connection,
    keys: KeyProvider,
    author: Author,
    *,
    found: bool = False,
    made: Collection[tuple[str, int]] = (),
    evidence: Evidence | None = None,
) -> None:
    """Put on record what became of the trust party's keys and is not on record: `key_ledger.settle`."""
    events = key_ledger.settle(conn, keys, author, found=found, made=made)
    if events:
        evidence = evidence_of(keys) if evidence is None else evidence
        for event in events:
            record(conn, evidence, keys, event, author.at)
