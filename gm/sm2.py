"""SM2 signatures and encryption (GB/T 32918-2016, recommended curve of part 5).

The curve arithmetic is libcrypto's. What is done here: the digest ``e = SM3(Z | message)`` of the
signature (part 2, 5.5), with Z computed once a key, and the change between libcrypto's DER and the
fixed-width forms that travel: signature ``r[32] | s[32]``, ciphertext ``X[32] | Y[32] | C3[32] | C2``.

Keys may be shared by threads; signing, verifying, encrypting and decrypting release the GIL.
"""

import base64
import binascii
import ctypes
import hmac
import secrets
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import byref, c_char_p, c_size_t, c_void_p, create_string_buffer
from typing import Final

from gm import der, libcrypto
from gm.errors import DecryptError, GmError, KeyFormatError
from gm.sm3 import sm3

SM2_ID: Final = b"1234567812345678"
"""The signer's distinguishing identifier, the same for every key (GM/T 0009-2012, 10)."""

P: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
A: Final = P - 3
B: Final = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
N: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
GX: Final = 0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7
GY: Final = 0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0

SIGNATURE_SIZE: Final = 64
CIPHERTEXT_OVERHEAD: Final = 96
"""Bytes that a ciphertext is longer than its plaintext: X, Y and C3."""

PLAINTEXT_MAX: Final = 16384
"""Longest plaintext, in bytes; SM2 seals keys and short records, SM4 the rest."""

CONTEXTS_MAX: Final = 16
"""Idle libcrypto contexts kept per key and operation: as many as threads use one key at once."""

_EC_PUBLIC_KEY = bytes.fromhex("06072a8648ce3d0201")  # 1.2.840.10045.2.1
_SM2_CURVE = bytes.fromhex("06082a811ccf5501822d")  # 1.2.156.10197.1.301
_ALGORITHM = der.tlv(der.SEQUENCE, _EC_PUBLIC_KEY + _SM2_CURVE)
_VERSION_0 = der.tlv(der.INTEGER, b"\0")
_VERSION_1 = der.tlv(der.INTEGER, b"\1")
_CURVE_PARAMETERS = b"".join(number.to_bytes(32, "big") for number in (A, B, GX, GY))
_SIGNATURE_DER_MAX = 72
_CIPHERTEXT_DER_OVERHEAD = 128


class _Contexts:
    """Initialised libcrypto contexts of one key for one operation, reused because making one costs more than
    the call. A context is used by one thread at a time: taken out, used, put back."""

    __slots__ = ("_free", "_idle", "_init", "_new", "_pkey")

    def __init__(self, pkey: int, init: Callable[..., int]) -> None:
        lib = libcrypto.load()
        self._pkey, self._init, self._new, self._free = pkey, init, lib.ctx_new, lib.ctx_free
        self._idle: deque[int] = deque()

    @contextmanager
    def one(self) -> Iterator[int]:
        try:
            context = self._idle.pop()
        except IndexError:
            context = self._new(self._pkey, None)
            if not context or self._init(context) != 1:
                self._free(context)
                raise GmError("libcrypto refuses SM2") from None
        try:
            yield context
        finally:
            if len(self._idle) < CONTEXTS_MAX:
                self._idle.append(context)
            else:
                self._free(context)

    def close(self) -> None:
        while self._idle:
            self._free(self._idle.pop())


class _Handle:
    """Owner of one EVP_PKEY and its contexts."""

    __slots__ = ("_contexts", "_free", "pkey")

    def __init__(self, pkey: int) -> None:
        self.pkey = pkey
        self._free = libcrypto.load().pkey_free
        self._contexts: list[_Contexts] = []

    def contexts(self, init: Callable[..., int]) -> _Contexts:
        made = _Contexts(self.pkey, init)
        self._contexts.append(made)
        return made

    def __del__(self) -> None:
        for contexts in self._contexts:
            contexts.close()
        self._free(self.pkey)


def _load_key(decode: Callable[..., int | None], encoded: bytes) -> _Handle:
    lib = libcrypto.load()
    pkey = decode(None, byref(c_char_p(encoded)), len(encoded))
    if not pkey:
        lib.err_clear()
        raise KeyFormatError("not a key on the SM2 curve")
    handle = _Handle(pkey)
    if lib.pkey_is_a(pkey, b"SM2") != 1:
        raise KeyFormatError("not a key on the SM2 curve")
    return handle


def _pem(label: str, encoded: bytes) -> bytes:
    text = base64.b64encode(encoded).decode("ascii")
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode("ascii")


def _unpem(label: str, pem: bytes) -> bytes:
    begin, end = f"-----BEGIN {label}-----".encode(), f"-----END {label}-----".encode()
    _, found, rest = pem.partition(begin)
    body, closed, _ = rest.partition(end)
    if not found or not closed:
        raise KeyFormatError(f"no PEM block {label}")
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error:
        raise KeyFormatError(f"PEM block {label} is not base64") from None


class PublicKey:
    """A point on the SM2 curve: verifies signatures and encrypts.

    Equal and hashable by its point. Make one with :meth:`from_bytes` or :meth:`from_pem`.
    """

    __slots__ = ("_encrypt", "_handle", "_point", "_verify", "_z")

    def __init__(self, point: bytes) -> None:
        self._point = point
        lib = libcrypto.load()
        # libcrypto checks here that the point is on the curve; SM2's cofactor is 1, so that is enough.
        self._handle = _load_key(lib.d2i_pubkey, self.spki_der())
        self._verify = self._handle.contexts(lib.verify_init)
        self._encrypt = self._handle.contexts(lib.encrypt_init)
        # GB/T 32918.2, 5.5: Z = SM3(ENTL | ID | a | b | xG | yG | xA | yA), ENTL in bits.
        entl = (len(SM2_ID) * 8).to_bytes(2, "big")
        self._z = sm3(entl + SM2_ID + _CURVE_PARAMETERS + point[1:])

    @classmethod
    def from_bytes(cls, point: bytes) -> "PublicKey":
        """From an uncompressed point, 65 bytes ``04 | X | Y`` or 64 bytes ``X | Y``.

        Raises :class:`KeyFormatError` for another length or form, or a point off the curve.
        """
        if len(point) == 64:
            point = b"\x04" + point
        if len(point) != 65 or point[0] != 4:
            raise KeyFormatError("an SM2 public key is 65 bytes 04|X|Y, or 64 bytes X|Y")
        return cls(bytes(point))

    @classmethod
    def from_spki_der(cls, encoded: bytes) -> "PublicKey":
        """From a SubjectPublicKeyInfo (RFC 5480) with the SM2 curve named. Raises :class:`KeyFormatError`."""
        prefix = _spki(bytes(65))[:-65]
        if len(encoded) != len(prefix) + 65 or not encoded.startswith(prefix):
            raise KeyFormatError("not the SubjectPublicKeyInfo of an uncompressed SM2 key")
        return cls.from_bytes(encoded[len(prefix) :])

    @classmethod
    def from_pem(cls, pem: bytes) -> "PublicKey":
        """From a PEM block PUBLIC KEY. Raises :class:`KeyFormatError`."""
        return cls.from_spki_der(_unpem("PUBLIC KEY", pem))

    def to_bytes(self) -> bytes:
        """``04 | X | Y``, 65 bytes."""
        return self._point

    def spki_der(self) -> bytes:
        """SubjectPublicKeyInfo: id-ecPublicKey, parameters 1.2.156.10197.1.301, uncompressed point."""
        return _spki(self._point)

    def to_pem(self) -> bytes:
        """The SubjectPublicKeyInfo as PEM."""
        return _pem("PUBLIC KEY", self.spki_der())

    def digest(self, message: bytes) -> bytes:
        """What a signature under this key signs: ``SM3(Z | message)``, 32 bytes (GB/T 32918.2, 6.1)."""
        return sm3(self._z + message)

    def verify(self, message: bytes, signature: bytes) -> bool:
        """True if ``signature``, 64 bytes ``r | s``, is this key's over ``message``; never raises for one
        that is not."""
        if len(signature) != SIGNATURE_SIZE:
            return False
        encoded = der.tlv(der.SEQUENCE, der.unsigned(signature[:32]) + der.unsigned(signature[32:]))
        lib = libcrypto.load()
        with self._verify.one() as context:
            good: bool = lib.verify(context, encoded, len(encoded), self.digest(message), 32) == 1
        if not good:
            lib.err_clear()
        return good

    def encrypt(self, plaintext: bytes) -> bytes:
        """Encrypt 1 to :data:`PLAINTEXT_MAX` bytes; randomised, so equal plaintexts have nothing in common.

        Returns ``X | Y | C3 | C2`` (GB/T 32918.4, 6.1, in C1C3C2 order, C1 without its 04), 96 bytes longer
        than the plaintext.
        """
        size = len(plaintext)
        if not 1 <= size <= PLAINTEXT_MAX:
            raise GmError(f"SM2 encrypts 1 to {PLAINTEXT_MAX} bytes")
        lib = libcrypto.load()
        room = size + _CIPHERTEXT_DER_OVERHEAD
        out, written = create_string_buffer(room), c_size_t(room)
        with self._encrypt.one() as context:
            done = lib.encrypt(context, out, byref(written), plaintext, size)
        if done != 1:
            lib.err_clear()
            raise GmError("SM2 encryption failed")
        body = der.whole(out.raw[: written.value], der.SEQUENCE)
        x, at = der.take_unsigned(body, 0, 32)
        y, at = der.take_unsigned(body, at, 32)
        c3, at = der.take(body, at, der.OCTET_STRING)
        c2, at = der.take(body, at, der.OCTET_STRING)
        return x + y + c3 + c2

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self._point == other._point

    def __hash__(self) -> int:
        return hash(self._point)

    def __repr__(self) -> str:
        return f"PublicKey({self._point.hex()})"


class PrivateKey:
    """A number d in 1 … n-2: signs and decrypts. Make one with :meth:`generate`, :meth:`from_bytes` or
    :meth:`from_pem`; its repr shows the public key only."""

    __slots__ = ("_d", "_decrypt", "_handle", "_sign", "public_key")

    def __init__(self, d: bytes) -> None:
        lib = libcrypto.load()
        self._d = d
        self._handle = _load_key(lib.d2i_private, _pkcs8(d, None))
        self._sign = self._handle.contexts(lib.sign_init)
        self._decrypt = self._handle.contexts(lib.decrypt_init)
        self.public_key = PublicKey.from_spki_der(self._derived_spki())

    def _derived_spki(self) -> bytes:
        lib, out = libcrypto.load(), c_void_p()
        size = lib.i2d_pubkey(self._handle.pkey, byref(out))
        if size <= 0:
            raise GmError("libcrypto did not derive the public key")
        try:
            return ctypes.string_at(out, size)
        finally:
            lib.free(out, b"", 0)

    @classmethod
    def generate(cls) -> "PrivateKey":
        """A new key, uniform in 1 … n-2, from the operating system's generator."""
        return cls((1 + secrets.randbelow(N - 2)).to_bytes(32, "big"))

    @classmethod
    def from_bytes(cls, d: bytes) -> "PrivateKey":
        """From 32 bytes, big-endian. Raises :class:`KeyFormatError` outside 1 … n-2 (GB/T 32918.1, 6.1)."""
        if len(d) != 32 or not 1 <= int.from_bytes(d, "big") <= N - 2:
            raise KeyFormatError("an SM2 private key is 32 bytes, between 1 and n-2")
        return cls(bytes(d))

    @classmethod
    def from_pem(cls, pem: bytes) -> "PrivateKey":
        """From an unencrypted PKCS#8 block PRIVATE KEY (RFC 5208, RFC 5915) on the SM2 curve.

        A public key inside must be this key's. Raises :class:`KeyFormatError`.
        """
        try:
            d, point = _unpkcs8(_unpem("PRIVATE KEY", pem))
        except der.DerError:
            raise KeyFormatError("not a PKCS#8 private key on the SM2 curve") from None
        key = cls.from_bytes(d)
        if point is not None and point != key.public_key.to_bytes():
            raise KeyFormatError("the public key in the file is another key's")
        return key

    def to_bytes(self) -> bytes:
        """d, 32 bytes, big-endian."""
        return self._d

    def to_pem(self) -> bytes:
        """Unencrypted PKCS#8 as PEM, public key included: write it with mode 0600 or not at all."""
        return _pem("PRIVATE KEY", _pkcs8(self._d, self.public_key.to_bytes()))

    def sign(self, message: bytes) -> bytes:
        """Sign ``message`` under the id :data:`SM2_ID` (GB/T 32918.2, 6.1): 64 bytes ``r | s``."""
        lib = libcrypto.load()
        out, written = create_string_buffer(_SIGNATURE_DER_MAX), c_size_t(_SIGNATURE_DER_MAX)
        with self._sign.one() as context:
            done = lib.sign(context, out, byref(written), self.public_key.digest(message), 32)
        if done != 1:
            lib.err_clear()
            raise GmError("SM2 signing failed")
        body = der.whole(out.raw[: written.value], der.SEQUENCE)
        r, at = der.take_unsigned(body, 0, 32)
        s, _ = der.take_unsigned(body, at, 32)
        return r + s

    def decrypt(self, ciphertext: bytes) -> bytes:
        """Open ``X | Y | C3 | C2``. Raises :class:`DecryptError`, the same for a point off the curve, a C3
        that does not match and a wrong length."""
        size = len(ciphertext) - CIPHERTEXT_OVERHEAD
        if not 1 <= size <= PLAINTEXT_MAX:
            raise DecryptError
        encoded = der.tlv(
            der.SEQUENCE,
            der.unsigned(ciphertext[:32])
            + der.unsigned(ciphertext[32:64])
            + der.tlv(der.OCTET_STRING, ciphertext[64:96])
            + der.tlv(der.OCTET_STRING, ciphertext[96:]),
        )
        lib = libcrypto.load()
        # libcrypto asks for room by the ciphertext's DER length, not by the plaintext's.
        room = len(encoded)
        out, written = create_string_buffer(room), c_size_t(room)
        with self._decrypt.one() as context:
            done = lib.decrypt(context, out, byref(written), encoded, room)
        if done != 1 or written.value != size:
            lib.err_clear()
            raise DecryptError
        return out.raw[:size]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PrivateKey) and hmac.compare_digest(self._d, other._d)

    def __hash__(self) -> int:
        return hash(self.public_key)

    def __repr__(self) -> str:
        return f"PrivateKey(of {self.public_key!r})"


def _spki(point: bytes) -> bytes:
    return der.tlv(der.SEQUENCE, _ALGORITHM + der.tlv(der.BIT_STRING, b"\0" + point))


def _pkcs8(d: bytes, point: bytes | None) -> bytes:
    inner = _VERSION_1 + der.tlv(der.OCTET_STRING, d)
    if point is not None:
        inner += der.tlv(0xA1, der.tlv(der.BIT_STRING, b"\0" + point))
    key = der.tlv(der.OCTET_STRING, der.tlv(der.SEQUENCE, inner))
    return der.tlv(der.SEQUENCE, _VERSION_0 + _ALGORITHM + key)


def _unpkcs8(encoded: bytes) -> tuple[bytes, bytes | None]:
    """d and, where the file has it, the public point. Raises :class:`gm.der.DerError`."""
    outer = der.whole(encoded, der.SEQUENCE)
    if not outer.startswith(_VERSION_0 + _ALGORITHM):
        raise der.DerError("another algorithm or curve")
    # RFC 5208, 5: attributes may follow the key; they say nothing about it and are passed over.
    wrapped, _ = der.take(outer, len(_VERSION_0 + _ALGORITHM), der.OCTET_STRING)
    inner = der.whole(wrapped, der.SEQUENCE)
    if not inner.startswith(_VERSION_1):
        raise der.DerError("another version")
    d, at = der.take(inner, len(_VERSION_1), der.OCTET_STRING)
    # RFC 5915, 3: [0] parameters and [1] publicKey, both optional.
    if inner[at : at + 1] == b"\xa0":
        parameters, at = der.take(inner, at, 0xA0)
        if parameters != _SM2_CURVE:
            raise der.DerError("another curve")
    if at == len(inner):
        return d, None
    wrapped, at = der.take(inner, at, 0xA1)
    bits = der.whole(wrapped, der.BIT_STRING)
    if at != len(inner) or not bits.startswith(b"\0"):
        raise der.DerError("bytes after the key")
    return d, bits[1:]
