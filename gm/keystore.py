"""Keys by purpose, version and state, in one sealed file.

File: ``"ASCSKS1" 00 | u32 iterations | salt[16] | nonce[12] | SM4-GCM(JSON)``. The key of the seal is
PBKDF2-HMAC-SM3 of the passphrase; everything before the ciphertext is authenticated with it. Each
change writes a new file beside the old one and renames it over, so that a crash leaves one or the other;
a lock file beside it keeps two processes from losing each other's change.

States (SP 800-57 part 1, 7)::

    pre-active ──▶ active ──▶ retired ──▶ destroyed
        └────────────┴───────────────────────▲

A retired key only verifies or decrypts what it protected before. A destroyed key keeps its number and
loses its material, so that a version never comes back as another key.
"""

import binascii
import fcntl
import json
import os
import secrets
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, Protocol, TypeVar, get_args, runtime_checkable

from gm import sm4
from gm.errors import DecryptError, GmError, KeyStoreError
from gm.sm2 import PrivateKey, PublicKey
from gm.sm3 import HmacSm3, pbkdf2_hmac_sm3
from gm.sm4 import Sm4Gcm

Algorithm = Literal["sm2", "sm2-public", "sm4", "hmac-sm3"]
"""sm2-public: another party's key, of which there is no more here."""
State = Literal["pre-active", "active", "retired", "destroyed"]

ITERATIONS: Final = 600_000
"""PBKDF2 rounds of a new store: about 0.4 s a core."""
ITERATIONS_MIN: Final = 1_000
ITERATIONS_MAX: Final = 10_000_000
"""Bounds on the rounds that a file may ask for, so that no file stalls the process."""
FILE_MAX: Final = 16 * 1024 * 1024
"""Largest store read, in bytes."""
VERSIONS_MAX: Final = 10_000
"""Most versions of one purpose."""
PURPOSE_MAX: Final = 128
"""Longest purpose or key id, in characters."""

MATERIAL_SIZES: Final[dict[Algorithm, int]] = {"sm2": 32, "sm2-public": 65, "sm4": 16, "hmac-sm3": 32}
"""Length of a key of each algorithm, in bytes."""

TRANSITIONS: Final[dict[State, frozenset[State]]] = {
    "pre-active": frozenset({"active", "destroyed"}),
    "active": frozenset({"retired", "destroyed"}),
    "retired": frozenset({"destroyed"}),
    "destroyed": frozenset(),
}

_MAGIC: Final = b"ASCSKS1\0"
_SALT_SIZE: Final = 16
_SALT_AT: Final = len(_MAGIC) + 4
_NONCE_AT: Final = _SALT_AT + _SALT_SIZE
_HEADER_SIZE: Final = _NONCE_AT + sm4.NONCE_SIZE

T = TypeVar("T")


@dataclass(frozen=True)
class Key:
    """One version of the key for one purpose. Its repr does not show the material.

    What a key does goes through :attr:`sm2`, :attr:`hmac` and :attr:`sm4`, so that a provider whose keys stay in
    hardware gives a subclass that has these and no material. Material is read only of what leaves by its nature: keys
    shared with another party, and exports.
    """

    purpose: str
    version: int
    """1 for the first of its purpose, then 2, …"""
    state: State
    algorithm: Algorithm
    material: bytes = field(repr=False)
    """The secret: see :data:`MATERIAL_SIZES`; empty once destroyed."""
    id: str = ""
    """A name by which others know it, such as the carrier key id of an EDI; else ``purpose/version``."""

    @cached_property
    def sm2(self) -> PrivateKey:
        """The private key, loaded once. Raises :class:`KeyStoreError` if this is no SM2 key."""
        if self.algorithm != "sm2" or self.state == "destroyed":
            raise KeyStoreError(f"{self.purpose}/{self.version} is not a usable SM2 key")
        return PrivateKey.from_bytes(self.material)

    @cached_property
    def public(self) -> PublicKey:
        """The public key, of one's own pair or of another party. Raises :class:`KeyStoreError` for others."""
        if self.algorithm == "sm2-public" and self.state != "destroyed":
            return PublicKey.from_bytes(self.material)
        return self.sm2.public_key

    @cached_property
    def hmac(self) -> HmacSm3:
        """The HMAC under this key, expanded once. Raises :class:`KeyStoreError` for another algorithm."""
        if self.algorithm != "hmac-sm3" or self.state == "destroyed":
            raise KeyStoreError(f"{self.purpose}/{self.version} is not a usable HMAC-SM3 key")
        return HmacSm3(self.material)

    @cached_property
    def sm4(self) -> Sm4Gcm:
        """SM4-GCM under this key. Raises :class:`KeyStoreError` for another algorithm."""
        if self.algorithm != "sm4" or self.state == "destroyed":
            raise KeyStoreError(f"{self.purpose}/{self.version} is not a usable SM4 key")
        return Sm4Gcm(self.material)


@runtime_checkable
class KeyProvider(Protocol):
    """Where a party's keys come from. The sealed file is the default; a hardware module can be another: see
    :class:`Key`."""

    def refresh(self) -> bool:
        """Take in what another process changed; whether that was anything. Cheap when nothing was. Raises
        :class:`KeyStoreError`, and then keeps what it held."""

    def purposes(self) -> tuple[str, ...]:
        """Every purpose that has a key, sorted."""

    def keys(self, purpose: str) -> tuple[Key, ...]:
        """All versions of a purpose, destroyed ones too, by version; empty if there is none."""

    def current(self, purpose: str) -> Key:
        """The active key with which to sign or seal now. Raises :class:`KeyStoreError` if there is none."""

    def get(self, purpose: str, version: int) -> Key:
        """A version with which to verify or open. Raises :class:`KeyStoreError` if unknown or destroyed."""

    def add(
        self,
        purpose: str,
        algorithm: Algorithm,
        *,
        state: State = "active",
        material: bytes | None = None,
        id: str = "",
    ) -> Key:
        """A new version, drawn at random unless ``material`` is given. Raises :class:`KeyStoreError`."""

    def set_state(self, purpose: str, version: int, state: State) -> Key:
        """Move a version along :data:`TRANSITIONS`. Raises :class:`KeyStoreError` for any other move."""


Keys = dict[str, tuple[Key, ...]]


class KeyStore:
    """The sealed file as a :class:`KeyProvider`. Threads may share one; processes may open one file.

    Another process's changes are seen after :meth:`reload`, and before each change of one's own.
    """

    def __init__(self, path: Path, seal_key: bytes, header: bytes, keys: Keys) -> None:
        self._path = path
        self._seal_key = seal_key
        self._header = header
        """Magic, iterations and salt, from which the seal key was derived."""
        self._keys = keys
        self._stamp = _stamp(path)
        self._lock = threading.Lock()

    @classmethod
    def create(cls, path: Path, passphrase: str | bytes, *, iterations: int = ITERATIONS) -> "KeyStore":
        """A new, empty store. Raises :class:`KeyStoreError` if the file is there already."""
        if not ITERATIONS_MIN <= iterations <= ITERATIONS_MAX:
            raise KeyStoreError("iterations out of bounds")
        salt = secrets.token_bytes(_SALT_SIZE)
        header = _MAGIC + iterations.to_bytes(4, "big") + salt
        store = cls(path, _derive(passphrase, header), header, {})
        with store._exclusive():
            if path.exists():
                raise KeyStoreError(f"{path} exists")
            store._write({})
        store._stamp = _stamp(path)
        return store

    @classmethod
    def open(cls, path: Path, passphrase: str | bytes) -> "KeyStore":
        """Open an existing store. Raises :class:`KeyStoreError`: a wrong passphrase and an altered file look
        alike."""
        data = _read(path)
        header = data[:_NONCE_AT]
        seal_key = _derive(passphrase, header)
        return cls(path, seal_key, header, _unseal(path, seal_key, data))

    def reload(self) -> None:
        """Take in what another process changed. Raises :class:`KeyStoreError` and then keeps what it held."""
        with self._lock:
            self._stamp = _stamp(self._path)
            self._keys = self._fresh()

    def refresh(self) -> bool:
        if _stamp(self._path) == self._stamp:
            return False
        self.reload()
        return True

    def purposes(self) -> tuple[str, ...]:
        return tuple(sorted(self._keys))

    def keys(self, purpose: str) -> tuple[Key, ...]:
        return self._keys.get(purpose, ())

    def current(self, purpose: str) -> Key:
        for key in reversed(self.keys(purpose)):
            if key.state == "active":
                return key
        raise KeyStoreError(f"no active key for {purpose}")

    def get(self, purpose: str, version: int) -> Key:
        versions = self.keys(purpose)
        if not 1 <= version <= len(versions):
            raise KeyStoreError(f"no key {purpose}/{version}")
        key = versions[version - 1]
        if key.state == "destroyed":
            raise KeyStoreError(f"key {purpose}/{version} is destroyed")
        return key

    def add(
        self,
        purpose: str,
        algorithm: Algorithm,
        *,
        state: State = "active",
        material: bytes | None = None,
        id: str = "",
    ) -> Key:
        """A new version, on disk when this returns. An active one retires the active one before it."""
        if not 1 <= len(purpose) <= PURPOSE_MAX or len(id) > PURPOSE_MAX:
            raise KeyStoreError(f"a purpose has 1 to {PURPOSE_MAX} characters, an id as many at most")
        if algorithm not in MATERIAL_SIZES:
            raise KeyStoreError(f"unknown algorithm {algorithm}")
        if state not in ("pre-active", "active"):
            raise KeyStoreError("a new key is pre-active or active")
        if material is None:
            material = _draw(algorithm)
        _check_material(algorithm, material)
        secret = bytes(material)

        def change(keys: Keys) -> Key:
            versions = keys.get(purpose, ())
            if len(versions) >= VERSIONS_MAX:
                raise KeyStoreError(f"{purpose} has {VERSIONS_MAX} versions already")
            if state == "active":
                versions = _retired(versions)
            version = len(versions) + 1
            key = Key(purpose, version, state, algorithm, secret, id or f"{purpose}/{version}")
            keys[purpose] = (*versions, key)
            return key

        return self._change(change)

    def set_state(self, purpose: str, version: int, state: State) -> Key:
        """Move one version to ``state``, on disk when this returns. Activating one retires the active one;
        destroying one drops its material from the file."""

        def change(keys: Keys) -> Key:
            versions = keys.get(purpose, ())
            if not 1 <= version <= len(versions):
                raise KeyStoreError(f"no key {purpose}/{version}")
            before = versions[version - 1]
            if state not in TRANSITIONS[before.state]:
                raise KeyStoreError(f"{purpose}/{version} cannot go from {before.state} to {state}")
            if state == "active":
                versions = _retired(versions)
            key = replace(before, state=state, material=b"" if state == "destroyed" else before.material)
            keys[purpose] = (*versions[: version - 1], key, *versions[version:])
            return key

        return self._change(change)

    def _change(self, change: Callable[[Keys], T]) -> T:
        with self._lock, self._exclusive():
            keys = self._fresh()
            result = change(keys)
            self._write(keys)
            self._keys = keys
            self._stamp = _stamp(self._path)
            return result

    def _fresh(self) -> Keys:
        data = _read(self._path)
        if data[:_NONCE_AT] != self._header:
            raise KeyStoreError(f"{self._path} was sealed anew; open it again")
        return _unseal(self._path, self._seal_key, data)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        try:
            lock = os.open(self._path.with_name(self._path.name + ".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise KeyStoreError(f"{self._path}: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _write(self, keys: Keys) -> None:
        rows = [
            {
                "purpose": key.purpose,
                "version": key.version,
                "state": key.state,
                "algorithm": key.algorithm,
                "material": b64encode(key.material).decode("ascii"),
                "id": key.id,
            }
            for versions in keys.values()
            for key in versions
        ]
        body = json.dumps(rows, ensure_ascii=False).encode()
        header = self._header + secrets.token_bytes(sm4.NONCE_SIZE)
        data = header + sm4.seal(self._seal_key, header[_NONCE_AT:], body, header)
        if len(data) > FILE_MAX:
            raise KeyStoreError("the store is full")
        _replace_file(self._path, data)


def _stamp(path: Path) -> tuple[int, int, int]:
    """What differs once the file was replaced."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_size)


def _derive(passphrase: str | bytes, header: bytes) -> bytes:
    secret = passphrase.encode() if isinstance(passphrase, str) else passphrase
    if not secret:
        raise KeyStoreError("the passphrase is empty")
    iterations = int.from_bytes(header[len(_MAGIC) : _SALT_AT], "big")
    return pbkdf2_hmac_sm3(secret, header[_SALT_AT:_NONCE_AT], iterations, sm4.KEY_SIZE)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_MAX + 1)
    except OSError as error:
        raise KeyStoreError(f"{path}: {error.strerror}") from None
    iterations = int.from_bytes(data[len(_MAGIC) : _SALT_AT], "big")
    if not (
        data.startswith(_MAGIC)
        and _HEADER_SIZE + sm4.TAG_SIZE <= len(data) <= FILE_MAX
        and ITERATIONS_MIN <= iterations <= ITERATIONS_MAX
    ):
        raise KeyStoreError(f"{path} is not a key store")
    return data


def _unseal(path: Path, seal_key: bytes, data: bytes) -> Keys:
    header = data[:_HEADER_SIZE]
    try:
        body = sm4.open_sealed(seal_key, header[_NONCE_AT:], data[_HEADER_SIZE:], header)
    except DecryptError:
        raise KeyStoreError(f"{path} does not open: wrong passphrase, or the file was altered") from None
    keys: Keys = {}
    try:
        for row in json.loads(body):
            key = Key(**{**row, "material": b64decode(row["material"], validate=True)})
            before = keys.get(key.purpose, ())
            if key.version != len(before) + 1 or key.state not in get_args(State):
                raise KeyStoreError(f"{path} holds an unknown state or a gap in versions")
            keys[key.purpose] = (*before, key)
    except (ValueError, TypeError, KeyError, binascii.Error):
        raise KeyStoreError(f"{path} was written by another version") from None
    return keys


def _replace_file(path: Path, data: bytes) -> None:
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise KeyStoreError(f"{path}: {error.strerror}") from None


def _retired(versions: tuple[Key, ...]) -> tuple[Key, ...]:
    return tuple(replace(key, state="retired") if key.state == "active" else key for key in versions)


def _draw(algorithm: Algorithm) -> bytes:
    if algorithm == "sm2":
        return PrivateKey.generate().to_bytes()
    if algorithm == "sm2-public":
        raise KeyStoreError("another party's key is given, not drawn")
    return secrets.token_bytes(MATERIAL_SIZES[algorithm])


def _check_material(algorithm: Algorithm, material: bytes) -> None:
    if len(material) != MATERIAL_SIZES[algorithm]:
        raise KeyStoreError(f"a key for {algorithm} has {MATERIAL_SIZES[algorithm]} bytes")
    if algorithm in ("sm2", "sm2-public"):
        try:
            (PrivateKey if algorithm == "sm2" else PublicKey).from_bytes(material)
        except GmError as error:
            raise KeyStoreError(str(error)) from None
