"""What replace_sm makes of a message: another text and other times, checked as a new message is (3.4, 4.10)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from gateway.accounts.directory import Directory
from gateway.policy.text_rules import TextRules
from gateway.sms.account_keys import AccountKeys
from gateway.sms.check import SCHEDULE_LATE
from gateway.sms.final import INTERMEDIATE_ASKED
from gateway.sms.outgoing import open_outgoing
from gateway.sms_settings import SmsSettings
from gateway.store.accounts import AccountRow
from gateway.store.domain import Domain
from gateway.store.ids import text_of
from gateway.store.messages import MessageRow, Stored
from interparty.content_digest import content_digest
from masking.smpp_leg import check_submit
from smpp.codec import EncodeError, decode, encode
from smpp.constants import SHORT_MESSAGE_OCTETS, CommandStatus, EsmClass, Tag
from smpp.pdu import Pdu, ReplaceSm, SubmitSm, tlv
from smpp.times import TimeFormatError, format_absolute, parse_time


class Replacement(NamedTuple):
    """A message as it is from now on."""

    row: MessageRow
    submit: SubmitSm
    """As the SMSC would have got it."""
    frame: bytes
    validity: bytes
    """The new validity period, absolute; empty when it stays."""


class Replacements:
    """Makes them; asks and changes nothing."""

    def __init__(self, domain: Domain, directory: Directory, texts: TextRules, settings: SmsSettings) -> None:
        self._domain = domain
        self._directory = directory
        self._texts = texts
        self._settings = settings
        self._keys = AccountKeys(directory.account_key)

    def make(self, account: AccountRow, stored: Stored, body: ReplaceSm) -> Replacement | int:
        """The message as `body` wants it, or the command_status that refuses it."""
        row, number = stored.row, self._directory.sms_number(stored.row.access_number)
        submit = decode(open_outgoing(self._domain, stored).frame).body
        assert isinstance(submit, SubmitSm)
        if number is None or submit.esm_class & EsmClass.UDHI:
            return CommandStatus.ESME_RREPLACEFAIL
        times = self._times(body, row.not_before, row.expires_at)
        if isinstance(times, CommandStatus):
            return times
        not_before, expires_at, validity = times
        payload = tlv(body, Tag.MESSAGE_PAYLOAD)
        text = body.short_message if payload is None else payload
        fits = len(text) <= SHORT_MESSAGE_OCTETS
        submit.short_message = text if fits else b""
        submit.tlvs = [each for each in submit.tlvs if each[0] != Tag.MESSAGE_PAYLOAD]
        if not fits:
            submit.tlvs.append((Tag.MESSAGE_PAYLOAD, text))
        submit.sm_default_msg_id = body.sm_default_msg_id
        submit.registered_delivery = 1 | (body.registered_delivery & INTERMEDIATE_ASKED)
        submit.validity_period = validity or submit.validity_period
        refused = check_submit(submit, number.allow)
        if refused is not None:
            return refused
        said = self._texts.refusal_of(number, (submit,))
        if said is not None:
            return said.status or CommandStatus.ESME_RREPLACEFAIL
        try:
            frame = encode(Pdu(submit, 0))
        except EncodeError:
            return CommandStatus.ESME_RINVMSGLEN
        key = self._keys.get(account.system_id)
        digest = (
            None if key is None else content_digest(key, text_of(row.public_id), submit.data_coding, text)
        )
        changed = row._replace(
            registered_delivery=body.registered_delivery, octets=len(text), digest=digest,
            not_before=not_before, expires_at=expires_at,
        )  # fmt: skip
        return Replacement(changed, submit, frame, validity)

    def _times(
        self, body: ReplaceSm, not_before: int, expires_at: int
    ) -> tuple[int, int, bytes] | CommandStatus:
        """3.4, 4.10.1: an empty time leaves what was there."""
        now = datetime.fromtimestamp(self._domain.now_ms() / 1000, UTC)
        try:
            schedule = parse_time(body.schedule_delivery_time, now)
        except TimeFormatError:
            return CommandStatus.ESME_RINVSCHED
        if schedule is not None and not now - SCHEDULE_LATE < schedule <= now + timedelta(
            seconds=self._settings.schedule_max_s
        ):
            return CommandStatus.ESME_RINVSCHED
        try:
            validity = parse_time(body.validity_period, now)
        except TimeFormatError:
            return CommandStatus.ESME_RINVEXPIRY
        start = not_before if schedule is None else int(schedule.timestamp() * 1000)
        end = expires_at if validity is None else int(validity.timestamp() * 1000)
        latest = start + int(timedelta(seconds=self._settings.validity_max_s).total_seconds() * 1000)
        if end <= start or end <= self._domain.now_ms():
            return CommandStatus.ESME_RINVEXPIRY
        end = min(end, latest)
        told = b"" if validity is None else format_absolute(datetime.fromtimestamp(end / 1000, UTC))
        return start, end, told
