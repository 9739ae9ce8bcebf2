"""3GPP TS 23.038: the default alphabet, national tables and septet packing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpp.gsm import decode_gsm, encode_gsm, is_gsm, pack7, shift_for, unpack7
from smpp.gsm_tables import (
    DEFAULT_ALPHABET,
    DEFAULT_EXTENSION,
    HINDI,
    LOCKING_SHIFT,
    PORTUGUESE,
    REPLACEMENT,
    SINGLE_SHIFT,
    SPANISH,
    TURKISH,
)

alphabet = st.sampled_from([c for c in DEFAULT_ALPHABET if c != "\x1b"] + list(DEFAULT_EXTENSION.values()))


@given(st.text(alphabet))
def test_text_round_trips(text: str) -> None:
    assert is_gsm(text)
    assert decode_gsm(encode_gsm(text)) == text


def test_6_2_1_known_places() -> None:
    assert encode_gsm("@Δ ¡¿à") == bytes((0x00, 0x10, 0x20, 0x40, 0x60, 0x7F))


def test_6_2_1_1_the_extension_is_escaped() -> None:
    assert encode_gsm("€[") == b"\x1b\x65\x1b\x3c"


def test_6_2_1_1_an_unknown_escape_shows_the_main_table() -> None:
    assert decode_gsm(b"\x1ba\x1b\x1bb\x1b") == "a b"


def test_a_character_outside_is_named() -> None:
    assert not is_gsm("退订")
    with pytest.raises(UnicodeEncodeError) as caught:
        encode_gsm("TD退")
    assert caught.value.start == 2


def test_national_shifts() -> None:
    assert decode_gsm(b"\x04\x07\x1b\x53", locking=TURKISH, single=TURKISH) == "€ıŞ"
    assert decode_gsm(b"\x1b\x61", single=SPANISH) == "á"
    assert decode_gsm(b"\x0b\x1b\x7b", locking=PORTUGUESE, single=PORTUGUESE) == "Ôã"
    assert decode_gsm(b"\x04", locking=99, single=99) == "è"


def test_6_1_2_1_packing() -> None:
    assert pack7(encode_gsm("hellohello")) == bytes.fromhex("E8329BFD4697D9EC37")
    assert unpack7(bytes.fromhex("E8329BFD4697D9EC37"), 10) == b"hellohello"


@given(st.lists(st.integers(0, 127)).map(bytes), st.integers(0, 6))
def test_packing_round_trips(septets: bytes, fill_bits: int) -> None:
    assert unpack7(pack7(septets, fill_bits), len(septets), fill_bits) == septets


def test_fewer_septets_than_asked_for() -> None:
    assert unpack7(b"", 5) == b""


@pytest.mark.parametrize("single", SINGLE_SHIFT)
@pytest.mark.parametrize("locking", LOCKING_SHIFT)
def test_every_character_of_every_pair_of_tables_round_trips(locking: int, single: int) -> None:
    text = "".join({*LOCKING_SHIFT[locking], *SINGLE_SHIFT[single].values()} - {REPLACEMENT, "\x1b"})
    septets = encode_gsm(text, locking=locking, single=single)
    assert decode_gsm(septets, locking=locking, single=single) == text


def test_a_blank_place_is_marked_and_never_written() -> None:
    assert decode_gsm(b"\x09", locking=10) == REPLACEMENT
    with pytest.raises(UnicodeEncodeError):
        encode_gsm(REPLACEMENT, locking=10)


def test_the_cheapest_shift() -> None:
    assert shift_for("plain") == (0, 0)
    assert shift_for("şaka") == (0, TURKISH)
    assert shift_for("\u0928\u092e\u0938\u094d\u0924\u0947") == (HINDI, HINDI)
    assert shift_for("退订") is None
