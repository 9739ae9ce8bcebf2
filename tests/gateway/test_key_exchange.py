"""Keys between the carrier and the trust party, at the carrier."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from foundation import audit
from gateway import keys as own_keys
from gateway.app import open_domain
from gateway.key_exchange import LEARN_AGAIN_S, LEARN_BURST, CarrierHouse, KeyExchange
from gateway.keys import PeerKeys
from gateway.settings import GatewaySettings
from gateway.store.domain import Domain, wall_ms
from gm.keystore import KeyStore
from gm.sm2 import PrivateKey
from interparty import custody, key_delivery, key_house
from interparty.client import PeerUnavailable
from interparty.key_delivery import DeliveryError, believed
from interparty.key_house import HouseError
from interparty.key_messages import KeyDelivery, KeyNotice, PublicKeys, SignedKeyNotice
from tests.gateway.installation import TRUST_KEY, make_key_store, settings_in

NEW = PrivateKey.generate()


@pytest.fixture
def settings(tmp_path: Path) -> GatewaySettings:
    made = settings_in(tmp_path, tmp_path / "pki")
    make_key_store(made)
    return made


@pytest.fixture
async def domain(settings: GatewaySettings) -> AsyncIterator[tuple[Domain, KeyStore]]:
    domain, keys = await asyncio.to_thread(open_domain, settings)
    yield domain, keys
    await domain.store.close()


def delivery(keys: KeyStore, sign: PrivateKey = TRUST_KEY, **changed: Any) -> KeyDelivery:
    fields: dict[str, Any] = {
        "party": "ttp",
        "recipient": "CMCC",
        "key": "sign",
        "version": 2,
        "algorithm": "sm2",
        "value": NEW.public_key.to_bytes().hex(),
        "state": "pre-active",
        "at": wall_ms(),
    }
    signed = key_delivery.sign(KeyNotice.model_validate(fields | changed), "ttp/sign/1", sign)
    return KeyDelivery(envelope=key_delivery.seal(signed, keys.current("envelope").public))


async def test_the_trust_partys_new_sign_key_is_known_beside_the_old_one(
    settings: GatewaySettings, domain: tuple[Domain, KeyStore]
) -> None:
    own, keys = domain
    peer_keys = PeerKeys(settings, keys)
    exchange = KeyExchange(settings, own.store, keys, peer_keys.trust_keys)
    for _ in range(2):
        assert (await exchange.take("ttp", delivery(keys))).keyid == "ttp/sign/2"
    assert peer_keys.lookup("ttp/sign/2") == NEW.public_key
    assert peer_keys.lookup("ttp/sign/1") == TRUST_KEY.public_key
    assert list(peer_keys.trust_keys()) == ["ttp/sign/1", "ttp/sign/2"]
    rows = await own.store.read("SELECT actor, event, detail FROM audit ORDER BY sequence DESC LIMIT 1")
    assert (rows[0]["actor"], rows[0]["event"]) == ("ttp", "key.made")
    assert "ttp/sign/2" in rows[0]["detail"]
    # And after the next start.
    again = PeerKeys(settings, own_keys.open_store(settings))
    assert again.lookup("ttp/sign/2") == NEW.public_key


async def test_what_is_not_taken(settings: GatewaySettings, domain: tuple[Domain, KeyStore]) -> None:
    own, keys = domain
    exchange = KeyExchange(settings, own.store, keys, PeerKeys(settings, keys).trust_keys)
    for given in (
        delivery(keys, PrivateKey.generate()),
        delivery(keys, recipient="CUCC"),
        delivery(keys, key="log"),
    ):
        with pytest.raises(DeliveryError):
            await exchange.take("ttp", given)
    await exchange.take("ttp", delivery(keys))
    other = PrivateKey.generate().public_key.to_bytes().hex()
    with pytest.raises(DeliveryError, match="another key already"):
        await exchange.take("ttp", delivery(keys, value=other))


def announced(sign: PrivateKey, keyid: str, version: int, key: PrivateKey) -> SignedKeyNotice:
    notice = KeyNotice(
        party="ttp",
        key="sign",
        version=version,
        algorithm="sm2",
        value=key.public_key.to_bytes().hex(),
        state="active",
        at=1,
    )
    return key_delivery.sign(notice, keyid, sign)


async def test_sign_keys_that_known_ones_vouch_for_are_learned_when_asked_for(
    settings: GatewaySettings, domain: tuple[Domain, KeyStore]
) -> None:
    own, keys = domain
    peer_keys, third, now, asked = PeerKeys(settings, keys), PrivateKey.generate(), 0.0, 0
    told = PublicKeys(
        keys=[
            announced(TRUST_KEY, "ttp/sign/1", 1, TRUST_KEY),
            announced(TRUST_KEY, "ttp/sign/1", 2, NEW),
            announced(NEW, "ttp/sign/2", 3, third),
            announced(PrivateKey.generate(), "ttp/sign/2", 4, PrivateKey.generate()),
        ]
    )

    async def ask() -> PublicKeys:
        nonlocal asked
        asked += 1
        return told

    exchange = KeyExchange(settings, own.store, keys, peer_keys.trust_keys, clock=lambda: now)
    # Whoever asks at the same time waits for the one answer.
    assert await asyncio.gather(exchange.learn(ask), exchange.learn(ask)) == [True, True]
    assert peer_keys.trust_keys() == {
        "ttp/sign/1": TRUST_KEY.public_key,
        "ttp/sign/2": NEW.public_key,
        "ttp/sign/3": third.public_key,
    }
    assert asked == 1
    # One more signature that does not hold, soon after, is asked about as well: the trust party may have gone on.
    for _ in range(LEARN_BURST + 2):
        assert not await exchange.learn(ask)
    assert asked == LEARN_BURST
    now = LEARN_AGAIN_S
    for _ in range(2):
        assert not await exchange.learn(ask)
    assert asked == LEARN_BURST + 1


async def test_a_trust_party_that_does_not_answer_teaches_nothing(
    settings: GatewaySettings, domain: tuple[Domain, KeyStore]
) -> None:
    own, keys = domain

    async def ask() -> PublicKeys:
        raise PeerUnavailable("away")

    exchange = KeyExchange(settings, own.store, keys, PeerKeys(settings, keys).trust_keys)
    assert not await exchange.learn(ask)


async def test_what_the_carrier_announces(settings: GatewaySettings, domain: tuple[Domain, KeyStore]) -> None:
    own, keys = domain
    told = await KeyExchange(settings, own.store, keys, dict).public()
    known = {"CMCC/sign/1": keys.current("sign").public}
    found = believed(told.keys, known, party="CMCC", now_ms=wall_ms())
    assert {(one.key, one.edi_key_id) for one in found} == {
        ("sign", None),
        ("envelope", None),
        ("edi", "K001"),
        ("query", None),
    }
    assert keys.current("http").material.hex() not in told.model_dump_json()


async def test_a_key_of_its_own_is_replaced_at_once_on_the_audit_chain(
    settings: GatewaySettings, domain: tuple[Domain, KeyStore]
) -> None:
    own, keys = domain
    house = CarrierHouse(settings, own_keys.open_store(settings))
    rotated = await key_house.rotate(house, "data", wall_ms)
    assert (rotated.key.version, rotated.key.state) == (2, "active")
    rows = await own.store.read("SELECT event FROM audit ORDER BY sequence")
    first = ["key.made"] * len(keys.purposes())
    assert [row["event"] for row in rows] == [*first, "key.made", "key.retired", "key.activated"]
    assert await own.store.write(audit.verify) is None


async def test_a_shared_key_waits_for_the_trust_party_and_is_known_meanwhile(
    settings: GatewaySettings, domain: tuple[Domain, KeyStore]
) -> None:
    _, keys = domain
    house = CarrierHouse(settings, own_keys.open_store(settings))
    made = key_house.make(house, "http", wall_ms())
    assert made.state == "pre-active"
    keys.refresh()
    assert own_keys.shared_keys(keys) == [keys.current("http").material, made.material]
    assert own_keys.request_signer(settings, keys).keyid == "CMCC/http/1"
    key_house.activate(house, "http", 2, wall_ms())
    keys.refresh()
    assert own_keys.request_signer(settings, keys).keyid == "CMCC/http/2"


async def test_an_edi_key_has_an_id_that_no_other_had(
    settings: GatewaySettings, domain: tuple[Domain, KeyStore]
) -> None:
    house = CarrierHouse(settings, own_keys.open_store(settings))
    for given in ("", "K001", "K00002"):
        with pytest.raises(HouseError, match="carrier key id"):
            key_house.make(house, "edi", wall_ms(), id=given)
    key_house.make(house, "edi", wall_ms(), id="K002")
    with pytest.raises(HouseError, match="waits to be activated"):
        key_house.make(house, "edi", wall_ms(), id="K003")
    key_house.activate(house, "edi", 2, wall_ms())
    assert own_keys.edi_keys(house.keys).keys() == {"K001", "K002"}


async def test_two_custodians_destroy_at_the_carrier_too(
    settings: GatewaySettings, domain: tuple[Domain, KeyStore]
) -> None:
    house = CarrierHouse(settings, own_keys.open_store(settings))
    people = {name: PrivateKey.generate() for name in ("li", "wang")}
    with house.transaction() as conn:
        for name, key in people.items():
            custody.enrol_first(conn, name, name, key.public_key, wall_ms())
    await key_house.rotate(house, "query", wall_ms)
    order = custody.draw_up("CMCC", "destroy", wall_ms(), purpose="query", version=1)
    approvals = [custody.approve(order, name, key, wall_ms()) for name, key in people.items()]
    key_house.carry_out(house, order, approvals, wall_ms())
    assert [key.state for key in house.keys.keys("query")] == ["destroyed", "active"]


async def test_a_key_comes_as_a_file_from_the_trust_party_alone(
    settings: GatewaySettings, domain: tuple[Domain, KeyStore]
) -> None:
    _, keys = domain
    house = CarrierHouse(settings, own_keys.open_store(settings))
    given = delivery(keys)
    with pytest.raises(HouseError):
        house.receive("CUCC", given.envelope)
    assert house.receive("ttp", given.envelope) == ("ttp/sign/2", True)
    keys.refresh()
    assert PeerKeys(settings, keys).lookup("ttp/sign/2") == NEW.public_key


async def test_the_key_under_which_the_store_is_sealed_is_not_destroyed(
    settings: GatewaySettings, domain: tuple[Domain, KeyStore]
) -> None:
    own, _ = domain
    house = CarrierHouse(settings, own_keys.open_store(settings))
    await own.store.write(lambda conn: own.vault.msisdn_index(conn, "8613800000001"))
    await key_house.rotate(house, "data", wall_ms)
    first = house.keys.get("data", 1)
    with pytest.raises(HouseError, match="1 values are sealed under data/1: ascs gateway reseal first"):
        await own.store.write(lambda conn: house.destroying(conn, first))
