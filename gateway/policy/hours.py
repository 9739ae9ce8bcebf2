"""Consent terms: contact only in the hours that the person agreed to."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from gateway.policy.contact import Contact
from gateway.policy.refusal import Case, Cause, Refusal

_DAY_MIN = 24 * 60
_MIN_MS = 60_000
_SHANGHAI_MIN = 8 * 60  # Asia/Shanghai has had no daylight saving since 1991

_OUTSIDE: Final = Refusal(Case.AID_REFUSED, Cause.OUTSIDE_HOURS)


def within_hours(contact: Contact) -> Refusal | None:
    return _OUTSIDE if opens_in(contact.grant.hours, contact.at) else None


def opens_in(hours: str, at: int) -> int:
    """Milliseconds until a contact is within the hours; 0 where it is at that time (ms).

    `hours` is "HH:MM-HH:MM" in Asia/Shanghai; the end is not included; an end before the start wraps midnight.
    """
    first, last = _bounds(hours)
    minute = (at // _MIN_MS + _SHANGHAI_MIN) % _DAY_MIN
    inside = first <= minute < last if first <= last else minute >= first or minute < last
    if inside:
        return 0
    wait = (first - minute) % _DAY_MIN or _DAY_MIN
    return wait * _MIN_MS - at % _MIN_MS


@lru_cache(maxsize=1024)
def _bounds(hours: str) -> tuple[int, int]:
    first, last = (int(each[:2]) * 60 + int(each[3:]) for each in hours.split("-"))
    return first, last
