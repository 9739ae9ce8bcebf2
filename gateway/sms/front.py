"""The SMPP front: who may bind, and which room takes what a bound session sends."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Sequence

from foundation import passwords
from foundation.pki import PkiError, public_context
from gateway.accounts.account_options import host_and_port
from gateway.accounts.bind_rules import exceeds_limit, origin_fault
from gateway.accounts.directory import Directory
from gateway.accounts.rates import Rates
from gateway.policy.refusal import ANSWERS, Case
from gateway.records import metrics
from gateway.settings import SmppSettings, SmppTlsSettings
from gateway.sms.congestion import Congestion
from gateway.sms.deliver import Deliveries
from gateway.sms.intake import Intake
from gateway.sms.services import Services
from gateway.store.accounts import AccountRow
from smpp.aio.connection import Connection
from smpp.aio.outbind import send_outbind
from smpp.aio.server import Server
from smpp.constants import VERSION_5_0, CommandStatus
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
from smpp.pdu import Bind, Body, CancelSm, DataSm, Outbind, Pdu, QuerySm, ReplaceSm, SubmitMulti
from smpp.session import SessionConfig

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
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._intake = intake
        self._services = services
        self._deliveries = deliveries
        self._rates = rates
        self._congestion = congestion
        self._clock = clock
        self._binds: dict[str, dict[Connection, type[Bind]]] = {}
        self._checks: set[asyncio.Task[None]] = set()
        self._ends: dict[Connection, asyncio.Task[None]] = {}
        self._called: dict[Connection, str] = {}
        """Connections that we opened for outbind, and whose bind is awaited on them."""
        self._told_bad: set[Connection] = set()
        """Sessions of which a refused PDU was logged; bounded by connections_max."""
        self._tls: ssl.SSLContext | None = None
        self._server = Server(
            self._on_events,
            session_config(settings),
            connections_max=settings.connections_max,
            address_connections_max=settings.address_connections_max,
        )
        self._stopping = False
        self.tls_port = 0
        """Where TLS is listened for; 0 where it is not."""

    async def start(self) -> None:
        """Raises OSError, and PkiError for certificates that cannot be used."""
        tls = self._settings.tls
        self._tls = None if tls is None else _context(tls)
        await self._server.start(self._settings.host, self._settings.port)
        if tls is not None:
            self.tls_port = await self._server.listen(tls.host, tls.port, ssl=self._tls)

    @property
    def port(self) -> int:
        return self._server.port

    async def stop(self) -> None:
        """No more connections and binds; what was taken is answered, then every session is unbound."""
        self._stopping = True
        for system_id, connections in self._binds.items():
            for connection in connections:
                self._deliveries.unbound(system_id, connection)  # what is not sent yet waits in the store
        await asyncio.gather(
            self._server.stop(self._settings.drain_s),
            *(connection.close(self._settings.drain_s) for connection in list(self._called)),
        )

    async def call(self, account: AccountRow, password: bytes) -> None:
        """Connect to where the account's ESME waits, and send outbind. Raises ConnectFailed."""
        assert account.outbind is not None
        host, port = host_and_port(account.outbind)
        connection = await send_outbind(
            host,
            port,
            Outbind(self._settings.system_id.encode(), password),
            self._on_events,
            session_config(self._settings, account),
            on_lost=self._call_ended,
        )
        self._called[connection] = account.system_id
        if self._stopping:
            connection.abort("stopping")

    def _call_ended(self, connection: Connection) -> None:
        self._called.pop(connection, None)

    def is_called(self, system_id: str) -> bool:
        """Whether an outbind to the account is open, or led to a bind that is."""
        return system_id in self._called.values()

    def reload_certificate(self) -> None:
        """Take the TLS certificate and key anew, for connections from now on; the old ones stay if they are bad."""
        tls = self._settings.tls
        if tls is None or self._tls is None:
            return
        try:
            _context(tls)  # a pair that does not fit must not get half into the context in use
            self._tls.load_cert_chain(tls.cert, tls.key)
        except (PkiError, OSError) as error:
            _log.error("TLS certificate not reloaded: %s", error)
        else:
            _log.info("TLS certificate reloaded")

    def _on_events(self, connection: Connection, events: list[Event]) -> None:
        state = self._congestion.look()
        if connection.version >= VERSION_5_0 and connection.congestion_state != state:
            connection.congestion_state = state
        for event in events:
            if isinstance(event, MessagesReceived):
                if event.responses:
                    self._deliveries.answered([(delivery, status) for delivery, status, _ in event.responses])
                if event.requests:
                    self._submits(connection, event.requests)
            elif isinstance(event, RequestReceived):
                self._request(connection, event.pdu)
            elif isinstance(event, ResponseReceived):
                self._deliveries.answered([(event.request.context, event.pdu.command_status)])
            elif isinstance(event, RequestTimedOut):
                self._deliveries.failed(event.request.context, "timeout")
            elif isinstance(event, ResponseMalformed):
                self._deliveries.failed(event.request.context, "malformed")
            elif isinstance(event, BindRequested):
                self._start_check(connection, event.pdu)
            elif isinstance(event, BadPduReceived):
                self._bad(connection, event)
            elif isinstance(event, ConnectionMustClose):
                self._gone(connection, event)
                for request in event.lost:
                    self._deliveries.failed(request.context, "closed")

    # --- binding ------------------------------------------------------------------------------------

    def _start_check(self, connection: Connection, pdu: Pdu) -> None:
        task = asyncio.create_task(self._check(connection, pdu))
        self._checks.add(task)  # bounded by connections_max: a session asks once
        task.add_done_callback(self._checks.discard)

    async def _check(self, connection: Connection, pdu: Pdu) -> None:
        body = pdu.body
        assert isinstance(body, Bind)
        system_id = body.system_id.decode("latin-1")
        account = self._directory.account(system_id)
        # Whether the address or the password is wrong takes equally long and is answered alike.
        fault = "no such account" if account is None else _origin_fault(account, connection)
        if self._called.get(connection, system_id) != system_id:
            fault = "outbind was to another account"
        stored = None if account is None or fault is not None else account.password_hash
        try:
            right = await passwords.verify(stored, body.password.decode("latin-1"))
        except passwords.PasswordsBusy:
            connection.refuse_bind(_status(Case.NOT_AVAILABLE))
            return
        if account is None or not right:
            _log.warning(
                "bind as %r from %s refused: %s", system_id, connection.peer[0], fault or "wrong password"
            )
            connection.refuse_bind(_status(Case.CREDENTIALS))
            return
        # Changed meanwhile: let it ask anew.
        if self._stopping or account != self._directory.account(system_id):
            connection.refuse_bind(_status(Case.NOT_AVAILABLE))
            return
        binds = self._binds.setdefault(system_id, {})
        if exceeds_limit(account, type(body), binds.values()):
            _log.warning("bind of %s refused: %d binds are open", system_id, len(binds))
            connection.refuse_bind(_status(Case.BINDS))
            return
        connection.configure(session_config(self._settings, account))
        connection.accept_bind(self._settings.system_id.encode())
        if not connection.is_bound:  # it closed while its password was checked
            return
        connection.context = account
        binds[connection] = type(body)
        metrics.BINDS.labels(system_id).set(len(binds))
        _log.info(
            "account %s bound from %s, version %#x, %s",
            system_id, connection.peer[0], connection.version, connection.tls_version or "no TLS",
        )  # fmt: skip
        if connection.can_send:
            self._deliveries.bound(system_id, connection)

    def _bad(self, connection: Connection, event: BadPduReceived) -> None:
        account = connection.context
        whose = account.system_id if isinstance(account, AccountRow) else "not bound"
        metrics.BAD_PDUS.add(whose, str(int(event.status)))
        if connection in self._told_bad:
            return  # one line a session: the rest is counted
        self._told_bad.add(connection)
        _log.warning(
            "PDU 0x%08x from %s (%s) refused with 0x%x: %s",
            event.command_id, connection.peer[0], whose, event.status, event.reason,
        )  # fmt: skip

    def _gone(self, connection: Connection, event: ConnectionMustClose) -> None:
        self._told_bad.discard(connection)
        account = connection.context
        if isinstance(account, AccountRow):
            _log.info(
                "account %s: a session from %s ended: %s; %d deliveries unanswered",
                account.system_id, connection.peer[0], event.reason, len(event.lost),
            )  # fmt: skip
            binds = self._binds.get(account.system_id, {})
            binds.pop(connection, None)
            metrics.BINDS.labels(account.system_id).set(len(binds))
            if not binds:
                self._binds.pop(account.system_id, None)
            self._deliveries.unbound(account.system_id, connection)

    # --- a changed directory ------------------------------------------------------------------------

    def accounts_changed(self) -> None:
        """Hold every bound session against the directory as it is now: what may no longer be bound is
        unbound, after its open answers; the others go on under the new limits."""
        for system_id, binds in self._binds.items():
            account = self._directory.account(system_id)
            kept: list[type[Bind]] = []
            for connection, kind in list(binds.items()):  # the oldest first: they are the ones that stay
                reason = self._why_unbound(connection, kind, account, kept)
                if account is None or reason is not None:
                    _log.warning("account %s: a session is unbound: %s", system_id, reason)
                    self._end(connection)
                    continue
                kept.append(kind)
                if account != connection.context:
                    connection.context = account
                    connection.configure(session_config(self._settings, account))

    def _why_unbound(
        self, connection: Connection, kind: type[Bind], account: AccountRow | None, kept: list[type[Bind]]
    ) -> str | None:
        if account is None:
            return "the account was removed"
        before = connection.context
        if isinstance(before, AccountRow) and before.password_hash != account.password_hash:
            return "the password was changed"
        if exceeds_limit(account, kind, kept):
            return "more binds are open than the account has now"
        return _origin_fault(account, connection)

    def _end(self, connection: Connection) -> None:
        if connection not in self._ends:
            task = asyncio.create_task(connection.close(self._settings.drain_s))
            self._ends[connection] = task
            task.add_done_callback(lambda _: self._ends.pop(connection, None))

    # --- requests -----------------------------------------------------------------------------------

    def _submits(self, connection: Connection, requests: Sequence[tuple[int, Body, bytes]]) -> None:
        """The submit_sm of one read."""
        account = connection.context
        if not isinstance(account, AccountRow):
            for sequence_number, body, _ in requests:
                connection.reject_request(sequence_number, body.COMMAND_ID, CommandStatus.ESME_RINVBNDSTS)
        elif not self._congestion.congested and not self._rates.limits(account):
            self._intake.submit(connection, account, requests)
        else:
            for request in requests:
                if self._takes(account, 1):
                    self._intake.submit(connection, account, (request,))
                else:
                    self._throttle(connection, account, request[0], request[1].COMMAND_ID)

    def _request(self, connection: Connection, pdu: Pdu) -> None:
        account = connection.context
        if not isinstance(account, AccountRow):
            connection.reject(pdu, CommandStatus.ESME_RINVBNDSTS)
            return
        body = pdu.body
        if isinstance(body, DataSm):
            if self._has_room(connection, account, pdu, 1):
                self._intake.data(connection, account, pdu)
        elif isinstance(body, SubmitMulti):
            if self._has_room(connection, account, pdu, len(body.dests)):
                self._intake.multi(connection, account, pdu)
        elif isinstance(body, QuerySm):
            self._services.query(connection, account, pdu)
        elif isinstance(body, CancelSm):
            self._services.cancel(connection, account, pdu)
        elif isinstance(body, ReplaceSm):
            self._services.replace(connection, account, pdu)
        else:
            # broadcast_sm and its companions among them: decoded, and not provided here.
            connection.reject(pdu, CommandStatus.ESME_RINVCMDID)

    def _has_room(self, connection: Connection, account: AccountRow, pdu: Pdu, messages: int) -> bool:
        """Whether the account may send that many messages now; if not, the request is answered."""
        if self._takes(account, messages):
            return True
        self._throttle(connection, account, pdu.sequence_number, pdu.command_id)
        return False

    def _takes(self, account: AccountRow, messages: int) -> bool:
        return not self._congestion.congested and self._rates.take_account(account, self._clock(), messages)

    def _throttle(
        self, connection: Connection, account: AccountRow, sequence_number: int, command_id: int
    ) -> None:
        status = CommandStatus.ESME_RTHROTTLED
        metrics.SUBMITS.add(account.system_id, str(int(status)))
        connection.reject_request(sequence_number, command_id, status)


def session_config(settings: SmppSettings, account: AccountRow | None = None) -> SessionConfig:
    """Timers and windows: the account's own where it has them, else the configuration's."""
    own = account or AccountRow("", "", "", 0)
    window = own.window_pdus or settings.window
    return SessionConfig(
        session_init_s=settings.session_init_s,
        enquire_link_s=settings.enquire_link_s if own.enquire_link_s is None else own.enquire_link_s,
        inactivity_s=settings.inactivity_s if own.inactivity_s is None else own.inactivity_s,
        response_s=own.response_s or settings.response_s,
        outbound_window=window,
        inbound_window=window,
        in_bulk=True,
    )


def _origin_fault(account: AccountRow, connection: Connection) -> str | None:
    return origin_fault(
        account,
        connection.peer[0],
        tls=connection.tls_version is not None,
        certificate=connection.certificate,
    )


def _context(tls: SmppTlsSettings) -> ssl.SSLContext:
    return public_context(tls.cert, tls.key, tls.client_ca, required=tls.client_required)


def _status(case: Case) -> int:
    status = ANSWERS[case].smpp
    assert status is not None
    return status
