"""Each step in the life of a key as evidence: a record of the log, and an event of the audit chain."""

import sqlite3

from foundation import audit
from foundation.seal import Sealer
from gm.keystore import Key, KeyProvider
from interparty.key_house import detail_of
from trust_party.data_keys import DataKeys
from trust_party.evidence_log import Evidence
from trust_party.keys import LogKeys


def evidence_of(keys: KeyProvider) -> Evidence:
    """The log, for whoever works beside a running trust party: its sequencer takes what is appended."""
    sealer = Sealer(keys)
    return Evidence(LogKeys(keys), sealer, DataKeys(sealer))


def record(
    conn: sqlite3.Connection, evidence: Evidence, party: str, event: str, detail: dict[str, str], now_ms: int
) -> None:
    """Put what became of a key on record, and have a running trust party look."""
    evidence.append(conn, [{"kind": "KEY", "event": event, **detail}], now_ms)
    audit.append(conn, at_ms=now_ms, user=party, event=f"key.{event}", success=True, detail=detail)
    conn.execute("UPDATE admission_version SET version = version + 1 WHERE id = 1")


def record_made(
    conn: sqlite3.Connection, keys: KeyProvider, party: str, made: list[Key], now_ms: int
) -> None:
    """Put keys that were made on record."""
    evidence = evidence_of(keys)
    for key in made:
        record(conn, evidence, party, "made", detail_of(key), now_ms)


def record_first(conn: sqlite3.Connection, keys: KeyProvider, party: str, now_ms: int) -> None:
    """Put the keys on record with which a trust party begins; nothing when that was done."""
    if conn.execute("SELECT 1 FROM audit WHERE event LIKE 'key.%' LIMIT 1").fetchone() is None:
        every = [key for purpose in keys.purposes() for key in keys.keys(purpose)]
        record_made(conn, keys, party, every, now_ms)
