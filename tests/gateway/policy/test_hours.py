"""Contact only in the hours of the consent, in Asia/Shanghai."""

from datetime import UTC, datetime

import pytest

from gateway.policy.hours import within_hours
from gateway.policy.refusal import Case, Cause, Refusal


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
    ],
)
def test_the_start_is_included_and_the_end_is_not(hours: str, when: str, inside: bool) -> None:
    refusal = None if inside else Refusal(Case.AID_REFUSED, Cause.OUTSIDE_HOURS)
    assert within_hours(hours, at(when)) == refusal
