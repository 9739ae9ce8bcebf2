"""Bencoding: what is written reads back, and nothing else than a value is read."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.media.bencode import DEPTH_MAX, BencodeError, Value, decode, encode

LEAVES = st.integers(-(2**63), 2**63 - 1) | st.text(max_size=20)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


def test_the_forms() -> None:
    value: Value = {"command": "ping", "n": -3, "flags": ["a", ""]}
    assert encode(value) == b"d7:command4:ping1:ni-3e5:flagsl1:a0:ee"
    assert decode(b"d7:command4:ping1:ni-3e5:flagsl1:a0:ee") == value


@given(VALUES)
def test_what_is_written_reads_back(value: Value) -> None:
    assert decode(encode(value)) == value


@given(st.binary(max_size=60))
def test_other_bytes_are_refused_with_one_error(data: bytes) -> None:
    with contextlib.suppress(BencodeError):
        decode(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"i12",
        b"ie",
        b"i1-2e",
        b"i" + b"1" * 40 + b"e",
        b"5:four",
        b"-1:",
        b"9999999999:x",
        b"l",
        b"d1:a",
        b"di1ei2ee",
        b"4:fourx",
        b"l" * (DEPTH_MAX + 2) + b"e" * (DEPTH_MAX + 2),
    ],
)
def test_malformed_values_are_refused(data: bytes) -> None:
    with pytest.raises(BencodeError):
        decode(data)
