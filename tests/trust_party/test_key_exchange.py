"""What the trust party announces of its keys, and what it takes of others' keys."""

import sqlite3
from typing import Any

import pytest

from foundation import audit
from gm.sm2 import PrivateKey, PublicKey
from gm.sm3 import sm3
from interparty import key_delivery
from interparty.key_delivery import DeliveryError, believed
from interparty.key_messages import KeyDelivery, KeyNotice, KeyReceipt
from tests.trust_party.world import CARRIER, NOW, Party


def delivery(world: Party, sender: str, key: str, value: bytes, **changed: Any) -> KeyDelivery:
    fields: dict[str, Any] = {
        "party": sender,
        "recipient": "ttp",
        "key": key,
        "version": 2,
        "algorithm": "hmac-sm3" if key == "http" else "sm2",
        "value": value.hex(),
        "state": "pre-active",
        "at": NOW,
    }
    people = world.people
    sign = people.enterprises.get(sender) or people.carriers[sender]
    signed = key_delivery.sign(KeyNotice.model_validate(fields | changed), f"{sender}/sign/1", sign)
    return KeyDelivery(envelope=key_delivery.seal(signed, world.keys.current("envelope").public))


async def take(party: Party, sender: str, given: KeyDelivery) -> KeyReceipt:
    caller = party.directory.caller(sender)
    assert caller is not None
    return await party.key_exchange.take(caller, given)


async def kinds(party: Party) -> list[str]:
    rows = await party.store.read("SELECT event FROM audit ORDER BY sequence")
    return [row["event"] for row in rows if row["event"].startswith("key.")]


async def test_a_carriers_new_shared_key_is_in_force_beside_the_old_one(party: Party) -> None:
    old, before = party.directory.shared_keys(CARRIER), await kinds(party)
    assert (
        await take(party, CARRIER, delivery(party, CARRIER, "http", b"n" * 32))
    ).keyid == f"{CARRIER}/http/2"
    assert party.directory.shared_keys(CARRIER) == [b"n" * 32, *old]
    assert party.directory.lookup(f"{CARRIER}/http/2") == b"n" * 32
    assert party.directory.lookup(f"{CARRIER}/http/1") == old[0]
    assert await kinds(party) == [*before, "key.retired", "key.made", "key.taken"]


@pytest.mark.parametrize("sender", ["ent-a", CARRIER])
async def test_a_new_sign_key_is_in_force_beside_the_old_one(party: Party, sender: str) -> None:
    new, before = PrivateKey.generate().public_key, await kinds(party)
    given = delivery(party, sender, "sign", new.to_bytes())
    for _ in range(2):
        await take(party, sender, given)
    assert party.directory.lookup(f"{sender}/sign/2") == new
    assert isinstance(party.directory.lookup(f"{sender}/sign/1"), PublicKey)
    assert await kinds(party) == [*before, "key.taken"]


async def test_a_new_edi_key_is_one_more(party: Party) -> None:
    new = PrivateKey.generate().public_key
    await take(party, CARRIER, delivery(party, CARRIER, "edi", new.to_bytes(), edi_key_id="0002"))
    assert party.directory.carriers[CARRIER].edi_key_ids == {"0001", "0002"}
    other = PrivateKey.generate().public_key
    with pytest.raises(DeliveryError, match="another key already"):
        await take(party, CARRIER, delivery(party, CARRIER, "edi", other.to_bytes(), edi_key_id="0002"))


async def test_a_keyid_never_names_another_key(party: Party) -> None:
    await take(party, CARRIER, delivery(party, CARRIER, "http", b"n" * 32))
    with pytest.raises(DeliveryError, match="another key already"):
        await take(party, CARRIER, delivery(party, CARRIER, "http", b"m" * 32))
    key = PrivateKey.generate().public_key
    with pytest.raises(DeliveryError, match="another key already"):
        await take(party, CARRIER, delivery(party, CARRIER, "sign", key.to_bytes(), version=1))


async def test_a_party_delivers_what_is_its_to_deliver(party: Party) -> None:
    with pytest.raises(DeliveryError, match="role of enterprise"):
        await take(party, "ent-a", delivery(party, "ent-a", "http", b"n" * 32))
    with pytest.raises(DeliveryError, match="another party"):
        await take(party, "ent-b", delivery(party, "ent-b", "http", b"n" * 32, party="ent-a"))
    with pytest.raises(DeliveryError, match="known key"):
        await take(
            party, "ent-b", delivery(party, "ent-a", "sign", PrivateKey.generate().public_key.to_bytes())
        )


async def test_a_delivery_is_evidence_and_holds_no_secret(party: Party) -> None:
    await take(party, CARRIER, delivery(party, CARRIER, "http", b"n" * 32))

    def all_of_them(conn: sqlite3.Connection) -> list[bytes]:
        return [party.evidence.open(conn, each).record for each in range(party.evidence.next_id(conn))]

    opened = await party.store.write(all_of_them)
    assert b'"kind":"KEY"' in opened[-1]
    assert f"{CARRIER}/http/2".encode() in opened[-1]
    for secret in (b"n" * 32, (b"n" * 32).hex().encode(), sm3(b"n" * 32).hex().encode()):
        assert not any(secret in record for record in opened)
    assert await party.store.write(audit.verify) is None


async def test_what_is_announced_is_believed_by_who_knows_the_sign_key(party: Party) -> None:
    known = {"ttp/sign/1": party.keys.current("sign").public}
    told = await party.key_exchange.public()
    found = believed(told.keys, known, party="ttp", now_ms=NOW)
    assert {notice.key for notice in found} == {"sign", "envelope", "agreement", "log"}


async def test_a_log_with_one_key_has_one(party: Party) -> None:
    (only,) = (await party.key_exchange.log_keys()).keys
    assert only.log_id == party.evidence.log.log_id.hex()
    assert only.predecessor is None
