"""The SMSC's server: who may bind, which PDU goes where, what fails, start and stop."""

import asyncio
import gc
import hmac
import logging
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, Self

from foundation.store import Store, StoreBusy, StoreUnavailable
from foundation.tasks import end
from simulators.http_api import HttpApi, serve
from simulators.smsc.center import Center
from simulators.smsc.control import Control
from simulators.smsc.faults import Disconnect, FaultyConnection, Listener
from simulators.smsc.operations import Operations
from simulators.smsc.queues import PeerQueue
from simulators.smsc.settings import Account, Outbind, SmscSettings
from smpp.aio.connection import Connection
from smpp.config import SessionConfig
from smpp.constants import VERSION_3_4, VERSION_5_0, CommandStatus
from smpp.events import (
    BindRequested,
    ConnectionMustClose,
    Event,
    PendingRequest,
    RequestReceived,
    RequestTimedOut,
    ResponseMalformed,
    ResponseReceived,
    Unbound,
)
from smpp.pdu import CancelSm, DataSm, QuerySm, ReplaceSm, SubmitMulti, SubmitSm
from smpp.session import LocalProtocolError

_log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"
TICK_SECONDS = 0.05
SLOW_TICK_SECONDS = 1.0
QUERIES_MAX = 100
"""query_sm that wait for the disk at once; one more is answered ESME_RTHROTTLED."""
OUTBIND_SECONDS = 5.0
"""Deadline of a connection to an ESME that waits for outbind."""


class Smsc:
    """One running SMSC."""

    def __init__(self, settings: SmscSettings, store: Store | None) -> None:
        self.settings = settings
        self.center = Center(settings, store)
        self._operations = Operations(self.center)
        self._accounts = {account.system_id: account for account in settings.accounts}
        config = SessionConfig(
            outbound_window=settings.window,
            inbound_window=settings.inbound_window,
            response_s=settings.response_seconds,
            enquire_link_s=settings.enquire_link_seconds,
            inactivity_s=settings.inactivity_seconds,
            interface_version=VERSION_5_0 if settings.interface_version == "5.0" else VERSION_3_4,
        )
        self._listener = Listener(self._on_events, config)
        self._tasks: set[asyncio.Task[None]] = set()
        self._queries = 0
        self._timer: asyncio.TimerHandle | None = None
        self._api: HttpApi | None = None
        self.center.timers.on_earlier = self._arm

    @classmethod
    async def start(cls, settings: SmscSettings) -> Self:
        """Open the store, take up what is in it, and listen. Raises OSError, sqlite3.Error, MigrationError."""
        store = None
        if settings.store == "disk":
            assert settings.data_dir is not None
            store = Store.open(settings.data_dir / "smsc.db", MIGRATIONS)
        smsc = cls(settings, store)
        try:
            orphans = await smsc.center.load()
            if orphans:
                _log.warning("%d messages stay: their accounts are no longer configured", orphans)
            await smsc._listener.start(settings.host, settings.port)
            if settings.api_port is not None:
                smsc._api = await serve(Control(smsc).routes(), settings.api_host, settings.api_port)
        except BaseException:
            # An open reader would keep the process from ending.
            await smsc.stop()
            raise
        smsc._spawn(smsc._tick())
        _log.info("SMSC listens on port %d, %d messages open", smsc.port, smsc.center.open_messages)
        if settings.fleet is not None:
            _log.info("messages wait for the fleet that binds as %s", settings.fleet)
        else:
            _log.info("phones are played here")
        return smsc

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._listener.port

    @property
    def api_port(self) -> int:
        """The port of the control API; 0 when there is none."""
        return self._api.port if self._api is not None else 0

    @property
    def connections(self) -> list[FaultyConnection]:
        """Every connection, in the order of coming."""
        return sorted(self._listener.connections, key=lambda connection: connection.number)

    async def stop(self) -> None:
        """Unbind everyone and close the store."""
        if self._api is not None:
            await self._api.stop()
        await self._listener.stop()
        self.center.timers.on_earlier = None
        if self._timer is not None:
            self._timer.cancel()
        await end(*self._tasks)
        await self.center.ledger.close()

    # What comes over connections.

    def _on_events(self, connection: Connection, events: Sequence[Event]) -> None:
        assert isinstance(connection, FaultyConnection)
        answered: PeerQueue | None = None
        self.center.refresh()
        for event in events:
            match event:
                case ResponseReceived():
                    if event.request.context is not None:
                        answered, message = event.request.context
                        answered.on_answer(message, event.pdu.command_status)
                case RequestTimedOut() | ResponseMalformed():
                    self._on_unanswered(event.request)
                case RequestReceived():
                    connection.requests += 1
                    if connection.trips and connection.requests >= connection.trips[-1][0]:
                        self._trip(connection)
                    if connection.is_hung:
                        connection.held_events.append(event)
                    elif not connection.is_cut:
                        self._on_request(connection, event)
                case BindRequested():
                    self._on_bind(connection, event)
                case Unbound():
                    self._on_gone(connection)
                case ConnectionMustClose():
                    self._on_gone(connection)
                    for request in event.lost:
                        self._on_unanswered(request)
        if answered is not None:
            answered.pump()
        self.center.settle()

    @staticmethod
    def _on_unanswered(request: PendingRequest) -> None:
        if request.context is not None:
            queue, message = request.context
            queue.on_answer(message, None)

    def _on_bind(self, connection: FaultyConnection, event: BindRequested) -> None:
        counters, faults = self.center.counters, self.center.behaviour.faults
        body = event.pdu.body
        system_id = getattr(body, "system_id", b"")
        account = self._accounts.get(system_id.decode("latin-1"))
        expected = account.password.encode() if account is not None else b""
        right = hmac.compare_digest(getattr(body, "password", b""), expected)
        refused = 0
        if account is None or not right:
            _log.info("bind refused: wrong system_id or password")
            refused = int(CommandStatus.ESME_RBINDFAIL)
        elif faults.bind_status and account.kind == "esme":
            refused = faults.bind_status
        elif len(self.center.peers[account.system_id].queue.connections) >= account.binds_max:
            refused = int(CommandStatus.ESME_RALYBND)
        if refused or account is None:
            counters.binds_refused += 1
            return connection.refuse_bind(refused)
        queue = self.center.peers[account.system_id].queue
        connection.context = account
        connection.congestion_state = self.center.congestion_of(account)
        connection.accept_bind(self.settings.system_id.encode())
        queue.connections.append(connection)
        counters.binds += 1
        if account.kind == "esme":
            connection.plan(faults, self.center.behaviour.seed)
        _log.info("%s is bound", account.system_id)
        queue.pump()

    def _on_gone(self, connection: FaultyConnection) -> None:
        account = connection.context
        if isinstance(account, Account):
            connections = self.center.peers[account.system_id].queue.connections
            if connection in connections:
                connections.remove(connection)
                _log.info("%s is gone", account.system_id)

    def _on_request(self, connection: FaultyConnection, event: RequestReceived) -> None:
        pdu, account = event.pdu, connection.context
        match pdu.body:
            case SubmitSm(replace_if_present_flag=0):
                self.center.submit(connection, account, pdu, event.frame)
            case SubmitSm() as body:
                self._operations.replace_if_present(connection, account, pdu, body, event.frame)
            case DataSm() as body:
                self._operations.data(connection, account, pdu, body)
            case SubmitMulti() as body:
                self._operations.multi(connection, account, pdu, body)
            case CancelSm() as body:
                self._operations.cancel(connection, account, pdu, body)
            case ReplaceSm() as body:
                self._operations.replace(connection, account, pdu, body)
            case QuerySm() as body if self._queries < QUERIES_MAX:
                query = self._operations.query(connection, account, pdu, body)
                if query is not None:
                    self._spawn(self._ask(connection, event, query))
            case QuerySm():
                connection.reject(pdu, CommandStatus.ESME_RTHROTTLED)
            case _:
                # Cell broadcast (5.0 4.4.2) is not provided.
                connection.reject(pdu, CommandStatus.ESME_RINVCMDID)

    async def _ask(
        self, connection: Connection, event: RequestReceived, query: Coroutine[Any, Any, None]
    ) -> None:
        self._queries += 1
        try:
            await query
        except (StoreBusy, StoreUnavailable):
            connection.reject(event.pdu, CommandStatus.ESME_RSYSERR)
        finally:
            self._queries -= 1

    # What fails.

    def _trip(self, connection: FaultyConnection) -> None:
        _, what = connection.trips.pop()
        if what == "hang":
            faults = self.center.behaviour.faults
            self.hang(connection, faults.hang_seconds)
            connection.plan_next_hang(faults.hang_share, self.center.behaviour.seed)
        elif what in ("reset", "close", "unbind"):
            self.disconnect(connection, what)  # type: ignore[arg-type]  # narrowed by the line above

    def hang(self, connection: FaultyConnection, seconds: float) -> None:
        """Nothing on it is answered or sent for so long; 0: for good."""
        if connection.is_hung:
            return
        self.center.refresh()
        self.center.counters.hangs += 1
        now = self.center.now
        connection.hang(now + int(seconds * 1000) if seconds else None)
        if seconds:
            self.center.timers.push(now + int(seconds * 1000), self._hang_ends, connection)

    def _hang_ends(self, connection: FaultyConnection) -> None:
        if connection.is_hung and connection.hung_until is not None:
            self.resume(connection)

    def resume(self, connection: FaultyConnection) -> None:
        """Answer again, beginning with what was held."""
        if not connection.is_hung:
            return
        self._on_events(connection, [event for event in connection.resume() if not connection.is_cut])
        if isinstance(connection.context, Account):
            self.center.peers[connection.context.system_id].queue.pump()

    def disconnect(self, connection: FaultyConnection, how: Disconnect) -> None:
        """End it."""
        self.center.counters.disconnects += 1
        if how != "unbind":
            self._on_gone(connection)
        elif connection.is_hung:
            self.resume(connection)
        connection.cut(how)

    async def outbind(self, one: Outbind) -> None:
        """Call an ESME and ask it to bind. Raises OSError, TimeoutError."""
        await self._listener.call(
            one.host, one.port, one.system_id.encode(), one.password.encode(), OUTBIND_SECONDS
        )

    # Time.

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _arm(self, due_at: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.center.refresh()
        # A millisecond late rather than early: the center's clock decides what is due.
        delay = max(0, due_at - self.center.now) / 1000 + 0.001
        self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.center.tick()
        due_at = self.center.timers.next_due
        if due_at is not None and self._timer is None:
            self._arm(due_at)

    async def _tick(self) -> None:
        elapsed = 0.0
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.center.sweep()
            self.tell_congestion()
            elapsed += TICK_SECONDS
            if elapsed >= SLOW_TICK_SECONDS:
                elapsed = 0.0
                self._slow_tick()

    def tell_congestion(self) -> None:
        """Measure anew what responses say in congestion_state."""
        for connection in self._listener.connections:
            if isinstance(connection.context, Account):
                connection.congestion_state = self.center.congestion_of(connection.context)

    def _slow_tick(self) -> None:
        for connection in self._listener.connections:
            if connection.is_hung:
                connection.keep_alive()
        for one in self.settings.outbinds:
            queue = self.center.peers[one.account].queue
            if not any(each.can_send for each in queue.connections) and (one.always or len(queue)):
                self._spawn(self._try_outbind(one))

    async def _try_outbind(self, one: Outbind) -> None:
        try:
            await self.outbind(one)
        except (OSError, TimeoutError, LocalProtocolError) as error:
            _log.info("outbind for %s: %s", one.account, type(error).__name__)


async def run(settings: SmscSettings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set."""
    # Messages that wait are many and live long: collecting them young costs, and finds no garbage.
    gc.set_threshold(50_000, 20, 50)
    smsc = await Smsc.start(settings)
    gc.freeze()
    try:
        await stop.wait()
    finally:
        await smsc.stop()
