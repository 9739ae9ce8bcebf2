"""The links to the SMSCs: which one takes the next message, and who handles what they bring.

Failover is by priority, load sharing by weight, and each link keeps its window and its pace. Where only the pace
holds messages back, one timer of the loop says when there is room again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from math import inf
from typing import Any, Final

from gateway.sms import smsc_metrics
from gateway.sms.smsc_errors import SmscErrors
from gateway.sms.smsc_link import Answer, FromSmsc, Hooks, OnAccepted, OnAnswer, SmscLink, show_up
from gateway.sms.smsc_outbind import OutbindListener
from gateway.sms.smsc_share import in_use, take_turns
from gateway.sms_settings import OutbindSettings, SmscSettings
from smpp.aio.connection import Done
from smpp.pdu import CancelSm, Pdu, QuerySm, ReplaceSm, SubmitSmResp

TICK_S: Final = 0.01
"""The timer comes at least so much later: at a high rate it serves several messages."""

_log = logging.getLogger(__name__)


def call_context(name: str, context: Any, answer: Answer) -> None:
    """For messages whose context is a callable: gets (SMSC's name, answer)."""
    context(name, answer)


def one_by_one(on_answer: OnAnswer) -> OnAccepted:
    """For who wants each message that was taken as any other answer."""

    def on_accepted(name: str, accepted: list[tuple[Any, bytes]]) -> None:
        for context, message_id in accepted:
            on_answer(name, context, Pdu(SubmitSmResp(message_id)))

    return on_accepted


class SmscLinks:
    """All SMSCs. `free` and `send` are the path of every message; the rest is for now and then."""

    def __init__(
        self,
        settings: tuple[SmscSettings, ...],
        on_requests: FromSmsc,
        on_room: Callable[[], None],
        *,
        on_answer: OnAnswer = call_context,
        on_accepted: OnAccepted | None = None,
        errors: SmscErrors | None = None,
        outbind: OutbindSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_room` is called when a window or the pace has opened or a link was bound; `clock` in tests.

        Raises PkiError when a link's TLS files cannot be used.
        """
        self._on_room = on_room
        self._clock = clock
        hooks = Hooks(on_answer, on_accepted or one_by_one(on_answer), on_requests, on_room, self._changed)
        table = errors or SmscErrors()
        self.peers = [SmscLink(each, hooks, table, self._clock) for each in settings]
        self._by_name = {peer.name: peer for peer in self.peers}
        self._in_use: list[SmscLink] = []
        self._timer: asyncio.TimerHandle | None = None
        self._listener: OutbindListener | None = None
        if outbind is not None and any(each.outbind is not None for each in settings):
            self._listener = OutbindListener(outbind, self.peers)

    # ---- life

    async def start(self) -> None:
        """Begin to bind; return at once. Raises OSError when the address for outbind is taken."""
        for peer in self.peers:
            show_up(peer)
            smsc_metrics.COLLECTOR.links.add(peer)
        if self._listener is not None:
            await self._listener.start()
        for peer in self.peers:
            peer.start()

    async def stop(self, drain_s: float = 5.0) -> None:
        """Unbind everywhere within `drain_s` seconds. What is unanswered by then is told as failed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._listener is not None:
            await self._listener.stop(drain_s)
        await asyncio.gather(*(peer.stop(drain_s) for peer in self.peers))
        self._changed()
        for peer in self.peers:
            smsc_metrics.COLLECTOR.links.discard(peer)

    @property
    def outbind_port(self) -> int:
        """Where outbind is listened for; 0 when it is not."""
        return 0 if self._listener is None else self._listener.port

    # ---- every message

    def free(self) -> int:
        """How many messages `send` would take now, of those that may be more. If only the pace forbids any,
        on_room will be called."""
        soonest = inf
        room = 0
        now = self._clock()
        for link in self._in_use:
            bind = link.open_bind()
            if bind is not None and bind.connection is not None:
                wait = link.pace.wait(now)
                if wait > 0:
                    soonest = min(soonest, wait)
                else:
                    room += bind.connection.window_free if link.pace.is_free else 1
        if not room and soonest < inf:
            self._arm(soonest)
        return room

    def send(self, messages: Sequence[tuple[bytes, Any]]) -> int:
        """Send encoded submit_sm, each over the link whose turn it is; their answers go to on_answer with the
        context beside each. Returns how many were taken: the first ones, all if there is room.
        """
        sent = 0
        while sent < len(messages):
            now = self._clock()
            links = [
                link for link in self._in_use if link.pace.wait(now) <= 0 and link.open_bind() is not None
            ]
            if not links:
                break
            # A pace is kept message by message.
            at_once = len(messages) - sent if all(link.pace.is_free for link in links) else 1
            for link, share in take_turns(links, at_once):
                bind = link.open_bind()
                if bind is not None:
                    sent += link.submit(bind, messages[sent : sent + share])
            # What a link had no room for the others may have; one that refused at the last moment is full or gone.
        return sent

    # ---- now and then

    def cancel(self, name: str, upstream_id: str, source: str, destination: str, done: Done) -> bool:
        """Ask the SMSC that has a message to delete it (cancel_sm, 3.4, 4.9).

        `upstream_id` is as its response gave it, `source` the access number, `destination` the subscriber's
        number. False when that SMSC is not there, or has no room: try again later.
        """
        link = self._by_name.get(name)
        if link is None:
            return False
        to = link.settings
        return link.request(
            CancelSm(
                message_id=upstream_id.encode("latin-1"),
                source_addr_ton=to.source_ton,
                source_addr_npi=to.source_npi,
                source_addr=source.encode("ascii"),
                dest_addr_ton=to.msisdn_ton,
                dest_addr_npi=to.msisdn_npi,
                destination_addr=destination.encode("ascii"),
            ),
            done,
        )

    def replace(self, name: str, upstream_id: str, source: str, body: ReplaceSm, done: Done) -> bool:
        """Ask the SMSC that has a message to take another text for it (replace_sm, 3.4, 4.10), which `body` holds;
        otherwise as `cancel`."""
        link = self._by_name.get(name)
        if link is None:
            return False
        body.message_id = upstream_id.encode("latin-1")
        body.source_addr_ton = link.settings.source_ton
        body.source_addr_npi = link.settings.source_npi
        body.source_addr = source.encode("ascii")
        return link.request(body, done)

    def query(self, name: str, upstream_id: str, source: str, done: Done) -> bool:
        """Ask the SMSC that has a message for its state (query_sm, 3.4, 4.8); otherwise as `cancel`."""
        link = self._by_name.get(name)
        if link is None:
            return False
        return link.request(
            QuerySm(
                message_id=upstream_id.encode("latin-1"),
                source_addr_ton=link.settings.source_ton,
                source_addr_npi=link.settings.source_npi,
                source_addr=source.encode("ascii"),
            ),
            done,
        )

    # ---- inside

    def _arm(self, wait: float) -> None:
        """One timer for all; the sooner of two counts."""
        loop = asyncio.get_running_loop()
        due = loop.time() + max(wait, TICK_S)
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = loop.call_at(due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._on_room()

    def _changed(self) -> None:
        """A link was bound or lost: another may have to take over, or a better one is back."""
        before = self._in_use
        self._in_use = in_use(self.peers)
        for peer in self.peers:
            show_up(peer)
        if before != self._in_use:
            _log.info("messages go over %s", ", ".join(link.name for link in self._in_use) or "no link")
        if self._in_use:
            # Not from inside a link's own events: a message on its way there may be on the stack.
            asyncio.get_running_loop().call_soon(self._on_room)
