"""The trust party's keys, for its operator: beside a running trust party, which sees a change within a second.

Each change is a record of the evidence log and an event of the audit chain.
"""

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from evidence.succession import succeed
from foundation import pki
from foundation.resealing import sealed_under
from foundation.seal import DATA_PURPOSE, INDEX_PURPOSE
from foundation.store import Store
from gm.keystore import Key, KeyProvider
from gm.sm2 import PublicKey
from interparty.client import Peer
from interparty.key_delivery import Announcer, check, open_envelope
from interparty.key_house import HouseError, Rotation
from interparty.key_messages import KeyEvent, KeyName
from trust_party.admission import transaction
from trust_party.aids import AID_KEY_PURPOSE
from trust_party.clock import now_ms
from trust_party.directory import Directory
from trust_party.key_exchange import announcer, take
from trust_party.key_records import evidence_of, record
from trust_party.keys import (
    AGREEMENT,
    DECRYPTS,
    ENVELOPE,
    HTTP_PURPOSE,
    LOG,
    SIGN,
    open_store,
    signer,
)
from trust_party.resealing import COLUMNS, indexed_under
from trust_party.settings import TrustSettings
from trust_party.store import MIGRATIONS

ROTATIONS = {
    SIGN: Rotation("sm2", "sign"),
    LOG: Rotation("sm2"),
    AGREEMENT: Rotation("sm2"),
    ENVELOPE: Rotation("sm2"),
    DATA_PURPOSE: Rotation("sm4"),
    INDEX_PURPOSE: Rotation("hmac-sm3"),
}


@dataclass(frozen=True, slots=True)
class CarrierRecipient:
    """A carrier, as a recipient of keys."""

    party: str
    peer: Peer
    sign_keys: dict[str, PublicKey]


class TrustHouse:
    """The trust party as a `House`. Open it with `open_house`."""

    def __init__(self, settings: TrustSettings, keys: KeyProvider, directory: Directory | None) -> None:
        self._settings = settings
        self._directory = directory
        self.party = settings.party
        self.keys = keys
        self.evidence = evidence_of(keys)
        self._peers: list[Peer] = []

    @property
    def announcer(self) -> Announcer:
        return announcer(self.party, self.keys)

    def rotation(self, purpose: str) -> Rotation:
        if purpose.startswith(AID_KEY_PURPOSE) and self.keys.keys(purpose):
            return Rotation("hmac-sm3")
        if purpose.startswith(HTTP_PURPOSE) and self.keys.keys(purpose):
            return Rotation("hmac-sm3", refused="the carrier makes this key and delivers it")
        try:
            return ROTATIONS[purpose]
        except KeyError:
            raise HouseError(f"no such purpose: {purpose}") from None

    def transaction(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        return transaction(self._settings)

    def record(self, conn: sqlite3.Connection, event: KeyEvent) -> None:
        record(conn, self.evidence, self.keys, event, event.at)

    def activating(self, conn: sqlite3.Connection, key: Key) -> None:
        if key.purpose != LOG:
            return
        current = self.keys.current(LOG)
        said = succeed(current.sm2, key.public)
        conn.execute(
            "INSERT INTO log_successions (log_id, public_key, successor, signature) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (log_id) DO UPDATE SET successor = excluded.successor, signature = excluded.signature",
            (said.log_id, current.public.to_bytes(), key.public.to_bytes(), said.signature),
        )

    def destroying(self, conn: sqlite3.Connection, key: Key) -> None:
        if key.purpose == DATA_PURPOSE and (count := sealed_under(conn, COLUMNS, key.version)):
            raise HouseError(
                f"{count} values are sealed under {key.purpose}/{key.version}: ascs trust reseal first"
            )

        if key.purpose == INDEX_PURPOSE and (count := indexed_under(conn, key.version)):
            raise HouseError(
                f"{count} nonces are indexed under {key.purpose}/{key.version}: ascs trust reseal first"
            )

    async def recipients(self, name: KeyName) -> Sequence[CarrierRecipient]:
        """Carriers; enterprises and regulators ask for the trust party's keys themselves (GET /v1/keys)."""
        if self._directory is None:
            return ()
        tls = self._settings.tls
        context = pki.client_context(tls.ca, tls.cert, tls.key)
        found = []
        for carrier in self._directory.carriers.values():
            peer = Peer(
                carrier.url,
                context,
                lambda: signer(self._settings, self.keys),
                self._directory,
                party=carrier.id,
            )
            self._peers.append(peer)
            found.append(CarrierRecipient(carrier.id, peer, carrier.sign_keys))
        return found

    def receive(self, sender: str, envelope: str) -> tuple[str, bool]:
        """Take a key that was delivered as a file: its keyid, and whether it is new.

        Raises HouseError, DeliveryError, KeyStoreError.
        """
        assert self._directory is not None
        caller = self._directory.caller(sender)
        if caller is None:
            raise HouseError(f"{sender} is not admitted")
        own = [key.sm2 for key in self.keys.keys(ENVELOPE) if key.state in DECRYPTS]
        now = now_ms()
        signed = open_envelope(envelope, own)
        notice = check(signed, caller.sign_keys, party=sender, recipient=self.party, now_ms=now)
        with self.transaction() as conn:
            taken = take(conn, self.keys, self.evidence, self.party, caller, signed, now)
        return f"{notice.party}/{notice.key}/{notice.version}", taken

    async def close(self) -> None:
        for peer in self._peers:
            await peer.close()


@contextlib.asynccontextmanager
async def open_house(settings: TrustSettings) -> AsyncIterator[TrustHouse]:
    """The house with the parties that are admitted, beside a running trust party or without one.

    Raises KeyStoreError, MigrationError, OSError.
    """
    keys = open_store(settings)
    store = Store.open(settings.database, MIGRATIONS, secure_delete=True)
    try:
        directory = Directory(store, keys)
        await directory.refresh()
        house = TrustHouse(settings, keys, directory)
        try:
            yield house
        finally:
            await house.close()
    finally:
        await store.close()
