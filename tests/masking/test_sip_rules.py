"""Which headers and statuses cross."""

import pytest

from masking.sip_rules import HEADER_RULES, shown_status


def test_every_decision_has_its_reason_and_few_cross() -> None:
    assert all(rule.reason for rule in HEADER_RULES.values())
    assert {name for name, rule in HEADER_RULES.items() if rule.crosses} == {
        "Reason",
        "Retry-After",
        "Privacy",
    }


@pytest.mark.parametrize(
    "name",
    [
        "P-Asserted-Identity",
        "P-Access-Network-Info",
        "History-Info",
        "Diversion",
        "Identity",
        "Contact",
        "Warning",
        "Refer-To",
        "Replaces",
        "Call-Info",
        "User-to-User",
        "Session-ID",
    ],
)
def test_what_can_name_a_person_is_decided(name: str) -> None:
    assert not HEADER_RULES[name].crosses


@pytest.mark.parametrize(
    ("name", "value", "crosses"),
    [
        ("Reason", 'Q.850;cause=16;text="13812345678 hung up"', "Q.850;cause=16"),
        ("Reason", "SIP ; cause=200 ; text=x", "SIP;cause=200"),
        ("Reason", "q.850;location=LN;cause=031", "Q.850;cause=31"),
        ("Reason", "X.int;reasoncode=13812345678", None),
        ("Reason", "Q.850;cause=13812345678", None),
        ("Retry-After", "120 (ask 13812345678);duration=9", "120"),
        ("Retry-After", "13812345678", None),
        ("Retry-After", "999999", "3600"),
        ("Retry-After", "soon", None),
        ("Privacy", "id;user", "id"),
        ("Privacy", "none", "none"),
        ("Privacy", "13812345678", None),
    ],
)
def test_a_value_that_crosses_is_built(name: str, value: str, crosses: str | None) -> None:
    build = HEADER_RULES[name].build
    assert build is not None
    assert build(value) == crosses


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (180, 180),
        (181, 180),
        (199, 183),
        (200, 200),
        (302, 480),
        (380, 480),
        (404, 404),
        (410, 404),
        (484, 404),
        (604, 404),
        (407, 500),
        (433, 480),
        (486, 486),
        (502, 503),
        (599, 500),
        (607, 603),
        (699, 603),
    ],
)
def test_statuses_shown_to_the_enterprise(status: int, shown: int) -> None:
    assert shown_status(status)[0] == shown


def test_what_is_no_status() -> None:
    with pytest.raises(ValueError):
        shown_status(700)
