"""One SMPP connection on asyncio: a `Session` with a transport, a clock and callbacks.

Writes are gathered: whatever is sent in one turn of the loop leaves in one transport.write. A peer that does
not read what we send is not read from either, so that memory stays bounded.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal, cast

from smpp.events import (
    ConnectionMustClose,
    Event,
    MessagesReceived,
    PendingRequest,
    RequestReceived,
    RequestTimedOut,
    ResponseMalformed,
    ResponseReceived,
)
from smpp.pdu import Bind, Body, Pdu
from smpp.session import Session, SessionConfig
from smpp.states import Role, SessionState

log = logging.getLogger(__name__)

WRITE_BUFFER_HIGH: Final = 4_194_304
"""Octets waiting for the peer to read them, above which we stop reading from it."""
CLOSE_LINGER_S: Final = 5.0
"""How long the last octets may wait for a peer that does not read, before the connection is cut."""

FailureReason = Literal["timeout", "closed", "malformed"]


class RequestFailed(Exception):
    """A request got no usable response; what became of it is not known."""

    def __init__(self, reason: FailureReason) -> None:
        super().__init__(reason)
        self.reason: FailureReason = reason


Done = Callable[[Pdu | RequestFailed], None]
"""Gets the response to one request, whatever its status, or why there is none. Called once, on the loop."""

OnEvents = Callable[["Connection", list[Event]], None]
"""Gets the events of one read or timer, in order, on the loop. Must not block."""

Tap = Callable[[bytes], None]
"""Gets every octet received, after TLS."""


class Connection(asyncio.Protocol):
    """A connection of either role. Made by `smpp.aio.server` and `smpp.aio.client`."""

    def __init__(
        self,
        role: Role,
        on_events: OnEvents,
        config: SessionConfig,
        *,
        tap: Tap | None = None,
        on_lost: Callable[[Connection], None] | None = None,
    ) -> None:
        self.context: Any = None
        """The application's own."""
        self.peer: tuple[str, int] = ("", 0)
        self.certificate: bytes | None = None
        """The peer's certificate in DER; None without TLS or when it showed none."""
        self.tls_version: str | None = None
        """As "TLSv1.3"; None without TLS."""
        self._role: Role = role
        self._on_events = on_events
        self._config = config
        self._tap = tap
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.time
        self._session = Session(role, config, self._clock())
        self._transport: asyncio.Transport | None = None
        self._flush_scheduled = False
        self._in_callback = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._cut: asyncio.TimerHandle | None = None
        self._closed = asyncio.Event()
        self._quiet: asyncio.Event | None = None
        self._held = False
        """The application reads no more for now."""
        self._choked = False
        """The peer does not read what we send."""

    # ---- what the application reads

    @property
    def state(self) -> SessionState:
        return self._session.state

    @property
    def bind(self) -> Bind | None:
        """The bind that was asked for; None before one came."""
        return self._session.bind

    @property
    def is_bound(self) -> bool:
        return self._session.is_bound

    @property
    def version(self) -> int:
        """The interface version that both ends speak."""
        return self._session.version

    @property
    def can_send(self) -> bool:
        """Whether messages may go out: deliver_sm from a message centre, submit_sm from an ESME."""
        receiving = SessionState.BOUND_RX if self._role == "mc" else SessionState.BOUND_TX
        return self.state in (receiving, SessionState.BOUND_TRX) and not self._session.is_unbinding

    @property
    def window_free(self) -> int:
        """Requests that may be sent now."""
        return self._session.window_free

    @property
    def unanswered(self) -> int:
        """Requests of the peer that want an answer from the application."""
        return self._session.unanswered

    @property
    def unacknowledged(self) -> int:
        """Requests of ours that want the peer's answer."""
        return self._session.unacknowledged

    @property
    def congestion_state(self) -> int | None:
        """See Session.congestion_state: how busy we are, told in every response to a 5.0 peer."""
        return self._session.congestion_state

    @congestion_state.setter
    def congestion_state(self, state: int | None) -> None:
        self._session.congestion_state = state

    @property
    def peer_congestion(self) -> int | None:
        """How busy the peer says it is, 0 to 100; None when it never said."""
        return self._session.peer_congestion

    # ---- what the application does

    def configure(self, config: SessionConfig) -> None:
        """See Session.configure: timers and windows from now on."""
        self._session.configure(config)
        self._wake()

    def request(self, body: Body, done: Done | None = None, *, context: Any = None) -> int:
        """Sends a request. With `done`, its outcome goes there; without, it comes as an event, in one list
        with the others of its read, and `context` is in the event's request: cheaper, for bulk.

        Returns the sequence number. Raises WindowFull, LocalProtocolError, EncodeError.
        """
        sequence_number = self._session.send_request(body, self._clock(), context, done)
        if not self._flush_scheduled:
            self._wake()
        return sequence_number

    def request_frame(self, frame: bytes, done: Done | None = None, *, context: Any = None) -> int:
        """As `request`, for an encoded request; its sequence number is replaced."""
        sequence_number = self._session.send_frame(frame, self._clock(), context, done)
        if not self._flush_scheduled:
            self._wake()
        return sequence_number

    async def call(self, body: Body) -> Pdu:
        """Sends a request and waits for its response, at most response_s. Raises RequestFailed too."""
        future: asyncio.Future[Pdu] = self._loop.create_future()

        def done(outcome: Pdu | RequestFailed) -> None:
            if future.done():
                return
            if isinstance(outcome, RequestFailed):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        self.request(body, done)
        return await future

    def request_messages(self, messages: Sequence[tuple[bytes, Any]]) -> int:
        """As `request_frame` for (frame, context) of each, as many as the window takes; returns how many. All are
        submit_sm from an ESME, deliver_sm from a message centre."""
        sent = self._session.send_messages(messages, self._clock())
        if not self._flush_scheduled:
            self._wake()
        return sent

    def respond(self, sequence_number: int, body: Body, status: int = 0) -> None:
        """Answers a request of the peer. On a connection that has closed it does nothing."""
        self._session.send_response(sequence_number, body, status)
        self._wake()

    def respond_message(
        self, sequence_number: int, message_id: bytes = b"", command_id: int | None = None
    ) -> None:
        """Answers with success and a message_id: submit_sm_resp of a message centre, deliver_sm_resp of an
        ESME, else the response of that `command_id`. As `respond`, in less time."""
        self._session.send_message_response(sequence_number, message_id, command_id)
        if not self._flush_scheduled:
            self._wake()

    def respond_messages(self, answers: Sequence[tuple[int, bytes]]) -> None:
        """As `respond_message` for (sequence number, message_id) of each."""
        self._session.send_message_responses(answers)
        if not self._flush_scheduled:
            self._wake()

    def reject(self, request: Pdu, status: int) -> None:
        """Answers a request of the peer with an error and no body."""
        self._session.reject(request, status)
        self._wake()

    def reject_request(self, sequence_number: int, command_id: int, status: int) -> None:
        """As `reject`, for a request known by its sequence number and command_id."""
        self._session.reject_request(sequence_number, command_id, status)
        self._wake()

    def accept_bind(self, system_id: bytes = b"", tlvs: Iterable[tuple[int, bytes]] = ()) -> None:
        """Answers BindRequested with success. Does nothing if the connection has closed since."""
        if self._session.is_closed:
            return
        self._session.accept_bind(system_id, tlvs)
        self._wake()

    def refuse_bind(self, status: int) -> None:
        """Answers BindRequested with an error. Does nothing if the connection has closed since."""
        if self._session.is_closed:
            return
        self._session.refuse_bind(status)
        self._wake()

    def pause_reading(self) -> None:
        """Takes nothing more from the peer until `resume_reading`: TCP makes it wait. Its enquire_link waits
        too, so not for long."""
        self._held = True
        self._regulate()

    def resume_reading(self) -> None:
        """Takes from the peer again."""
        self._held = False
        self._regulate()

    async def close(self, timeout: float = 5.0) -> None:
        """Ends in order, within `timeout` seconds: no new requests, open ones answered, unbind, close."""
        deadline = self._loop.time() + timeout
        self._session.drain()
        if self._session.is_bound:
            self._quiet = asyncio.Event()
            self._note_quiet()
            await self._within(self._quiet, deadline)
            self._session.unbind(self._clock())
            self._wake()
            await self._within(self._closed, deadline)
        if not self._closed.is_set():
            self.abort("closed")
            await self._within(self._closed, self._loop.time() + CLOSE_LINGER_S + 1.0)

    def abort(self, reason: str) -> None:
        """Ends at once; what was answered is still sent if the peer reads it."""
        self._deliver(self._session.terminate(reason))

    async def wait_closed(self) -> None:
        """Returns when the connection is gone."""
        await self._closed.wait()

    # ---- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's shares its methods, not its class
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER_HIGH)
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self.peer = (str(peer[0]), int(peer[1]))
        ssl_object = transport.get_extra_info("ssl_object")
        if ssl_object is not None:
            self.certificate = ssl_object.getpeercert(binary_form=True)
            self.tls_version = ssl_object.version()
        self._arm()

    def data_received(self, data: bytes) -> None:
        if self._tap is not None:
            self._tap(data)
        self._deliver(self._session.receive_data(data, self._clock()))

    def eof_received(self) -> bool:
        self._deliver(self._session.receive_eof(self._clock()))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._deliver(self._session.receive_eof(self._clock()))
        self._transport = None
        for handle in (self._timer, self._cut):
            if handle is not None:
                handle.cancel()
        self._timer = None
        self._closed.set()
        if self._quiet is not None:
            self._quiet.set()
        if self._on_lost is not None:
            self._on_lost(self)

    def pause_writing(self) -> None:
        self._choked = True
        self._regulate()

    def resume_writing(self) -> None:
        self._choked = False
        self._regulate()

    # ---- inside

    def _deliver(self, events: list[Event]) -> None:
        """Hands the events over, then sends what has come of them."""
        self._in_callback = True
        try:
            self._tell(events)
        except Exception:
            # The application's failure must not leave its peer without an answer for ever.
            log.exception("event handler failed")
            self._end_after_failure()
        finally:
            self._in_callback = False
        self._flush()

    def _regulate(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._held or self._choked:
            transport.pause_reading()
        else:
            transport.resume_reading()

    def _tell(self, events: list[Event]) -> None:
        told: list[Event] = []
        for event in events:
            kind = type(event)
            if kind is MessagesReceived or kind is RequestReceived:
                told.append(event)
            elif kind is ResponseReceived:
                assert isinstance(event, ResponseReceived)
                done: Done | None = event.request.done
                if done is None:
                    told.append(event)
                else:
                    self._call_done(done, event.pdu)
            elif not self._settle(event):
                told.append(event)
        if told:
            self._on_events(self, told)

    def _end_after_failure(self) -> None:
        try:
            self._tell(self._session.terminate("internal error"))
        except Exception:
            log.exception("event handler failed again while closing")

    def _settle(self, event: Event) -> bool:
        """Tells a failed request's `done`; False when the event is for on_events."""
        if isinstance(event, RequestTimedOut):
            return self._fail(event.request, "timeout")
        if isinstance(event, ResponseMalformed):
            return self._fail(event.request, "malformed")
        if isinstance(event, ConnectionMustClose):
            event.lost = [request for request in event.lost if not self._fail(request, "closed")]
        return False

    def _fail(self, request: PendingRequest, reason: FailureReason) -> bool:
        done: Done | None = request.done
        if done is None:
            return False
        self._call_done(done, RequestFailed(reason))
        return True

    @staticmethod
    def _call_done(done: Done, outcome: Pdu | RequestFailed) -> None:
        """One request's callback that fails must not cost the others theirs."""
        try:
            done(outcome)
        except Exception:
            log.exception("response handler failed")

    def _wake(self) -> None:
        """Has the loop flush once this turn's callbacks are done."""
        if not self._flush_scheduled and not self._in_callback:
            self._flush_scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_scheduled = False
        transport = self._transport
        data = self._session.data_to_send()
        if data and transport is not None and not transport.is_closing():
            transport.write(data)
        if self._session.is_closed and transport is not None and self._cut is None:
            transport.close()
            self._cut = self._loop.call_later(CLOSE_LINGER_S, transport.abort)
        if self._quiet is not None:
            self._note_quiet()
        self._arm()

    def _note_quiet(self) -> None:
        if self._quiet is not None and not self._session.unanswered and not self._session.unacknowledged:
            self._quiet.set()

    def _arm(self) -> None:
        """One timer. When what is due moves later, the armed one fires and looks again: cheaper than re-arming."""
        due = self._session.next_timer()
        if due is None or (self._transport is None and due > 0):
            return
        if self._timer is not None:
            if self._timer_at <= due:
                return
            self._timer.cancel()
        self._timer_at = due
        self._timer = self._loop.call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._deliver(self._session.handle_timer(self._clock()))

    async def _within(self, event: asyncio.Event, deadline: float) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await event.wait()
        except TimeoutError:
            log.debug("deadline passed while closing")
