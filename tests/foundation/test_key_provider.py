"""Which provider of keys a configuration leads to."""

from pathlib import Path

import pytest

from foundation.config import ConfigError, load
from foundation.key_provider import KeyStoreSettings, create_keys, open_keys
from gm.errors import KeyStoreError
from gm.keystore import KeyStore
from tests import memory_keys
from tests.memory_keys import PIN, Module


def settings(folder: Path, provider: str | None = None, passphrase: str | None = PIN) -> KeyStoreSettings:
    made = KeyStoreSettings(path=folder / "keys", passphrase_file=folder / "pin", provider=provider)
    if passphrase is not None:
        made.passphrase_file.write_text(passphrase + "\n")
    return made


def test_the_sealed_file_is_the_default(tmp_path: Path) -> None:
    given = settings(tmp_path / "new", passphrase=None)
    made = create_keys(given)
    assert isinstance(made, KeyStore)
    made.add("sign", "sm2")
    assert open_keys(given).keys("sign") == create_keys(given).keys("sign") == made.keys("sign")
    assert given.passphrase_file.stat().st_mode & 0o777 == 0o600


def test_a_provider_is_found_by_its_name(tmp_path: Path) -> None:
    given = settings(tmp_path, memory_keys.NAME)
    with pytest.raises(KeyStoreError, match="no module at"):
        open_keys(given)
    made = create_keys(given)
    assert isinstance(made, Module)
    assert open_keys(given) is made
    assert not given.path.exists()


def test_a_providers_own_words_are_passed_on(tmp_path: Path) -> None:
    with pytest.raises(KeyStoreError, match=r"^the PIN is wrong$"):
        create_keys(settings(tmp_path, memory_keys.NAME, "another"))


def test_no_pin_is_drawn_for_somebody_elses_module(tmp_path: Path) -> None:
    given = settings(tmp_path, memory_keys.NAME, passphrase=None)
    with pytest.raises(FileNotFoundError):
        create_keys(given)
    assert not given.passphrase_file.exists()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("tests.nothing_there:open", "keystore.provider: tests.nothing_there does not load"),
        ("tests.memory_keys:nothing", "keystore.provider: tests.memory_keys has no function nothing"),
        ("tests.memory_keys:not_a_function", "has no function not_a_function"),
        ("tests.memory_keys:breaks", "keystore.provider: tests.memory_keys:breaks: slot 1 does not answer"),
        ("tests.memory_keys:gives_nothing", "what tests.memory_keys:gives_nothing gives is no provider"),
    ],
)
def test_what_leads_nowhere_is_said(tmp_path: Path, name: str, why: str) -> None:
    given = settings(tmp_path, name)
    for opening in (open_keys, create_keys):
        with pytest.raises(KeyStoreError, match=why):
            opening(given)


@pytest.mark.parametrize("name", ["memory_keys", "a:b:c", "a.b.", ":open", "os; rm"])
def test_a_name_that_cannot_be_one_is_a_fault_of_its_line(tmp_path: Path, name: str) -> None:
    file = tmp_path / "keystore.toml"
    file.write_text(f'path = "keys"\npassphrase_file = "pin"\nprovider = "{name}"\n')
    with pytest.raises(ConfigError, match=r':3: provider: a provider is named "package.module:function"'):
        load(file, KeyStoreSettings)
