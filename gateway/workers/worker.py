"""One front process, as the gateway's process sees it: started, given connections, listened to, ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from gateway.access_number import AccessNumberRow
from gateway.sms.esme_session import DeliveryFailed, EsmeSession, MessagesChecked, OnEvents
from gateway.store.accounts import AccountRow
from gateway.workers.channel import Channel, Message
from gateway.workers.stand_in import StandIn
from gateway.workers.wire import (
    ANSWER,
    FAILURE,
    FAILURES,
    HANDED,
    REFUSED,
    Asked,
    ToStore,
    unpack_submits,
)
from smpp.codec import decode
from smpp.constants import CommandId
from smpp.errors import PduError
from smpp.events import (
    BadPduReceived,
    BindRequested,
    ConnectionMustClose,
    Event,
    MessagesReceived,
    RequestReceived,
)
from smpp.pdu import Bind
from smpp.states import TRY_LATER

START_S: Final = 20.0
"""From its start until it can be given connections."""
LATE_LOOKS: Final = 3
"""It says something every second, and is looked at every second. Silent at so many looks, it gets no connection."""
SILENT_LOOKS: Final = 30
"""Silent at so many, it is ended and another started. Looks are counted, and not seconds: after a pause of this process
itself nobody was heard for long."""
STOP_S: Final = 5.0
"""From the end of its channel to its own."""

BAD_AT_ONCE_MAX: Final = 65_536
"""Refused PDUs that one message can tell of: more than a read has."""
GATHERED: Final = frozenset((ToStore.SUBMITS, ToStore.ANSWERS))
"""Kinds of which several payloads, one after the other, are one."""

_log = logging.getLogger(__name__)


class WorkerFailed(Exception):
    """A front process could not be started."""


class Process(Protocol):
    """What asyncio.subprocess.Process has."""

    @property
    def pid(self) -> int: ...

    def kill(self) -> None: ...

    async def wait(self) -> int: ...


Spawn = Callable[[str, int, int], Awaitable[Process]]
"""Starts gateway.workers.process under a name, with descriptors of its end of the channel, and of the socket on which
connections come. Both are closed here afterwards. Raises OSError."""


class Owner(Protocol):
    """Who has the front processes: gateway.workers.pool.WorkerPool."""

    on_events: OnEvents

    def number_of(self, address: str) -> AccessNumberRow | None: ...

    def gone(self, session: StandIn) -> None:
        """Its connection is closed."""

    def throttled(self, system_id: str, messages: int) -> None:
        """So many messages were answered that they are too many."""

    def resumed(self, sessions: Sequence[EsmeSession]) -> None:
        """Their front process reads again: they have room."""


class Worker:
    """Made and started once; another takes its place when it has ended."""

    def __init__(self, name: str, owner: Owner) -> None:
        self.name = name
        self.sessions: dict[int, StandIn] = {}
        """By number: accepted or called, bound or not."""
        self.channel = Channel(self._take, self._lost, self._resumed)
        self.ended = asyncio.Event()
        """Its channel is closed; of its sessions everything was told."""
        self.quiet = 0
        """Looks in a row at which nothing had been heard of it."""
        self._owner = owner
        self._process: Process | None = None
        self._handed: socket.socket | None = None
        self._ready = asyncio.Event()
        self._calls: dict[int, Callable[[str | None], None]] = {}
        self._kinds: dict[int, Callable[[StandIn, bytes], None]] = {
            ToStore.BIND: self._bind,
            ToStore.SUBMITS: self._submits,
            ToStore.REQUEST: self._request,
            ToStore.ANSWERS: self._answers,
            ToStore.FAILED: self._failed,
            ToStore.BAD: self._bad,
            ToStore.UNBINDING: lambda session, _: session.unbinding(),
            ToStore.CLOSED: self._closed,
            ToStore.GONE: self._gone,
            ToStore.CALLED: lambda session, _: self._called(session, None),
            ToStore.NOT_CALLED: lambda session, why: self._called(session, why.decode(errors="replace")),
        }

    @property
    def pid(self) -> int:
        return 0 if self._process is None else self._process.pid

    async def start(self, spawn: Spawn, first: Callable[[], Sequence[tuple[int, bytes]]]) -> None:
        """Start it, tell it what `first` gives once it can be told, and wait until it serves. Raises WorkerFailed."""
        channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._handed, handed = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._handed.setblocking(False)
        try:
            with theirs, handed:
                self._process = await spawn(self.name, theirs.fileno(), handed.fileno())
        except BaseException as error:
            channel.close()
            self._handed.close()
            self.ended.set()
            if isinstance(error, OSError):
                raise WorkerFailed(str(error)) from error
            raise
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: self.channel, sock=channel)
        for kind, payload in first():
            self.channel.send(kind, 0, payload)
        ready, ended = asyncio.create_task(self._ready.wait()), asyncio.create_task(self.ended.wait())
        try:
            await asyncio.wait((ready, ended), timeout=START_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
            ended.cancel()
        if not self._ready.is_set():
            await self.stop()
            raise WorkerFailed(f"{self.name} did not start; its log says why")

    @property
    def serves(self) -> bool:
        """Whether it can be given connections."""
        return self._ready.is_set() and not self.ended.is_set() and self.quiet < LATE_LOOKS

    def hand(self, sock: socket.socket, session: StandIn, kind: int) -> bool:
        """Give it an accepted connection, which is closed here; False when it takes none now."""
        assert self._handed is not None
        try:
            socket.send_fds(self._handed, [HANDED.pack(session.number, kind)], [sock.fileno()])
        except OSError:
            return False
        self.sessions[session.number] = session
        sock.close()
        return True

    def call(self, session: StandIn, done: Callable[[str | None], None]) -> None:
        """It has been told to connect for `session`: `done` gets why it could not, or None."""
        self.sessions[session.number] = session
        self._calls[session.number] = done

    def kill(self) -> None:
        """SIGKILL; the rest follows."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def stop(self) -> int:
        """End it, if it has not ended; returns its exit status."""
        self.channel.close()
        if self._handed is not None:
            self._handed.close()
        if self._process is None:
            return 0
        try:
            async with asyncio.timeout(STOP_S):
                await self._process.wait()
        except TimeoutError:
            self.kill()
        code = await self._process.wait()
        self.channel.abort()
        return code

    # ---- what it says

    def _take(self, messages: list[Message]) -> None:
        self.quiet = 0
        # What a session sent in several reads goes on together: all that follows costs by the list, not by the message.
        gathered: dict[int, dict[int, list[bytes]]] = {}
        for kind, number, payload in messages:
            if kind in GATHERED:
                gathered.setdefault(number, {}).setdefault(kind, []).append(payload)
                continue
            for earlier, payloads in gathered.pop(number, {}).items():
                self._do(earlier, number, b"".join(payloads))
            self._do(kind, number, payload)
        for number, of_session in gathered.items():
            for kind, payloads in of_session.items():
                self._do(kind, number, payloads[0] if len(payloads) == 1 else b"".join(payloads))

    def _do(self, kind: int, number: int, payload: bytes) -> None:
        session = self.sessions.get(number)
        try:
            if kind == ToStore.READY:
                self._ready.set()
            elif kind == ToStore.TALLY:
                for system_id, count in json.loads(payload)["throttled"].items():
                    self._owner.throttled(system_id, int(count))
            elif session is not None:
                self._kinds[kind](session, payload)
        except (struct.error, PduError, LookupError, TypeError, ValueError):
            _log.exception("%s: message %d of session %d is not understood", self.name, kind, number)
        except Exception:
            # A defect in what a room does with it. It ends this session alone, as where sessions are in this process:
            # else the enterprise would wait for answers for ever, or the channel of all sessions would end.
            _log.exception("event handler failed")
            if session is not None:
                session.abort("internal error")

    def _tell(self, session: StandIn, event: Event) -> None:
        self._owner.on_events(session, [event])

    def _bind(self, session: StandIn, payload: bytes) -> None:
        asked = Asked.unpack(payload)
        pdu = decode(asked.frame)
        assert isinstance(pdu.body, Bind)
        session.asked(asked, pdu.body)
        self._tell(session, BindRequested(pdu))

    def _submits(self, session: StandIn, payload: bytes) -> None:
        account = session.context

        def number_of(address: str) -> AccessNumberRow | None:
            # It checked by the numbers that it knew; whose they are now is known here.
            row = self._owner.number_of(address)
            is_its = (
                row is not None and isinstance(account, AccountRow) and row.sms_account == account.system_id
            )
            return row if is_its else None

        arrived, found = unpack_submits(payload, number_of)
        if not session.is_draining:
            self._tell(session, MessagesChecked(arrived, found))
            return
        for sequence_number, _ in found:
            session.reject_request(sequence_number, CommandId.SUBMIT_SM, TRY_LATER["mc"])

    def _request(self, session: StandIn, payload: bytes) -> None:
        pdu = decode(payload)
        if session.is_draining:
            session.reject(pdu, TRY_LATER["mc"])
        else:
            self._tell(session, RequestReceived(pdu, payload))

    def _answers(self, session: StandIn, payload: bytes) -> None:
        answered = session.answered
        told = [(answered(token), status, b"") for token, status in ANSWER.iter_unpack(payload)]
        self._tell(session, MessagesReceived([], [each for each in told if each[0] is not None]))

    def _failed(self, session: StandIn, payload: bytes) -> None:
        token, why = FAILURE.unpack(payload)
        context = session.answered(token)
        if context is None:
            return
        self._tell(session, DeliveryFailed(context, FAILURES[why]))

    def _bad(self, session: StandIn, payload: bytes) -> None:
        status, command_id, count = REFUSED.unpack_from(payload)
        event = BadPduReceived(status, command_id, payload[REFUSED.size :].decode(errors="replace"))
        self._owner.on_events(session, [event] * min(count, BAD_AT_ONCE_MAX))

    def _closed(self, session: StandIn, payload: bytes) -> None:
        self._over(session, payload.decode(errors="replace"))

    def _over(self, session: StandIn, reason: str) -> None:
        if not session.is_over:
            self._tell(session, ConnectionMustClose(reason, session.over()))

    def _gone(self, session: StandIn, _: bytes) -> None:
        self._over(session, "closed")
        self.sessions.pop(session.number, None)
        session.gone()
        self._owner.gone(session)

    def _called(self, session: StandIn, why: str | None) -> None:
        done = self._calls.pop(session.number, None)
        if done is not None:
            done(why)

    # ---- its channel

    def _resumed(self) -> None:
        self._owner.resumed(list(self.sessions.values()))

    def _lost(self) -> None:
        for session in list(self.sessions.values()):
            self._called(session, "the front process ended")
            self._gone(session, b"")
        self._ready.clear()
        self.ended.set()
