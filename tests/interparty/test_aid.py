"""The AID as docs/formats.md describes it, against vectors made by other code."""

import json
from pathlib import Path

import pytest

from gm.sm3 import HmacSm3
from interparty import aid

VECTORS = json.loads((Path(__file__).parent / "data" / "aid.json").read_text())
CASE = VECTORS["cases"][0]


def derive_case(case: dict, **changes) -> str:
    fields = {
        "epoch": case["epoch"],
        "attempt": case["attempt"],
        "enterprise": case["enterprise"],
        "nonce": bytes.fromhex(case["nonce"]),
        "consent_sm3": bytes.fromhex(case["consent_sm3"]),
        "prefix": case["prefix"],
    }
    return aid.derive(HmacSm3(bytes.fromhex(case["key"])), **(fields | changes))


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["aid"])
def test_vectors(case):
    assert derive_case(case) == case["aid"]
    assert aid.is_aid(case["aid"])


def test_default_prefix_is_888():
    fields = {k: CASE[k] for k in ("epoch", "attempt", "enterprise")}
    derived = aid.derive(
        HmacSm3(bytes.fromhex(CASE["key"])),
        nonce=bytes.fromhex(CASE["nonce"]),
        consent_sm3=bytes.fromhex(CASE["consent_sm3"]),
        **fields,
    )
    assert derived == CASE["aid"]


@pytest.mark.parametrize("text", VECTORS["bad_check"])
def test_altered_digit_and_swapped_pair_fail_the_check(text):
    assert not aid.is_aid(text)


def test_every_single_digit_error_and_adjacent_swap_is_found():
    good = CASE["aid"]
    for at in range(aid.LENGTH):
        for digit in "0123456789":
            if digit != good[at]:
                assert not aid.is_aid(good[:at] + digit + good[at + 1 :])
        if at + 1 < aid.LENGTH and good[at] != good[at + 1]:
            assert not aid.is_aid(good[:at] + good[at + 1] + good[at] + good[at + 2 :])


@pytest.mark.parametrize(
    "text", ["", "888", CASE["aid"] + "0", "+" + CASE["aid"][1:], "８" + CASE["aid"][1:], "8613800000001"]
)
def test_other_texts_are_no_aid(text):
    assert not aid.is_aid(text)


def test_unknown_version_is_no_aid():
    digits = "888" + "2" + CASE["aid"][4:17]
    assert not aid.is_aid(digits + aid.damm(digits))


@pytest.mark.parametrize(
    "change",
    [
        {"attempt": 1},
        {"epoch": 2},
        {"enterprise": "ent-b"},
        {"nonce": bytes(16)},
        {"consent_sm3": bytes(32)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_input_changes_the_aid(change):
    assert derive_case(CASE, **change) != CASE["aid"]


@pytest.mark.parametrize(
    "change",
    [
        {"attempt": 256},
        {"epoch": 1 << 32},
        {"enterprise": ""},
        {"nonce": bytes(15)},
        {"consent_sm3": bytes(31)},
        {"prefix": "086"},
        {"prefix": "1" * 3},
        {"prefix": "999"},
        {"prefix": "88"},
        {"prefix": "88a"},
    ],
    ids=str,
)
def test_values_out_of_range_are_refused(change):
    with pytest.raises(ValueError):
        derive_case(CASE, **change)


def test_an_operator_may_only_use_unassigned_country_codes():
    assert aid.check_prefix("888") == "888"
    for assigned in ("861", "852", "777", "440", "139", "000", "990"):
        with pytest.raises(ValueError):
            aid.check_prefix(assigned)
