"""Messages from an enterprise: checked, authorized, resolved, committed, and only then acknowledged."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from foundation.store import Stage, StoreBusy, StoreUnavailable
from gateway.accounts.directory import Directory
from gateway.accounts.rates import Rates
from gateway.policy.refusal import ANSWERS, Case, Refusal
from gateway.policy.text_length import PARTS_MAX
from gateway.policy.text_rules import TextRules
from gateway.records import metrics
from gateway.settings import SmsSettings
from gateway.sms.commit import Committed, Committer, DuplicatePart, NoSuchSet
from gateway.sms.dispatch import Dispatcher
from gateway.sms.final import Delivery
from gateway.sms.long_messages import HOLD_S
from gateway.sms.submission import Submission
from gateway.store.accounts import AccountRow
from gateway.store.domain import Domain
from gateway.store.ids import text_of
from masking.smpp_leg import check_submit
from smpp.aio.connection import Connection
from smpp.codec import EncodeError, encode
from smpp.constants import CommandStatus, EsmClass, Tag
from smpp.pdu import (
    DataSm,
    DataSmResp,
    ListDest,
    MessageResp,
    Pdu,
    SmeDest,
    SubmitMulti,
    SubmitMultiResp,
    SubmitSm,
    SubmitSmResp,
    UnsuccessSme,
)
from smpp.segmentation import part_info
from smpp.times import TimeFormatError, format_absolute, format_relative, parse_time
from trust_client.verifier import Grant, Question, Refused, Unavailable, Verifier

PENDING_MAX: Final = 10_000
"""Messages between arrival and response, over all binds; more are throttled."""
SETS_MAX: Final = 20_000
"""Long messages whose parts are awaited, remembered; of others the next part is authorized anew."""

SCHEDULE_LATE: Final = timedelta(minutes=5)
"""A schedule so far in the past means now: a sender's clock may be behind. Beyond it is a mistake."""

INTAKE_ORDER: Final = 10
"""Of the stages in one commit: what comes in, then what the SMSC took, then receipts, then what is done."""

_log = logging.getLogger(__name__)

_SetKey = tuple[str, str, str, int, int]


class Intake:
    """Takes what bound accounts submit. No await and no task a message: callbacks of verify and commit."""

    def __init__(
        self,
        domain: Domain,
        directory: Directory,
        verifier: Verifier,
        dispatcher: Dispatcher,
        settings: SmsSettings,
        rates: Rates,
        texts: TextRules,
        on_deliveries: Callable[[Sequence[Delivery]], None],
    ) -> None:
        self._domain = domain
        self._directory = directory
        self._verifier = verifier
        self._dispatcher = dispatcher
        self._settings = settings
        self._rates = rates
        self._texts = texts
        self._on_deliveries = on_deliveries
        self._pending = 0
        self._stage: Stage[Submission, Committed] = Stage(
            Committer(domain, settings, directory.account_key, dispatcher.take_back, texts).run,
            self._committed,
            order=INTAKE_ORDER,
        )
        self._opening: dict[_SetKey, list[Submission]] = {}
        """Long messages whose first part is being authorized, and the parts that wait for it."""
        self._open: dict[_SetKey, float] = {}
        """Long messages whose first part was: until when (monotonic) their other parts are awaited."""

    @property
    def pending(self) -> int:
        """Messages between arrival and response."""
        return self._pending

    # --- the three ways to submit ---------------------------------------------------------------------

    def submit(self, connection: Connection, account: AccountRow, pdu: Pdu, frame: bytes) -> None:
        """Answer one submit_sm, now (malformed, not allowed) or after its commit."""
        body = pdu.body
        assert isinstance(body, SubmitSm)
        self._single(connection, account, pdu, body, frame, SubmitSmResp)

    def data(self, connection: Connection, account: AccountRow, pdu: Pdu) -> None:
        """Answer one data_sm: to the SMSC and in the store it is a submit_sm."""
        body = pdu.body
        assert isinstance(body, DataSm)
        submit = _submit_of(body)
        try:
            frame = encode(Pdu(submit, 0))
        except EncodeError:
            # data_sm holds addresses of 64 octets, a submit_sm of 20: neither AIDs nor access numbers.
            status = (
                CommandStatus.ESME_RINVDSTADR
                if len(body.destination_addr) > 20
                else CommandStatus.ESME_RINVSRCADR
            )
            self._refuse(connection, account, pdu, status)
            return
        self._single(connection, account, pdu, submit, frame, DataSmResp)

    def _single(
        self,
        connection: Connection,
        account: AccountRow,
        pdu: Pdu,
        body: SubmitSm,
        frame: bytes,
        response: type[MessageResp],
    ) -> None:
        arrived = time.monotonic()
        submission = self._check(account, body, frame, arrived)
        if not isinstance(submission, Submission):
            self._refuse(connection, account, pdu, submission)
            return

        def answer(submission: Submission, status: int) -> None:
            if status:
                self._refuse(connection, account, pdu, status)
                return
            metrics.SUBMITS.add(account.system_id, "0")
            connection.respond_message(
                pdu.sequence_number, text_of(submission.public_id).encode(), response.COMMAND_ID
            )

        submission.answer = answer
        self._authorize(submission)

    def multi(self, connection: Connection, account: AccountRow, pdu: Pdu) -> None:
        """Answer one submit_multi: each AID is authorized on its own; all have one message id (3.4, 4.5)."""
        body = pdu.body
        assert isinstance(body, SubmitMulti)
        arrived = time.monotonic()
        unsuccessful: list[UnsuccessSme] = []
        submissions: list[tuple[Submission, SmeDest]] = []
        for dest in body.dests:
            if isinstance(dest, ListDest):
                # This message centre keeps no distribution lists.
                unsuccessful.append(UnsuccessSme(0, 0, dest.dl_name[:20], CommandStatus.ESME_RINVDLNAME))
                continue
            single = _single_of(body, dest)
            checked = self._check(account, single, encode(Pdu(single, 0)), arrived, len(submissions))
            if not isinstance(checked, Submission):
                unsuccessful.append(UnsuccessSme(dest.ton, dest.npi, dest.addr, checked))
                continue
            submissions.append((checked, dest))
        public_id = self._domain.ids.block(len(submissions) or 1)
        for place, (submission, _) in enumerate(submissions):
            submission.id, submission.public_id = public_id + place, public_id
        waiting = len(submissions)
        accepted = 0

        def finish() -> None:
            if accepted:
                message_id = text_of(public_id).encode()
                metrics.SUBMITS.add(account.system_id, "0", n=accepted)
                connection.respond(pdu.sequence_number, SubmitMultiResp(message_id, unsuccessful))
                return
            # Nothing was taken: the one status of all of them, or that they differ.
            statuses = {each.error_status for each in unsuccessful}
            self._refuse(
                connection,
                account,
                pdu,
                statuses.pop() if len(statuses) == 1 else CommandStatus.ESME_RSUBMITFAIL,
            )

        def answer(dest: SmeDest, submission: Submission, status: int) -> None:
            nonlocal waiting, accepted
            waiting -= 1
            if status:
                unsuccessful.append(UnsuccessSme(dest.ton, dest.npi, dest.addr, status))
            else:
                accepted += 1
            if not waiting:
                finish()

        if not submissions:
            finish()
        for submission, dest in submissions:
            submission.answer = partial(answer, dest)
        for submission, _ in submissions:
            self._authorize(submission)

    # --- checks ---------------------------------------------------------------------------------------

    def _check(
        self, account: AccountRow, body: SubmitSm, frame: bytes, arrived: float, beside: int = 0
    ) -> Submission | int:
        """A message that may be asked about, or the command_status it is refused with.

        `beside` counts the messages of the same request that are not pending yet.
        """
        if self._pending + beside >= PENDING_MAX:
            return _NOT_AVAILABLE
        source = self._directory.source_of(account, body.source_addr.decode("latin-1"))
        if source is None:
            return _ACCESS_NUMBER
        shown, number = source
        refused = check_submit(body, number.allow)
        if refused is not None:
            return refused
        aid = body.destination_addr.decode("latin-1")
        if len(aid) != 18 or not (aid.isascii() and aid.isdigit()):
            return _AID_REFUSED
        part = part_info(body) if body.esm_class & EsmClass.UDHI or body.tlvs else None
        if part is not None and part.total == 1:
            part = None
        if part is not None and part.total > PARTS_MAX:
            return CommandStatus.ESME_RINVMSGLEN
        if part is None:
            # Of a long message the whole is read, when it is there.
            said = self._texts.refusal_of(number, (body,))
            if said is not None:
                metrics.REFUSALS.add("sms")
                return said.status or CommandStatus.ESME_RSUBMITFAIL
        if not self._rates.take_access_number(number, arrived):
            return CommandStatus.ESME_RTHROTTLED
        now_ms = self._domain.now_ms()
        if body.schedule_delivery_time or body.validity_period:
            times = self._times(body, now_ms)
            if isinstance(times, CommandStatus):
                return times
            not_before, expires_at, validity = times
        else:
            not_before, expires_at, validity = now_ms, now_ms + self._settings.validity_default_s * 1000, b""
        message_id = self._domain.ids.next()
        return Submission(
            message_id, message_id, account, number, shown, aid, body, frame, part, not_before, expires_at, validity,
            _never, arrived,
        )  # fmt: skip

    def _times(self, body: SubmitSm, now_ms: int) -> tuple[int, int, bytes] | CommandStatus:
        now = datetime.fromtimestamp(now_ms / 1000, UTC)
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
        start = now if schedule is None else max(schedule, now)
        latest = start + timedelta(seconds=self._settings.validity_max_s)
        end = start + timedelta(seconds=self._settings.validity_default_s) if validity is None else validity
        if end <= start or end <= now:
            return CommandStatus.ESME_RINVEXPIRY
        end = min(end, latest)
        told = b"" if validity is None else format_absolute(end)
        return int(start.timestamp() * 1000), int(end.timestamp() * 1000), told

    # --- authorization --------------------------------------------------------------------------------

    def _authorize(self, submission: Submission) -> None:
        self._pending += 1
        if submission.part is not None and self._joins(submission):
            return
        self._verifier.submit(self._question(submission), partial(self._verified, submission))

    def _joins(self, submission: Submission) -> bool:
        """A long message is one authorization: whether another part stands for this one."""
        key = submission.set_key
        opening = self._opening.get(key)
        if opening is not None:
            opening.append(submission)  # bounded by PENDING_MAX
            return True
        until = self._open.get(key)
        if until is not None and until > submission.arrived:
            submission.follows = True
            self._store(submission)
            return True
        self._opening[key] = []
        return False

    def _verified(self, submission: Submission, answer: Grant | Refused | Unavailable) -> None:
        if isinstance(answer, Unavailable):
            self._settle(submission, _NOT_AVAILABLE)
            return
        if isinstance(answer, Grant):
            submission.grant = answer
        else:
            submission.reason = answer.reason
        # A refusal by the trust party takes the same way through the store as one decided here:
        # from outside, nothing tells which it was.
        self._store(submission)

    def _store(self, submission: Submission) -> None:
        try:
            self._domain.store.put(self._stage, submission)
        except (StoreBusy, StoreUnavailable):
            self._settle(submission, _NOT_AVAILABLE)

    def _committed(
        self,
        submissions: Sequence[Submission],
        outcomes: Sequence[Committed] | None,
        error: BaseException | None,
    ) -> None:
        if outcomes is None:
            if not isinstance(error, StoreBusy | StoreUnavailable):
                _log.error("messages not stored", exc_info=error)
            for submission in submissions:
                self._settle(submission, _NOT_AVAILABLE)
            return
        for submission, outcome in zip(submissions, outcomes, strict=True):
            if isinstance(outcome, Refusal):
                metrics.REFUSALS.add("sms")
                self._refused(submission, _status(outcome.case))
            elif isinstance(outcome, NoSuchSet):
                # It ended while this part was on its way. Sent again, the part is authorized on its own.
                self._open.pop(submission.set_key, None)
                self._settle(submission, _NOT_AVAILABLE)
            elif isinstance(outcome, DuplicatePart):
                if outcome.same is not None:
                    submission.public_id = outcome.same
                status = CommandStatus.ESME_RSUBMITFAIL if outcome.same is None else CommandStatus.ESME_ROK
                self._settle(submission, status, is_set_open=True)
            else:
                is_whole = outcome.is_set_whole
                self._settle(
                    submission, CommandStatus.ESME_ROK, is_set_whole=is_whole, is_set_open=not is_whole
                )
                for replaced in outcome.replaced:
                    self._dispatcher.withdraw(replaced)
                for outgoing in outcome.ready:
                    self._dispatcher.offer(outgoing)
                self._on_deliveries(outcome.deliveries)
        self._dispatcher.pump()

    def _refused(self, submission: Submission, status: int) -> None:
        """A refusal takes a question to the trust party as every other does, also where an earlier grant had
        answered it: else it would be told by its haste."""
        if submission.grant is None or not submission.grant.is_cached:
            self._settle(submission, status)
            return
        self._verifier.submit(
            self._question(submission), lambda _answer: self._settle(submission, status), fresh=True
        )

    @staticmethod
    def _question(submission: Submission) -> Question:
        return Question(
            submission.aid, submission.account.enterprise_id, "sms", submission.access_number.number
        )

    def _settle(
        self, submission: Submission, status: int, *, is_set_whole: bool = False, is_set_open: bool = False
    ) -> None:
        """Answer; and when the first part of a long message is decided, so are the parts that wait for it.

        A part that is refused for its own sake (another text in a taken place) leaves its set open.
        """
        self._pending -= 1
        metrics.SUBMIT_SECONDS.observe(time.monotonic() - submission.arrived)
        submission.answer(submission, status)
        if submission.part is None:
            return
        key = submission.set_key
        if is_set_open:
            if key not in self._open and len(self._open) >= SETS_MAX:
                del self._open[next(iter(self._open))]
            self._open[key] = submission.arrived + HOLD_S
        elif is_set_whole:
            self._open.pop(key, None)
        if submission.follows:
            return
        for waiting in self._opening.pop(key, ()):
            if status and not is_set_open:
                self._settle_waiting(waiting, status)
            else:
                waiting.follows = True
                self._store(waiting)

    def _settle_waiting(self, submission: Submission, status: int) -> None:
        self._pending -= 1
        submission.answer(submission, status)

    def _refuse(self, connection: Connection, account: AccountRow, pdu: Pdu, status: int) -> None:
        metrics.SUBMITS.add(account.system_id, str(int(status)))
        connection.reject(pdu, status)


def _never(_submission: Submission, _status: int) -> None:
    raise AssertionError("a submission is answered by who made it")


def _submit_of(body: DataSm) -> SubmitSm:
    """A data_sm as the submit_sm that says the same: its text where it fits (3.4, 4.7.1 and 4.4.1)."""
    payload = next((value for tag, value in body.tlvs if tag == Tag.MESSAGE_PAYLOAD), b"")
    fits = len(payload) <= 254
    lifetime = next((value for tag, value in body.tlvs if tag == Tag.QOS_TIME_TO_LIVE), None)
    moved = {Tag.QOS_TIME_TO_LIVE, *([Tag.MESSAGE_PAYLOAD] if fits else [])}
    return SubmitSm(
        service_type=body.service_type,
        source_addr_ton=body.source_addr_ton,
        source_addr_npi=body.source_addr_npi,
        source_addr=body.source_addr,
        dest_addr_ton=body.dest_addr_ton,
        dest_addr_npi=body.dest_addr_npi,
        destination_addr=body.destination_addr,
        esm_class=body.esm_class,
        registered_delivery=body.registered_delivery,
        data_coding=body.data_coding,
        # 3.4, 5.3.2.9: the seconds that it may be kept; a submit_sm says so with its validity period.
        validity_period=b"" if lifetime is None else format_relative(_seconds(lifetime)),
        short_message=payload if fits else b"",
        tlvs=[each for each in body.tlvs if each[0] not in moved],
    )


def _seconds(raw: bytes) -> timedelta:
    """What a TLV holds; over a year is cut to it, which is longer than any message is kept."""
    return min(timedelta(seconds=int.from_bytes(raw, "big")), timedelta(days=365))


def _single_of(body: SubmitMulti, dest: SmeDest) -> SubmitSm:
    """One destination of a submit_multi."""
    return SubmitSm(
        service_type=body.service_type,
        source_addr_ton=body.source_addr_ton,
        source_addr_npi=body.source_addr_npi,
        source_addr=body.source_addr,
        dest_addr_ton=dest.ton,
        dest_addr_npi=dest.npi,
        destination_addr=dest.addr,
        esm_class=body.esm_class,
        protocol_id=body.protocol_id,
        priority_flag=body.priority_flag,
        schedule_delivery_time=body.schedule_delivery_time,
        validity_period=body.validity_period,
        registered_delivery=body.registered_delivery,
        replace_if_present_flag=body.replace_if_present_flag,
        data_coding=body.data_coding,
        sm_default_msg_id=body.sm_default_msg_id,
        short_message=body.short_message,
        tlvs=body.tlvs,
    )


def _status(case: Case) -> int:
    status = ANSWERS[case].smpp
    assert status is not None
    return status


_NOT_AVAILABLE = _status(Case.NOT_AVAILABLE)
_ACCESS_NUMBER = _status(Case.ACCESS_NUMBER)
_AID_REFUSED = _status(Case.AID_REFUSED)
