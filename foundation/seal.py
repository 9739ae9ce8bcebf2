"""Sealing of sensitive columns, and blind indexes by which a sealed value can still be looked up."""

import itertools
import secrets
import struct
from typing import Final

from gm import sm4
from gm.errors import DecryptError, KeyStoreError
from gm.keystore import Algorithm, Key, KeyProvider

DATA_PURPOSE: Final = "data"
"""SM4 key that seals columns."""
INDEX_PURPOSE: Final = "index"
"""HMAC-SM3 key of blind indexes. A new version finds nothing of the old: rows are found under both and indexed anew."""
_INDEXES: Final = ("active", "retired")
"""States in which an index key still finds something."""
INDEX_SIZE: Final = 16
OVERHEAD: Final = 4 + sm4.NONCE_SIZE + sm4.TAG_SIZE
"""Bytes by which a sealed value is longer than what was sealed."""

_VERSION = struct.Struct(">I")
_NONCE = struct.Struct(">8sI")
_COUNTER_END = 2**32


def version_prefix(version: int) -> bytes:
    """How every value begins that is sealed under a version of the data key: 4 bytes."""
    return _VERSION.pack(version)


def add_missing_keys(keys: KeyProvider) -> list[Key]:
    """Give a new party's key store the keys that a Sealer needs; those made. Raises gm.errors.KeyStoreError."""
    wanted: tuple[tuple[str, Algorithm], ...] = ((DATA_PURPOSE, "sm4"), (INDEX_PURPOSE, "hmac-sm3"))
    return [keys.add(purpose, algorithm) for purpose, algorithm in wanted if not keys.keys(purpose)]


class Sealer:
    """SM4-GCM under the party's current data key. Threads may share one.

    A sealed value is `u32 key version | nonce[12] | ciphertext | tag[16]`.
    """

    def __init__(self, keys: KeyProvider) -> None:
        """`keys` must hold DATA_PURPOSE and INDEX_PURPOSE, else gm.errors.KeyStoreError is raised."""
        self._keys = keys
        self._nonces = Nonces()
        keys.current(DATA_PURPOSE)
        keys.current(INDEX_PURPOSE)

    def seal(self, plaintext: bytes, aad: bytes) -> bytes:
        """Seal `plaintext`, bound to `aad`: name the table, column and row, so that no value can be moved
        to another place."""
        key = self._keys.current(DATA_PURPOSE)
        nonce = next(self._nonces)
        return _VERSION.pack(key.version) + nonce + key.sm4.seal(nonce, plaintext, aad)

    def open(self, sealed: bytes, aad: bytes) -> bytes:
        """What was sealed. Raises gm.errors.DecryptError for altered or moved values, and
        gm.errors.KeyStoreError when the key's version is unknown or destroyed."""
        if len(sealed) < OVERHEAD:
            raise DecryptError
        key = self._key(_VERSION.unpack_from(sealed)[0])
        nonce_end = _VERSION.size + sm4.NONCE_SIZE
        return key.sm4.open_sealed(sealed[_VERSION.size : nonce_end], sealed[nonce_end:], aad)

    def _key(self, version: int) -> Key:
        try:
            return self._keys.get(DATA_PURPOSE, version)
        except KeyStoreError:
            # Another process seals under a key that this one has not seen yet.
            if not self._keys.refresh():
                raise
            return self._keys.get(DATA_PURPOSE, version)

    def index(self, label: str, value: bytes) -> bytes:
        """16 bytes that are equal for equal `value` under one `label` (such as "nonce") and tell nobody without the
        party's index key anything else. It is the oldest index key that is left: only when that is destroyed do they
        change."""
        return _index(
            next(key for key in self._keys.keys(INDEX_PURPOSE) if key.state in _INDEXES), label, value
        )

    def tags(self, label: str, value: bytes) -> list[bytes]:
        """`u32 key version | index[16]` of a value under every index key that is left, the current one first."""
        current = self._keys.current(INDEX_PURPOSE)
        usable = [key for key in self._keys.keys(INDEX_PURPOSE) if key.state in _INDEXES and key != current]
        return [version_prefix(key.version) + _index(key, label, value) for key in (current, *usable)]

    @property
    def data_version(self) -> int:
        """Of the current data key. Raises KeyStoreError if there is none."""
        return self._keys.current(DATA_PURPOSE).version

    @property
    def index_version(self) -> int:
        """Of the current index key. Raises KeyStoreError if there is none."""
        return self._keys.current(INDEX_PURPOSE).version

    def refresh(self) -> bool:
        """Take in what another process did with the keys; whether that was anything. Raises KeyStoreError."""
        return self._keys.refresh()


def _index(key: Key, label: str, value: bytes) -> bytes:
    name = label.encode()
    return key.hmac.digest(_VERSION.pack(len(name)) + name + value)[:INDEX_SIZE]


class Nonces:
    """96-bit nonces: 64 random bits and a counter of 32.

    96 random bits would be exhausted after 2^32 values under one key (SP 800-38D, 8.3), some days of a busy
    gateway. Here a repetition needs two prefixes that are equal, of which there is one a start and one
    every 2^32 values.
    """

    def __init__(self) -> None:
        self._count = itertools.count()
        self._prefixes = {0: secrets.token_bytes(8)}

    def __next__(self) -> bytes:
        # `next` on a count and `setdefault` are each one step under the interpreter's lock.
        turn, counter = divmod(next(self._count), _COUNTER_END)
        prefix = self._prefixes.get(turn) or self._prefixes.setdefault(turn, secrets.token_bytes(8))
        return _NONCE.pack(prefix, counter)
