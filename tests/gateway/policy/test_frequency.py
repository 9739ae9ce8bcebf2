"""Contact no more often than the consent allows."""

import pytest

from gateway.policy.frequency import count, parse, within_frequency
from gateway.policy.refusal import Case, Cause, Refusal
from tests.gateway.carrier import NOW_MS
from tests.gateway.policy.contacts import contact

DAY_MS = 86_400_000
OVER = Refusal(Case.AID_REFUSED, Cause.OVER_FREQUENCY)


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


@pytest.mark.parametrize(
    ("begun", "contacts", "refusal"),
    [(0, 0, None), (1, 1, None), (1, 2, OVER), (DAY_MS - 1, 2, OVER), (DAY_MS, 2, None)],
)
def test_the_allowed_number_is_reached_but_not_passed(
    begun: int, contacts: int, refusal: Refusal | None
) -> None:
    asked = contact(frequency="2/day", window_start=NOW_MS - begun, window_count=contacts)
    assert within_frequency(asked) == refusal


def test_a_contact_is_counted_and_the_first_of_a_period_begins_it() -> None:
    asked = contact(frequency="2/day", window_start=NOW_MS - DAY_MS, window_count=2)
    count(asked)
    assert (asked.person.window_start, asked.person.window_count) == (NOW_MS, 1)
    count(asked._replace(now=NOW_MS + 5))
    assert (asked.person.window_start, asked.person.window_count) == (NOW_MS, 2)
    assert within_frequency(asked) == OVER
