"""Where a party's keys come from, as its configuration says: the sealed file, or a provider that somebody brings.

A provider is a function in a package that is installed beside the product, named "package.module:function". What it
gives is a gm.keystore.KeyProvider: docs/operate.md, "Keys in a hardware module".
"""

import importlib
import re
import secrets
from pathlib import Path
from typing import Annotated, Final, Protocol

from pydantic import AfterValidator

from foundation.atomic import write_atomic
from foundation.config import Config, ConfigPath
from gm.errors import KeyStoreError
from gm.keystore import KeyProvider, KeyStore

PASSPHRASE_BYTES: Final = 32


def _named(name: str) -> str:
    if re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", name) is None:
        raise ValueError('a provider is named "package.module:function"')
    return name


ProviderName = Annotated[str, AfterValidator(_named)]


class KeyStoreSettings(Config):
    """Where the keys are, and the file that holds what opens them (mode 0600)."""

    path: ConfigPath
    """The sealed file; what another provider makes of it is its own affair."""
    passphrase_file: ConfigPath
    """Passphrase of the sealed file, or a hardware module's PIN."""
    provider: ProviderName | None = None
    """"package.module:function"; None: the sealed file."""


class Opener(Protocol):
    """What a configured name must lead to."""

    def __call__(self, path: Path, passphrase: str, *, create: bool) -> KeyProvider:
        """Open the keys; with `create` make the place for them if there is none. Raises KeyStoreError."""


def open_keys(settings: KeyStoreSettings) -> KeyProvider:
    """The party's keys. Raises KeyStoreError, OSError."""
    opener = _opener(settings.provider)
    return _opened(settings, opener, create=False)


def create_keys(settings: KeyStoreSettings) -> KeyProvider:
    """The party's keys, with an empty place for them made if there is none; a sealed file gets a passphrase drawn if
    it has none. Raises KeyStoreError, OSError."""
    opener = _opener(settings.provider)
    if settings.provider is None and not settings.passphrase_file.exists():
        settings.passphrase_file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(settings.passphrase_file, secrets.token_urlsafe(PASSPHRASE_BYTES).encode() + b"\n")
    return _opened(settings, opener, create=True)


def sealed_file(path: Path, passphrase: str, *, create: bool) -> KeyProvider:
    """The default: gm.keystore.KeyStore."""
    if create and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        return KeyStore.create(path, passphrase)
    return KeyStore.open(path, passphrase)


def _opener(name: str | None) -> Opener:
    if name is None:
        return sealed_file
    module_name, _, function = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever somebody's module does when it is loaded
        raise KeyStoreError(f"keystore.provider: {module_name} does not load: {error}") from error
    opener: Opener | None = getattr(module, function, None)
    if not callable(opener):
        raise KeyStoreError(f"keystore.provider: {module_name} has no function {function}")
    return opener


def _opened(settings: KeyStoreSettings, opener: Opener, *, create: bool) -> KeyProvider:
    passphrase = settings.passphrase_file.read_text().strip()
    try:
        keys = opener(settings.path, passphrase, create=create)
    except (KeyStoreError, OSError):
        raise
    except Exception as error:
        raise KeyStoreError(f"keystore.provider: {settings.provider}: {error}") from error
    if not isinstance(keys, KeyProvider):
        raise KeyStoreError(f"keystore.provider: what {settings.provider} gives is no provider of keys")
    return keys
