"""The trust party's own keys: one purpose each, made once, their public halves for everybody."""

from pathlib import Path

import pytest

from foundation.key_provider import PASSPHRASE_BYTES
from gm.errors import KeyStoreError
from gm.sm2 import PublicKey
from tests.trust_party.world import initialise, settings_in
from trust_party import keys as own_keys
from trust_party.settings import TrustSettings

PURPOSES = (own_keys.SIGN, own_keys.LOG, own_keys.AGREEMENT)


@pytest.fixture
def made(tmp_path: Path) -> TrustSettings:
    settings = settings_in(tmp_path)
    initialise(settings)
    return settings


def test_each_purpose_has_a_key_of_its_own(made: TrustSettings) -> None:
    keys = own_keys.open_store(made)
    assert len({keys.current(purpose).material for purpose in PURPOSES}) == len(PURPOSES)


def test_a_new_folder_gets_a_passphrase_that_nobody_else_reads(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    own_keys.create_missing(settings)
    for file in (settings.keystore.passphrase_file, settings.keystore.path):
        assert file.stat().st_mode & 0o777 == 0o600
    assert len(settings.keystore.passphrase_file.read_text().strip()) > PASSPHRASE_BYTES


def test_the_public_halves_are_files_and_the_private_ones_are_not(made: TrustSettings) -> None:
    keys = own_keys.open_store(made)
    for purpose in PURPOSES:
        file = made.public_folder / f"{purpose}-1.pem"
        assert file.stat().st_mode & 0o777 == 0o644
        public = PublicKey.from_pem(file.read_bytes())
        assert public.to_bytes() == keys.current(purpose).sm2.public_key.to_bytes()
        assert b"PRIVATE" not in file.read_bytes()


def test_others_know_its_keys_by_party_purpose_and_version(made: TrustSettings) -> None:
    keys = own_keys.open_store(made)
    assert own_keys.key_id(made, keys.current(own_keys.SIGN)) == "ttp/sign/1"
    assert own_keys.signer(made, keys).keyid == "ttp/sign/1"
    statement = own_keys.sign_key(keys).sign(b"statement")
    assert keys.current(own_keys.SIGN).sm2.public_key.verify(b"statement", statement)


def test_a_wrong_passphrase_opens_nothing(made: TrustSettings) -> None:
    made.keystore.passphrase_file.write_text("another")
    with pytest.raises(KeyStoreError):
        own_keys.open_store(made)
