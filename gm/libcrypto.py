"""The system libcrypto (OpenSSL 3.x), of which only SM2 is used; ``cryptography`` has none.

Functions that work for microseconds or less are called through :class:`ctypes.PyDLL`, which keeps the GIL:
giving it up for them would cost a thread switch each. The four that do curve arithmetic go through
:class:`ctypes.CDLL` and release it.
"""

import ctypes
import ctypes.util
from collections.abc import Callable
from ctypes import POINTER, c_char_p, c_int, c_long, c_size_t, c_ulong, c_void_p
from functools import cache
from typing import Any, Final

from gm.errors import GmError

MIN_VERSION: Final = 0x30000000
"""OpenSSL 3.0.0: the first with SM2 behind the provider interface used here."""


class LibCrypto:
    """Typed entry points; names are OpenSSL's own."""

    def __init__(self, path: str) -> None:
        fast, slow = ctypes.PyDLL(path), ctypes.CDLL(path)

        def bind(dll: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
            function = getattr(dll, name)
            function.restype, function.argtypes = result, list(arguments)
            return function  # type: ignore[no-any-return]

        version_number = bind(fast, "OpenSSL_version_num", c_ulong)()
        if version_number < MIN_VERSION:
            raise GmError("the system libcrypto is older than OpenSSL 3.0")
        self.version: str = bind(fast, "OpenSSL_version", c_char_p, c_int)(0).decode("ascii", "replace")
        size_out = POINTER(c_size_t)
        self.free = bind(fast, "CRYPTO_free", None, c_void_p, c_char_p, c_int)
        self.err_clear = bind(fast, "ERR_clear_error", None)
        self.d2i_pubkey = bind(slow, "d2i_PUBKEY", c_void_p, c_void_p, POINTER(c_char_p), c_long)
        self.i2d_pubkey = bind(fast, "i2d_PUBKEY", c_int, c_void_p, POINTER(c_void_p))
        self.d2i_private = bind(slow, "d2i_AutoPrivateKey", c_void_p, c_void_p, POINTER(c_char_p), c_long)
        self.pkey_is_a = bind(fast, "EVP_PKEY_is_a", c_int, c_void_p, c_char_p)
        self.pkey_free = bind(fast, "EVP_PKEY_free", None, c_void_p)
        self.ctx_new = bind(fast, "EVP_PKEY_CTX_new", c_void_p, c_void_p, c_void_p)
        self.ctx_free = bind(fast, "EVP_PKEY_CTX_free", None, c_void_p)
        self.sign_init = bind(fast, "EVP_PKEY_sign_init", c_int, c_void_p)
        self.verify_init = bind(fast, "EVP_PKEY_verify_init", c_int, c_void_p)
        self.encrypt_init = bind(fast, "EVP_PKEY_encrypt_init", c_int, c_void_p)
        self.decrypt_init = bind(fast, "EVP_PKEY_decrypt_init", c_int, c_void_p)
        self.sign = bind(slow, "EVP_PKEY_sign", c_int, c_void_p, c_char_p, size_out, c_char_p, c_size_t)
        self.verify = bind(slow, "EVP_PKEY_verify", c_int, c_void_p, c_char_p, c_size_t, c_char_p, c_size_t)
        self.encrypt = bind(slow, "EVP_PKEY_encrypt", c_int, c_void_p, c_char_p, size_out, c_char_p, c_size_t)
        self.decrypt = bind(slow, "EVP_PKEY_decrypt", c_int, c_void_p, c_char_p, size_out, c_char_p, c_size_t)


@cache
def load() -> LibCrypto:
    """The library, loaded once. Raises :class:`GmError` where there is none or it is too old."""
    path = ctypes.util.find_library("crypto") or "libcrypto.so.3"
    try:
        return LibCrypto(path)
    except (OSError, AttributeError) as error:
        raise GmError(f"no usable libcrypto: {error}") from None
