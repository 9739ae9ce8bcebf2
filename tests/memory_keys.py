"""A provider of keys as somebody would bring it for a hardware module: keys that do what they are for and show nothing.

Named in a configuration as "tests.memory_keys:open_module". What it holds lasts as long as the process, by path.
"""

from functools import cached_property
from pathlib import Path
from typing import Any

from gm.errors import KeyStoreError
from gm.keystore import ITERATIONS_MIN, Algorithm, Key, KeyStore, State
from gm.sm2 import PrivateKey
from gm.sm3 import HmacSm3
from gm.sm4 import Sm4Gcm

NAME = "tests.memory_keys:open_module"
PIN = "123456"

SHARED = ("http", "network/", "peer/")
"""Purposes whose keys leave by their nature, and are kept as they are."""


class InModule(Key):
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
    """The module. A store of the product's own stands in for what is in the hardware."""

    def __init__(self, inside: KeyStore) -> None:
        self._inside = inside

    def _shown(self, key: Key) -> Key:
        if key.purpose.startswith(SHARED):
            return key
        shown = InModule(key.purpose, key.version, key.state, key.algorithm, b"", key.id)
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

    def add(self, purpose: str, algorithm: Algorithm, **options: Any) -> Key:
        return self._shown(self._inside.add(purpose, algorithm, **options))

    def set_state(self, purpose: str, version: int, state: State) -> Key:
        return self._shown(self._inside.set_state(purpose, version, state))


_MODULES: dict[Path, Module] = {}


def open_module(path: Path, passphrase: str, *, create: bool) -> Module:
    """As keystore.provider names it."""
    if passphrase != PIN:
        raise KeyStoreError("the PIN is wrong")
    module = _MODULES.get(path)
    if module is None:
        if not create:
            raise KeyStoreError(f"there is no module at {path}")
        hidden = path.with_name(path.name + ".inside")
        module = _MODULES[path] = Module(KeyStore.create(hidden, "inside", iterations=ITERATIONS_MIN))
    return module


def breaks(path: Path, passphrase: str, *, create: bool) -> Module:
    """A provider with a fault of its own."""
    raise RuntimeError("slot 1 does not answer")


def gives_nothing(path: Path, passphrase: str, *, create: bool) -> None:
    """A function that is no provider."""


not_a_function = 1
