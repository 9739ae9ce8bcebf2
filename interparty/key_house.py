"""What the operator of a party does with its keys, the same at every party that keeps a key store.

A new version of a key that others must know first is pre-active, goes to them in envelopes, and becomes active when all
have it; the one before then verifies and decrypts what there is. A key of the party's own becomes active at once.
Exporting and destroying need two custodians (`interparty.custody`). What is done is put on record by the party
(`House.record`), in the same transaction.
"""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from gm.errors import KeyStoreError
from gm.keystore import Algorithm, Key, KeyProvider
from gm.sm2 import PublicKey
from gm.sm3 import sm3
from interparty import custody, key_delivery, statements
from interparty.client import KEYS_PATH, Peer, PeerProblem, PeerUnavailable
from interparty.custody import CustodyError
from interparty.key_delivery import Announcer, DeliveryError
from interparty.key_messages import (
    KeyDelivery,
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

    def record(self, conn: sqlite3.Connection, event: str, detail: dict[str, str], now_ms: int) -> None:
        """Put what became of a key on record."""

    def activating(self, conn: sqlite3.Connection, key: Key) -> None:
        """What must be kept before a key takes another's place."""

    def destroying(self, conn: sqlite3.Connection, key: Key) -> None:
        """Raises HouseError for a key without which something that is kept could not be read any more."""

    async def recipients(self, name: KeyName) -> Sequence[Recipient]:
        """Who must have keys of this name."""


def detail_of(key: Key, **more: str) -> dict[str, str]:
    """A key as records name it: never by what is secret. `value_sm3` is SM3 over a public key, or over a secret one of
    32 random bytes, which nobody guesses."""
    detail = {"purpose": key.purpose, "version": str(key.version), "state": key.state, "id": key.id}
    if key.state != "destroyed" and (value := _value(key)):
        detail["value_sm3"] = sm3(value).hex()
    return detail | more


def _value(key: Key) -> bytes:
    """What tells a key from others; empty for a secret one that stays in hardware."""
    return key.public.to_bytes() if key.algorithm in ("sm2", "sm2-public") else key.material


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
    with house.transaction() as conn:
        state: Literal["pre-active", "active"] = "pre-active"
        key = house.keys.add(purpose, rotation.algorithm, state=state, id=id)
        house.record(conn, "made", detail_of(key), now_ms)
        if rotation.announced_as == "sign":
            # While the key before still signs: its word for this one stands for good.
            signed = house.announcer.signed(key, "sign", now_ms)
            conn.execute(
                "INSERT INTO key_notices (keyid, body) VALUES (?, ?) ON CONFLICT (keyid) DO NOTHING",
                (key_delivery.keyid_of(signed.statement), signed.model_dump_json(exclude_none=True)),
            )
    return key if rotation.announced_as else activate(house, purpose, key.version, now_ms)


def activate(house: House, purpose: str, version: int, now_ms: int) -> Key:
    """Have a pre-active key take the place of the active one. Raises KeyStoreError."""
    with house.transaction() as conn:
        before = house.keys.get(purpose, version)
        if before.state != "pre-active":
            raise KeyStoreError(f"{purpose}/{version} is {before.state}")
        retired = [key for key in house.keys.keys(purpose) if key.state == "active"]
        house.activating(conn, before)
        key = house.keys.set_state(purpose, version, "active")
        for each in retired:
            house.record(conn, "retired", detail_of(house.keys.get(purpose, each.version)), now_ms)
        house.record(conn, "activated", detail_of(key), now_ms)
    return key


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
    with house.transaction() as conn:
        agreed = custody.settle(conn, house.party, order, approvals, now_ms)
        said = {"approved_by": " ".join(agreed), "order_sm3": sm3(statements.jcs(order)).hex()}
        if order.operation in ("enrol", "dismiss"):
            house.record(conn, order.operation, {"custodian": order.custodian or ""} | said, now_ms)
            return b""
        if order.purpose is None or order.version is None:
            raise CustodyError("the order names no key")
        key = house.keys.get(order.purpose, order.version)
        if order.operation == "export":
            if order.recipient is None:
                raise CustodyError("the order names no recipient")
            if not key.material:
                raise HouseError(f"{key.purpose}/{key.version} does not leave where it is kept")
            envelope = PublicKey.from_bytes(bytes.fromhex(order.recipient)).encrypt(key.material)
            house.record(conn, "exported", detail_of(key, recipient=order.recipient, **said), now_ms)
            return envelope
        if key.state == "active":
            raise HouseError(f"{key.purpose}/{key.version} is in use: rotate it first")
        house.destroying(conn, key)
        house.record(conn, "destroyed", detail_of(key, **said), now_ms)
        house.keys.set_state(order.purpose, order.version, "destroyed")
    return b""


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
