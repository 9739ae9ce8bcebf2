"""Consent terms: contact no more often than the person agreed to."""

from __future__ import annotations

from functools import lru_cache

from gateway.policy.refusal import Case, Cause, Refusal

PERIOD_MS = {
    "hour": 3_600_000,
    "day": 86_400_000,
    "week": 7 * 86_400_000,
    "month": 30 * 86_400_000,
}


@lru_cache(maxsize=1024)
def parse(frequency: str) -> tuple[int, int]:
    """("20/day") to (20, milliseconds of the period)."""
    count, _, period = frequency.partition("/")
    return int(count), PERIOD_MS[period]


def within_frequency(frequency: str, contacts_in_period: int) -> Refusal | None:
    """`contacts_in_period` is how many contacts under the same EDI the period before now holds."""
    allowed, _ = parse(frequency)
    return None if contacts_in_period < allowed else Refusal(Case.AID_REFUSED, Cause.OVER_FREQUENCY)
