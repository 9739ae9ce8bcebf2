"""From an identifier to the subscriber who held it on a day, and only while that person still holds the number.

Pure decisions over bitemporal rows, which the gateway's store looks up. Law 4: whoever is in
doubt is refused, never guessed.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

__all__ = [
    "End",
    "Holding",
    "Outcome",
    "Resolution",
    "as_of_allowed",
    "day_window",
    "decide",
    "decide_deposit",
]

SHANGHAI = timezone(timedelta(hours=8))


class Outcome(StrEnum):
    """What became of an identifier."""

    RESOLVED = "RESOLVED"
    SUBSCRIBER_CHANGED = "SUBSCRIBER_CHANGED"
    """The number is no longer that person's: another holds it, or nobody."""
    PORTED_OUT = "PORTED_OUT"
    """The person took the number to another carrier."""
    AMBIGUOUS = "AMBIGUOUS"
    UNKNOWN = "UNKNOWN"
    """Nobody of ours held the identifier on that day."""


class End(StrEnum):
    """How a holding ended."""

    OPEN = "OPEN"
    CHANGED = "CHANGED"
    PORTED_OUT = "PORTED_OUT"


class Holding(NamedTuple):
    """Subscriber, number and identifier belonged together in [valid_from, valid_to), as recorded in
    [recorded_from, recorded_to). Times in ms; None: without end. `msisdn` and `identifier` are only
    compared: they may be blind indexes.
    """

    subscriber_id: int
    msisdn: str
    id_type: int
    identifier: str
    valid_from: int
    valid_to: int | None
    recorded_from: int
    recorded_to: int | None
    end: End = End.OPEN

    def valid(self, start: int, end: int) -> bool:
        """Whether it holds at some time of [start, end)."""
        return self.valid_from < end and (self.valid_to is None or self.valid_to > start)

    def known(self, at: int) -> bool:
        """Whether the record said so at that time."""
        return self.recorded_from <= at and (self.recorded_to is None or self.recorded_to > at)


class Resolution(NamedTuple):
    """An outcome; with RESOLVED the subscriber and number, with AMBIGUOUS who it could be."""

    outcome: Outcome
    subscriber_id: int | None = None
    msisdn: str | None = None
    candidates: tuple[int, ...] = ()

    @property
    def reach(self) -> tuple[int, ...]:
        """Every subscriber whom this may mean."""
        return self.candidates if self.subscriber_id is None else (self.subscriber_id,)


@lru_cache(maxsize=1024)
def day_window(as_of: int) -> tuple[int, int]:
    """Day YYYYMMDD in Asia/Shanghai as [start, end) in ms. Raises ValueError when it is no date."""
    start = datetime.combine(_date(as_of), datetime.min.time(), SHANGHAI)
    return _ms(start), _ms(start + timedelta(days=1))


def as_of_allowed(as_of: int, deposited_at: int, days_back: int = 1) -> bool:
    """Whether an as-of date is the deposit's own date in Asia/Shanghai or at most `days_back` before.

    Without this bound a second-hand phone's IMEI and an old date reach its former owner.
    """
    try:
        day = _date(as_of)
    except ValueError:
        return False
    today = datetime.fromtimestamp(deposited_at / 1000, SHANGHAI).date()
    return today - timedelta(days=days_back) <= day <= today


def decide(
    holdings: Sequence[Holding],
    *,
    id_type: int,
    identifier: str,
    as_of: int,
    now: int,
    known_at: int | None = None,
) -> Resolution:
    """Who held the identifier on the as-of day, if that person still holds the same number at `now` (ms).

    `holdings` are all rows of the identifier, and all rows, of whatever identifier, of the numbers in
    them. `known_at` (default `now`) asks by what was on record then.
    """
    at = now if known_at is None else known_at
    known = [row for row in holdings if row.known(at)]
    start, end = day_window(as_of)
    that_day = {
        (row.subscriber_id, row.msisdn)
        for row in known
        if row.id_type == id_type and row.identifier == identifier and row.valid(start, end)
    }
    if not that_day:
        return Resolution(Outcome.UNKNOWN)
    if len(that_day) > 1:
        # Two holders on that day, or one device with two numbers: only the network can tell which.
        return Resolution(Outcome.AMBIGUOUS, candidates=tuple(sorted({holder for holder, _ in that_day})))
    subscriber, msisdn = next(iter(that_day))
    of_number = [row for row in known if row.msisdn == msisdn]
    holders = {row.subscriber_id for row in of_number if row.valid(now, now + 1)}
    if holders == {subscriber}:
        return Resolution(Outcome.RESOLVED, subscriber, msisdn)
    if subscriber in holders:
        return Resolution(Outcome.AMBIGUOUS, candidates=tuple(sorted(holders)))
    ended = [row for row in of_number if row.subscriber_id == subscriber and row.valid_from <= now]
    last = max((row.valid_to or 0 for row in ended), default=0)
    if not holders and any(row.valid_to == last and row.end is End.PORTED_OUT for row in ended):
        return Resolution(Outcome.PORTED_OUT)
    return Resolution(Outcome.SUBSCRIBER_CHANGED)


def decide_deposit(resolutions: Sequence[Resolution]) -> Resolution:
    """All EDIs of one deposit must come to one subscriber and one number; else AMBIGUOUS.

    A single EDI keeps its own outcome. Where each of several means somebody, all of them are candidates, so that
    the network's authentication can settle which one a dual-SIM device means; where one means nobody, there is
    no candidate.
    """
    distinct = set(resolutions)
    if len(distinct) == 1:
        return next(iter(distinct))
    if not distinct:
        return Resolution(Outcome.UNKNOWN)
    if not all(each.reach for each in distinct):
        return Resolution(Outcome.AMBIGUOUS)
    candidates = {subscriber for each in distinct for subscriber in each.reach}
    return Resolution(Outcome.AMBIGUOUS, candidates=tuple(sorted(candidates)))


def _date(as_of: int) -> date:
    return date(as_of // 10000, as_of // 100 % 100, as_of % 100)


def _ms(when: datetime) -> int:
    return int(when.timestamp()) * 1000
