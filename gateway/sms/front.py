"""The SMPP front: who may bind, and which room takes what a bound session sends."""

from __future__ import annotations

import asyncio
import logging

from foundation import passwords
from gateway.accounts.directory import Directory
from gateway.policy.refusal import ANSWERS, Case
from gateway.records import metrics
from gateway.settings import SmppSettings
from gateway.sms.deliver import Deliveries
from gateway.sms.intake import Intake
from gateway.store.accounts import AccountRow
from smpp.aio.connection import Connection
from smpp.aio.server import Server
from smpp.constants import CommandStatus
from smpp.events import BindRequested, ConnectionMustClose, Event, RequestReceived
from smpp.pdu import BindReceiver, BindTransceiver, BindTransmitter, Pdu, SubmitSm
from smpp.session import SessionConfig

_log = logging.getLogger(__name__)


class SmppFront:
    """The SMPP server that enterprises bind to."""

    def __init__(
        self, settings: SmppSettings, directory: Directory, intake: Intake, deliveries: Deliveries
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._intake = intake
        self._deliveries = deliveries
        self._binds: dict[str, set[Connection]] = {}
        self._checks: set[asyncio.Task[None]] = set()
        self._server = Server(
            self._on_events,
            SessionConfig(
                session_init_s=settings.session_init_s,
                enquire_link_s=settings.enquire_link_s,
                inactivity_s=settings.inactivity_s,
                response_s=settings.response_s,
                outbound_window=settings.window,
                inbound_window=settings.window,
            ),
            connections_max=settings.connections_max,
        )

    async def start(self) -> None:
        await self._server.start(self._settings.host, self._settings.port)

    @property
    def port(self) -> int:
        return self._server.port

    async def stop(self) -> None:
        await self._server.stop()

    def _on_events(self, connection: Connection, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, RequestReceived):
                self._request(connection, event.pdu, event.frame)
            elif isinstance(event, BindRequested):
                self._start_check(connection, event.pdu)
            elif isinstance(event, ConnectionMustClose):
                self._gone(connection)

    # --- binding ------------------------------------------------------------------------------------

    def _start_check(self, connection: Connection, pdu: Pdu) -> None:
        task = asyncio.create_task(self._check(connection, pdu))
        self._checks.add(task)  # bounded by connections_max: a session asks once
        task.add_done_callback(self._checks.discard)

    async def _check(self, connection: Connection, pdu: Pdu) -> None:
        body = pdu.body
        assert isinstance(body, BindTransmitter | BindReceiver | BindTransceiver)
        system_id = body.system_id.decode("latin-1")
        account = self._directory.account(system_id)
        password = body.password.decode("latin-1")
        try:
            right = await passwords.verify(None if account is None else account.password_hash, password)
        except passwords.PasswordsBusy:
            connection.refuse_bind(_status(Case.NOT_AVAILABLE))
            return
        if account is None or not right:
            _log.warning("bind refused: wrong system_id or password from %s", connection.peer)
            connection.refuse_bind(_status(Case.CREDENTIALS))
            return
        binds = self._binds.setdefault(system_id, set())
        if len(binds) >= account.max_binds:
            _log.warning("bind of %s refused: %d binds are open", system_id, len(binds))
            connection.refuse_bind(_status(Case.BINDS))
            return
        connection.accept_bind(self._settings.system_id.encode())
        if not connection.is_bound:  # it closed while its password was checked
            return
        connection.context = account
        binds.add(connection)
        metrics.BINDS.labels(system_id).set(len(binds))
        _log.info("account %s bound from %s", system_id, connection.peer)
        if connection.can_send:
            self._deliveries.bound(system_id, connection)

    def _gone(self, connection: Connection) -> None:
        account = connection.context
        if isinstance(account, AccountRow):
            self._binds.get(account.system_id, set()).discard(connection)
            metrics.BINDS.labels(account.system_id).set(len(self._binds.get(account.system_id, ())))
            self._deliveries.unbound(account.system_id, connection)

    # --- requests -----------------------------------------------------------------------------------

    def _request(self, connection: Connection, pdu: Pdu, frame: bytes) -> None:
        account = connection.context
        if not isinstance(account, AccountRow):
            connection.reject(pdu, CommandStatus.ESME_RINVBNDSTS)
        elif isinstance(pdu.body, SubmitSm):
            self._intake.submit(connection, account, pdu, frame)
        else:
            connection.reject(pdu, CommandStatus.ESME_RINVCMDID)


def _status(case: Case) -> int:
    status = ANSWERS[case].smpp
    assert status is not None
    return status
