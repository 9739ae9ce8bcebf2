"""Consent terms: contact only in the hours that the person agreed to."""

from __future__ import annotations

from functools import lru_cache

from gateway.policy.refusal import Case, Cause, Refusal

_DAY_MIN = 24 * 60
_SHANGHAI_MIN = 8 * 60  # Asia/Shanghai has had no daylight saving since 1991


@lru_cache(maxsize=1024)
def _bounds(hours: str) -> tuple[int, int]:
    first, last = (int(each[:2]) * 60 + int(each[3:]) for each in hours.split("-"))
    return first, last


def within_hours(hours: str, now_ms: int) -> Refusal | None:
    """`hours` is "HH:MM-HH:MM" in Asia/Shanghai; the end is not included; an end before the start wraps midnight."""
    first, last = _bounds(hours)
    minute = (now_ms // 60_000 + _SHANGHAI_MIN) % _DAY_MIN
    inside = first <= minute < last if first <= last else minute >= first or minute < last
    return None if inside else Refusal(Case.AID_REFUSED, Cause.OUTSIDE_HOURS)
