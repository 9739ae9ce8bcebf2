"""The national tables of 23.038, annex A: known places of each, and what they all have in common."""

from __future__ import annotations

import unicodedata

import pytest

from smpp import gsm_tables
from smpp.gsm_tables import DEFAULT_ALPHABET, DEFAULT_EXTENSION, LOCKING_SHIFT, REPLACEMENT, SINGLE_SHIFT

# clause of the locking shift table, language, identifier, some of its places, some of its single shift table's
TABLES = [
    ("A.3.1", "TURKISH", 1, {0x04: "€", 0x07: "ı", 0x1C: "Ş", 0x60: "ç"}, {0x47: "Ğ", 0x69: "ı", 0x65: "€"}),
    ("A.2.2", "SPANISH", 2, {0x04: "è", 0x7F: "à"}, {0x09: "ç", 0x4F: "Ó", 0x65: "€"}),
    ("A.3.3", "PORTUGUESE", 3, {0x15: "∞", 0x17: "\\", 0x60: "~"}, {0x05: "ê", 0x12: "Φ", 0x7F: "â"}),
    (
        "A.3.4",
        "BENGALI",
        4,
        {0x00: "\u0981", 0x3D: "\u09aa", 0x7F: "\u09f1"},
        {0x19: "\u09e6", 0x34: "\u09fa"},
    ),
    (
        "A.3.5",
        "GUJARATI",
        5,
        {0x0C: "\u0a8d", 0x60: "\u0ad0", 0x7F: "\u0af1"},
        {0x19: "\u0964", 0x1C: "\u0ae6"},
    ),
    ("A.3.6", "HINDI", 6, {0x0F: "\u090f", 0x3C: "\u0929", 0x7F: "\u097f"}, {0x25: "\u096f", 0x3A: "\u0971"}),
    (
        "A.3.7",
        "KANNADA",
        7,
        {0x24: "\u0ca1", 0x3D: "\u0caa", 0x7F: "\u0ce3"},
        {0x26: "\u0cde", 0x2A: "\u0cf2"},
    ),
    (
        "A.3.8",
        "MALAYALAM",
        8,
        {0x01: "\u0d02", 0x48: "\u0d34", 0x7F: "\u0d79"},
        {0x2E: "\u0d7a", 0x30: "\u0d7b"},
    ),
    ("A.3.9", "ORIYA", 9, {0x02: "\u0b03", 0x60: "\u0b56", 0x7F: "\u0b63"}, {0x20: "\u0b6a", 0x2C: "\u0b71"}),
    (
        "A.3.10",
        "PUNJABI",
        10,
        {0x08: "\u0a0a", 0x60: "\u0a51", 0x7F: "\u0a74"},
        {0x26: "\u0a59", 0x2D: "\u0a75"},
    ),
    (
        "A.3.11",
        "TAMIL",
        11,
        {0x13: "\u0b93", 0x3C: "\u0ba9", 0x7F: "\u0bf9"},
        {0x24: "\u0bee", 0x2E: "\u0bfa"},
    ),
    (
        "A.3.12",
        "TELUGU",
        12,
        {0x0E: "\u0c0e", 0x60: "\u0c55", 0x7F: "\u0c63"},
        {0x22: "\u0c6c", 0x32: "\u0c7f"},
    ),
    (
        "A.3.13",
        "URDU",
        13,
        {0x00: "\u0627", 0x52: "\u06bc", 0x7F: "\u0670"},
        {0x1C: "\u06f0", 0x3F: "\u06d4"},
    ),
]
INDIC = [row for row in TABLES if row[2] >= 4]


@pytest.mark.parametrize("row", TABLES, ids=[f"{row[0]} {row[1].lower()}" for row in TABLES])
def test_known_places(row: tuple[str, str, int, dict[int, str], dict[int, str]]) -> None:
    _, name, identifier, locking, single = row
    assert getattr(gsm_tables, name) == identifier
    assert {place: LOCKING_SHIFT[identifier][place] for place in locking} == locking
    assert {place: SINGLE_SHIFT[identifier][place] for place in single} == single


def test_6_2_1_the_default_alphabet_has_128_different_characters() -> None:
    assert len(set(DEFAULT_ALPHABET)) == len(DEFAULT_ALPHABET) == 128


@pytest.mark.parametrize("identifier", LOCKING_SHIFT)
def test_a_locking_table_has_128_places_and_no_character_twice(identifier: int) -> None:
    table = LOCKING_SHIFT[identifier]
    assert len(table) == 128
    assert (table[0x0A], table[0x0D], table[0x1B], table[0x20]) == ("\n", "\r", "\x1b", " ")
    letters = [char for char in table if char != REPLACEMENT]
    assert len(set(letters)) == len(letters)


@pytest.mark.parametrize("identifier", SINGLE_SHIFT)
def test_6_2_1_1_a_single_table_leaves_the_controls_alone_and_keeps_the_brackets(identifier: int) -> None:
    table = SINGLE_SHIFT[identifier]
    assert not {0x0D, 0x1B} & table.keys()
    assert {place: table[place] for place in DEFAULT_EXTENSION} == DEFAULT_EXTENSION


@pytest.mark.parametrize("row", INDIC, ids=[row[1].lower() for row in INDIC])
def test_the_letters_are_of_the_language(row: tuple[str, str, int, dict[int, str], dict[int, str]]) -> None:
    _, name, identifier, _, _ = row
    script = {"HINDI": "DEVANAGARI", "PUNJABI": "GURMUKHI", "URDU": "ARABIC"}.get(name, name)
    for char in LOCKING_SHIFT[identifier]:
        if ord(char) > 0x7F and char != REPLACEMENT:
            assert unicodedata.name(char).startswith(script)
    figures = [char for char in SINGLE_SHIFT[identifier].values() if unicodedata.category(char) == "Nd"]
    assert [unicodedata.digit(char) for char in figures] == list(range(10))
