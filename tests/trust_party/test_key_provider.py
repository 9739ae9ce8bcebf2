"""A trust party whose keys lie in a hardware module: everything goes through what a key does, nothing through bytes."""

from collections.abc import AsyncIterator
from functools import cached_property
from typing import Any

import pytest

from evidence.checkpoint import verify
from gm.keystore import Key, KeyProvider, KeyStore
from gm.sm2 import PrivateKey
from gm.sm3 import HmacSm3
from gm.sm4 import Sm4Gcm
from interparty import key_delivery, key_house
from interparty.key_messages import KeyDelivery, KeyNotice
from interparty.text import b64url_decode
from tests.trust_party.world import CARRIER, NOW, Party, People, item
from trust_client.bundle import checkpoint_of
from trust_party.key_operations import TrustHouse
from trust_party.keys import HTTP_PURPOSE, open_store
from trust_party.settings import TrustSettings


class InHardware(Key):
    """A key that does what it is for and shows no material."""

    inside: Key

    @cached_property
    def sm2(self) -> PrivateKey:
        return self.inside.sm2

    @cached_property
    def hmac(self) -> HmacSm3:
        return self.inside.hmac

    @cached_property
    def sm4(self) -> Sm4Gcm:
        return self.inside.sm4


class Module:
    """A hardware module as a KeyProvider. Keys shared with others come from outside and are kept as they came."""

    def __init__(self, inside: KeyStore) -> None:
        self._inside = inside

    def _shown(self, key: Key) -> Key:
        if key.purpose.startswith(HTTP_PURPOSE) or key.algorithm == "sm2-public":
            return key
        shown = InHardware(key.purpose, key.version, key.state, key.algorithm, b"", key.id)
        object.__setattr__(shown, "inside", key)
        return shown

    def refresh(self) -> bool:
        return self._inside.refresh()

    def purposes(self) -> tuple[str, ...]:
        return self._inside.purposes()

    def keys(self, purpose: str) -> tuple[Key, ...]:
        return tuple(map(self._shown, self._inside.keys(purpose)))

    def current(self, purpose: str) -> Key:
        return self._shown(self._inside.current(purpose))

    def get(self, purpose: str, version: int) -> Key:
        return self._shown(self._inside.get(purpose, version))

    def add(self, purpose: str, algorithm: Any, **options: Any) -> Key:
        return self._shown(self._inside.add(purpose, algorithm, **options))

    def set_state(self, purpose: str, version: int, state: Any) -> Key:
        return self._shown(self._inside.set_state(purpose, version, state))


@pytest.fixture
async def party(settings: TrustSettings, people: People) -> AsyncIterator[Party]:
    keys: KeyProvider = Module(open_store(settings))
    party = Party(settings, people, keys)
    await party.directory.refresh()
    yield party
    await party.store.close()


async def test_it_takes_deposits_verifies_and_signs_the_log(party: Party) -> None:
    assert party.keys.current("sign").material == b""
    aid, _ = await party.active()
    answer = (await party.verify(item(aid))).answers[0]
    assert answer.grant is not None
    await party.sequencer.run()
    newest = party.sequencer.newest
    assert newest is not None
    signature = b64url_decode(newest.signature)
    assert verify(party.keys.current("log").public, checkpoint_of(newest), signature)
    key = party.people.enterprises["ent-a"]
    await party.cancel("ent-a", party.people.cancellation(key, aid=aid))
    assert await party.reason(aid) == "REVOKED"


@pytest.mark.parametrize("purpose", ["log", "data", "agreement", "envelope", "aid/ent-a"])
async def test_its_keys_are_rotated(party: Party, settings: TrustSettings, purpose: str) -> None:
    before, _ = await party.active()
    rotated = await key_house.rotate(TrustHouse(settings, party.keys, None), purpose, lambda: NOW)
    assert (rotated.key.version, rotated.key.state) == (2, "active")
    after, _ = await party.active()
    for aid in (before, after):
        assert await party.reason(aid) == ""


async def test_it_takes_keys_of_others(party: Party) -> None:
    notice = KeyNotice(
        party=CARRIER,
        recipient="ttp",
        key="http",
        version=2,
        algorithm="hmac-sm3",
        value="ab" * 32,
        state="active",
        at=NOW,
    )
    signed = key_delivery.sign(notice, f"{CARRIER}/sign/1", party.people.carriers[CARRIER])
    envelope = key_delivery.seal(signed, party.keys.current("envelope").public)
    caller = party.directory.caller(CARRIER)
    assert caller is not None
    await party.key_exchange.take(caller, KeyDelivery(envelope=envelope))
    assert party.directory.lookup(f"{CARRIER}/http/2") == b"\xab" * 32
