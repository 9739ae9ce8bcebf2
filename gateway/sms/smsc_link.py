"""One SMSC: its binds kept up, its window and pace, and what its answers say of the link itself.

Nothing here waits or is made per message: a submit_sm goes out with the caller's context, and the answers of one
read come back together.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from gateway.records import metrics
from gateway.sms.smsc_errors import Action, SmscErrors
from gateway.sms.smsc_pace import Pace
from gateway.sms.smsc_tls import client_context
from gateway.sms_settings import SmscSettings
from smpp.aio.connection import Connection, Done, FailureReason, RequestFailed
from smpp.aio.link import Link, LinkConfig, LinkState
from smpp.codec import EncodeError
from smpp.constants import CommandId, CommandStatus
from smpp.events import (
    ConnectionMustClose,
    Event,
    MessagesReceived,
    RequestReceived,
    RequestTimedOut,
    ResponseMalformed,
    ResponseReceived,
    Unbound,
)
from smpp.pdu import Bind, BindReceiver, BindTransceiver, BindTransmitter, Body, Pdu, SubmitSmResp
from smpp.session import LocalProtocolError, SessionConfig
from smpp.splice import set_types

SILENT_AFTER: Final = 10
"""Requests in a row without an answer after which a bind is suspect (fewer if its window holds fewer): its window
would only fill again, while the SMSC may have lost our session."""

INBOUND_WINDOW_LEAST: Final = 2_000
"""Receipts and replies of one bind that may be with us unanswered, whatever our own window."""

Answer = Pdu | RequestFailed
OnAnswer = Callable[[str, Any, Answer], None]
"""(SMSC's name, context of the message, its answer). Once for every message that was sent."""
OnAccepted = Callable[[str, list[tuple[Any, bytes]]], None]
"""(SMSC's name, (context, message_id) of each): messages that it took, in place of on_answer."""
FromSmsc = Callable[[str, Connection, list[tuple[int, Body, bytes]]], None]
"""(SMSC's name, connection, (sequence number, body, octets) of each): requests that an SMSC makes of the gateway."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Counts:
    """What happened to one SMSC's link since the start; read when metrics are asked for."""

    throttled: int = 0
    """Answers that said "too fast" or "queue full"."""
    silent: int = 0
    """Binds ended since requests got no answer."""
    faulty: int = 0
    """Binds ended since an answer named a fault of the link."""
    outbinds: int = 0
    """Binds that the SMSC asked for."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a link tells the rest of the gateway."""

    on_answer: OnAnswer
    on_accepted: OnAccepted
    on_requests: FromSmsc
    on_room: Callable[[], None]
    """More may be sent: answers came in."""
    on_change: Callable[[], None]
    """Whether this link can send may have changed."""


class SmscBind:
    """One session with the SMSC: kept up by a `Link`, or made by its outbind and then without one."""

    __slots__ = ("connection", "faults", "link", "sends", "silent")

    def __init__(self, *, sends: bool) -> None:
        self.sends = sends
        """Whether it takes messages: transmitter or transceiver."""
        self.link: Link | None = None
        self.connection: Connection | None = None
        """While it is bound and in order."""
        self.silent = 0
        """Requests in a row that got no answer."""
        self.faults = 0
        """Times in a row that it was ended for a fault."""


class SmscLink:
    """One entry `[[smsc]]`."""

    def __init__(
        self, settings: SmscSettings, hooks: Hooks, errors: SmscErrors, clock: Callable[[], float]
    ) -> None:
        self.settings = settings
        self.name = settings.name
        self.counts = Counts()
        self.credit = 0
        self._hooks = hooks
        self._errors = errors
        self._clock = clock
        self.pace = Pace(
            settings.rate,
            settings.burst,
            pause_s=settings.throttle_pause_s,
            recover_s=settings.throttle_recover_s,
            now=clock(),
        )
        self._source_types = bytes((settings.source_ton, settings.source_npi))
        self._destination_types = bytes((settings.msisdn_ton, settings.msisdn_npi))
        self._silent_after = min(SILENT_AFTER, settings.window)
        tls = client_context(settings.tls) if settings.tls is not None else None
        self._kept = [
            self._keep(bind, numbered, tls) for numbered in range(settings.binds) for bind in self._requests()
        ]
        self._asked: list[SmscBind] = []
        """Binds that the SMSC asked for."""

    # ---- what others read

    @property
    def priority(self) -> int:
        return self.settings.priority

    @property
    def weight(self) -> int:
        return self.settings.weight

    @property
    def binds(self) -> list[SmscBind]:
        return [*self._kept, *self._asked]

    @property
    def can_send(self) -> bool:
        """Whether a bind for sending is there, be it full or slowed down."""
        return any(bind.sends and bind.connection is not None for bind in self.binds)

    @property
    def bound(self) -> int:
        """How many binds are there."""
        return sum(bind.connection is not None for bind in self.binds)

    @property
    def unanswered(self) -> int:
        """Requests that wait for the SMSC."""
        return sum(bind.connection.unacknowledged for bind in self.binds if bind.connection is not None)

    @property
    def state(self) -> str:
        """ "bound" when all binds that the configuration asks for are; else "partly bound", or how it stands."""
        up = sum(bind.connection is not None for bind in self._kept)
        if up == len(self._kept):
            return LinkState.BOUND.value
        if up or self._asked:
            return "partly bound"
        first = self._kept[0].link
        return LinkState.STOPPED.value if first is None else first.state.value

    @property
    def failures(self) -> int:
        """Attempts to bind that failed since the last success, of the worst bind."""
        return max(bind.link.failures for bind in self._kept if bind.link is not None)

    def open_bind(self) -> SmscBind | None:
        """The bind for sending with the most room in its window; None when all are full or gone."""
        best: SmscBind | None = None
        most = 0
        for bind in self._kept if not self._asked else self.binds:
            if bind.sends and bind.connection is not None:
                free = bind.connection.window_free
                if free > most:
                    best, most = bind, free
        return best

    # ---- what others do

    def start(self) -> None:
        for bind in self._kept:
            if bind.link is not None:
                bind.link.start()

    async def stop(self, drain_s: float) -> None:
        """Unbind everywhere within `drain_s` seconds."""
        await asyncio.gather(*(bind.link.stop(drain_s) for bind in self._kept if bind.link is not None))

    def submit(self, bind: SmscBind, messages: Sequence[tuple[bytes, Any]]) -> int:
        """Send encoded submit_sm, each with its context, over one of this link's binds; how many it took, which is
        none where it takes none after all."""
        connection = bind.connection
        if connection is None:
            return 0
        source, destination = self._source_types, self._destination_types
        try:
            sent = connection.request_messages(
                [(set_types(frame, source, destination), context) for frame, context in messages]
            )
        except LocalProtocolError:
            # It is unbinding, and its end is on its way.
            self._lose(bind, connection)
            return 0
        except EncodeError:
            # A text in a TLV, and an SMSC of 3.3, which takes none. It is as if the SMSC had said so.
            refused = Pdu(SubmitSmResp(), 0, CommandStatus.ESME_RINVMSGLEN)
            told = partial(self._hooks.on_answer, self.name, messages[0][1], refused)
            asyncio.get_running_loop().call_soon(told)
            return 1
        self.pace.take(self._clock(), sent)
        return sent

    def request(self, body: Body, done: Done) -> bool:
        """Send a request other than a message: within the window, whatever the pace. False when there is no room."""
        bind = self.open_bind()
        if bind is None or bind.connection is None:
            return False
        try:
            bind.connection.request(body, done)
        except (LocalProtocolError, EncodeError):  # the latter: a text in a TLV to an SMSC of 3.3
            return False
        return True

    def adopt(self) -> SmscBind | None:
        """A bind that the SMSC asked for, to be bound by the caller; None when it has as many as it may."""
        if len(self._asked) >= self.settings.binds:
            return None
        bind = SmscBind(sends=self.settings.bind == "transceiver")
        self._asked.append(bind)
        self.counts.outbinds += 1
        return bind

    def forget(self, bind: SmscBind) -> None:
        """An adopted bind is over."""
        if bind in self._asked:
            self._asked.remove(bind)
            self._hooks.on_change()

    def bind_request(self, bind: SmscBind) -> Bind:
        """The bind request of an adopted bind."""
        return self._request_of(BindTransceiver if bind.sends else BindReceiver)

    def receive(self, bind: SmscBind, connection: Connection, events: list[Event]) -> None:
        """What one read of one of this link's connections brought."""
        answered = False
        for event in events:
            kind = type(event)
            if kind is MessagesReceived:
                assert isinstance(event, MessagesReceived)
                if event.responses:
                    answered = True
                    self._answered(bind, connection, event.responses)
                if event.requests:
                    self._ask(connection, event.requests)
            elif kind is ResponseReceived:
                assert isinstance(event, ResponseReceived)
                answered = True
                bind.silent = 0
                if event.pdu.command_status:
                    self._judge(bind, connection, event.pdu.command_status)
                else:
                    bind.faults = 0
                self._tell(event.request.context, event.pdu)
            elif kind is RequestReceived:
                assert isinstance(event, RequestReceived)
                # What has no response, alert_notification, asks nothing.
                if event.pdu.command_id != CommandId.ALERT_NOTIFICATION:
                    self._ask(connection, [(event.pdu.sequence_number, event.pdu.body, event.frame)])
            elif isinstance(event, RequestTimedOut):
                answered = True
                bind.silent += 1
                self._fail(event.request.context, "timeout")
                if bind.silent >= self._silent_after and bind.connection is connection:
                    self.counts.silent += 1
                    self._restart(bind, connection, f"{bind.silent} requests in a row got no answer")
            elif isinstance(event, ResponseMalformed):
                answered = True
                self._fail(event.request.context, "malformed")
            elif isinstance(event, Unbound):
                self._lose(bind, connection)
            elif isinstance(event, ConnectionMustClose):
                self._lose(bind, connection)
                for request in event.lost:
                    self._fail(request.context, "closed")
        if answered:
            self._hooks.on_room()

    def bound_by(self, bind: SmscBind, connection: Connection) -> None:
        """The bind is made on that connection."""
        bind.connection = connection
        bind.silent = 0
        self._hooks.on_change()

    # ---- inside

    def _requests(self) -> tuple[type[Bind], ...]:
        """The binds that make one of `binds`."""
        if self.settings.bind == "pair":
            return (BindTransmitter, BindReceiver)
        return (BindTransceiver,)

    def _request_of(self, kind: type[Bind]) -> Bind:
        settings = self.settings
        return kind(
            system_id=settings.system_id.encode(),
            password=settings.password.encode(),
            system_type=settings.system_type.encode(),
        )

    def _keep(self, request: type[Bind], numbered: int, tls: ssl.SSLContext | None) -> SmscBind:
        settings = self.settings
        config = LinkConfig(
            host=settings.host,
            port=settings.port,
            bind=self._request_of(request),
            session=session_config(settings),
            connect_timeout_s=settings.connect_s,
            backoff_min_s=settings.backoff_min_s,
            backoff_max_s=settings.backoff_max_s,
        )
        bind = SmscBind(sends=request is not BindReceiver)

        def on_state(link: Link, state: LinkState) -> None:
            _log.info("link %s is %s", link.name, state.name)
            if state is LinkState.BOUND and link.connection is not None:
                self.bound_by(bind, link.connection)

        name = self.name if settings.binds == 1 else f"{self.name}/{numbered + 1}"
        if settings.bind == "pair":
            name += " receiver" if request is BindReceiver else " transmitter"
        bind.link = Link(
            config,
            lambda connection, events: self.receive(bind, connection, events),
            name=name,
            ssl=tls,
            on_state=on_state,
        )
        return bind

    def _judge(self, bind: SmscBind, connection: Connection, status: int) -> None:
        """What an error says of the link; what it says of the message is the dispatcher's."""
        verdict = self._errors.classify(self.name, status)
        if verdict.action is Action.THROTTLE:
            self.counts.throttled += 1
            if self.pace.throttled(self._clock(), verdict.retry_after_s):
                _log.info("link %s slows down to %.1f messages a second", self.name, self.pace.limit)
        elif verdict.action is Action.LINK and bind.connection is connection:
            self.counts.faulty += 1
            self._restart(bind, connection, f"status 0x{status:08X}: {verdict.reason}")

    def _restart(self, bind: SmscBind, connection: Connection, reason: str) -> None:
        """End a bind that is of no use; its link makes another, each time later while that does not help."""
        _log.warning("link %s is bound anew: %s", self.name, reason)
        bind.faults += 1
        if bind.link is not None:
            bind.link.failures = bind.faults
        self._lose(bind, connection)
        # Not from inside the connection's own events.
        asyncio.get_running_loop().call_soon(connection.abort, reason)

    def _lose(self, bind: SmscBind, connection: Connection) -> None:
        if bind.connection is connection:
            bind.connection = None
            self._hooks.on_change()

    def _answered(
        self, bind: SmscBind, connection: Connection, responses: list[tuple[Any, int, bytes]]
    ) -> None:
        """Plain answers to messages."""
        bind.silent = 0
        accepted: list[tuple[Any, bytes]] = []
        for context, status, message_id in responses:
            if status:
                self._judge(bind, connection, status)
                self._tell(context, Pdu(SubmitSmResp(message_id), 0, status))
            else:
                accepted.append((context, message_id))
        if accepted:
            bind.faults = 0
            try:
                self._hooks.on_accepted(self.name, accepted)
            except Exception:
                _log.exception("answers of %s not handled", self.name)

    def _ask(self, connection: Connection, requests: list[tuple[int, Body, bytes]]) -> None:
        """What the SMSC asks, to whoever answers it."""
        try:
            self._hooks.on_requests(self.name, connection, requests)
        except Exception:
            # They may never be answered: the SMSC should send them again, to another session.
            _log.exception("requests of %s not handled", self.name)
            asyncio.get_running_loop().call_soon(connection.abort, "internal error")

    def _fail(self, context: Any, reason: FailureReason) -> None:
        self._tell(context, RequestFailed(reason))

    def _tell(self, context: Any, answer: Answer) -> None:
        """One message's failure here must not cost the others their answers."""
        try:
            self._hooks.on_answer(self.name, context, answer)
        except Exception:
            _log.exception("answer of %s not handled", self.name)


def session_config(settings: SmscSettings) -> SessionConfig:
    """Timers and windows of a session with that SMSC."""
    return SessionConfig(
        session_init_s=settings.connect_s,
        enquire_link_s=settings.enquire_link_s,
        response_s=settings.response_s,
        outbound_window=settings.window,
        inbound_window=max(settings.window, INBOUND_WINDOW_LEAST),
        in_bulk=True,
    )


def show_up(link: SmscLink) -> None:
    """Tell the metrics whether the link can send."""
    metrics.LINKS.labels(link.name).set(1 if link.can_send else 0)
