"""What of a message can be judged without store and trust party: by its own octets, its account's access numbers and
the rules of texts. So that it can be done where no store is (gateway.workers)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from gateway.access_number import AccessNumberRow
from gateway.accounts.access_numbers import source_of
from gateway.policy.refusal import ANSWERS, Case
from gateway.policy.text_length import PARTS_MAX
from gateway.policy.text_rules import TextRules
from gateway.sms_settings import SmsSettings
from masking.smpp_leg import check_submit
from smpp.constants import UDHI, CommandStatus, Tag
from smpp.pdu import SubmitSm, tlv
from smpp.segmentation import PartInfo, part_info, user_data
from smpp.times import TimeFormatError, format_absolute, parse_time

SCHEDULE_LATE: Final = timedelta(minutes=5)
"""A schedule so far in the past means now: a sender's clock may be behind. Beyond it is a mistake."""


class Checked(NamedTuple):
    """A message that may be asked about."""

    access_number: AccessNumberRow
    source: str
    """What the message shows as its source: the access number and what the enterprise appended to it."""
    aid: str
    frame: bytes
    part: PartInfo | None
    registered_delivery: int
    priority_flag: int
    replaces: bool
    """replace_if_present_flag."""
    data_coding: int
    text: bytes
    """Without a user data header."""
    not_before: int
    expires_at: int
    """Both in ms since the epoch."""
    validity: bytes
    """What the SMSC is told: empty when the enterprise named no validity period."""


class Unfit(NamedTuple):
    """Why a message may not."""

    status: int
    """The command_status to answer."""
    is_refusal: bool = False
    """A rule of texts said no: counted as a refused contact."""


class Checks:
    """The checks, with what they go by, which may change at any time."""

    def __init__(
        self,
        numbers: Callable[[], Mapping[str, AccessNumberRow]],
        settings: SmsSettings,
        texts: TextRules,
        now_ms: Callable[[], int],
    ) -> None:
        self._numbers = numbers
        self._settings = settings
        self._texts = texts
        self._now_ms = now_ms

    def check(self, system_id: str, body: SubmitSm, frame: bytes) -> Checked | Unfit:
        """A submit_sm of that account; `frame` is the same, encoded."""
        found = source_of(self._numbers(), system_id, body.source_addr.decode("latin-1"))
        if found is None:
            return _ACCESS_NUMBER
        source, number = found
        refused = check_submit(body, number.allow)
        if refused is not None:
            return Unfit(refused)
        aid = body.destination_addr.decode("latin-1")
        if len(aid) != 18 or not (aid.isascii() and aid.isdigit()):
            return _AID_REFUSED
        part = part_info(body) if body.esm_class & UDHI or body.tlvs else None
        if part is not None and part.total == 1:
            part = None
        if part is not None and part.total > PARTS_MAX:
            return Unfit(CommandStatus.ESME_RINVMSGLEN)
        if part is None:
            # Of a long message the whole is read, when it is there.
            said = self._texts.refusal_of(number, (body,))
            if said is not None:
                return Unfit(said.status or CommandStatus.ESME_RSUBMITFAIL, True)
        now_ms = self._now_ms()
        lifetime = tlv(body, Tag.QOS_TIME_TO_LIVE) if body.tlvs else None
        if body.schedule_delivery_time or body.validity_period or lifetime is not None:
            times = self._times(body, lifetime, now_ms)
            if isinstance(times, Unfit):
                return times
            not_before, expires_at, validity = times
        else:
            not_before, expires_at, validity = now_ms, now_ms + self._settings.validity_default_s * 1000, b""
        return Checked(
            number, source, aid, frame, part, body.registered_delivery, body.priority_flag,
            bool(body.replace_if_present_flag), body.data_coding, user_data(body)[1],
            not_before, expires_at, validity,
        )  # fmt: skip

    def _times(self, body: SubmitSm, lifetime: bytes | None, now_ms: int) -> tuple[int, int, bytes] | Unfit:
        now = datetime.fromtimestamp(now_ms / 1000, UTC)
        try:
            schedule = parse_time(body.schedule_delivery_time, now)
        except TimeFormatError:
            return Unfit(CommandStatus.ESME_RINVSCHED)
        if schedule is not None and not now - SCHEDULE_LATE < schedule <= now + timedelta(
            seconds=self._settings.schedule_max_s
        ):
            return Unfit(CommandStatus.ESME_RINVSCHED)
        try:
            validity = parse_time(body.validity_period, now)
        except TimeFormatError:
            return Unfit(CommandStatus.ESME_RINVEXPIRY)
        if lifetime is not None:
            # 5.0, 4.2.1.1: it supersedes the validity period; 4.2.4: in seconds from submission.
            validity = now + _seconds(lifetime)
        start = now if schedule is None else max(schedule, now)
        latest = start + timedelta(seconds=self._settings.validity_max_s)
        end = start + timedelta(seconds=self._settings.validity_default_s) if validity is None else validity
        if end <= start or end <= now:
            return Unfit(CommandStatus.ESME_RINVEXPIRY)
        end = min(end, latest)
        told = b"" if validity is None else format_absolute(end)
        return int(start.timestamp() * 1000), int(end.timestamp() * 1000), told


def _seconds(raw: bytes) -> timedelta:
    """What a TLV holds; over a year is cut to it, which is longer than any message is kept."""
    return min(timedelta(seconds=int.from_bytes(raw, "big")), timedelta(days=365))


def _unfit(case: Case) -> Unfit:
    status = ANSWERS[case].smpp
    assert status is not None
    return Unfit(status)


_ACCESS_NUMBER: Final = _unfit(Case.ACCESS_NUMBER)
_AID_REFUSED: Final = _unfit(Case.AID_REFUSED)
