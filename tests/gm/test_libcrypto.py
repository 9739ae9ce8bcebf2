"""The system's libcrypto is found and fit, or the process says so and does not start."""

import ctypes.util

import pytest

from gm import libcrypto
from gm.errors import GmError
from gm.libcrypto import LibCrypto, load


def test_it_is_openssl_3_or_newer_and_loaded_once() -> None:
    found = load()
    assert int(found.version.split()[1].split(".")[0]) >= 3
    assert load() is found


def test_a_library_that_is_too_old_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libcrypto, "MIN_VERSION", 0xF0000000)
    with pytest.raises(GmError, match="older than OpenSSL"):
        LibCrypto(ctypes.util.find_library("crypto") or "libcrypto.so.3")


@pytest.mark.parametrize("name", ["libno-such-library.so.9", "libc.so.6"])
def test_a_library_that_is_none_or_another_is_an_error_of_ours(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctypes.util, "find_library", lambda _: name)
    load.cache_clear()
    with pytest.raises(GmError, match="no usable libcrypto"):
        load()
