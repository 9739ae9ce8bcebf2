"""SM3 (GB/T 32905), HMAC-SM3 (GM/T 0042), PBKDF2, against the standards and a second implementation."""

import hashlib
import hmac

import pytest
from gmssl import func
from gmssl import sm3 as other

from gm.selftest import HMAC_DATA, HMAC_KEY, HMAC_TAG, SM3_ANSWERS
from gm.sm3 import HmacSm3, Sm3, hmac_sm3, pbkdf2_hmac_sm3, sm3


@pytest.mark.parametrize(("data", "digest"), SM3_ANSWERS)
def test_the_standards_examples(data: bytes, digest: bytes) -> None:
    assert sm3(data) == digest


@pytest.mark.parametrize("size", [0, 1, 55, 56, 63, 64, 65, 119, 120, 300])
def test_every_padding_case_agrees_with_another_implementation(size: int) -> None:
    data = bytes(range(256)) * 2
    assert sm3(data[:size]).hex() == other.sm3_hash(func.bytes_to_list(data[:size]))


def test_piece_by_piece_is_the_whole() -> None:
    state = Sm3(b"a")
    state.update(b"b")
    assert state.digest() == sm3(b"ab")
    twin = state.copy()
    twin.update(b"x")
    state.update(b"c")
    assert state.digest() == sm3(b"abc")
    assert twin.digest() == sm3(b"abx")


def test_hmac_standard_example() -> None:
    assert hmac_sm3(HMAC_KEY, HMAC_DATA) == HMAC_TAG


@pytest.mark.parametrize("size", [0, 1, 32, 63, 64, 65, 200])
def test_hmac_with_keys_around_the_block_size(size: int) -> None:
    key = b"k" * size
    assert hmac_sm3(key, b"data") == hmac.new(key, b"data", "sm3").digest()


def test_an_expanded_key_serves_many_tags() -> None:
    keyed = HmacSm3(b"key")
    assert keyed.digest(b"one") == hmac_sm3(b"key", b"one")
    assert keyed.digest(b"two") == hmac_sm3(b"key", b"two")
    assert keyed.verify(b"one", keyed.digest(b"one"))
    assert not keyed.verify(b"one", keyed.digest(b"two"))
    assert not keyed.verify(b"one", b"")


def test_pbkdf2_is_rfc_8018_over_hmac_sm3() -> None:
    first = hmac_sm3(b"pw", b"salt\0\0\0\1")
    second = hmac_sm3(b"pw", first)
    both = bytes(a ^ b for a, b in zip(first, second, strict=True))
    assert pbkdf2_hmac_sm3(b"pw", b"salt", 2, 32) == both
    assert pbkdf2_hmac_sm3(b"pw", b"salt", 2, 16) == both[:16]
    assert pbkdf2_hmac_sm3(b"pw", b"salt", 3, 40) == hashlib.pbkdf2_hmac("sm3", b"pw", b"salt", 3, 40)
