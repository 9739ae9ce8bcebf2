"""Keys that go between the carrier and the others: what it announces, what it takes, and its operator's part.

The trust party's new sign key comes here in an envelope; the carrier's own new keys go there. Each change is an event
of the audit chain, and is told to the trust party for its evidence log (`gateway.key_records`).
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Final

from foundation.beside import transaction
from foundation.pki import client_context
from foundation.resealing import sealed_under
from foundation.seal import DATA_PURPOSE, INDEX_PURPOSE
from foundation.store import Store, StoreBusy, StoreUnavailable
from gateway import keys as own_keys
from gateway.accounts.rates import TokenBucket
from gateway.key_records import record, settle
from gateway.settings import GatewaySettings
from gateway.store import blind_index
from gateway.store.domain import wall_ms
from gateway.store.resealing import COLUMNS
from gm.errors import GmError
from gm.keystore import Key, KeyProvider
from gm.sm2 import PublicKey
from interparty.client import Peer, PeerProblem, PeerUnavailable
from interparty.key_delivery import Announcer, DeliveryError, believed, check, keyid_of, open_envelope
from interparty.key_house import HouseError, Rotation
from interparty.key_ledger import Author
from interparty.key_messages import (
    KeyDelivery,
    KeyEvent,
    KeyName,
    KeyNotice,
    KeyReceipt,
    PublicKeys,
    SignedKeyNotice,
)

LEARN_AGAIN_S: Final = 5.0
"""How often the trust party is asked for its keys at most, for as long as nothing that it signs holds."""
LEARN_BURST: Final = 3
"""Times it is asked before that pause: one signature that is wrong must not keep its next key from being learned."""

_log = logging.getLogger(__name__)

ROTATIONS = {
    own_keys.SIGN: Rotation("sm2", "sign"),
    own_keys.HTTP: Rotation("hmac-sm3", "http"),
    own_keys.EDI: Rotation("sm2", "edi"),
    own_keys.QUERY: Rotation("sm2"),
    own_keys.ENVELOPE: Rotation("sm2"),
    DATA_PURPOSE: Rotation("sm4"),
    INDEX_PURPOSE: Rotation("hmac-sm3"),
}


def announcer(settings: GatewaySettings, keys: KeyProvider) -> Announcer:
    """Of the carrier's public keys."""
    return Announcer(
        settings.carrier.id,
        keys,
        (own_keys.SIGN, own_keys.ENVELOPE, own_keys.EDI, own_keys.QUERY),
    )


def take(
    conn: sqlite3.Connection, settings: GatewaySettings, keys: KeyProvider, notice: KeyNotice, now_ms: int
) -> bool:
    """Keep a key of the trust party; False if it was there already. Raises DeliveryError, KeyStoreError."""
    if notice.key != "sign":
        raise DeliveryError("the trust party delivers its sign keys alone")
    keyid, value = keyid_of(notice), bytes.fromhex(notice.value)
    purpose = own_keys.PEER_PURPOSE + notice.party
    for key in keys.keys(purpose):
        if key.id == keyid:
            if key.state == "destroyed" or key.material != value:
                raise DeliveryError("this keyid names another key already")
            return False
    author = Author(settings.carrier.id, notice.party, now_ms)
    settle(conn, keys, author, found=True)
    keys.add(purpose, "sm2-public", material=value, id=keyid)
    settle(conn, keys, author)
    return True


class KeyExchange:
    """The two routes of keys, and the trust party's keys as it announces them."""

    def __init__(
        self,
        settings: GatewaySettings,
        store: Store,
        keys: KeyProvider,
        trust_keys: Callable[[], dict[str, PublicKey]],
        now_ms: Callable[[], int] = wall_ms,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`trust_keys`: the trust party's sign keys by keyid."""
        self._clock = clock
        self._asking = asyncio.Lock()
        self._may_ask = TokenBucket(1 / LEARN_AGAIN_S, LEARN_BURST, clock())
        self._asked = 0
        self._learned = False
        self._settings = settings
        self._store = store
        self._keys = keys
        self._trust_keys = trust_keys
        self._now_ms = now_ms
        self._announcer = announcer(settings, keys)

    async def take(self, party: str, delivery: KeyDelivery) -> KeyReceipt:
        """Open, check and keep a key of the trust party; it is in force when this returns.

        Raises DeliveryError, KeyStoreError, StoreBusy, StoreUnavailable.
        """
        notice = await asyncio.to_thread(
            opened, self._settings, self._keys, party, delivery.envelope, self._trust_keys(), self._now_ms()
        )
        await self._store.write(lambda conn: take(conn, self._settings, self._keys, notice, self._now_ms()))
        return KeyReceipt(keyid=keyid_of(notice))

    async def learn(self, ask: Callable[[], Awaitable[PublicKeys]]) -> bool:
        """Ask the trust party for its sign keys, and keep those that a known one vouches for; whether one was new.

        For what is signed under no key that is known here: a delivery may have gone by while this carrier was set back
        to an earlier state. LEARN_BURST times, and then every LEARN_AGAIN_S; whoever comes while it is being asked, or
        too early, is told what the last time brought.
        """
        asked = self._asked
        async with self._asking:
            if asked != self._asked or not self._may_ask.take(1, self._clock()):
                return self._learned
            self._learned = False
            try:
                told, known = await ask(), self._trust_keys()
                party, now = self._settings.trust.id, self._now_ms()
                found = await asyncio.to_thread(believed, told.keys, known, party=party, now_ms=now)
                for notice in found:
                    if notice.key == "sign" and keyid_of(notice) not in known:
                        op = partial(
                            take, settings=self._settings, keys=self._keys, notice=notice, now_ms=now
                        )
                        self._learned |= await self._store.write(op)
            except (
                PeerUnavailable,
                PeerProblem,
                DeliveryError,
                GmError,
                StoreBusy,
                StoreUnavailable,
            ) as error:
                _log.warning("the trust party's keys are not learned: %s", error)
            self._asked += 1
            return self._learned

    async def public(self) -> PublicKeys:
        """The carrier's public keys. Raises StoreBusy, StoreUnavailable, KeyStoreError."""
        rows = await self._store.read("SELECT keyid, body FROM key_notices")
        kept = {row["keyid"]: SignedKeyNotice.model_validate_json(row["body"]) for row in rows}
        return await asyncio.to_thread(self._announcer.public, kept, self._now_ms())


def opened(
    settings: GatewaySettings,
    keys: KeyProvider,
    party: str,
    envelope: str,
    trust_keys: dict[str, PublicKey],
    now_ms: int,
) -> KeyNotice:
    """What the trust party delivered. Raises DeliveryError."""
    own = [key.sm2 for key in keys.keys(own_keys.ENVELOPE) if key.state in ("active", "retired")]
    return check(
        open_envelope(envelope, own), trust_keys, party=party, recipient=settings.carrier.id, now_ms=now_ms
    )


@dataclass(frozen=True, slots=True)
class TrustRecipient:
    """The trust party, as a recipient of keys."""

    party: str
    peer: Peer
    sign_keys: dict[str, PublicKey]


class CarrierHouse:
    """The carrier as an interparty.key_house.House, beside a running gateway or without one."""

    def __init__(self, settings: GatewaySettings, keys: KeyProvider) -> None:
        self._settings = settings
        self._peer_keys = own_keys.PeerKeys(settings, keys)
        self._peer: Peer | None = None
        self.party = settings.carrier.id
        self.keys = keys

    @property
    def announcer(self) -> Announcer:
        return announcer(self._settings, self.keys)

    def rotation(self, purpose: str) -> Rotation:
        if purpose.startswith(own_keys.NETWORK_PURPOSE) and self.keys.keys(purpose):
            return Rotation("hmac-sm3")
        try:
            return ROTATIONS[purpose]
        except KeyError:
            raise HouseError(f"no such purpose: {purpose}") from None

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """One transaction on the gateway's database, which must be there."""
        return transaction(self._settings.database)

    def record(self, conn: sqlite3.Connection, event: KeyEvent) -> None:
        record(conn, event)

    def activating(self, conn: sqlite3.Connection, key: Key) -> None:
        """Nothing: whoever must know has it."""

    def destroying(self, conn: sqlite3.Connection, key: Key) -> None:
        if key.purpose == DATA_PURPOSE and (count := sealed_under(conn, COLUMNS, key.version)):
            raise HouseError(
                f"{count} values are sealed under {key.purpose}/{key.version}: ascs gateway reseal first"
            )
        if key.purpose == INDEX_PURPOSE and (count := blind_index.count_under(conn, key.version)):
            raise HouseError(
                f"{count} numbers and identifiers are indexed under {key.purpose}/{key.version}: a running gateway"
                " brings them under the current key, and so does ascs gateway reindex"
            )

    async def recipients(self, name: KeyName) -> Sequence[TrustRecipient]:
        """The trust party."""
        if self._peer is None:
            tls, trust = self._settings.tls, self._settings.trust
            self._peer = Peer(
                trust.url,
                client_context(tls.ca, tls.cert, tls.key),
                lambda: own_keys.request_signer(self._settings, self.keys),
                self._peer_keys,
                party=trust.id,
            )
        return [TrustRecipient(self._settings.trust.id, self._peer, self._peer_keys.trust_keys())]

    def receive(self, sender: str, envelope: str) -> tuple[str, bool]:
        """Take a key that was delivered as a file: its keyid, and whether it is new.

        Raises HouseError, DeliveryError, KeyStoreError.
        """
        if sender != self._settings.trust.id:
            raise HouseError(f"keys come here from {self._settings.trust.id} alone")
        now = wall_ms()
        notice = opened(self._settings, self.keys, sender, envelope, self._peer_keys.trust_keys(), now)
        with self.transaction() as conn:
            taken = take(conn, self._settings, self.keys, notice, now)
        return keyid_of(notice), taken

    async def close(self) -> None:
        if self._peer is not None:
            await self._peer.close()
