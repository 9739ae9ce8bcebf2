"""The carrier's own keys: made where they are missing, kept where they are, and what others are told of them."""

import json
from pathlib import Path

import pytest

from gateway import keys as own_keys
from gateway.app import open_domain
from gateway.key_exchange import CarrierHouse
from gateway.settings import ConfirmSettings, GatewaySettings
from gateway.store.domain import wall_ms
from gm.errors import KeyFormatError, KeyStoreError
from gm.keystore import KeyStore
from gm.sm2 import PrivateKey, PublicKey
from interparty import key_house
from interparty.key_delivery import open_envelope
from tests import memory_keys
from tests.gateway.carrier import CODE_NUMBER
from tests.gateway.installation import TRUST_KEY, make_key_store, settings_in


@pytest.fixture
def settings(tmp_path: Path, certificates: Path) -> GatewaySettings:
    confirm = ConfirmSettings(access_number=CODE_NUMBER, network_peers=("network",))
    return settings_in(tmp_path, certificates, confirm=confirm)


@pytest.fixture
def keys(settings: GatewaySettings) -> KeyStore:
    return make_key_store(settings)


def test_a_new_folder_gets_passphrase_key_store_and_every_key(tmp_path: Path, certificates: Path) -> None:
    settings = settings_in(tmp_path, certificates)
    made, every = own_keys.create_missing(settings)
    assert {key.purpose for key in every} == set(made.purposes())
    for file in (settings.keystore.passphrase_file, settings.keystore.path):
        assert file.stat().st_mode & 0o777 == 0o600
    assert {own_keys.SIGN, own_keys.EDI, own_keys.HTTP} <= set(made.purposes())
    assert own_keys.open_store(settings).current(own_keys.HTTP).material == made.current("http").material


def test_what_is_there_stays(settings: GatewaySettings, keys: KeyStore) -> None:
    again, made = own_keys.create_missing(settings)
    assert made == []
    for purpose in keys.purposes():
        assert again.current(purpose).material == keys.current(purpose).material
        assert len(again.keys(purpose)) == 1


def test_a_wrong_passphrase_opens_nothing(settings: GatewaySettings, keys: KeyStore) -> None:
    settings.keystore.passphrase_file.write_text("another")
    with pytest.raises(KeyStoreError):
        own_keys.open_store(settings)


def test_the_card_holds_what_the_trust_party_needs_and_no_secret_in_the_clear(
    settings: GatewaySettings, keys: KeyStore, tmp_path: Path
) -> None:
    card = settings.public_folder / "carrier.json"
    assert "http_key_envelope" not in card.read_text()
    theirs = PrivateKey.generate()
    (tmp_path / "envelope.pem").write_bytes(theirs.public_key.to_pem())
    trust = settings.trust.model_copy(update={"envelope_public_key": tmp_path / "envelope.pem"})
    own_keys.write_public(settings.model_copy(update={"trust": trust}), keys)
    told = json.loads(card.read_text())
    assert (told["id"], told["edi_key_id"]) == ("CMCC", "K001")
    opened = open_envelope(told["http_key_envelope"], [theirs]).statement
    assert bytes.fromhex(opened.value) == keys.current(own_keys.HTTP).material
    assert opened.value not in card.read_text()
    for name, purpose in (("edi_public_key", own_keys.EDI), ("sign_public_key", own_keys.SIGN)):
        public = PublicKey.from_pem(told[name].encode())
        assert public.to_bytes() == keys.current(purpose).sm2.public_key.to_bytes()
    assert keys.current(own_keys.SIGN).sm2.to_bytes().hex() not in card.read_text()


def test_the_edi_key_is_public_and_a_network_peers_key_is_not(
    settings: GatewaySettings, keys: KeyStore
) -> None:
    assert (settings.public_folder / "edi-K001.pem").stat().st_mode & 0o777 == 0o644
    shared = settings.public_folder / "network-network.key"
    assert shared.stat().st_mode & 0o777 == 0o600
    assert bytes.fromhex(shared.read_text()) == keys.current("network/network").material


def test_edi_keys_open_until_they_are_destroyed(keys: KeyStore) -> None:
    keys.add(own_keys.EDI, "sm2", id="K002")
    assert keys.get(own_keys.EDI, 1).state == "retired"
    assert set(own_keys.edi_keys(keys)) == {"K001", "K002"}
    keys.set_state(own_keys.EDI, 1, "destroyed")
    assert set(own_keys.edi_keys(keys)) == {"K002"}


def test_requests_are_signed_under_the_shared_key_and_responses_under_sm2(
    settings: GatewaySettings, keys: KeyStore
) -> None:
    assert own_keys.request_signer(settings, keys).keyid == "CMCC/http/1"
    assert own_keys.response_signer(settings, keys).keyid == "CMCC/sign/1"


class TestPeerKeys:
    """Who may speak to this carrier."""

    @pytest.fixture
    def peers(self, settings: GatewaySettings, keys: KeyStore) -> own_keys.PeerKeys:
        return own_keys.PeerKeys(settings, keys)

    def test_the_trust_partys_sm2_key(self, peers: own_keys.PeerKeys) -> None:
        found = peers.lookup("ttp/sign/1")
        assert isinstance(found, PublicKey)
        assert found.to_bytes() == TRUST_KEY.public_key.to_bytes()

    def test_the_keys_shared_with_trust_party_and_network_peer(
        self, peers: own_keys.PeerKeys, keys: KeyStore
    ) -> None:
        assert peers.lookup("CMCC/http/1") == keys.current(own_keys.HTTP).material
        assert peers.lookup("network/http/1") == keys.current("network/network").material

    @pytest.mark.parametrize(
        "keyid",
        ["ttp/sign/2", "ttp/http/1", "CMCC/sign/1", "CMCC/http/9", "network/sign/1", "ent-a/http/1", "", "x"],
    )
    def test_nobody_elses(self, peers: own_keys.PeerKeys, keyid: str) -> None:
        assert peers.lookup(keyid) is None

    def test_a_trust_key_that_is_no_key_is_an_error(self, settings: GatewaySettings, keys: KeyStore) -> None:
        settings.trust.sign_public_key.write_text("no key")
        with pytest.raises(KeyFormatError):
            own_keys.PeerKeys(settings, keys)


async def test_keys_may_lie_in_a_hardware_module(tmp_path: Path, certificates: Path) -> None:
    sealed = settings_in(tmp_path, certificates)
    keystore = sealed.keystore.model_copy(update={"provider": memory_keys.NAME})
    settings = sealed.model_copy(update={"keystore": keystore})
    keystore.passphrase_file.write_text(memory_keys.PIN)
    domain, keys = open_domain(settings)
    assert not keystore.path.exists()
    for purpose in ("sign", "edi", "envelope", "query", "data", "index"):
        assert keys.current(purpose).material == b""
    sealed_number = domain.vault.seal_msisdn("8613800000001")
    house = CarrierHouse(settings, own_keys.open_store(settings))
    for purpose in ("data", "query", "envelope"):
        rotated = await key_house.rotate(house, purpose, wall_ms)
        assert (rotated.key.version, rotated.key.state) == (2, "active")
    assert domain.vault.open_msisdn(sealed_number) == "8613800000001"
    assert own_keys.edi_keys(keys)["K001"].public_key == keys.current("edi").public
    # What the trust party must have is made here and leaves by its nature.
    assert own_keys.request_signer(settings, keys).keyid == "CMCC/http/1"
    await domain.store.close()
