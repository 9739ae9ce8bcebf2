"""When a message may be delivered, and until when: schedule_delivery_time and validity_period."""

from datetime import UTC, datetime
from typing import Protocol

from smpp.constants import CommandStatus
from smpp.times import TimeFormatError, parse_time


class BadTime(ValueError):
    """A time field that cannot be read; `status` is the field's own."""

    def __init__(self, status: CommandStatus) -> None:
        super().__init__(status.name)
        self.status = status


class Timed(Protocol):
    """submit_sm, submit_multi, replace_sm."""

    schedule_delivery_time: bytes
    validity_period: bytes


def lifetime(body: Timed, now_ms: int, validity_ms: int) -> tuple[int, int]:
    """(due, expires) in milliseconds since the epoch; `validity_ms` when the body names no validity.

    Raises BadTime.
    """
    if not body.schedule_delivery_time and not body.validity_period:
        return now_ms, now_ms + validity_ms
    moment = datetime.fromtimestamp(now_ms / 1000, UTC)
    due = _parsed(body.schedule_delivery_time, moment, CommandStatus.ESME_RINVSCHED)
    expires = _parsed(body.validity_period, moment, CommandStatus.ESME_RINVEXPIRY)
    due_at = round(due.timestamp() * 1000) if due else now_ms
    if expires is not None:
        return due_at, round(expires.timestamp() * 1000)
    return due_at, max(now_ms, due_at) + validity_ms


def _parsed(raw: bytes, now: datetime, status: CommandStatus) -> datetime | None:
    try:
        return parse_time(raw, now)
    except TimeFormatError:
        raise BadTime(status) from None
