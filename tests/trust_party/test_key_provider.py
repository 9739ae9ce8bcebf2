"""A trust party whose keys lie in a hardware module: everything goes through what a key does, nothing through bytes."""

from pathlib import Path

import pytest

from evidence.checkpoint import verify
from interparty import key_delivery, key_house
from interparty.key_messages import KeyDelivery, KeyNotice
from interparty.text import b64url_decode
from tests import memory_keys
from tests.trust_party.world import CARRIER, NOW, Party, People, item, settings_in
from trust_client.bundle import checkpoint_of
from trust_party.app import init
from trust_party.key_operations import TrustHouse
from trust_party.keys import open_store
from trust_party.settings import TrustSettings


@pytest.fixture
def settings(tmp_path: Path, people: People) -> TrustSettings:
    """Set up by `init` and admissions as any trust party, with a provider in its configuration."""
    folder = tmp_path / "trust"
    folder.mkdir()
    sealed = settings_in(folder)
    keystore = sealed.keystore.model_copy(update={"provider": memory_keys.NAME})
    made = sealed.model_copy(update={"keystore": keystore})
    made.keystore.passphrase_file.write_text(memory_keys.PIN)
    init(made)
    people.admit(made)
    return made


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
    rotated = await key_house.rotate(TrustHouse(settings, open_store(settings), None), purpose, lambda: NOW)
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
