"""Messages from an enterprise: checked, authorized, resolved, committed, and only then acknowledged."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from foundation.store import Stage, StoreBusy, StoreUnavailable
from gateway.accounts.directory import Directory
from gateway.accounts.rates import Rates
from gateway.policy.refusal import ANSWERS, Case, Refusal
from gateway.policy.text_rules import TextRules
from gateway.records import metrics
from gateway.sms.account_keys import AccountKeys
from gateway.sms.check import Checked, Checks, Unfit
from gateway.sms.commit import Committed, Committer, DuplicatePart, NoSuchSet
from gateway.sms.dispatch import Dispatcher
from gateway.sms.esme_session import EsmeSession
from gateway.sms.final import Delivery
from gateway.sms.long_messages import HOLD_S
from gateway.sms.outgoing import Outgoing
from gateway.sms.question import MessageQuestion
from gateway.sms.submission import Submission
from gateway.sms_settings import SmsSettings
from gateway.store.accounts import AccountRow
from gateway.store.domain import Domain
from gateway.store.ids import text_of
from interparty.hot_messages import QuestionLike
from smpp.as_submit import single_of, submit_of
from smpp.codec import EncodeError, encode
from smpp.constants import RESPONSE_BIT, CommandId, CommandStatus, Tag
from smpp.pdu import (
    Body,
    DataSm,
    ListDest,
    Pdu,
    SmeDest,
    SubmitMulti,
    SubmitMultiResp,
    SubmitSm,
    UnsuccessSme,
    tlv,
)
from trust_client.verifier import Grant, Question, Refused, Unavailable, Verifier

PENDING_MAX: Final = 10_000
"""Messages between arrival and response, over all binds; more are throttled."""
SETS_MAX: Final = 20_000
"""Long messages whose parts are awaited, remembered; of others the next part is authorized anew."""

INTAKE_ORDER: Final = 10
"""Of the stages in one commit: what comes in, then what the SMSC took, then receipts, then what is done."""

_log = logging.getLogger(__name__)
_SUBMIT_SM: Final = int(CommandId.SUBMIT_SM)
_ROK: Final = int(CommandStatus.ESME_ROK)

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
        self._verifier = verifier
        self._dispatcher = dispatcher
        self._settings = settings
        self._rates = rates
        self._checks = Checks(lambda: directory.current.access_numbers, settings, texts, domain.now_ms)
        self._on_deliveries = on_deliveries
        self._keys = AccountKeys(directory.account_key)
        self._pending = 0
        self._accepted: dict[EsmeSession, list[Submission]] = {}
        """What was committed and is to be acknowledged now."""
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

    def submit(
        self, session: EsmeSession, account: AccountRow, requests: Sequence[tuple[int, Body, bytes]]
    ) -> None:
        """Answer submit_sm (sequence number, body, octets), each now (malformed, not allowed) or after its commit."""
        arrived = time.monotonic()
        taken: list[Submission] = []
        for sequence_number, body, frame in requests:
            assert isinstance(body, SubmitSm)
            request = (session, sequence_number, body.COMMAND_ID)
            taken_one = self._check(account, body, frame, arrived, request, len(taken))
            if isinstance(taken_one, Submission):
                taken.append(taken_one)
            else:
                self._refuse(session, account, sequence_number, body.COMMAND_ID, taken_one)
        if taken:
            self._authorize(taken)

    def submit_checked(
        self,
        session: EsmeSession,
        account: AccountRow,
        requests: Sequence[tuple[int, Checked | Unfit]],
        arrived: float,
    ) -> None:
        """As `submit`, of what was checked where it arrived: (sequence number, what was found)."""
        taken: list[Submission] = []
        command_id = CommandId.SUBMIT_SM
        for sequence_number, found in requests:
            taken_one = self._take(
                account, found, arrived, (session, sequence_number, command_id), len(taken)
            )
            if isinstance(taken_one, Submission):
                taken.append(taken_one)
            else:
                self._refuse(session, account, sequence_number, command_id, taken_one)
        if taken:
            self._authorize(taken)

    def data(self, session: EsmeSession, account: AccountRow, pdu: Pdu) -> None:
        """Answer one data_sm: to the SMSC and in the store it is a submit_sm."""
        body = pdu.body
        assert isinstance(body, DataSm)
        if tlv(body, Tag.MESSAGE_PAYLOAD) is None:
            # 5.0, 4.7.6: in a data_sm it is mandatory.
            status = CommandStatus.ESME_RMISSINGTLV
            self._refuse(session, account, pdu.sequence_number, pdu.command_id, status)
            return
        submit = submit_of(body)
        request = (session, pdu.sequence_number, pdu.command_id)
        checked: Submission | int
        try:
            frame = encode(Pdu(submit, 0))
        except EncodeError:
            # data_sm holds addresses of 64 octets, a submit_sm of 20: neither AIDs nor access numbers.
            checked = (
                CommandStatus.ESME_RINVDSTADR
                if len(body.destination_addr) > 20
                else CommandStatus.ESME_RINVSRCADR
            )
        else:
            checked = self._check(account, submit, frame, time.monotonic(), request)
        if isinstance(checked, Submission):
            self._authorize([checked])
        else:
            self._refuse(session, account, pdu.sequence_number, pdu.command_id, checked)

    def multi(self, session: EsmeSession, account: AccountRow, pdu: Pdu) -> None:
        """Answer one submit_multi: each AID is authorized on its own; all have one message id (3.4, 4.5)."""
        body = pdu.body
        assert isinstance(body, SubmitMulti)
        arrived = time.monotonic()
        request = (session, pdu.sequence_number, pdu.command_id)
        unsuccessful: list[UnsuccessSme] = []
        submissions: list[tuple[Submission, SmeDest]] = []
        for dest in body.dests:
            if isinstance(dest, ListDest):
                # This message centre keeps no distribution lists.
                unsuccessful.append(UnsuccessSme(0, 0, dest.dl_name[:20], CommandStatus.ESME_RINVDLNAME))
                continue
            single = single_of(body, dest)
            checked = self._check(account, single, encode(Pdu(single, 0)), arrived, request, len(submissions))
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
                session.respond(pdu.sequence_number, SubmitMultiResp(message_id, unsuccessful))
                return
            # Nothing was taken: the one status of all of them, or that they differ.
            statuses = {each.error_status for each in unsuccessful}
            self._refuse(
                session,
                account,
                pdu.sequence_number,
                pdu.command_id,
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
        self._authorize([submission for submission, _ in submissions])

    # --- what is taken --------------------------------------------------------------------------------

    def _check(
        self,
        account: AccountRow,
        body: SubmitSm,
        frame: bytes,
        arrived: float,
        request: tuple[EsmeSession, int, int],
        beside: int = 0,
    ) -> Submission | int:
        if self._pending + beside >= PENDING_MAX:
            return _NOT_AVAILABLE
        found = self._checks.check(account.system_id, body, frame)
        return self._take(account, found, arrived, request, beside)

    def _take(
        self,
        account: AccountRow,
        found: Checked | Unfit,
        arrived: float,
        request: tuple[EsmeSession, int, int],
        beside: int = 0,
    ) -> Submission | int:
        """A message that may be asked about, or the command_status it is refused with.

        `request` is what is answered; `beside` counts the messages with it that are not pending yet.
        """
        if self._pending + beside >= PENDING_MAX:
            return _NOT_AVAILABLE
        if isinstance(found, Unfit):
            if found.is_refusal:
                metrics.REFUSALS.add("sms")
            return found.status
        if not self._rates.take_access_number(found.access_number, arrived):
            return CommandStatus.ESME_RTHROTTLED
        message_id = self._domain.ids.next()
        return Submission(message_id, message_id, account, *found, arrived, *request)

    # --- authorization --------------------------------------------------------------------------------

    def _authorize(self, submissions: Sequence[Submission]) -> None:
        self._pending += len(submissions)
        self._verifier.submit_all(
            [
                (self._question(each), each)
                for each in submissions
                if each.part is None or not self._joins(each)
            ],
            self._verified,
        )

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
            self._store([submission])
            return True
        self._opening[key] = []
        return False

    def _verified(self, answers: Sequence[tuple[Submission, Grant | Refused | Unavailable]]) -> None:
        decided: list[Submission] = []
        for submission, answer in answers:
            if isinstance(answer, Unavailable):
                self._settle(submission, _NOT_AVAILABLE)
                continue
            if isinstance(answer, Grant):
                submission.grant = answer
            else:
                submission.reason = answer.reason
            # A refusal by the trust party takes the same way through the store as one decided here:
            # from outside, nothing tells which it was.
            decided.append(submission)
        if decided:
            self._store(decided)

    def _store(self, submissions: Sequence[Submission]) -> None:
        try:
            self._domain.store.put_all(self._stage, submissions)
        except (StoreBusy, StoreUnavailable):
            for submission in submissions:
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
        ready: list[Outgoing] = []
        for submission, outcome in zip(submissions, outcomes, strict=True):
            if isinstance(outcome, Outgoing):
                self._settle(submission, _ROK)
                ready.append(outcome)
            elif isinstance(outcome, Refusal):
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
                    ready = [each for each in ready if each.row.id != replaced]
                ready += outcome.ready
                if outcome.deliveries:
                    self._on_deliveries(outcome.deliveries)
        self._acknowledge()
        self._dispatcher.offer(ready)
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

    def _question(self, submission: Submission) -> QuestionLike:
        if submission.part is None and self._settings.offer_digests:
            return MessageQuestion(submission, self._keys)
        # Of a long message the first part is asked about; what it says as a whole is not known yet.
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
        self._answer(submission, status)
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
                self._store([waiting])

    def _settle_waiting(self, submission: Submission, status: int) -> None:
        self._pending -= 1
        self._answer(submission, status)

    def _answer(self, submission: Submission, status: int) -> None:
        """Success goes out with the others of its commit."""
        if submission.answer is not None:
            submission.answer(submission, status)
        elif status:
            self._refuse(
                submission.session,
                submission.account,
                submission.sequence_number,
                submission.command_id,
                status,
            )
        else:
            self._accepted.setdefault(submission.session, []).append(submission)

    def _acknowledge(self) -> None:
        """Answer what was committed, over each session at once."""
        accepted, self._accepted = self._accepted, {}
        for session, submissions in accepted.items():
            metrics.SUBMITS.add(submissions[0].account.system_id, "0", n=len(submissions))
            session.respond_messages(
                [
                    (each.sequence_number, b"%016x" % each.public_id)
                    for each in submissions
                    if each.command_id == _SUBMIT_SM
                ]
            )
            for each in submissions:
                if each.command_id != _SUBMIT_SM:
                    session.respond_message(
                        each.sequence_number, b"%016x" % each.public_id, each.command_id | RESPONSE_BIT
                    )

    @staticmethod
    def _refuse(
        session: EsmeSession, account: AccountRow, sequence_number: int, command_id: int, status: int
    ) -> None:
        metrics.SUBMITS.add(account.system_id, str(int(status)))
        session.reject_request(sequence_number, command_id, status)


def _status(case: Case) -> int:
    status = ANSWERS[case].smpp
    assert status is not None
    return status


_NOT_AVAILABLE = _status(Case.NOT_AVAILABLE)
