"""SM4 (GB/T 32907) and SM4-GCM (RFC 8998)."""

import pytest
from gmssl.sm4 import SM4_ENCRYPT, CryptSM4

from gm import sm4
from gm.errors import DecryptError, KeyFormatError
from gm.selftest import GCM_AAD, GCM_NONCE, GCM_PLAINTEXT, GCM_SEALED, SM4_BLOCK, SM4_KEY


def test_the_standards_block() -> None:
    assert sm4.encrypt_block(SM4_KEY, SM4_KEY) == SM4_BLOCK


def test_one_block_agrees_with_another_implementation() -> None:
    other = CryptSM4()
    other.set_key(b"0123456789abcdef", SM4_ENCRYPT)
    block = bytes(range(16))
    assert sm4.encrypt_block(b"0123456789abcdef", block) == bytes(other.one_round(other.sk, block))


def test_the_rfcs_example_both_ways() -> None:
    assert sm4.seal(SM4_KEY, GCM_NONCE, GCM_PLAINTEXT, GCM_AAD) == GCM_SEALED
    assert sm4.open_sealed(SM4_KEY, GCM_NONCE, GCM_SEALED, GCM_AAD) == GCM_PLAINTEXT


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 1000])
def test_what_is_sealed_opens(size: int) -> None:
    sealed = sm4.seal(bytes(16), bytes(12), b"p" * size)
    assert len(sealed) == size + sm4.TAG_SIZE
    assert sm4.open_sealed(bytes(16), bytes(12), sealed) == b"p" * size


@pytest.mark.parametrize("size", [0, 1, 16, 1000])
def test_the_short_way_to_the_cipher_and_the_long_one_seal_alike(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_short = sm4.seal(SM4_KEY, GCM_NONCE, b"p" * size, GCM_AAD)
    monkeypatch.setattr(sm4, "_encryptor", sm4._by_cipher)
    assert sm4.seal(SM4_KEY, GCM_NONCE, b"p" * size, GCM_AAD) == by_short


@pytest.mark.parametrize("at", [0, 40, 63, 64, 79])
def test_any_altered_byte_is_refused(at: int) -> None:
    bad = bytearray(GCM_SEALED)
    bad[at] ^= 1
    with pytest.raises(DecryptError):
        sm4.open_sealed(SM4_KEY, GCM_NONCE, bytes(bad), GCM_AAD)


def test_another_key_nonce_or_associated_data_is_refused() -> None:
    for key, nonce, aad in (
        (bytes(16), GCM_NONCE, GCM_AAD),
        (SM4_KEY, bytes(12), GCM_AAD),
        (SM4_KEY, GCM_NONCE, b""),
        (SM4_KEY, GCM_NONCE, GCM_AAD + b"x"),
    ):
        with pytest.raises(DecryptError):
            sm4.open_sealed(key, nonce, GCM_SEALED, aad)


@pytest.mark.parametrize("size", [0, 1, 15])
def test_less_than_a_tag_is_refused(size: int) -> None:
    with pytest.raises(DecryptError):
        sm4.open_sealed(SM4_KEY, GCM_NONCE, bytes(size))


def test_wrong_sizes_are_a_callers_error() -> None:
    with pytest.raises(KeyFormatError):
        sm4.seal(bytes(15), bytes(12), b"")
    with pytest.raises(KeyFormatError):
        sm4.open_sealed(bytes(16), bytes(16), bytes(16))
    with pytest.raises(KeyFormatError):
        sm4.encrypt_block(bytes(16), bytes(8))
