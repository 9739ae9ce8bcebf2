"""Keys that go between the trust party and the others: what it announces, and what it takes.

A delivered key is in force when its receipt goes out: whoever sent it may sign with it from then on, and the key before
is still accepted. Each key that is taken is a record of the evidence log.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Final

from evidence.checkpoint import log_id
from foundation.logs import get_logger
from foundation.store import Store
from gm.keystore import KeyProvider
from gm.sm2 import PublicKey
from interparty.key_delivery import Announcer, DeliveryError, check, keyid_of, open_envelope
from interparty.key_ledger import Author
from interparty.key_messages import (
    KeyDelivery,
    KeyReceipt,
    LogKeyBody,
    LogKeys,
    PublicKeys,
    SignedKeyNotice,
)
from interparty.text import b64url_encode
from trust_party.directory import Caller, Directory
from trust_party.evidence_log import Evidence
from trust_party.key_records import record_taken, settle
from trust_party.keys import AGREEMENT, DECRYPTS, ENVELOPE, HTTP_PURPOSE, LOG, SIGN

TAKEN: Final = {
    "enterprise": frozenset({"sign"}),
    "carrier": frozenset({"sign", "http", "edi"}),
    "regulator": frozenset({"sign"}),
}
"""Which keys a party in a role may deliver."""

_log = get_logger(__name__)


def announcer(party: str, keys: KeyProvider) -> Announcer:
    """Of the trust party's public keys."""
    return Announcer(party, keys, (SIGN, ENVELOPE, AGREEMENT, LOG))


def take(
    conn: sqlite3.Connection,
    keys: KeyProvider,
    evidence: Evidence,
    own: str,
    caller: Caller,
    signed: SignedKeyNotice,
    now_ms: int,
) -> bool:
    """Keep a key that a party delivered by a notice that was checked; False if it was there already. Raises
    DeliveryError, KeyStoreError."""
    notice = signed.statement
    if notice.key not in TAKEN.get(caller.role, frozenset()):
        raise DeliveryError(f"no such key of a party in the role of {caller.role}")
    value, keyid = bytes.fromhex(notice.value), keyid_of(notice)
    put = {"sign": _put_sign_key, "edi": _put_edi_key, "http": _put_http_key}[notice.key]
    # A shared key is one of the trust party's own too.
    author = Author(own, notice.party, now_ms)
    settle(conn, keys, author, found=True, evidence=evidence)
    taken = put(conn, keys, signed, keyid, value)
    settle(conn, keys, author, evidence=evidence)
    if taken:
        public = None if notice.key == "http" else value
        more = {} if notice.edi_key_id is None else {"edi_key_id": notice.edi_key_id}
        record_taken(conn, evidence, own, notice.party, keyid, public, now_ms, **more)
    return taken


def _put_sign_key(
    conn: sqlite3.Connection, _keys: KeyProvider, signed: SignedKeyNotice, keyid: str, value: bytes
) -> bool:
    row = conn.execute("SELECT public_key FROM sign_keys WHERE keyid = ?", (keyid,)).fetchone()
    if row is not None:
        if bytes(row[0]) != value:
            raise DeliveryError("this keyid names another key already")
        return False
    conn.execute(
        "INSERT INTO sign_keys (keyid, party, public_key, notice) VALUES (?, ?, ?, ?)",
        (keyid, signed.statement.party, value, signed.model_dump_json(exclude_none=True)),
    )
    return True


def _put_edi_key(
    conn: sqlite3.Connection, _keys: KeyProvider, signed: SignedKeyNotice, _keyid: str, value: bytes
) -> bool:
    notice = signed.statement
    row = conn.execute(
        "SELECT public_key FROM carrier_edi_keys WHERE carrier = ? AND key_id = ?",
        (notice.party, notice.edi_key_id),
    ).fetchone()
    if row is not None:
        if bytes(row[0]) != value:
            raise DeliveryError("this EDI key id names another key already")
        return False
    conn.execute(
        "INSERT INTO carrier_edi_keys (carrier, key_id, public_key) VALUES (?, ?, ?)",
        (notice.party, notice.edi_key_id, value),
    )
    return True


def _put_http_key(
    _conn: sqlite3.Connection, keys: KeyProvider, signed: SignedKeyNotice, keyid: str, value: bytes
) -> bool:
    purpose = HTTP_PURPOSE + signed.statement.party
    for key in keys.keys(purpose):
        if key.id == keyid:
            if key.state == "destroyed" or key.material != value:
                raise DeliveryError("this keyid names another key already")
            return False
    keys.add(purpose, "hmac-sm3", material=value, id=keyid)
    return True


class KeyExchange:
    """The two routes of keys, and the log's keys."""

    def __init__(
        self,
        party: str,
        store: Store,
        keys: KeyProvider,
        evidence: Evidence,
        directory: Directory,
        now_ms: Callable[[], int],
    ) -> None:
        self._party = party
        self._store = store
        self._keys = keys
        self._evidence = evidence
        self._directory = directory
        self._now_ms = now_ms
        self._announcer = announcer(party, keys)

    async def take(self, caller: Caller, delivery: KeyDelivery) -> KeyReceipt:
        """Open, check and keep a delivered key; it is in force when this returns.

        Raises DeliveryError, KeyStoreError, StoreBusy, StoreUnavailable.
        """
        own = [key.sm2 for key in self._keys.keys(ENVELOPE) if key.state in DECRYPTS]
        signed = await asyncio.to_thread(open_envelope, delivery.envelope, own)
        now = self._now_ms()
        notice = check(signed, caller.sign_keys, party=caller.id, recipient=self._party, now_ms=now)
        taken = await self._store.write(
            lambda conn: take(conn, self._keys, self._evidence, self._party, caller, signed, now)
        )
        if taken:
            await self._directory.refresh()
            _log.info("key taken", party=caller.id, keyid=keyid_of(notice))
        return KeyReceipt(keyid=keyid_of(notice))

    async def public(self) -> PublicKeys:
        """The trust party's public keys. Raises StoreBusy, StoreUnavailable, KeyStoreError."""
        rows = await self._store.read("SELECT keyid, body FROM key_notices")
        kept = {row["keyid"]: SignedKeyNotice.model_validate_json(row["body"]) for row in rows}
        return await asyncio.to_thread(self._announcer.public, kept, self._now_ms())

    async def log_keys(self) -> LogKeys:
        """The keys that the log had, in order. Raises StoreBusy, StoreUnavailable."""
        return await log_keys(self._store, self._keys)


async def log_keys(store: Store, keys: KeyProvider) -> LogKeys:
    """The keys that the log had, in order. Raises StoreBusy, StoreUnavailable."""
    rows = await store.read(
        "SELECT log_id, public_key, successor, signature FROM log_successions ORDER BY rowid"
    )
    first = bytes(rows[0]["public_key"]) if rows else keys.current(LOG).public.to_bytes()
    bodies = [LogKeyBody(log_id=_name(first), public_key=first.hex())]
    bodies += [
        LogKeyBody(
            log_id=_name(bytes(row["successor"])),
            public_key=bytes(row["successor"]).hex(),
            predecessor=bytes(row["log_id"]).hex(),
            signature=b64url_encode(bytes(row["signature"])),
        )
        for row in rows
    ]
    return LogKeys(keys=bodies)


def _name(public_key: bytes) -> str:
    return log_id(PublicKey.from_bytes(public_key)).hex()
