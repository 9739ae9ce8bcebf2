"""What the operator of a party does with its keys, the same at every party that keeps a key store.

A new version of a key that others must know first is pre-active, goes to them in envelopes, and becomes active when all
have it; the one before then verifies and decrypts what there is. A key of the party's own becomes active at once.
Exporting and destroying need two custodians (`interparty.custody`). What is done is put on record by the party
(`House.record`), in the same transaction; so is, first, whatever nobody put on record (`interparty.key_ledger`).
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from gm.errors import KeyStoreError
from gm.keystore import Algorithm, Key, KeyProvider
from gm.sm2 import PublicKey
from gm.sm3 import sm3
from interparty import custody, key_delivery, key_ledger, statements
from interparty.client import KEYS_PATH, Peer, PeerProblem, PeerUnavailable
from interparty.custody import CustodyError
from interparty.key_delivery import Announcer, DeliveryError
from interparty.key_ledger import Author
from interparty.key_messages import (
    KeyDelivery,
    KeyEvent,
    KeyName,
    KeyOrder,
    KeyReceipt,
    PublicKeys,
    SignedKeyApproval,
)


class HouseError(ValueError):
    """What was asked for cannot be done with this key; says why."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """How one purpose gets another key."""

    algorithm: Algorithm
    announced_as: KeyName | None = None
    """The name under which others must have it before it is used; None: it is the party's own affair."""
    refused: str = ""
    """Why it is not rotated here; empty: it is."""


class Recipient(Protocol):
    """Another party to which keys are delivered."""

    @property
    def party(self) -> str: ...

    @property
    def peer(self) -> Peer: ...

    @property
    def sign_keys(self) -> dict[str, PublicKey]:
        """By keyid, as they are known here."""


class House(Protocol):
    """One party, as far as its keys go."""

    @property
    def party(self) -> str: ...

    @property
    def keys(self) -> KeyProvider: ...

    @property
    def announcer(self) -> Announcer: ...

    def rotation(self, purpose: str) -> Rotation:
        """How this purpose is rotated. Raises HouseError for one that there is not."""

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]: ...

    def record(self, conn: sqlite3.Connection, event: KeyEvent) -> None:
        """Put what became of a key on record, which the ledger has already."""

    def activating(self, conn: sqlite3.Connection, key: Key) -> None:
        """What must be kept before a key takes another's place."""

    def destroying(self, conn: sqlite3.Connection, key: Key) -> None:
        """Raises HouseError for a key without which something that is kept could not be read any more."""

    async def recipients(self, name: KeyName) -> Sequence[Recipient]:
        """Who must have keys of this name."""


@contextmanager
def changing(house: House, now_ms: int) -> Iterator[sqlite3.Connection]:
    """A transaction in which keys are changed. First what was found changed goes on record, then what is changed."""
    author = Author(house.party, key_ledger.operator(), now_ms)
    with house.transaction() as conn:
        for event in key_ledger.settle(conn, house.keys, author, found=True):
            house.record(conn, event)
        yield conn
        for event in key_ledger.settle(conn, house.keys, author):
            house.record(conn, event)


def reconcile(house: House, now_ms: int) -> None:
    """Put on record what a crash kept from it."""
    with changing(house, now_ms):
        pass


def enrol_first(house: House, custodian: str, name: str, public_key: PublicKey, now_ms: int) -> bool:
    """Enrol one of the first two custodians; False if there are two, who must approve another. Raises CustodyError."""
    with changing(house, now_ms) as conn:
        if len(custody.custodians(conn)) >= custody.APPROVALS:
            return False
        custody.enrol_first(conn, custodian, name, public_key, now_ms)
        _note(house, conn, "enrol", now_ms, custodian=custodian)
    return True


def _note(house: House, conn: sqlite3.Connection, event: str, now_ms: int, **fields: Any) -> None:
    author = Author(house.party, key_ledger.operator(), now_ms)
    house.record(conn, key_ledger.append(conn, author, event, **fields))


def make(house: House, purpose: str, now_ms: int, *, id: str = "") -> Key:
    """A new version: pre-active if others must have it first, else active. Raises HouseError, KeyStoreError."""
    rotation = house.rotation(purpose)
    if rotation.refused:
        raise HouseError(f"{purpose}: {rotation.refused}")
    if rotation.announced_as == "edi" and (
        len(id) != 4 or any(key.id == id for key in house.keys.keys(purpose))
    ):
        raise HouseError("an edi key has a carrier key id of 4 characters that no other had")
    waiting = [key for key in house.keys.keys(purpose) if key.state == "pre-active"]
    if waiting:
        raise HouseError(f"{purpose}/{waiting[0].version} waits to be activated")
    with changing(house, now_ms) as conn:
        key = house.keys.add(purpose, rotation.algorithm, state="pre-active", id=id)
        if rotation.announced_as == "sign":
            # While the key before still signs: its word for this one stands for good.
            _vouch(house, conn, key, now_ms)
    return key if rotation.announced_as else activate(house, purpose, key.version, now_ms)


def _vouch(house: House, conn: sqlite3.Connection, key: Key, now_ms: int) -> None:
    """Keep the current sign key's word for another, unless one's word for it is kept."""
    signed = house.announcer.signed(key, "sign", now_ms)
    conn.execute(
        "INSERT INTO key_notices (keyid, body) VALUES (?, ?) ON CONFLICT (keyid) DO NOTHING",
        (key_delivery.keyid_of(signed.statement), signed.model_dump_json(exclude_none=True)),
    )


def activate(house: House, purpose: str, version: int, now_ms: int) -> Key:
    """Have a pre-active key take the place of the active one. Raises KeyStoreError."""
    with changing(house, now_ms) as conn:
        before = house.keys.get(purpose, version)
        if before.state != "pre-active":
            raise KeyStoreError(f"{purpose}/{version} is {before.state}")
        house.activating(conn, before)
        return house.keys.set_state(purpose, version, "active")


async def deliver(house: House, key: Key, recipient: Recipient, now_ms: int) -> str:
    """Deliver one key over the wire; "" when the recipient has it, else why not."""
    name = house.rotation(key.purpose).announced_as
    if name is None:
        raise HouseError(f"{key.purpose} is no key for others")
    try:
        told = await recipient.peer.request("GET", KEYS_PATH, None, PublicKeys)
        envelope_key = _envelope_key(recipient, told, now_ms)
        signed = house.announcer.signed(key, name, now_ms, recipient.party)
        delivery = KeyDelivery(envelope=key_delivery.seal(signed, envelope_key))
        receipt = await recipient.peer.request("POST", KEYS_PATH, delivery, KeyReceipt)
    except (PeerUnavailable, PeerProblem, DeliveryError) as error:
        return str(error)
    return "" if receipt.keyid == key_delivery.keyid_of(signed.statement) else "another key was acknowledged"


def _envelope_key(recipient: Recipient, told: PublicKeys, now_ms: int) -> PublicKey:
    found = key_delivery.believed(told.keys, recipient.sign_keys, party=recipient.party, now_ms=now_ms)
    for notice in reversed(found):
        if notice.key == "envelope" and notice.state == "active":
            return PublicKey.from_bytes(bytes.fromhex(notice.value))
    raise DeliveryError("the recipient announces no envelope key under a known sign key")


@dataclass(frozen=True, slots=True)
class Rotated:
    """What became of a rotation."""

    key: Key
    undelivered: dict[str, str]
    """Recipient to why it does not have the key; the key is pre-active while there is any."""


async def rotate(house: House, purpose: str, clock: Callable[[], int], *, id: str = "") -> Rotated:
    """Make another key, deliver it to all who must have it, and activate it. Raises HouseError, KeyStoreError.

    While a recipient does not take it the key stays pre-active: `finish` goes on.
    """
    waiting = [key for key in house.keys.keys(purpose) if key.state == "pre-active"]
    key = waiting[0] if waiting else make(house, purpose, clock(), id=id)
    return await finish(house, key, clock)


async def finish(house: House, key: Key, clock: Callable[[], int]) -> Rotated:
    """Deliver a pre-active key to all who must have it, then activate it."""
    name = house.rotation(key.purpose).announced_as
    if name is None or key.state != "pre-active":
        return Rotated(key, {})
    failed = {}
    for recipient in await house.recipients(name):
        why = await deliver(house, key, recipient, clock())
        if why:
            failed[recipient.party] = why
    return Rotated(key if failed else activate(house, key.purpose, key.version, clock()), failed)


def carry_out(house: House, order: KeyOrder, approvals: Sequence[SignedKeyApproval], now_ms: int) -> bytes:
    """Do what two custodians approved; for an export the envelope to the order's recipient, else nothing.

    Raises CustodyError, HouseError, KeyStoreError; then nothing was done.
    """
    with changing(house, now_ms) as conn:
        agreed = custody.settle(conn, house.party, order, approvals, now_ms)
        said = {"approved_by": agreed, "order_sm3": sm3(statements.jcs(order)).hex()}
        if order.operation in ("enrol", "dismiss"):
            _note(house, conn, order.operation, now_ms, custodian=order.custodian, **said)
            return b""
        if order.purpose is None or order.version is None:
            raise CustodyError("the order names no key")
        if order.operation == "export":
            if order.recipient is None:
                raise CustodyError("the order names no recipient")
            key = house.keys.get(order.purpose, order.version)
            if not key.material:
                raise HouseError(f"{key.purpose}/{key.version} does not leave where it is kept")
            envelope = PublicKey.from_bytes(bytes.fromhex(order.recipient)).encrypt(key.material)
            described = key_ledger.described_key(key)
            _note(house, conn, "exported", now_ms, recipient=order.recipient, **described, **said)
            return envelope
        _destroy(house, conn, order.purpose, order.version, now_ms, said)
    return b""


def _destroy(
    house: House, conn: sqlite3.Connection, purpose: str, version: int, now_ms: int, said: dict[str, Any]
) -> None:
    last = key_ledger.last(conn, purpose, version)
    gone = last is not None and last.found and last.state_to == "destroyed"
    # Destroyed by a command that did not live to say so: who approved it is said now.
    key = house.keys.keys(purpose)[version - 1] if gone else house.keys.get(purpose, version)
    if key.state == "active":
        raise HouseError(f"{purpose}/{version} is in use: rotate it first")
    if not gone:
        house.destroying(conn, key)
        if house.rotation(purpose).announced_as == "sign":
            # Statements that it signed are checked when it is long gone, with a public half that is nowhere else.
            _vouch(house, conn, key, now_ms)
    author = Author(house.party, key_ledger.operator(), now_ms)
    # On record before: what cannot be put on record is not done.
    house.record(conn, key_ledger.moved(conn, key, author, was=key.state, now="destroyed", **said))
    if not gone:
        house.keys.set_state(purpose, version, "destroyed")


def listed(keys: KeyProvider) -> list[dict[str, Any]]:
    """Every key without its material, for people."""
    return [
        {
            "purpose": key.purpose,
            "version": key.version,
            "state": key.state,
            "algorithm": key.algorithm,
            "id": key.id,
        }
        for purpose in keys.purposes()
        for key in keys.keys(purpose)
    ]
