"""SM4 (GB/T 32907-2016) in Galois/Counter Mode (GCM; RFC 8998 names it AEAD_SM4_GCM).

It comes from the OpenSSL inside the ``cryptography`` wheel: Debian's libcrypto 3.0 lacks this mode.
"""

from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import AEADEncryptionContext, Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import ECB, GCM

from gm.errors import DecryptError, KeyFormatError

KEY_SIZE: Final = 16
NONCE_SIZE: Final = 12
TAG_SIZE: Final = 16


def _by_cipher(algorithm: SM4, mode: GCM) -> AEADEncryptionContext:
    return Cipher(algorithm, mode).encryptor()


# What `Cipher.encryptor` calls after it and its class have asked three abstract classes whether this is a cipher and a
# mode: 1.3 of the 5.4 us that it takes to seal 173 octets. It is no part of the library's interface: a version without
# it is used the long way.
try:
    from cryptography.hazmat.bindings._rust import openssl

    _encryptor: Callable[[SM4, GCM], AEADEncryptionContext] = openssl.ciphers.create_encryption_ctx
except (ImportError, AttributeError):
    _encryptor = _by_cipher


def seal(key: bytes, nonce: bytes, plaintext: bytes, aad: bytes = b"") -> bytes:
    """Encrypt and authenticate; ``aad`` is authenticated only.

    ``key`` is 16 bytes, ``nonce`` 12 and never used twice under one key.
    Returns ciphertext followed by the 16-byte tag. Raises :class:`KeyFormatError` on wrong sizes.
    """
    return Sm4Gcm(key).seal(nonce, plaintext, aad)


def open_sealed(key: bytes, nonce: bytes, sealed: bytes, aad: bytes = b"") -> bytes:
    """Undo :func:`seal`. Raises :class:`DecryptError` if anything differs from what was sealed."""
    return Sm4Gcm(key).open_sealed(nonce, sealed, aad)


class Sm4Gcm:
    """SM4-GCM under one key: :func:`seal` and :func:`open_sealed` without naming it, for keys used often.

    Instances hold no state between calls and may be shared by threads. Raises :class:`KeyFormatError` for a key
    that is not 16 bytes.
    """

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_SIZE:
            raise KeyFormatError("SM4-GCM takes a key of 16 bytes")
        self._cipher = SM4(key)

    def seal(self, nonce: bytes, plaintext: bytes, aad: bytes = b"") -> bytes:
        """See :func:`seal`."""
        if len(nonce) != NONCE_SIZE:
            raise KeyFormatError("SM4-GCM takes a nonce of 12 bytes")
        encryptor = _encryptor(self._cipher, GCM(nonce))
        if aad:
            encryptor.authenticate_additional_data(aad)
        ciphertext = encryptor.update(plaintext)
        encryptor.finalize()
        return ciphertext + encryptor.tag

    def open_sealed(self, nonce: bytes, sealed: bytes, aad: bytes = b"") -> bytes:
        """See :func:`open_sealed`."""
        if len(nonce) != NONCE_SIZE:
            raise KeyFormatError("SM4-GCM takes a nonce of 12 bytes")
        if len(sealed) < TAG_SIZE:
            raise DecryptError
        decryptor = Cipher(self._cipher, GCM(nonce, sealed[-TAG_SIZE:])).decryptor()
        if aad:
            decryptor.authenticate_additional_data(aad)
        plaintext = decryptor.update(sealed[:-TAG_SIZE])
        try:
            decryptor.finalize()
        except InvalidTag:
            raise DecryptError from None
        return plaintext


def encrypt_block(key: bytes, block: bytes) -> bytes:
    """The bare cipher on one 16-byte block: only for known-answer tests."""
    if len(key) != KEY_SIZE or len(block) != 16:
        raise KeyFormatError("SM4 takes a key and a block of 16 bytes each")
    encryptor = Cipher(SM4(key), ECB()).encryptor()  # noqa: S305 - one block, one known answer
    return encryptor.update(block) + encryptor.finalize()
