"""The links to the SMSCs: which one takes the next message, and who handles what they bring."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gateway.records import metrics
from gateway.settings import SmscSettings
from masking.smpp_leg import NumberForm
from smpp.aio.connection import Connection, RequestFailed
from smpp.aio.link import Link, LinkConfig, LinkState
from smpp.events import Event
from smpp.pdu import BindTransceiver, Pdu
from smpp.session import LocalProtocolError, SessionConfig, WindowFull
from smpp.splice import splice_submit

_log = logging.getLogger(__name__)

FromSmsc = Callable[[str, Connection, Event], None]
"""(SMSC's name, connection, event): requests that an SMSC makes of the gateway."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One SMSC and its link."""

    settings: SmscSettings
    link: Link

    @property
    def form(self) -> NumberForm:
        return NumberForm(ton=self.settings.msisdn_ton, npi=self.settings.msisdn_npi)


class SmscLinks:
    """Load sharing over the links that are bound and have window left, in turn."""

    def __init__(
        self, settings: tuple[SmscSettings, ...], on_request: FromSmsc, on_room: Callable[[], None]
    ) -> None:
        self._on_request = on_request
        self._on_room = on_room
        self._next = 0
        self.peers = [Peer(each, self._make_link(each)) for each in settings]

    def _make_link(self, each: SmscSettings) -> Link:
        config = LinkConfig(
            host=each.host,
            port=each.port,
            bind=BindTransceiver(
                system_id=each.system_id.encode(),
                password=each.password.encode(),
                system_type=each.system_type.encode(),
            ),
            session=SessionConfig(outbound_window=each.window, inbound_window=max(each.window, 100)),
        )

        def on_events(connection: Connection, events: list[Event]) -> None:
            for event in events:
                self._on_request(each.name, connection, event)

        return Link(config, on_events, name=each.name, on_state=self._on_state)

    def _on_state(self, link: Link, state: LinkState) -> None:
        metrics.LINKS.labels(link.name).set(1 if state is LinkState.BOUND else 0)
        _log.info("link %s is %s", link.name, state.name)
        if state is LinkState.BOUND:
            self._on_room()

    def start(self) -> None:
        for peer in self.peers:
            metrics.LINKS.labels(peer.settings.name).set(0)
            peer.link.start()

    async def stop(self) -> None:
        for peer in self.peers:
            await peer.link.stop()

    def has_room(self) -> bool:
        return any(peer.link.window_free > 0 for peer in self.peers)

    def send(self, frame: bytes, done: Callable[[str, Pdu | RequestFailed], None]) -> bool:
        """Send an encoded submit_sm over the next link with room; False when there is none."""
        for turn in range(len(self.peers)):
            peer = self.peers[(self._next + turn) % len(self.peers)]
            if peer.link.window_free <= 0:
                continue
            self._next = (self._next + turn + 1) % len(self.peers)
            name = peer.settings.name
            spliced = splice_submit(
                frame,
                dest_addr_ton=peer.form.ton,
                dest_addr_npi=peer.form.npi,
                source_addr_ton=peer.settings.source_ton,
                source_addr_npi=peer.settings.source_npi,
            )
            try:
                peer.link.request_frame(spliced, partial(done, name))
            except (LocalProtocolError, WindowFull):
                continue
            return True
        return False
