"""submit_sm from an enterprise: checked, authorized, resolved, committed, and only then acknowledged."""

from __future__ import annotations

import logging
import sqlite3
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from foundation.store import StoreBusy, StoreUnavailable
from gateway.accounts.directory import Directory
from gateway.policy.decision import decide_contact
from gateway.policy.refusal import ANSWERS, Case, Refusal
from gateway.records import metrics
from gateway.settings import SmsSettings
from gateway.sms.dispatch import SEAL_MESSAGE, Dispatcher, Outgoing
from gateway.store import messages, records
from gateway.store.accounts import AccountRow
from gateway.store.domain import Domain
from gateway.store.ids import text_of
from interparty.messages import VerifyItem
from masking.smpp_leg import check_submit, towards_smsc
from smpp.aio.connection import Connection
from smpp.constants import CommandStatus
from smpp.pdu import Pdu, SubmitSm, SubmitSmResp
from smpp.times import TimeFormatError, parse_time
from trust_client.verifier import Grant, Refused, Unavailable, Verifier

PENDING_MAX = 10_000
"""submit_sm between arrival and response, over all binds; more are throttled."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Submit:
    """One submit_sm on its way to its response."""

    connection: Connection
    account: AccountRow
    pdu: Pdu
    frame: bytes
    aid: str
    access_number: str
    not_before: int
    expires_at: int
    arrived: float


class Intake:
    """Takes submit_sm of bound accounts. No await and no task a message: callbacks of verify and commit."""

    def __init__(
        self,
        domain: Domain,
        directory: Directory,
        verifier: Verifier,
        dispatcher: Dispatcher,
        settings: SmsSettings,
    ) -> None:
        self._domain = domain
        self._directory = directory
        self._verifier = verifier
        self._dispatcher = dispatcher
        self._settings = settings
        self._pending = 0

    def submit(self, connection: Connection, account: AccountRow, pdu: Pdu, frame: bytes) -> None:
        """Answer one submit_sm, now (malformed, not allowed) or after its commit."""
        body = pdu.body
        assert isinstance(body, SubmitSm)
        arrived = time.monotonic()
        if self._pending >= PENDING_MAX:
            self._refuse(connection, account, pdu, _status(Case.NOT_AVAILABLE))
            return
        access_number = self._directory.source_of(account, body.source_addr.decode("latin-1"))
        if access_number is None:
            self._refuse(connection, account, pdu, _status(Case.ACCESS_NUMBER))
            return
        refused = check_submit(body)
        if refused is not None:
            self._refuse(connection, account, pdu, refused)
            return
        aid = body.destination_addr.decode("latin-1")
        if len(aid) != 18 or not (aid.isascii() and aid.isdigit()):
            self._refuse(connection, account, pdu, _status(Case.AID_REFUSED))
            return
        times = self._times(body)
        if isinstance(times, CommandStatus):
            self._refuse(connection, account, pdu, times)
            return
        submit = _Submit(connection, account, pdu, frame, aid, access_number, *times, arrived)
        self._pending += 1
        self._verifier.submit(
            VerifyItem(aid=aid, enterprise=account.enterprise_id, channel="sms", access_number=access_number),
            lambda answer: self._verified(submit, answer),
        )

    def _times(self, body: SubmitSm) -> tuple[int, int] | CommandStatus:
        now_ms = self._domain.now_ms()
        now = datetime.fromtimestamp(now_ms / 1000, UTC)
        try:
            schedule = parse_time(body.schedule_delivery_time, now)
        except TimeFormatError:
            return CommandStatus.ESME_RINVSCHED
        try:
            validity = parse_time(body.validity_period, now)
        except TimeFormatError:
            return CommandStatus.ESME_RINVEXPIRY
        start = now if schedule is None else schedule
        latest = start + timedelta(seconds=self._settings.validity_max_s)
        end = start + timedelta(seconds=self._settings.validity_default_s) if validity is None else validity
        if end <= start:
            return CommandStatus.ESME_RINVEXPIRY
        return int(start.timestamp() * 1000), int(min(end, latest).timestamp() * 1000)

    def _verified(self, submit: _Submit, answer: Grant | Refused | Unavailable) -> None:
        if isinstance(answer, Unavailable):
            self._answer(submit, _status(Case.NOT_AVAILABLE), b"")
            return
        grant = answer if isinstance(answer, Grant) else None
        reason = answer.reason if isinstance(answer, Refused) else None

        def op(conn: sqlite3.Connection) -> Outgoing | Refusal:
            return self._commit(conn, submit, grant, reason)

        def done(outcome: Outgoing | Refusal | None, error: BaseException | None) -> None:
            if error is not None or outcome is None:
                if not isinstance(error, StoreBusy | StoreUnavailable):
                    _log.error("submit_sm not stored", exc_info=error)
                self._answer(submit, _status(Case.NOT_AVAILABLE), b"")
            elif isinstance(outcome, Refusal):
                metrics.REFUSALS.labels("sms").inc()
                self._answer(submit, _status(outcome.case), b"")
            else:
                self._answer(submit, CommandStatus.ESME_ROK, text_of(outcome.row.id).encode())
                self._dispatcher.offer(outcome)

        # A refusal by the trust party takes the same way through the store as one decided here:
        # from outside, nothing tells which it was.
        try:
            self._domain.store.submit(op, done)
        except (StoreBusy, StoreUnavailable):
            self._answer(submit, _status(Case.NOT_AVAILABLE), b"")

    def _commit(
        self, conn: sqlite3.Connection, submit: _Submit, grant: Grant | None, reason: str | None
    ) -> Outgoing | Refusal:
        domain, account, now = self._domain, submit.account, self._domain.now_ms()
        found = decide_contact(conn, domain.vault, grant, account.enterprise_id, submit.access_number, now)
        if isinstance(found, Refusal):
            records.put_refusal(
                conn, domain.ids.next(), now, account.enterprise_id, "sms", submit.access_number, submit.aid,
                reason or found.cause,
            )  # fmt: skip
            return found
        body = submit.pdu.body
        assert isinstance(body, SubmitSm)
        frame = towards_smsc(
            submit.frame,
            msisdn=found.msisdn,
            source=submit.access_number,
            sequence_number=0,
            registered_delivery=1,
            schedule=b"",
            validity=b"",
        )
        row = messages.MessageRow(
            id=domain.ids.next(),
            kind=messages.Kind.ENTERPRISE,
            account=account.system_id,
            enterprise_id=account.enterprise_id,
            access_number=submit.access_number,
            aid=submit.aid,
            edi_id=found.edi_id,
            registered_delivery=body.registered_delivery,
            state=messages.State.QUEUED,
            accepted_at=now,
            not_before=submit.not_before,
            expires_at=submit.expires_at,
            sealed=domain.vault.seal(SEAL_MESSAGE, frame),
        )
        messages.insert(conn, row)
        return Outgoing(row, frame)

    def _answer(self, submit: _Submit, status: int, message_id: bytes) -> None:
        self._pending -= 1
        metrics.SUBMIT_SECONDS.observe(time.monotonic() - submit.arrived)
        if status:
            self._refuse(submit.connection, submit.account, submit.pdu, status)
            return
        metrics.SUBMITS.labels(submit.account.system_id, "0").inc()
        submit.connection.respond(submit.pdu.sequence_number, SubmitSmResp(message_id=message_id))

    def _refuse(self, connection: Connection, account: AccountRow, pdu: Pdu, status: int) -> None:
        metrics.SUBMITS.labels(account.system_id, str(int(status))).inc()
        connection.reject(pdu, status)


def _status(case: Case) -> int:
    status = ANSWERS[case].smpp
    assert status is not None
    return status
