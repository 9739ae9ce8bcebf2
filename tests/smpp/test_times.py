"""Times of SMPP 3.4, 7.1.1."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpp.times import TimeFormatError, format_absolute, format_relative, parse_time

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def test_empty_is_no_time() -> None:
    assert parse_time(b"", NOW) is None


def test_7_1_1_1_absolute() -> None:
    assert parse_time(b"261124203000132+", NOW) == datetime(2026, 11, 24, 12, 30, 0, 100_000, tzinfo=UTC)
    assert parse_time(b"261124073000020-", NOW) == datetime(2026, 11, 24, 12, 30, tzinfo=UTC)


def test_7_1_1_2_relative() -> None:
    # The specification's own example: 2 years, 6 months, 10 days, 23 hours, 34 minutes, 29 seconds.
    span = timedelta(days=2 * 365 + 6 * 30 + 10, hours=23, minutes=34, seconds=29)
    assert parse_time(b"020610233429000R", NOW) == NOW + span


@pytest.mark.parametrize(
    "raw",
    [
        b"261124203000132",
        b"261324203000132+",
        b"261124253000132+",
        b"261124203000149+",
        b"261124203000132X",
        b"2611242030001x2+",
        b"2611242030",
        b"\xb2\xb2" * 8,
        b"260230000000000+",
    ],
)
def test_what_is_no_time_is_refused(raw: bytes) -> None:
    with pytest.raises(TimeFormatError):
        parse_time(raw, NOW)


@given(st.binary(max_size=20))
def test_any_octets_never_crash_it(raw: bytes) -> None:
    with suppress(TimeFormatError):
        parse_time(raw, NOW)


@given(st.datetimes(datetime(1938, 1, 2), datetime(2037, 12, 30)))
def test_absolute_round_trips(when: datetime) -> None:
    when = when.replace(microsecond=when.microsecond // 100_000 * 100_000)
    shanghai = when.replace(tzinfo=timezone(timedelta(hours=8)))
    assert parse_time(format_absolute(shanghai), NOW) == shanghai


@given(st.integers(0, 99 * 365 * 86400))
def test_relative_round_trips(seconds: int) -> None:
    span = timedelta(seconds=seconds)
    assert parse_time(format_relative(span), NOW) == NOW + span


def test_what_the_format_cannot_hold() -> None:
    with pytest.raises(ValueError):
        format_relative(timedelta(seconds=-1))
    with pytest.raises(ValueError):
        format_absolute(datetime(2038, 1, 1, tzinfo=UTC))
