"""Contact only in the hours of the consent, in Asia/Shanghai."""

from datetime import UTC, datetime

import pytest

from gateway.policy.hours import opens_in, within_hours
from gateway.policy.refusal import Case, Cause, Refusal
from tests.gateway.policy.contacts import contact

MINUTE = 60_000
HOUR = 60 * MINUTE


def at(shanghai: str) -> int:
    return int(datetime.fromisoformat(f"2026-11-01T{shanghai}+08:00").astimezone(UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("hours", "when", "inside"),
    [
        ("08:00-21:00", "08:00:00", True),
        ("08:00-21:00", "07:59:59.999", False),
        ("08:00-21:00", "20:59:59.999", True),
        ("08:00-21:00", "21:00:00", False),
        ("00:00-24:00", "00:00:00", True),
        ("00:00-24:00", "23:59:59.999", True),
        ("22:00-06:00", "23:00:00", True),
        ("22:00-06:00", "05:59:59", True),
        ("22:00-06:00", "06:00:00", False),
        ("22:00-06:00", "12:00:00", False),
        ("09:00-09:00", "09:00:00", False),
    ],
)
def test_the_start_is_included_and_the_end_is_not(hours: str, when: str, inside: bool) -> None:
    refusal = None if inside else Refusal(Case.AID_REFUSED, Cause.OUTSIDE_HOURS)
    assert within_hours(contact(hours=hours, now=at(when))) == refusal


def test_the_hours_are_those_of_the_contact_and_not_of_its_order() -> None:
    evening, morning = at("23:00:00"), at("09:00:00")
    assert within_hours(contact(hours="08:00-21:00", now=evening, at=morning)) is None
    assert within_hours(contact(hours="08:00-21:00", now=morning, at=evening)) is not None


@pytest.mark.parametrize(
    ("hours", "when", "wait"),
    [
        ("08:00-21:00", "12:00:00", 0),
        ("08:00-21:00", "07:59:30", MINUTE // 2),
        ("08:00-21:00", "21:00:00", 11 * HOUR),
        ("22:00-06:00", "06:00:00.001", 16 * HOUR - 1),
        ("09:00-09:00", "09:00:00", 24 * HOUR),
    ],
)
def test_how_long_until_they_begin(hours: str, when: str, wait: int) -> None:
    assert opens_in(hours, at(when)) == wait
    if wait and hours != "09:00-09:00":
        assert opens_in(hours, at(when) + wait) == 0
