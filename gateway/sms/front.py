"""The SMPP front: who may bind, and which room takes what a bound session sends."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial

from foundation import passwords
from gateway.accounts.bind_rules import exceeds_limit, origin_fault
from gateway.accounts.directory import Directory
from gateway.accounts.rates import Rates
from gateway.policy.refusal import ANSWERS, Case
from gateway.records import metrics
from gateway.sms.congestion import Congestion
from gateway.sms.deliver import Deliveries
from gateway.sms.esme_session import DeliveryFailed, EsmeSession, EsmeSessions, MessagesChecked, OnEvents
from gateway.sms.intake import Intake
from gateway.sms.own_sessions import OwnSessions
from gateway.sms.services import Services
from gateway.sms.session_config import session_config
from gateway.sms_settings import SmppSettings
from gateway.store.accounts import AccountRow
from smpp.constants import VERSION_5_0, CommandId, CommandStatus
from smpp.events import (
    BadPduReceived,
    BindRequested,
    ConnectionMustClose,
    Event,
    MessagesReceived,
    RequestReceived,
    RequestTimedOut,
    ResponseMalformed,
    ResponseReceived,
)
from smpp.pdu import Bind, Body, CancelSm, DataSm, Pdu, QuerySm, ReplaceSm, SubmitMulti

_log = logging.getLogger(__name__)


class SmppFront:
    """The SMPP server that enterprises bind to."""

    def __init__(
        self,
        settings: SmppSettings,
        directory: Directory,
        intake: Intake,
        services: Services,
        deliveries: Deliveries,
        rates: Rates,
        congestion: Congestion,
        clock: Callable[[], float] = time.monotonic,
        sessions: Callable[[OnEvents], EsmeSessions] | None = None,
    ) -> None:
        """`sessions` makes who accepts connections; without it they are this process's own."""
        self._settings = settings
        self._directory = directory
        self._intake = intake
        self._services = services
        self._deliveries = deliveries
        self._rates = rates
        self._congestion = congestion
        self._clock = clock
        self._binds: dict[str, dict[EsmeSession, type[Bind]]] = {}
        self._checks: set[asyncio.Task[None]] = set()
        self._ends: dict[EsmeSession, asyncio.Task[None]] = {}
        self._called: dict[EsmeSession, str] = {}
        """Connections that we opened for outbind, and whose bind is awaited on them."""
        self._told_bad: set[EsmeSession] = set()
        """Sessions of which a refused PDU was logged; bounded by connections_max."""
        make = partial(OwnSessions, settings, session_config(settings)) if sessions is None else sessions
        self._sessions = make(self._on_events)
        self._stopping = False

    async def start(self) -> None:
        """Raises OSError, and PkiError for certificates that cannot be used."""
        await self._sessions.start()

    @property
    def port(self) -> int:
        return self._sessions.port

    @property
    def tls_port(self) -> int:
        """Where TLS is listened for; 0 where it is not."""
        return self._sessions.tls_port

    async def stop(self) -> None:
        """No more connections and binds; what was taken is answered, then every session is unbound."""
        self._stopping = True
        for system_id, connections in self._binds.items():
            for session in connections:
                self._deliveries.unbound(system_id, session)  # what is not sent yet waits in the store
        await self._sessions.stop(self._settings.drain_s)

    async def call(self, account: AccountRow, password: bytes) -> None:
        """Connect to where the account's ESME waits, and send outbind. Raises ConnectFailed."""
        config = session_config(self._settings, account)

        def opened(session: EsmeSession) -> None:
            self._called[session] = account.system_id

        await self._sessions.call(account, password, config, opened, self._call_ended)

    def _call_ended(self, session: EsmeSession) -> None:
        self._called.pop(session, None)

    def is_called(self, system_id: str) -> bool:
        """Whether an outbind to the account is open, or led to a bind that is."""
        return system_id in self._called.values()

    def reload(self) -> None:
        """See gateway.sms.esme_session.EsmeSessions."""
        self._sessions.reload()

    def _on_events(self, session: EsmeSession, events: list[Event]) -> None:
        state = self._congestion.look()
        if session.version >= VERSION_5_0 and session.congestion_state != state:
            session.congestion_state = state
        for event in events:
            if isinstance(event, MessagesReceived):
                if event.responses:
                    self._deliveries.answered([(delivery, status) for delivery, status, _ in event.responses])
                if event.requests:
                    self._submits(session, event.requests)
            elif isinstance(event, MessagesChecked):
                self._checked(session, event)
            elif isinstance(event, RequestReceived):
                self._request(session, event.pdu)
            elif isinstance(event, ResponseReceived):
                self._deliveries.answered([(event.request.context, event.pdu.command_status)])
            elif isinstance(event, DeliveryFailed):
                self._deliveries.failed(event.delivery, event.reason)
            elif isinstance(event, RequestTimedOut):
                self._deliveries.failed(event.request.context, "timeout")
            elif isinstance(event, ResponseMalformed):
                self._deliveries.failed(event.request.context, "malformed")
            elif isinstance(event, BindRequested):
                self._start_check(session, event.pdu)
            elif isinstance(event, BadPduReceived):
                self._bad(session, event)
            elif isinstance(event, ConnectionMustClose):
                self._gone(session, event)
                for request in event.lost:
                    self._deliveries.failed(request.context, "closed")

    def resumed(self, sessions: Sequence[EsmeSession]) -> None:
        """Sessions to which nothing could be sent for a while have room again."""
        for system_id in {
            each.context.system_id for each in sessions if isinstance(each.context, AccountRow)
        }:
            self._deliveries.pump(system_id)

    # --- binding ------------------------------------------------------------------------------------

    def _start_check(self, session: EsmeSession, pdu: Pdu) -> None:
        task = asyncio.create_task(self._check(session, pdu))
        self._checks.add(task)  # bounded by connections_max: a session asks once
        task.add_done_callback(self._checks.discard)

    async def _check(self, session: EsmeSession, pdu: Pdu) -> None:
        body = pdu.body
        assert isinstance(body, Bind)
        system_id = body.system_id.decode("latin-1")
        account = self._directory.account(system_id)
        # Whether the address or the password is wrong takes equally long and is answered alike.
        fault = "no such account" if account is None else _origin_fault(account, session)
        if self._called.get(session, system_id) != system_id:
            fault = "outbind was to another account"
        stored = None if account is None or fault is not None else account.password_hash
        try:
            right = await passwords.verify(stored, body.password.decode("latin-1"))
        except passwords.PasswordsBusy:
            session.refuse_bind(_status(Case.NOT_AVAILABLE))
            return
        if account is None or not right:
            _log.warning(
                "bind as %r from %s refused: %s", system_id, session.peer[0], fault or "wrong password"
            )
            session.refuse_bind(_status(Case.CREDENTIALS))
            return
        # Changed meanwhile: let it ask anew.
        if self._stopping or account != self._directory.account(system_id):
            session.refuse_bind(_status(Case.NOT_AVAILABLE))
            return
        binds = self._binds.setdefault(system_id, {})
        if exceeds_limit(account, type(body), binds.values()):
            _log.warning("bind of %s refused: %d binds are open", system_id, len(binds))
            session.refuse_bind(_status(Case.BINDS))
            return
        session.configure(session_config(self._settings, account))
        session.accept_bind(self._settings.system_id.encode())
        if not session.is_bound:  # it closed while its password was checked
            return
        session.context = account
        binds[session] = type(body)
        metrics.BINDS.labels(system_id).set(len(binds))
        _log.info(
            "account %s bound from %s, version %#x, %s",
            system_id, session.peer[0], session.version, session.tls_version or "no TLS",
        )  # fmt: skip
        if session.can_send:
            self._deliveries.bound(system_id, session)

    def _bad(self, session: EsmeSession, event: BadPduReceived) -> None:
        account = session.context
        whose = account.system_id if isinstance(account, AccountRow) else "not bound"
        metrics.BAD_PDUS.add(whose, str(int(event.status)))
        if session in self._told_bad:
            return  # one line a session: the rest is counted
        self._told_bad.add(session)
        _log.warning(
            "PDU 0x%08x from %s (%s) refused with 0x%x: %s",
            event.command_id, session.peer[0], whose, event.status, event.reason,
        )  # fmt: skip

    def _gone(self, session: EsmeSession, event: ConnectionMustClose) -> None:
        self._told_bad.discard(session)
        account = session.context
        if isinstance(account, AccountRow):
            _log.info(
                "account %s: a session from %s ended: %s; %d deliveries unanswered",
                account.system_id, session.peer[0], event.reason, len(event.lost),
            )  # fmt: skip
            binds = self._binds.get(account.system_id, {})
            binds.pop(session, None)
            metrics.BINDS.labels(account.system_id).set(len(binds))
            if not binds:
                self._binds.pop(account.system_id, None)
            self._deliveries.unbound(account.system_id, session)

    # --- a changed directory ------------------------------------------------------------------------

    def accounts_changed(self) -> None:
        """Hold every bound session against the directory as it is now: what may no longer be bound is
        unbound, after its open answers; the others go on under the new limits."""
        self._sessions.accounts_changed()
        for system_id, binds in self._binds.items():
            account = self._directory.account(system_id)
            kept: list[type[Bind]] = []
            for session, kind in list(binds.items()):  # the oldest first: they are the ones that stay
                reason = self._why_unbound(session, kind, account, kept)
                if account is None or reason is not None:
                    _log.warning("account %s: a session is unbound: %s", system_id, reason)
                    self._end(session)
                    continue
                kept.append(kind)
                if account != session.context:
                    session.context = account
                    session.configure(session_config(self._settings, account))

    def _why_unbound(
        self, session: EsmeSession, kind: type[Bind], account: AccountRow | None, kept: list[type[Bind]]
    ) -> str | None:
        if account is None:
            return "the account was removed"
        before = session.context
        if isinstance(before, AccountRow) and before.password_hash != account.password_hash:
            return "the password was changed"
        if exceeds_limit(account, kind, kept):
            return "more binds are open than the account has now"
        return _origin_fault(account, session)

    def _end(self, session: EsmeSession) -> None:
        if session not in self._ends:
            task = asyncio.create_task(session.close(self._settings.drain_s))
            self._ends[session] = task
            task.add_done_callback(lambda _: self._ends.pop(session, None))

    # --- requests -----------------------------------------------------------------------------------

    def _submits(self, session: EsmeSession, requests: Sequence[tuple[int, Body, bytes]]) -> None:
        """The submit_sm of one read."""
        account = session.context
        if not isinstance(account, AccountRow):
            for sequence_number, body, _ in requests:
                session.reject_request(sequence_number, body.COMMAND_ID, CommandStatus.ESME_RINVBNDSTS)
        elif not self._congestion.congested and not self._rates.limits(account):
            self._intake.submit(session, account, requests)
        else:
            for request in requests:
                if self._has_room(session, account, request[0], request[1].COMMAND_ID, 1):
                    self._intake.submit(session, account, (request,))

    def _checked(self, session: EsmeSession, event: MessagesChecked) -> None:
        """As `_submits`, of a session in a front process."""
        account, arrived = session.context, event.arrived
        command_id = CommandId.SUBMIT_SM
        if not isinstance(account, AccountRow):
            for sequence_number, _ in event.requests:
                session.reject_request(sequence_number, command_id, CommandStatus.ESME_RINVBNDSTS)
        elif not self._congestion.congested and not self._rates.limits(account):
            self._intake.submit_checked(session, account, event.requests, arrived)
        else:
            for request in event.requests:
                if self._has_room(session, account, request[0], command_id, 1):
                    self._intake.submit_checked(session, account, (request,), arrived)

    def _request(self, session: EsmeSession, pdu: Pdu) -> None:
        account = session.context
        if not isinstance(account, AccountRow):
            session.reject(pdu, CommandStatus.ESME_RINVBNDSTS)
            return
        body = pdu.body
        if isinstance(body, DataSm):
            if self._has_room(session, account, pdu.sequence_number, pdu.command_id, 1):
                self._intake.data(session, account, pdu)
        elif isinstance(body, SubmitMulti):
            if self._has_room(session, account, pdu.sequence_number, pdu.command_id, len(body.dests)):
                self._intake.multi(session, account, pdu)
        elif isinstance(body, QuerySm):
            self._services.query(session, account, pdu)
        elif isinstance(body, CancelSm):
            self._services.cancel(session, account, pdu)
        elif isinstance(body, ReplaceSm):
            self._services.replace(session, account, pdu)
        else:
            # broadcast_sm and its companions among them: decoded, and not provided here.
            session.reject(pdu, CommandStatus.ESME_RINVCMDID)

    def _has_room(
        self, session: EsmeSession, account: AccountRow, sequence_number: int, command_id: int, messages: int
    ) -> bool:
        """Whether the account may send that many messages now; if not, the request is answered."""
        if self._takes(account, messages):
            return True
        self.throttled(account.system_id, 1)
        session.reject_request(sequence_number, command_id, CommandStatus.ESME_RTHROTTLED)
        return False

    def _takes(self, account: AccountRow, messages: int) -> bool:
        return not self._congestion.congested and self._rates.take_account(account, self._clock(), messages)

    @staticmethod
    def throttled(system_id: str, messages: int) -> None:
        """So many messages of an account were answered that they are too many."""
        metrics.SUBMITS.add(system_id, str(int(CommandStatus.ESME_RTHROTTLED)), n=messages)


def _origin_fault(account: AccountRow, session: EsmeSession) -> str | None:
    return origin_fault(
        account,
        session.peer[0],
        tls=session.tls_version is not None,
        certificate=session.certificate,
    )


def _status(case: Case) -> int:
    status = ANSWERS[case].smpp
    assert status is not None
    return status
