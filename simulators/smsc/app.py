"""The SMSC's server: who may bind, which PDU goes where, start and stop."""

import asyncio
import hmac
import logging
from collections.abc import Sequence
from pathlib import Path

from foundation.store import Store
from simulators.smsc.center import Center
from simulators.smsc.settings import Account, SmscSettings
from smpp.aio.connection import Connection
from smpp.aio.server import Server
from smpp.constants import CommandStatus, Tag
from smpp.events import BindRequested, ConnectionMustClose, Event, RequestReceived, Unbound
from smpp.pdu import CancelSm, QuerySm, ReplaceSm, SubmitSm
from smpp.session import SessionConfig

_log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"
TICK_SECONDS = 0.05
EXPIRY_SECONDS = 1.0
QUERIES_MAX = 100
"""query_sm under way at once; one more is answered ESME_RTHROTTLED."""


class Smsc:
    """One running SMSC."""

    def __init__(self, settings: SmscSettings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self.center = Center(settings, store)
        self._accounts = {account.system_id: account for account in settings.accounts}
        # The window towards peers is as large as a fast ESME's; a slow one is paced by its responses.
        self._server = Server(
            self._on_events, SessionConfig(outbound_window=500, inbound_window=2000, response_s=10)
        )
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    async def start(cls, settings: SmscSettings) -> "Smsc":
        """Open the store, take up what is in it, and listen."""
        smsc = cls(settings, Store.open(settings.data_dir / "smsc.db", MIGRATIONS))
        try:
            await smsc.center.load()
            await smsc._server.start(settings.host, settings.port)
        except BaseException:
            # An open reader would keep the process from ending.
            await smsc._store.close()
            raise
        smsc._spawn(smsc._tick())
        _log.info("SMSC listens on port %d", smsc.port)
        return smsc

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.port

    async def stop(self) -> None:
        """Unbind everyone and close the store."""
        await self._server.stop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._store.close()

    def _on_events(self, connection: Connection, events: Sequence[Event]) -> None:
        for event in events:
            match event:
                case RequestReceived():
                    self._on_request(connection, event)
                case BindRequested():
                    self._on_bind(connection, event)
                case Unbound() | ConnectionMustClose():
                    self._on_gone(connection)

    def _on_bind(self, connection: Connection, event: BindRequested) -> None:
        body = event.pdu.body
        system_id = getattr(body, "system_id", b"")
        account = self._accounts.get(system_id.decode("latin-1"))
        expected = account.password.encode() if account is not None else b""
        right = hmac.compare_digest(getattr(body, "password", b""), expected)
        if account is None or not right:
            _log.info("bind refused: wrong system_id or password")
            return connection.refuse_bind(CommandStatus.ESME_RBINDFAIL)
        connections = self.center.queue_of(account).connections
        if len(connections) >= account.binds_max:
            return connection.refuse_bind(CommandStatus.ESME_RALYBND)
        connection.context = account
        connection.accept_bind(
            self._settings.system_id.encode(), ((Tag.SC_INTERFACE_VERSION, bytes([0x34])),)
        )
        connections.append(connection)
        _log.info("%s is bound", account.system_id)
        self.center.queue_of(account).pump()

    def _on_gone(self, connection: Connection) -> None:
        account = connection.context
        if isinstance(account, Account):
            connections = self.center.queue_of(account).connections
            if connection in connections:
                connections.remove(connection)
                _log.info("%s is gone", account.system_id)

    def _on_request(self, connection: Connection, event: RequestReceived) -> None:
        pdu, account = event.pdu, connection.context
        match pdu.body:
            case SubmitSm() as body:
                self.center.submit(connection, account, pdu, body)
            case CancelSm() as body:
                self.center.cancel(connection, account, pdu, body)
            case ReplaceSm() as body:
                self.center.replace(connection, account, pdu, body)
            case QuerySm() as body if len(self._tasks) <= QUERIES_MAX:
                self._spawn(self.center.query(connection, account, pdu, body))
            case QuerySm():
                connection.reject(pdu, CommandStatus.ESME_RTHROTTLED)
            case _:
                # This SMSC provides neither broadcast, data_sm nor distribution lists.
                connection.reject(pdu, CommandStatus.ESME_RINVCMDID)

    def _spawn(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tick(self) -> None:
        elapsed = 0.0
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.center.tick()
            elapsed += TICK_SECONDS
            if elapsed >= EXPIRY_SECONDS:
                elapsed = 0.0
                self.center.expire()


async def run(settings: SmscSettings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set."""
    smsc = await Smsc.start(settings)
    try:
        await stop.wait()
    finally:
        await smsc.stop()
