"""SMPP's time format (3.4, 7.1.1), absolute and relative, both ways."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Final

_OCTETS: Final = 16
_QUARTER: Final = timedelta(minutes=15)
_QUARTERS_MAX: Final = 48
_YEAR: Final = timedelta(days=365)
_MONTH: Final = timedelta(days=30)


class TimeFormatError(ValueError):
    """Not a time in SMPP's format. The text never repeats what was sent."""


def parse_time(raw: bytes, now: datetime) -> datetime | None:
    """The moment that a schedule_delivery_time or validity_period names, in UTC; None when it is empty.

    `YYMMDDhhmmsstnnp`: p is + or - (absolute; nn quarters of an hour ahead of or behind UTC) or R (relative
    to the message centre's `now`, an aware datetime; t and nn are 0). A relative year is taken as 365 days and
    a month as 30. Raises TimeFormatError.
    """
    if not raw:
        return None
    if len(raw) != _OCTETS or not raw[:15].isdigit():
        raise TimeFormatError("not 15 digits and a letter")
    year, month, day, hour, minute, second = (int(raw[i : i + 2]) for i in range(0, 12, 2))
    tenths, quarters, sign = int(raw[12:13]), int(raw[13:15]), raw[15:]
    if sign == b"R":
        span = timedelta(days=day, hours=hour, minutes=minute, seconds=second) + year * _YEAR + month * _MONTH
        return now.astimezone(UTC) + span
    if sign not in (b"+", b"-") or quarters > _QUARTERS_MAX:
        raise TimeFormatError("the offset from UTC is wrong")
    offset = _QUARTER * (quarters if sign == b"+" else -quarters)
    try:
        # YY has no century: 38 to 99 are taken as of the twentieth, as 32-bit clocks made the custom.
        century = 1900 if year >= 38 else 2000
        local = datetime(
            century + year, month, day, hour, minute, second, tenths * 100_000, tzinfo=timezone(offset)
        )
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        raise TimeFormatError("no such date or time") from None


def format_absolute(when: datetime) -> bytes:
    """The absolute form of an aware datetime, in UTC. Raises ValueError outside 1938 to 2037."""
    utc = when.astimezone(UTC)
    if not 1938 <= utc.year <= 2037:
        raise ValueError("the format holds the years 1938 to 2037")
    return f"{utc:%y%m%d%H%M%S}{utc.microsecond // 100_000}00+".encode()


def format_relative(delta: timedelta) -> bytes:
    """The relative form of a span of 0 seconds to 99 years, whole seconds. Raises ValueError."""
    if not timedelta(0) <= delta < 100 * _YEAR:
        raise ValueError("the format holds 0 to 99 years")
    years, rest = divmod(delta, _YEAR)
    months, rest = divmod(rest, _MONTH)
    minutes, seconds = divmod(rest.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{years:02}{months:02}{rest.days:02}{hours:02}{minutes:02}{seconds:02}000R".encode()
