"""Known answers that must come out right before any key is used.

A process that computes one of these wrongly must not run: a library built without an algorithm, or
with another one under its name, would be found by the other party at best and by nobody at worst.
"""

import logging
from collections.abc import Callable
from typing import Final

from gm import libcrypto, sm2, sm4
from gm.errors import DecryptError, GmError, KeyFormatError, SelfTestError
from gm.sm3 import hmac_sm3, pbkdf2_hmac_sm3, sm3

log = logging.getLogger(__name__)

_hex = bytes.fromhex

# GB/T 32905-2016, appendix A.
SM3_ANSWERS: Final = (
    (b"abc", _hex("66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0")),
    (b"abcd" * 16, _hex("debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732")),
)
# GM/T 0042-2015, appendix D.3.
HMAC_KEY: Final = bytes(range(1, 33))
HMAC_DATA: Final = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq" * 2
HMAC_TAG: Final = _hex("ca05e144ed05d1857840d1f318a4a8669e559fc8391f414485bfdf7bb408963a")
# GB/T 32907-2016, appendix A.1.
SM4_KEY: Final = _hex("0123456789abcdeffedcba9876543210")
SM4_BLOCK: Final = _hex("681edf34d206965e86b3e94f536e4246")
# RFC 8998, appendix A.1.
GCM_NONCE: Final = _hex("00001234567800000000abcd")
GCM_AAD: Final = _hex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
GCM_PLAINTEXT: Final = b"".join(_hex(pair) * 8 for pair in ("aa", "bb", "cc", "dd", "ee", "ff", "ee", "aa"))
GCM_SEALED: Final = _hex(
    "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
    "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
    "83de3541e4c2b58177e065a9bf7b62ec"
)
# GB/T 32918.5-2017, appendices A.2 (signature) and C.2 (encryption).
SM2_PRIVATE: Final = _hex("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8")
SM2_PUBLIC: Final = _hex(
    "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
    "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
)
SM2_MESSAGE: Final = b"message digest"
SM2_SIGNATURE: Final = _hex(
    "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3"
    "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"
)
SM2_PLAINTEXT: Final = b"encryption standard"
SM2_CIPHERTEXT: Final = _hex(
    "04ebfc718e8d1798620432268e77feb6415e2ede0e073c0f4f640ecd2e149a73"
    "e858f9d81e5430a57b36daab8f950a3c64e6ee6a63094d99283aff767e124df0"
    "59983c18f809e262923c53aec295d30383b54e39d609d160afcb1908d0bd8766"
    "21886ca989ca9c7d58087307ca93092d651efa"
)


def _digests() -> bool:
    return (
        all(sm3(data) == digest for data, digest in SM3_ANSWERS)
        and hmac_sm3(HMAC_KEY, HMAC_DATA) == HMAC_TAG
        # RFC 8018, 5.2: one iteration of one block is U_1 = PRF(P, S | INT(1)).
        and pbkdf2_hmac_sm3(b"password", b"salt", 1, 32) == hmac_sm3(b"password", b"salt\0\0\0\1")
    )


def _block_cipher() -> bool:
    return (
        sm4.encrypt_block(SM4_KEY, SM4_KEY) == SM4_BLOCK
        and sm4.seal(SM4_KEY, GCM_NONCE, GCM_PLAINTEXT, GCM_AAD) == GCM_SEALED
        and sm4.open_sealed(SM4_KEY, GCM_NONCE, GCM_SEALED, GCM_AAD) == GCM_PLAINTEXT
        and _refuses(lambda: sm4.open_sealed(SM4_KEY, GCM_NONCE, _altered(GCM_SEALED), GCM_AAD))
    )


def _signature() -> bool:
    key = sm2.PrivateKey.from_bytes(SM2_PRIVATE)
    return (
        key.public_key.to_bytes() == SM2_PUBLIC
        and key.public_key.verify(SM2_MESSAGE, SM2_SIGNATURE)
        and not key.public_key.verify(SM2_MESSAGE, _altered(SM2_SIGNATURE))
        and key.public_key.verify(SM2_MESSAGE, key.sign(SM2_MESSAGE))
    )


def _envelope() -> bool:
    key = sm2.PrivateKey.from_bytes(SM2_PRIVATE)
    return (
        key.decrypt(SM2_CIPHERTEXT) == SM2_PLAINTEXT
        and key.decrypt(key.public_key.encrypt(SM2_PLAINTEXT)) == SM2_PLAINTEXT
        and _refuses(lambda: key.decrypt(_altered(SM2_CIPHERTEXT)))
        and _refuses(lambda: sm2.PublicKey.from_bytes(_altered(SM2_PUBLIC)))
    )


def _altered(data: bytes) -> bytes:
    return data[:-1] + bytes((data[-1] ^ 1,))


def _refuses(call: Callable[[], object]) -> bool:
    try:
        call()
    except (DecryptError, KeyFormatError):
        return True
    return False


CHECKS: Final[dict[str, Callable[[], bool]]] = {
    "SM3, HMAC-SM3 and PBKDF2 (GB/T 32905)": _digests,
    "SM4 and SM4-GCM (GB/T 32907, RFC 8998)": _block_cipher,
    "SM2 signature (GB/T 32918.5, A.2)": _signature,
    "SM2 encryption (GB/T 32918.5, C.2)": _envelope,
}


def run() -> str:
    """Reproduce every known answer; a few milliseconds.

    Returns the version of the system libcrypto, which is logged too. Raises :class:`SelfTestError` naming
    the first algorithm that fails: the caller must exit.
    """
    try:
        version = libcrypto.load().version
    except GmError as error:
        raise SelfTestError(str(error)) from None
    for name, check in CHECKS.items():
        try:
            good = check()
        except Exception as error:
            raise SelfTestError(f"{name}: {type(error).__name__}") from error
        if not good:
            raise SelfTestError(f"{name}: known answer not reproduced")
    log.info("GM self-test passed with %s", version)
    return version
