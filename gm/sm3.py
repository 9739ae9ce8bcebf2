"""SM3 (GB/T 32905-2016), HMAC over it (RFC 2104) and PBKDF2 over that (RFC 8018, 5.2).

The digest comes from the interpreter's OpenSSL through :mod:`hashlib`; copying a fresh state saves
the algorithm look-up that ``hashlib.new`` does on each call.
"""

import hashlib
import hmac
from typing import Final

DIGEST_SIZE: Final = 32
BLOCK_SIZE: Final = 64

_FRESH = hashlib.new("sm3")
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


def sm3(data: bytes) -> bytes:
    """Digest of ``data``, 32 bytes."""
    state = _FRESH.copy()
    state.update(data)
    return state.digest()


class Sm3:
    """A digest fed piece by piece; :meth:`digest` may be asked at any time and changes nothing."""

    __slots__ = ("_state",)

    def __init__(self, data: bytes = b"") -> None:
        self._state = _FRESH.copy()
        if data:
            self._state.update(data)

    def update(self, data: bytes) -> None:
        """Append ``data`` to what is digested."""
        self._state.update(data)

    def copy(self) -> "Sm3":
        """An independent digest of the same bytes so far."""
        twin = Sm3.__new__(Sm3)
        twin._state = self._state.copy()
        return twin

    def digest(self) -> bytes:
        """Digest of all bytes so far, 32 bytes."""
        return self._state.digest()


class HmacSm3:
    """HMAC-SM3 under one key, which is expanded once: for keys used often.

    Instances hold no state between calls and may be shared by threads.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        if len(key) > BLOCK_SIZE:
            key = sm3(key)
        block = key.ljust(BLOCK_SIZE, b"\0")
        self._inner = _FRESH.copy()
        self._inner.update(block.translate(_INNER))
        self._outer = _FRESH.copy()
        self._outer.update(block.translate(_OUTER))

    def digest(self, data: bytes) -> bytes:
        """Tag of ``data``, 32 bytes."""
        inner = self._inner.copy()
        inner.update(data)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()

    def verify(self, data: bytes, tag: bytes) -> bool:
        """True if ``tag`` is the tag of ``data``; compared in constant time."""
        return hmac.compare_digest(self.digest(data), tag)


def hmac_sm3(key: bytes, data: bytes) -> bytes:
    """HMAC-SM3 of ``data`` under ``key`` (any length), 32 bytes."""
    if len(key) > BLOCK_SIZE:
        key = sm3(key)
    block = key.ljust(BLOCK_SIZE, b"\0")
    return sm3(block.translate(_OUTER) + sm3(block.translate(_INNER) + data))


def pbkdf2_hmac_sm3(password: bytes, salt: bytes, iterations: int, length: int) -> bytes:
    """Derive ``length`` bytes from a password (RFC 8018, 5.2, with HMAC-SM3)."""
    return hashlib.pbkdf2_hmac("sm3", password, salt, iterations, length)
