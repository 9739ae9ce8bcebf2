"""Every rule of the consent is asked, in one order."""

from pathlib import Path

import pytest

import gateway.policy
from gateway.policy.contact_rules import CONTACT_RULES, refusal_of
from gateway.policy.refusal import Cause
from tests.gateway.carrier import NOW_MS
from tests.gateway.policy.contacts import contact

OPTED_OUT = {"blocked_at": NOW_MS}
CLOSED = {"hours": "20:00-21:00"}
OFTEN = {"frequency": "1/day", "window_start": NOW_MS, "window_count": 1}


@pytest.mark.parametrize(
    ("against", "cause"),
    [
        ({}, None),
        (OPTED_OUT, Cause.OPTED_OUT),
        (CLOSED, Cause.OUTSIDE_HOURS),
        (OFTEN, Cause.OVER_FREQUENCY),
        ({"is_barred": True} | OPTED_OUT | CLOSED | OFTEN, Cause.BARRED),
        (OPTED_OUT | CLOSED | OFTEN, Cause.OPTED_OUT),
        (CLOSED | OFTEN, Cause.OUTSIDE_HOURS),
    ],
)
def test_the_first_refusal_counts(against: dict[str, object], cause: Cause | None) -> None:
    refusal = refusal_of(contact(**against))
    assert (None if refusal is None else refusal.cause) == cause


def test_each_rule_has_a_file_of_its_own() -> None:
    modules = [rule.__module__ for rule in CONTACT_RULES]
    assert len(set(modules)) == len(CONTACT_RULES)
    folder = Path(gateway.policy.__file__).parent
    assert all((folder / f"{module.rpartition('.')[2]}.py").exists() for module in modules)
