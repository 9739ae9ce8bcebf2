"""Contact no more often than the consent allows."""

import pytest

from gateway.policy.frequency import parse, within_frequency
from gateway.policy.refusal import Case, Cause, Refusal

DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("1/hour", (1, 3_600_000)),
        ("20/day", (20, DAY_MS)),
        ("3/week", (3, 7 * DAY_MS)),
        ("5/month", (5, 30 * DAY_MS)),
    ],
)
def test_so_many_in_a_period(text: str, parsed: tuple[int, int]) -> None:
    assert parse(text) == parsed


def test_the_allowed_number_is_reached_but_not_passed() -> None:
    assert within_frequency("2/day", 1) is None
    assert within_frequency("2/day", 2) == Refusal(Case.AID_REFUSED, Cause.OVER_FREQUENCY)
