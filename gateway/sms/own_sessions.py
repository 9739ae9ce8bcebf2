"""Enterprises' sessions in the gateway's own process: an SMPP server, over TLS too, and outbind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.accounts.account_options import host_and_port
from gateway.sms.esme_session import EsmeSession, OnEvents
from gateway.sms.server_tls import ServerTls
from gateway.sms_settings import SmppSettings
from gateway.store.accounts import AccountRow
from smpp.aio.connection import Connection
from smpp.aio.outbind import send_outbind
from smpp.aio.server import Server
from smpp.pdu import Outbind
from smpp.session import SessionConfig


class OwnSessions:
    """See gateway.sms.esme_session.EsmeSessions."""

    def __init__(self, settings: SmppSettings, config: SessionConfig, on_events: OnEvents) -> None:
        """`config` holds until a bind says whose session it is."""
        self._settings = settings
        self._on_events = on_events
        self._called: set[Connection] = set()
        self._tls: ServerTls | None = None
        self._server = Server(
            on_events,
            config,
            connections_max=settings.connections_max,
            address_connections_max=settings.address_connections_max,
        )
        self._stopping = False
        self.tls_port = 0

    @property
    def port(self) -> int:
        return self._server.port

    async def start(self) -> None:
        tls = self._settings.tls
        self._tls = None if tls is None else ServerTls(tls)
        await self._server.start(self._settings.host, self._settings.port)
        if tls is not None and self._tls is not None:
            self.tls_port = await self._server.listen(tls.host, tls.port, ssl=self._tls.context)

    async def stop(self, drain_s: float) -> None:
        self._stopping = True
        await asyncio.gather(
            self._server.stop(drain_s), *(connection.close(drain_s) for connection in list(self._called))
        )

    async def call(
        self,
        account: AccountRow,
        password: bytes,
        config: SessionConfig,
        on_open: Callable[[EsmeSession], None],
        on_lost: Callable[[EsmeSession], None],
    ) -> None:
        def lost(connection: Connection) -> None:
            self._called.discard(connection)
            on_lost(connection)

        assert account.outbind is not None
        host, port = host_and_port(account.outbind)
        outbind = Outbind(self._settings.system_id.encode(), password)
        connection = await send_outbind(host, port, outbind, self._on_events, config, on_lost=lost)
        self._called.add(connection)
        on_open(connection)
        if self._stopping:
            connection.abort("stopping")

    def accounts_changed(self) -> None:
        """Sessions here look into the directory itself."""

    def reload(self) -> None:
        if self._tls is not None:
            self._tls.reload()
