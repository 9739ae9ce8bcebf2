"""The sessions of a front process: whole here, from TLS to timers; what needs a store is asked over the channel."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections import Counter
from collections.abc import Coroutine, Sequence
from typing import Any, Final

from foundation.config import ConfigError
from gateway.access_number import AccessNumberRow
from gateway.policy.text_rules import TextRules
from gateway.policy.text_words import load_words
from gateway.sms.check import Checks
from gateway.sms.server_tls import ServerTls
from gateway.sms_settings import SmppSettings, SmsSettings
from gateway.workers.channel import Channel, Message
from gateway.workers.wire import (
    ANSWER,
    FAILURE,
    FAILURES,
    REFUSED,
    REJECTION,
    RESPONSE,
    SECONDS,
    U32,
    Asked,
    ToFront,
    ToStore,
    pack_json,
    pack_submits,
    unpack_call,
    unpack_config,
    unpack_frames,
    unpack_numbers,
)
from smpp.aio.client import ConnectFailed
from smpp.aio.connection import Connection, FailureReason
from smpp.aio.outbind import send_outbind
from smpp.aio.server import connect_accepted
from smpp.codec import decode, encode
from smpp.constants import VERSION_5_0, CommandId, CommandStatus
from smpp.errors import EncodeError, LocalProtocolError
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
    Unbound,
)
from smpp.pdu import Body, DataSm, SubmitMulti, SubmitSm
from smpp.session import SessionConfig

UNANSWERED_MAX: Final = 20_000
"""Requests that the gateway's process was given and has not answered; one more is throttled here."""
CONGESTED: Final = 100
"""5.0, 4.8.4.18."""

_log = logging.getLogger(__name__)


class Held:
    """A session: what the channel knows it by, and what of it is with the gateway's process."""

    __slots__ = ("connection", "number", "opening", "unanswered")

    def __init__(self, number: int) -> None:
        self.number = number
        self.unanswered = 0
        self.connection: Connection | None = None
        """None while it is being opened."""
        self.opening: asyncio.Task[None] | None = None
        """TLS handshake, or call."""


class FrontSessions:
    """Does what the gateway's process says, and tells it what its enterprises do."""

    def __init__(self, channel: Channel, smpp: SmppSettings, sms: SmsSettings, config: SessionConfig) -> None:
        """`config` holds until a bind says whose session it is. Raises PkiError, ConfigError."""
        self._channel = channel
        self._words = sms.sensitive_words
        self._config = config
        self._tls = None if smpp.tls is None else ServerTls(smpp.tls)
        self._texts = TextRules(load_words(self._words))
        self._numbers: dict[str, AccessNumberRow] = {}
        self._checks = Checks(lambda: self._numbers, sms, self._texts, lambda: time.time_ns() // 1_000_000)
        self._held: dict[int, Held] = {}
        """By number; bounded by connections_max, which the gateway's process holds for all."""
        self._tasks: set[asyncio.Task[None]] = set()
        """Handshakes, calls and orderly ends; one of each a session."""
        self._unanswered = 0
        self._throttled: Counter[str] = Counter()
        self._commands = {
            ToFront.CONFIGURE: self._configure,
            ToFront.ACCEPT: self._accept,
            ToFront.REFUSE: self._refuse,
            ToFront.RESPONSES: self._responses,
            ToFront.RESPOND: self._respond,
            ToFront.REJECT: self._reject,
            ToFront.DELIVER: self._deliver,
            ToFront.CONGESTION: self._congestion,
            ToFront.CLOSE: self._close,
            ToFront.ABORT: self._abort,
        }

    # ---- what the gateway's process says

    def take(self, messages: Sequence[Message]) -> None:
        """What it says, in order."""
        for kind, number, payload in messages:
            if kind == ToFront.NUMBERS:
                self._numbers = unpack_numbers(payload)
            elif kind == ToFront.RELOAD:
                self._reload()
            elif kind == ToFront.CALL:
                self._open(number, self._call(number, payload))
            else:
                held = self._held.get(number)
                if held is None:
                    continue
                if held.connection is not None:
                    self._do(held, held.connection, kind, payload)
                elif kind in (ToFront.CLOSE, ToFront.ABORT) and held.opening is not None:
                    held.opening.cancel()

    def _do(self, held: Held, connection: Connection, kind: int, payload: bytes) -> None:
        try:
            self._commands[kind](held, connection, payload)
        except (LocalProtocolError, EncodeError) as error:
            _log.error("session %d cannot be told %d: %s", held.number, kind, error)

    def _configure(self, _: Held, connection: Connection, payload: bytes) -> None:
        connection.configure(unpack_config(payload))

    def _accept(self, _: Held, connection: Connection, payload: bytes) -> None:
        connection.accept_bind(payload)

    def _refuse(self, _: Held, connection: Connection, payload: bytes) -> None:
        connection.refuse_bind(U32.unpack(payload)[0])

    def _responses(self, held: Held, connection: Connection, payload: bytes) -> None:
        answers = list(RESPONSE.iter_unpack(payload))
        self._settled(held, len(answers))
        connection.respond_messages(answers)

    def _respond(self, held: Held, connection: Connection, payload: bytes) -> None:
        pdu = decode(payload)
        self._settled(held, 1)
        connection.respond(pdu.sequence_number, pdu.body, pdu.command_status)

    def _reject(self, held: Held, connection: Connection, payload: bytes) -> None:
        self._settled(held, 1)
        connection.reject_request(*REJECTION.unpack(payload))

    def _deliver(self, held: Held, connection: Connection, payload: bytes) -> None:
        messages = unpack_frames(payload)
        sent = 0
        try:
            sent = connection.request_messages(messages)
        except (LocalProtocolError, EncodeError) as error:  # it is unbinding, or closed
            _log.debug("session %d takes no deliver_sm: %s", held.number, error)
        for _, token in messages[sent:]:
            self._failed(held, token, "closed")

    def _congestion(self, _: Held, connection: Connection, payload: bytes) -> None:
        connection.congestion_state = payload[0]

    def _close(self, _: Held, connection: Connection, payload: bytes) -> None:
        self._start(connection.close(SECONDS.unpack(payload)[0]))

    def _abort(self, _: Held, connection: Connection, payload: bytes) -> None:
        connection.abort(payload.decode(errors="replace"))

    def _reload(self) -> None:
        if self._tls is not None:
            self._tls.reload()
        try:
            self._texts.words = load_words(self._words)
        except ConfigError as error:
            _log.error("sensitive words not reloaded: %s", error)

    # ---- connections

    def open(self, sock: socket.socket, number: int, *, over_tls: bool) -> None:
        """A connection that was accepted for us."""
        context = self._tls.context if over_tls and self._tls is not None else None
        self._open(number, self._connect(number, sock, context))

    def _open(self, number: int, work: Coroutine[Any, Any, None]) -> None:
        self._held[number] = Held(number)
        self._held[number].opening = self._start(work)

    def _opened(self, number: int, connection: Connection) -> None:
        held = self._held[number]
        held.connection, held.opening, connection.context = connection, None, held

    async def _connect(self, number: int, sock: socket.socket, context: ssl.SSLContext | None) -> None:
        connection = Connection("mc", self._on_events, self._config, on_lost=self._gone)
        connection.context = self._held[number]  # its first events may come before this goes on
        try:
            await connect_accepted(connection, sock, context, self._config.session_init_s)
        except (OSError, ssl.SSLError) as error:
            _log.info("a connection ended in its handshake: %s", error)
            self._forget(number)
        except BaseException:
            self._forget(number)
            raise
        else:
            self._opened(number, connection)

    async def _call(self, number: int, payload: bytes) -> None:
        host, port, outbind, config = unpack_call(payload)

        def on_events(connection: Connection, events: list[Event]) -> None:
            if connection.context is None:
                self._opened(number, connection)
            self._on_events(connection, events)

        try:
            connection = await send_outbind(host, port, outbind, on_events, config, on_lost=self._gone)
        except ConnectFailed as error:
            self._channel.send(ToStore.NOT_CALLED, number, str(error).encode())
            self._forget(number)
        except BaseException:
            self._forget(number)
            raise
        else:
            if connection.context is None:
                self._opened(number, connection)
            self._channel.send(ToStore.CALLED, number)

    def _gone(self, connection: Connection) -> None:
        if isinstance(connection.context, Held):
            self._forget(connection.context.number)

    def _forget(self, number: int) -> None:
        if self._held.pop(number, None) is not None:
            self._channel.send(ToStore.GONE, number)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # ---- what enterprises do

    def _on_events(self, connection: Connection, events: list[Event]) -> None:
        held = connection.context
        number, send = held.number, self._channel.send
        bad: Counter[tuple[int, int, str]] = Counter()
        for event in events:
            if isinstance(event, MessagesReceived):
                if event.responses:
                    pack = ANSWER.pack
                    answers = [pack(token, status) for token, status, _ in event.responses]
                    send(ToStore.ANSWERS, number, *answers)
                if event.requests:
                    self._submits(held, connection, event.requests)
            elif isinstance(event, RequestReceived):
                self._request(held, connection, event)
            elif isinstance(event, ResponseReceived):
                token, status = event.request.context, event.pdu.command_status
                send(ToStore.ANSWERS, number, ANSWER.pack(token, status))
            elif isinstance(event, RequestTimedOut):
                self._failed(held, event.request.context, "timeout")
            elif isinstance(event, ResponseMalformed):
                self._failed(held, event.request.context, "malformed")
            elif isinstance(event, BindRequested):
                asked = Asked(encode(event.pdu), connection.tls_version, connection.certificate)
                send(ToStore.BIND, number, asked.pack())
            elif isinstance(event, BadPduReceived):
                bad[event.status, event.command_id, event.reason] += 1
            elif isinstance(event, Unbound):
                send(ToStore.UNBINDING, number)
            elif isinstance(event, ConnectionMustClose):
                self._tell_bad(held, bad)
                self._unanswered -= held.unanswered
                held.unanswered = 0
                send(ToStore.CLOSED, number, event.reason.encode())
        self._tell_bad(held, bad)

    def _submits(
        self, held: Held, connection: Connection, requests: Sequence[tuple[int, Body, bytes]]
    ) -> None:
        """The submit_sm of one read."""
        bind = connection.bind
        assert bind is not None
        account, check = bind.system_id.decode("latin-1"), self._checks.check
        room = self._room()
        found = []
        for sequence_number, body, frame in requests[:room]:
            assert isinstance(body, SubmitSm)
            found.append((sequence_number, check(account, body, frame)))
        if found:
            self._handed(held, len(found))
            self._channel.send(ToStore.SUBMITS, held.number, pack_submits(time.monotonic(), found))
        for sequence_number, _, _ in requests[room:]:
            self._throttle(connection, sequence_number, CommandId.SUBMIT_SM, 1)

    def _request(self, held: Held, connection: Connection, event: RequestReceived) -> None:
        pdu = event.pdu
        if self._room():
            self._handed(held, 1)
            self._channel.send(ToStore.REQUEST, held.number, event.frame)
            return
        body = pdu.body
        messages = len(body.dests) if isinstance(body, SubmitMulti) else int(isinstance(body, DataSm))
        self._throttle(connection, pdu.sequence_number, pdu.command_id, messages)

    def _room(self) -> int:
        """How many requests the gateway's process may be given now."""
        return 0 if self._channel.is_choked else max(0, UNANSWERED_MAX - self._unanswered)

    def _handed(self, held: Held, requests: int) -> None:
        held.unanswered += requests
        self._unanswered += requests

    def _settled(self, held: Held, requests: int) -> None:
        # What is answered after the end of its session was taken off with that.
        requests = min(requests, held.unanswered)
        held.unanswered -= requests
        self._unanswered -= requests

    def _throttle(self, connection: Connection, sequence_number: int, command_id: int, messages: int) -> None:
        bind = connection.bind
        if messages and bind is not None:
            self._throttled[bind.system_id.decode("latin-1")] += messages
        told = connection.congestion_state
        if connection.version >= VERSION_5_0:
            connection.congestion_state = CONGESTED
        connection.reject_request(sequence_number, command_id, CommandStatus.ESME_RTHROTTLED)
        connection.congestion_state = told  # which the gateway's process tells, and it alone

    def _failed(self, held: Held, token: int, reason: FailureReason) -> None:
        self._channel.send(ToStore.FAILED, held.number, FAILURE.pack(token, FAILURES.index(reason)))

    def _tell_bad(self, held: Held, bad: Counter[tuple[int, int, str]]) -> None:
        for (status, command_id, reason), count in bad.items():
            told = REFUSED.pack(status, command_id, count) + reason.encode()
            self._channel.send(ToStore.BAD, held.number, told)
        bad.clear()

    def cut(self) -> None:
        """End all of them: nobody is there who could answer."""
        for held in list(self._held.values()):
            if held.opening is not None:
                held.opening.cancel()
            elif held.connection is not None:
                held.connection.abort("the gateway has ended")

    def tally(self) -> None:
        """Tell what the gateway's process does not see."""
        throttled, self._throttled = self._throttled, Counter()
        self._channel.send(ToStore.TALLY, 0, pack_json({"throttled": throttled}))
