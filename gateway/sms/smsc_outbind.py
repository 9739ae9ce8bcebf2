"""Outbind: an SMSC that has something for us connects and asks to be bound to (3.4, 2.2.1 and 4.1.7).

It is known by its address, system_id and password together. What it gets is a bind request on the connection that
it opened, at once; the bind then counts as one of its link's. Anyone else is cut off without an answer: outbind
has none.
"""

from __future__ import annotations

import hmac
import ipaddress
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.sms.smsc_link import SmscBind, SmscLink, session_config
from gateway.sms_settings import OutbindSettings
from smpp.aio.connection import Connection
from smpp.aio.server import Server
from smpp.events import Bound, ConnectionMustClose, Event, OutbindReceived
from smpp.pdu import Outbind
from smpp.session import SessionConfig

CONNECTIONS_MAX: Final = 64
ADDRESS_CONNECTIONS_MAX: Final = 16
"""Of one address, so that nobody keeps the others out."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Whose connection it is."""

    link: SmscLink
    bind: SmscBind


class OutbindListener:
    """Listens for the SMSCs that may send outbind."""

    def __init__(self, settings: OutbindSettings, links: Sequence[SmscLink]) -> None:
        self._settings = settings
        self._links = [link for link in links if link.settings.outbind is not None]
        self._server = Server(
            self._receive,
            _common_config(self._links),
            connections_max=CONNECTIONS_MAX,
            address_connections_max=ADDRESS_CONNECTIONS_MAX,
            role="esme",
        )

    @property
    def port(self) -> int:
        return self._server.port

    async def start(self) -> None:
        """Raises OSError when the address is taken."""
        await self._server.start(self._settings.host, self._settings.port)
        _log.info("outbind is listened for on port %d", self.port)

    async def stop(self, drain_s: float) -> None:
        await self._server.stop(drain_s)

    def _receive(self, connection: Connection, events: list[Event]) -> None:
        asked = connection.context
        if asked is None:
            self._greet(connection, events)
            return
        for event in events:
            if isinstance(event, Bound):
                asked.link.bound_by(asked.bind, connection)
        asked.link.receive(asked.bind, connection, events)
        if any(isinstance(event, ConnectionMustClose) for event in events):
            asked.link.forget(asked.bind)

    def _greet(self, connection: Connection, events: list[Event]) -> None:
        for event in events:
            if not isinstance(event, OutbindReceived) or not isinstance(event.pdu.body, Outbind):
                continue
            link = self._known(connection.peer[0], event.pdu.body)
            bind = None if link is None else link.adopt()
            if link is None or bind is None:
                _log.warning(
                    "outbind refused: %s",
                    "address, system_id or password is wrong"
                    if link is None
                    else f"{link.name} has its binds",
                )
                connection.abort("outbind refused")
                return
            _log.info("%s asks to be bound to", link.name)
            connection.context = _Asked(link, bind)
            connection.request(link.bind_request(bind))
            return

    def _known(self, address: str, outbind: Outbind) -> SmscLink | None:
        """The SMSC that this is; all are compared, so that the time taken tells nothing."""
        found: SmscLink | None = None
        origin = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(origin, ipaddress.IPv6Address) and origin.ipv4_mapped is not None:
            origin = origin.ipv4_mapped
        for link in self._links:
            expected = link.settings.outbind
            if expected is None:
                continue
            named = hmac.compare_digest(outbind.system_id, expected.system_id.encode())
            right = hmac.compare_digest(outbind.password, expected.password.encode())
            if named and right and any(origin in network for network in expected.addresses):
                found = found or link
        return found


def _common_config(links: Sequence[SmscLink]) -> SessionConfig:
    """Who connects is known only later, so that timers and windows suit all who may."""
    configs = [session_config(link.settings) for link in links]
    return SessionConfig(
        session_init_s=min(config.session_init_s for config in configs),
        enquire_link_s=min(config.enquire_link_s for config in configs),
        response_s=max(config.response_s for config in configs),
        outbound_window=min(config.outbound_window for config in configs),
        inbound_window=min(config.inbound_window for config in configs),
    )
