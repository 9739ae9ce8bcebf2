"""An id in a response and the same id in a receipt meet, whatever the SMSC does to it in between."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sms.upstream_ids import ID_MAX, Dialect, key, keys, pick
from gateway.sms_settings import SmscSettings

numbers = st.integers(0, 2**64 - 1)
padding = st.sampled_from((0, 8, 10, 16, 20))
ids = st.text(st.characters(min_codepoint=33, max_codepoint=255), min_size=1, max_size=ID_MAX + 6).filter(
    str.strip  # of Latin-1, 0x85 and 0xA0 are blank
)
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)


@st.composite
def hex_of(draw: st.DrawFn, number: int) -> str:
    text = f"{number:0{draw(padding)}x}"
    return draw(st.sampled_from((text, text.upper(), f"0x{text}")))


@st.composite
def decimal_of(draw: st.DrawFn, number: int) -> str:
    return f"{number:0{draw(padding)}d}"


def test_the_settings_know_the_same_dialects() -> None:
    assert get_args(SmscSettings.model_fields["receipt_ids"].annotation) == get_args(Dialect)


@pytest.mark.parametrize(
    ("dialect", "response", "receipt"),
    [
        ("same", "b1946ac9-2c", "b1946ac9-2c"),
        ("same", "33e95179", "33e95179"),
        ("hex-to-decimal", "33E95179", "0870928761"),
        ("hex-to-decimal", "33E95179", "33e95179"),
        ("decimal-to-hex", "870928761", "33e95179"),
        ("padded", "221067780", "0221067780"),
        ("padded", "0a1b2c3d", "A1B2C3D"),
        ("any", "221067780", "0221067780"),
        ("any", "0a1b2c3d", "A1B2C3D"),
        ("any", "33E95179", "0870928761"),
        ("any", "870928761", "33E95179"),
    ],
)
def test_the_table_of_dialects(dialect: Dialect, response: str, receipt: str) -> None:
    assert key(dialect, response) in keys(dialect, receipt)


@given(st.data(), numbers)
def test_hex_in_the_response_meets_decimal_in_the_receipt(data: st.DataObject, number: int) -> None:
    response, receipt = data.draw(hex_of(number)), data.draw(decimal_of(number))
    assert keys("hex-to-decimal", receipt) == (key("hex-to-decimal", response),)
    assert key("any", response) in keys("any", receipt)


@given(st.data(), numbers)
def test_decimal_in_the_response_meets_hex_in_the_receipt(data: st.DataObject, number: int) -> None:
    response, receipt = data.draw(decimal_of(number)), data.draw(hex_of(number))
    assert keys("decimal-to-hex", receipt) == (key("decimal-to-hex", response),)
    assert key("any", response) in keys("any", receipt)


@given(st.data(), numbers)
def test_case_and_padding_alone(data: st.DataObject, number: int) -> None:
    for written in (hex_of, decimal_of):
        response, receipt = data.draw(written(number)), data.draw(written(number))
        assert keys("padded", receipt) == (key("padded", response),)
        assert key("any", response) in keys("any", receipt)


@given(st.data(), numbers, numbers)
def test_a_known_dialect_never_takes_one_number_for_another(
    data: st.DataObject, one: int, other: int
) -> None:
    for dialect, given_as, named_as in (
        ("padded", hex_of, hex_of),
        ("padded", decimal_of, decimal_of),
        ("hex-to-decimal", hex_of, decimal_of),
        ("decimal-to-hex", decimal_of, hex_of),
    ):
        met = key(dialect, data.draw(given_as(one))) in keys(dialect, data.draw(named_as(other)))  # type: ignore[arg-type]
        assert met is (one == other)


@given(ids)
def test_an_id_that_comes_back_as_it_was_is_found_first(text: str) -> None:
    for dialect in ("same", "any"):
        assert keys(dialect, text)[0] == key(dialect, text)  # type: ignore[arg-type]


@given(ids, ids)
def test_same_means_the_same(one: str, other: str) -> None:
    assert (keys("same", one) == (key("same", other),)) is (one.strip() == other.strip())


@given(ids, st.sampled_from(DIALECTS))
def test_what_is_no_number_meets_itself_in_every_dialect(text: str, dialect: Dialect) -> None:
    text = f"g{text}"
    assert keys(dialect, text) == (key(dialect, text),)


@given(ids, st.sampled_from(DIALECTS))
def test_any_text_has_at_most_three_keys_and_none_twice(text: str, dialect: Dialect) -> None:
    found = keys(dialect, text)
    assert len(found) == len(set(found)) <= (3 if dialect == "any" else 1)
    assert "" not in found


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("text", ["", "  "])
def test_a_receipt_without_an_id_names_nobody(dialect: Dialect, text: str) -> None:
    assert key(dialect, text) == ""
    assert keys(dialect, text) == ()


def test_an_id_of_other_scripts_digits_is_text() -> None:
    assert keys("any", "²³¹") == ("²³¹",)
    assert key("hex-to-decimal", "²³¹") == "²³¹"


class TestPick:
    def test_nothing_found_is_nobodys(self) -> None:
        assert pick("10", []) is None

    def test_the_id_that_reads_the_same_decides(self) -> None:
        assert pick("16", [("22", "of 22"), ("16", "of 16"), ("10", "of 10")]) == "of 16"
        assert pick("1a", [("26", "of 26"), ("1a", "of 1a")]) == "of 1a"

    def test_unless_another_shows_that_ids_are_hex(self) -> None:
        assert pick("10", [("a", "ten"), ("10", "sixteen")]) is None

    def test_one_message_is_the_one(self) -> None:
        assert pick("0010", [("10", "sixteen")]) == "sixteen"

    def test_two_ids_leave_it_in_doubt(self) -> None:
        assert set(keys("any", "0010")) >= {key("any", "10"), key("any", "a")}
        assert pick("0010", [("10", "sixteen"), ("a", "ten")]) is None

    def test_of_an_id_given_twice_the_newest(self) -> None:
        assert pick("10", [("10", "new"), ("10", "old")]) == "new"
        assert pick("16", [("10", "new"), ("10", "old")]) == "new"
