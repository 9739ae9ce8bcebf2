"""Consent terms: contact no more often than the person agreed to."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from gateway.policy.contact import Contact
from gateway.policy.refusal import Case, Cause, Refusal
from gateway.store.subscriber_cache import Resolved

PERIOD_MS = {
    "hour": 3_600_000,
    "day": 86_400_000,
    "week": 7 * 86_400_000,
    "month": 30 * 86_400_000,
}

_OVER: Final = Refusal(Case.AID_REFUSED, Cause.OVER_FREQUENCY)


@lru_cache(maxsize=1024)
def parse(frequency: str) -> tuple[int, int]:
    """("20/day") to (20, milliseconds of the period)."""
    count, _, period = frequency.partition("/")
    return int(count), PERIOD_MS[period]


def within_frequency(contact: Contact) -> Refusal | None:
    allowed, period_ms = parse(contact.grant.frequency)
    return None if _contacts(contact.person, period_ms, contact.now) < allowed else _OVER


def count(contact: Contact) -> None:
    """The contact takes place: it is one more in the running period, or the first of a new one."""
    person = contact.person
    _, period_ms = parse(contact.grant.frequency)
    contacts = _contacts(person, period_ms, contact.now)
    if not contacts:
        person.window_start = contact.now
    person.window_count = contacts + 1


def _contacts(person: Resolved, period_ms: int, now: int) -> int:
    """Under this EDI in the running period; 0 when it is over, so that the next contact begins another."""
    return 0 if now - person.window_start >= period_ms else person.window_count
