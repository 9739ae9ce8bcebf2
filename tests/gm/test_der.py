"""DER shapes: one encoding of each value, and no other is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gm import der
from gm.der import DerError


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65535])
def test_lengths_are_written_shortest_and_read_back(size: int) -> None:
    encoded = der.tlv(der.OCTET_STRING, bytes(size))
    assert len(encoded) - size == (2 if size < 128 else 3 if size < 256 else 4)
    assert der.whole(encoded, der.OCTET_STRING) == bytes(size)


def test_too_long_is_refused() -> None:
    with pytest.raises(DerError):
        der.tlv(der.OCTET_STRING, bytes(65536))


@pytest.mark.parametrize(
    ("value", "encoded"),
    [("00", "020100"), ("0001", "020101"), ("7f", "02017f"), ("80", "02020080"), ("00ff00", "020300ff00")],
)
def test_integers_are_shortest_and_positive(value: str, encoded: str) -> None:
    assert der.unsigned(bytes.fromhex(value)).hex() == encoded


@given(st.binary(min_size=1, max_size=32))
def test_an_integer_read_is_the_integer_written(value: bytes) -> None:
    encoded = der.unsigned(value)
    assert der.take_unsigned(encoded, 0, 32) == (value.rjust(32, b"\0"), len(encoded))


@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "02",
        "0401ff",  # another type
        "0200",  # empty
        "0201ff",  # negative
        "02020001",  # leading zero not needed
        "0203010000",  # wider than asked for
        "020201",  # truncated
        "02810101",  # length not shortest
        "0280010000",  # indefinite
        "0282000101",
        "02830000010101",
    ],
)
def test_other_forms_of_an_integer_are_refused(encoded: str) -> None:
    with pytest.raises(DerError):
        der.take_unsigned(bytes.fromhex(encoded), 0, 2)


def test_trailing_bytes_are_refused() -> None:
    with pytest.raises(DerError):
        der.whole(b"\x04\x01a!", der.OCTET_STRING)


@given(st.binary(max_size=40))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    try:
        content, end = der.take(data, 0, der.SEQUENCE)
    except DerError:
        return
    assert der.tlv(der.SEQUENCE, content) == data[:end]
