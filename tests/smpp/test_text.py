"""Text by data_coding (5.2.19; 23.038, 4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpp.text import charset_of, decode_text, encode_text, encode_text_as


def test_gsm_when_it_fits_else_ucs2() -> None:
    assert encode_text("Hello {€}") == (0, b"Hello \x1b(\x1be\x1b)")
    assert encode_text("你好") == (8, bytes.fromhex("4F60597D"))
    assert encode_text("👍") == (8, bytes.fromhex("D83DDC4D"))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_round_trips(text: str) -> None:
    data_coding, data = encode_text(text)
    assert decode_text(data_coding, data) == text


@given(st.integers(0, 255), st.binary(max_size=160))
def test_any_octets_under_any_coding_never_crash(data_coding: int, data: bytes) -> None:
    assert isinstance(decode_text(data_coding, data), str)


@pytest.mark.parametrize(
    ("data_coding", "charset"),
    [
        (0x00, "gsm"),
        (0x01, "ascii"),
        (0x02, "binary"),
        (0x03, "latin-1"),
        (0x04, "binary"),
        (0x08, "utf-16-be"),
        (0x0F, "gsm"),
        (0xC0, "gsm"),
        (0xD0, "gsm"),
        (0xE0, "utf-16-be"),
        (0xF0, "gsm"),
        (0xF4, "binary"),
    ],
)
def test_charset_of_each_group(data_coding: int, charset: str) -> None:
    assert charset_of(data_coding) == charset


def test_latin_1() -> None:
    assert encode_text_as("café", 3) == b"caf\xe9"
    assert decode_text(3, b"caf\xe9") == "café"


def test_binary_is_no_text() -> None:
    assert decode_text(4, b"\0\1") == ""
    with pytest.raises(ValueError):
        encode_text_as("x", 4)


def test_what_cannot_be_read_is_marked() -> None:
    assert decode_text(8, b"\x4f\x60\x59") == "你\ufffd"
    assert decode_text(0, b"a\xff") == "a\ufffd"


def test_shifts_named_in_the_header_apply() -> None:
    assert decode_text(0, b"\x04\x1b\x47", [(0x25, b"\x01"), (0x24, b"\x01")]) == "€Ğ"
    assert decode_text(0, b"\x04", [(0x25, b"")]) == "è"
