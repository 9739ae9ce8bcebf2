"""Who is admitted, as the running trust party knows it."""

from gm.sm2 import PrivateKey, PublicKey
from tests.trust_party.world import CARRIER, HMAC_KEY, REGULATOR, Party
from trust_party.admission import admit_regulator


async def test_a_regulator_is_a_party_of_its_own_kind(party: Party) -> None:
    key = PrivateKey.generate()
    admitted = admit_regulator(party.settings, "nra", "Regulator", key.public_key.to_pem())
    assert admitted.sign_keyid == "nra/sign/1"
    await party.directory.refresh()
    assert party.directory.regulators["nra"].name == "Regulator"
    assert party.directory.sign_keys("nra") == {"nra/sign/1": key.public_key}
    assert party.directory.lookup("nra/sign/1") == key.public_key
    assert "nra" not in party.directory.enterprises
    assert "nra" not in party.directory.carriers


async def test_sign_keys_are_found_whatever_the_role(party: Party) -> None:
    for admitted in ("ent-a", CARRIER):
        assert list(party.directory.sign_keys(admitted) or {}) == [f"{admitted}/sign/1"]
    assert party.directory.sign_keys("nobody") is None


async def test_each_party_has_one_role(party: Party) -> None:
    found = {name: party.directory.caller(name) for name in ("ent-a", CARRIER, REGULATOR, "ttp")}
    assert {name: caller and caller.role for name, caller in found.items()} == {
        "ent-a": "enterprise",
        CARRIER: "carrier",
        REGULATOR: "regulator",
        "ttp": None,
    }


async def test_keys_are_known_by_party_purpose_and_version(party: Party) -> None:
    assert party.directory.lookup("CMCC/http/1") == HMAC_KEY
    assert isinstance(party.directory.lookup("CMCC/sign/1"), PublicKey)
    for unknown in ("CMCC/http/2", "CMCC/sign/2", "ent-a/http/1", "XXXX/http/1", "ttp/sign/1", "CMCC", "//"):
        assert party.directory.lookup(unknown) is None
