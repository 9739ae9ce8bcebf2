"""Sealed columns open only where they were sealed; indexes reveal equality and nothing else."""

from pathlib import Path

import pytest

from foundation.seal import DATA_PURPOSE, OVERHEAD, Nonces, Sealer, add_missing_keys
from gm.errors import DecryptError, KeyStoreError
from gm.keystore import ITERATIONS_MIN, KeyStore


def test_what_is_sealed_opens_under_the_same_aad(keystore: KeyStore) -> None:
    sealer = Sealer(keystore)
    sealed = sealer.seal(b"8613800000001", b"subscriber/msisdn/1")
    assert sealer.open(sealed, b"subscriber/msisdn/1") == b"8613800000001"
    assert len(sealed) == 13 + OVERHEAD
    assert sealed != sealer.seal(b"8613800000001", b"subscriber/msisdn/1")


def test_a_moved_altered_or_cut_value_does_not_open(keystore: KeyStore) -> None:
    sealer = Sealer(keystore)
    sealed = sealer.seal(b"text", b"row 1")
    with pytest.raises(DecryptError):
        sealer.open(sealed, b"row 2")
    for at in range(4, len(sealed)):
        altered = bytearray(sealed)
        altered[at] ^= 1
        with pytest.raises(DecryptError):
            sealer.open(bytes(altered), b"row 1")
    for size in range(OVERHEAD):
        with pytest.raises(DecryptError):
            sealer.open(sealed[:size], b"row 1")


def test_old_values_open_after_rotation_until_their_key_is_destroyed(keystore: KeyStore) -> None:
    sealer = Sealer(keystore)
    old = sealer.seal(b"old", b"")
    keystore.add(DATA_PURPOSE, "sm4")
    new = sealer.seal(b"new", b"")
    assert (old[:4], new[:4]) == (b"\0\0\0\1", b"\0\0\0\2")
    assert sealer.open(old, b"") == b"old"
    keystore.set_state(DATA_PURPOSE, 1, "destroyed")
    with pytest.raises(KeyStoreError):
        sealer.open(old, b"")
    assert sealer.open(new, b"") == b"new"


def test_an_index_is_equal_for_equal_values_of_one_label(keystore: KeyStore) -> None:
    sealer = Sealer(keystore)
    index = sealer.index("msisdn", b"8613800000001")
    assert len(index) == 16
    assert index == Sealer(keystore).index("msisdn", b"8613800000001")
    others = [("msisdn", b"8613800000002"), ("imsi", b"8613800000001"), ("msisd", b"n8613800000001")]
    assert index not in [sealer.index(*other) for other in others]


def test_a_store_without_the_keys_is_refused(keystore: KeyStore) -> None:
    keystore.set_state(DATA_PURPOSE, 1, "retired")
    with pytest.raises(KeyStoreError):
        Sealer(keystore)
    add_missing_keys(keystore)  # a purpose that has keys is the operator's to rotate
    with pytest.raises(KeyStoreError):
        Sealer(keystore)


def test_nonces_never_repeat_and_the_prefix_changes_when_the_counter_ends() -> None:
    nonces = Nonces()
    assert len({next(nonces) for _ in range(10_000)}) == 10_000
    nonces._count = iter(range(2**32 - 1, 2**32 + 2))  # type: ignore[assignment]
    last, first, second = next(nonces), next(nonces), next(nonces)
    assert last[8:] == b"\xff\xff\xff\xff"
    assert (first[8:], second[8:]) == (b"\0\0\0\0", b"\0\0\0\1")
    assert first[:8] == second[:8] != last[:8]


def test_what_another_process_sealed_under_a_key_that_this_one_has_not_seen_opens(
    tmp_path: Path,
) -> None:
    keys = KeyStore.create(tmp_path / "two.store", "passphrase", iterations=ITERATIONS_MIN)
    add_missing_keys(keys)
    behind = Sealer(KeyStore.open(tmp_path / "two.store", "passphrase"))
    keys.add(DATA_PURPOSE, "sm4")
    assert behind.open(Sealer(keys).seal(b"text", b"aad"), b"aad") == b"text"
    with pytest.raises(KeyStoreError):
        behind.open(b"\0\0\0\x09" + Sealer(keys).seal(b"text", b"aad")[4:], b"aad")
