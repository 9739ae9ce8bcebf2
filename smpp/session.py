"""One SMPP session without I/O: octets and `now` in, events and octets to send out.

Either end: `role` says whose state machine this is, "esme" or "mc" (message centre). All times are
monotonic float seconds. The contract: feed `receive_data`, `receive_eof` and `handle_timer`; after each call
send `data_to_send()`, act on the events, and call `handle_timer` at `next_timer()`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, Final

from smpp.codec import Framer, PduError, decode, encode_body
from smpp.config import SessionConfig as SessionConfig
from smpp.constants import MAX_SEQUENCE_NUMBER, RESPONSE_BIT, VERSION_3_4, VERSION_5_0, Tag
from smpp.constants import CommandId as Id
from smpp.constants import CommandStatus as Status
from smpp.events import (
    BadPduReceived,
    BindRefused,
    BindRequested,
    Bound,
    ConnectionMustClose,
    Event,
    OutbindReceived,
    PendingRequest,
    RequestReceived,
    RequestTimedOut,
    ResponseMalformed,
    ResponseReceived,
    Unbound,
)
from smpp.pdu import (
    RESPONSE_OF,
    Bind,
    BindResp,
    Body,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Outbind,
    Pdu,
    Unbind,
    UnbindResp,
)
from smpp.splice import set_sequence_number
from smpp.states import BOUND, BOUND_BY, Role, SessionState, may_send

log = logging.getLogger(__name__)


class LocalProtocolError(Exception):
    """We asked for what the session's state does not allow."""


class WindowFull(LocalProtocolError):
    """As many of our requests are unanswered as the window takes."""


BIND_ATTEMPTS_MAX: Final = 3
"""Refused binds after which a message centre closes the connection: guessing costs a connection."""

# 5.1.3: the statuses that tell each kind of sender to come back later.
_TRY_LATER: Final[dict[Role, int]] = {"mc": Status.ESME_RTHROTTLED, "esme": Status.ESME_RX_T_APPN}

_LINK_REQUESTS: Final = frozenset({Id.ENQUIRE_LINK, Id.UNBIND})
"""Requests in a bound state that the session answers by itself."""

_OWN: Final = object()
"""Context of the session's own requests (bind, unbind, enquire_link): they are outside the window."""


class Session:
    """The state machine of one connection, from accept or connect to close."""

    def __init__(self, role: Role, config: SessionConfig, now: float) -> None:
        self.role = role
        self.config = config
        self.bind: Bind | None = None
        """The bind that is asked or made; its system_id is who the ESME says it is."""
        self._peer_role: Role = "mc" if role == "esme" else "esme"
        self._state = SessionState.OPEN
        self._framer = Framer()
        self._out: list[bytes] = []
        self._next_sequence = 1
        # Requests wait in the order in which they were sent and all wait equally long:
        # the first entry is always the first to time out.
        self._pending: dict[int, PendingRequest] = {}
        self._own_pending = 0
        self._inbound: dict[int, int] = {}  # sequence number -> how many unanswered requests bear it
        self._inbound_count = 0
        self._bind_request: Pdu | None = None
        self._unbind_request: int | None = None
        self._unbind_deadline = 0.0
        self._unbind_sent = False
        self._opened_at = now
        self._last_received = now
        self._last_transaction = now
        self._enquiring = False
        self._draining = False
        self._binds_refused = 0
        self._queued: list[Event] = []

    # ---- what the shell reads

    @property
    def state(self) -> SessionState:
        return self._state

    @property
    def is_bound(self) -> bool:
        return self._state in BOUND

    @property
    def is_closed(self) -> bool:
        return self._state is SessionState.CLOSED

    @property
    def is_unbinding(self) -> bool:
        """Whether either end has asked for the end of the session."""
        return self._unbind_sent or self._unbind_request is not None

    @property
    def version(self) -> int:
        """The interface version both ends speak; 0x33 and lower must be sent no TLVs (3.4, 3.2.4)."""
        return min(self.bind.interface_version, VERSION_5_0) if self.bind else VERSION_3_4

    @property
    def window_free(self) -> int:
        """Requests that can be sent now without WindowFull; 0 when not bound or unbinding."""
        if self._state not in BOUND or self.is_unbinding:
            return 0
        return self.config.outbound_window - (len(self._pending) - self._own_pending)

    @property
    def unanswered(self) -> int:
        """The peer's requests that still want our response."""
        return self._inbound_count

    @property
    def unacknowledged(self) -> int:
        """Our requests that still want the peer's response, without bind, unbind and enquire_link."""
        return len(self._pending) - self._own_pending

    def may_request(self, command_id: int) -> bool:
        """Whether this end may send that request in this state (3.4, table 2-1)."""
        return may_send(self.role, command_id, self._state)

    def data_to_send(self) -> bytes:
        """The octets that are due, once."""
        if not self._out:
            return b""
        data = b"".join(self._out)
        self._out.clear()
        return data

    # ---- what the application sends

    def send_request(self, body: Body, now: float, context: Any = None) -> int:
        """Sends a request; `context` comes back with its response. Returns its sequence number.

        Raises LocalProtocolError when the state does not allow it, WindowFull, EncodeError.
        """
        own = isinstance(body, Bind | Unbind | EnquireLink | Outbind)
        self._check_request(body.COMMAND_ID, own)
        sequence_number = self._take_sequence_number()
        frame = encode_body(body, sequence_number)
        if isinstance(body, Bind):
            self.bind = body
        elif isinstance(body, Unbind):
            self._unbind_sent = True
        self._send(frame, sequence_number, body.COMMAND_ID, now, _OWN if own else context)
        if isinstance(body, Outbind):
            self._set_state(SessionState.OUTBOUND)
        return sequence_number

    def send_frame(self, frame: bytes, now: float, context: Any = None) -> int:
        """Sends a request that is already encoded, with our sequence number put in. For spliced messages."""
        command_id = int.from_bytes(frame[4:8], "big")
        self._check_request(command_id, False)
        sequence_number = self._take_sequence_number()
        self._send(set_sequence_number(frame, sequence_number), sequence_number, command_id, now, context)
        return sequence_number

    def send_response(self, sequence_number: int, body: Body, status: int = 0) -> None:
        """Answers the peer's request with that sequence number.

        Raises LocalProtocolError when no such request is open. After the end of the session it does nothing.
        """
        if self._state is SessionState.CLOSED:
            return
        frame = encode_body(body, sequence_number, status)
        self._settle(sequence_number)
        self._out.append(frame)
        if self._unbind_request is not None and not self._inbound_count:
            self._finish_unbind(self._unbind_request)

    def reject(self, request: Pdu, status: int) -> None:
        """Answers the peer's request with an error and no body."""
        response = RESPONSE_OF[request.command_id]
        self.send_response(request.sequence_number, response(), status)

    def accept_bind(self, system_id: bytes = b"", tlvs: Iterable[tuple[int, bytes]] = ()) -> None:
        """Answers the open bind request with success; Bound comes with the next events."""
        request = self._take_bind_request()
        assert isinstance(request.body, Bind)
        response = RESPONSE_OF[request.command_id]
        assert issubclass(response, BindResp)
        sent = list(tlvs)
        # 3.4, 4.1.2: sc_interface_version tells that we are 3.4 or later; an older ESME gets no TLVs.
        if request.body.interface_version >= VERSION_3_4:
            sent.insert(0, (Tag.SC_INTERFACE_VERSION, bytes((self.config.interface_version,))))
        else:
            sent.clear()
        self._out.append(encode_body(response(system_id, sent), request.sequence_number))
        self._set_state(BOUND_BY[request.command_id])
        self._queued.append(Bound(request, self._state))

    def refuse_bind(self, status: int) -> None:
        """Answers the open bind request with that error. The peer may try again, BIND_ATTEMPTS_MAX in all."""
        request = self._take_bind_request()
        self._out.append(encode_body(RESPONSE_OF[request.command_id](), request.sequence_number, status))
        self.bind = None
        self._binds_refused += 1
        if self._binds_refused >= BIND_ATTEMPTS_MAX:
            self._close("too many binds refused")

    def drain(self) -> None:
        """From here on the peer's requests are answered with a status that makes it try again later."""
        self._draining = True

    def unbind(self, now: float) -> None:
        """Begins an orderly end; does nothing if one has begun."""
        if self._state in BOUND and not self.is_unbinding:
            self.send_request(Unbind(), now)

    def terminate(self, reason: str) -> list[Event]:
        """Ends the session at once; the requests that got no response are handed over."""
        self._close(reason)
        return self._take_queued()

    # ---- what the shell feeds

    def receive_data(self, data: bytes, now: float) -> list[Event]:
        """Takes what was read from the connection. Never raises on what the peer sent."""
        if self._state is SessionState.CLOSED:
            return self._take_queued()
        self._last_received = now
        self._enquiring = False
        for frame in self._framer.feed(data):
            self._receive_frame(frame, now)
            if self.is_closed:
                break
        if self._framer.fatal is not None and not self.is_closed:
            # 3.4, 4.3: after an invalid command_length the rest of the stream cannot be trusted; where the
            # sequence number cannot be told the generic_nack bears 0.
            self._out.append(encode_body(GenericNack(), 0, Status.ESME_RINVCMDLEN))
            self._close(f"stream out of step: {self._framer.fatal}")
        return self._take_queued()

    def receive_eof(self, now: float) -> list[Event]:
        """The peer closed the connection, or it broke."""
        return self.terminate("closed by peer")

    def next_timer(self) -> float | None:
        """When handle_timer is due next, at once (0) when events wait; None when nothing does."""
        if self._queued:
            return 0.0
        if self._state is SessionState.CLOSED:
            return None
        config = self.config
        due: list[float] = []
        if self._state in BOUND:
            if config.enquire_link_s and not self._enquiring and not self.is_unbinding:
                due.append(self._last_received + config.enquire_link_s)
            if config.inactivity_s and not self.is_unbinding:
                due.append(self._last_transaction + config.inactivity_s)
        elif config.session_init_s and self._state is not SessionState.UNBOUND:
            due.append(self._opened_at + config.session_init_s)
        if self._unbind_request is not None:
            due.append(self._unbind_deadline)
        for request in self._pending.values():
            due.append(request.sent_at + config.response_s)
            break
        return min(due, default=None)

    def handle_timer(self, now: float) -> list[Event]:
        """Does what is due at `now`; harmless when nothing is."""
        if self._state is not SessionState.CLOSED:
            self._expire_requests(now)
        config = self.config
        if self._unbind_request is not None and now >= self._unbind_deadline:
            self._finish_unbind(self._unbind_request)
        elif self._state in BOUND and not self.is_unbinding:
            if config.inactivity_s and now >= self._last_transaction + config.inactivity_s:
                self.unbind(now)
            elif (
                config.enquire_link_s
                and not self._enquiring
                and now >= self._last_received + config.enquire_link_s
            ):
                self._enquiring = True
                self.send_request(EnquireLink(), now)
        elif (
            self._state in (SessionState.OPEN, SessionState.OUTBOUND)
            and config.session_init_s
            and now >= self._opened_at + config.session_init_s
        ):
            # 7.2, session_init_timer: an ESME that does not bind in time is disconnected.
            self._close("no bind in time")
        return self._take_queued()

    # ---- inside: the peer's PDUs

    def _receive_frame(self, frame: bytes, now: float) -> None:
        try:
            pdu = decode(frame)
        except PduError as error:
            self._receive_bad(error)
            return
        command_id = pdu.body.COMMAND_ID
        if command_id & RESPONSE_BIT:
            self._receive_response(pdu, now)
        elif self._state in BOUND and may_send(self._peer_role, command_id, self._state):
            self._receive_request(pdu, command_id, frame, now)
        else:
            self._receive_unbound(pdu, command_id)

    def _receive_request(self, pdu: Pdu, command_id: int, frame: bytes, now: float) -> None:
        """A request that the bound state allows."""
        sequence_number = pdu.sequence_number
        if command_id in _LINK_REQUESTS:
            if command_id == Id.ENQUIRE_LINK:
                self._out.append(encode_body(EnquireLinkResp(), sequence_number))
            else:
                self._receive_unbind(sequence_number, now)
        elif self._unbind_request is not None:
            # 3.4, 4.2: after unbind the sender sends no further request.
            self._refuse(pdu, Status.ESME_RINVBNDSTS, "request after unbind")
        elif command_id not in RESPONSE_OF:  # alert_notification
            self._last_transaction = now
            self._queued.append(RequestReceived(pdu, frame))
        elif self._draining or self._inbound_count >= self.config.inbound_window:
            self._out.append(encode_body(RESPONSE_OF[command_id](), sequence_number, _TRY_LATER[self.role]))
        else:
            self._last_transaction = now
            self._inbound[sequence_number] = self._inbound.get(sequence_number, 0) + 1
            self._inbound_count += 1
            self._queued.append(RequestReceived(pdu, frame))

    def _receive_unbound(self, pdu: Pdu, command_id: int) -> None:
        """A request in a state that does not take it, or that makes a session of a connection."""
        if command_id == Id.ENQUIRE_LINK:
            # 5.0, 2.4: enquire_link may be sent in every state.
            self._out.append(encode_body(EnquireLinkResp(), pdu.sequence_number))
        elif isinstance(pdu.body, Bind) and self.role == "mc":
            if self._state in BOUND or self._bind_request is not None:
                self._refuse(pdu, Status.ESME_RALYBND, "bind in a bound state")
            elif may_send("esme", command_id, self._state):
                self._bind_request = pdu
                self.bind = pdu.body
                self._queued.append(BindRequested(pdu))
            else:
                self._refuse(pdu, Status.ESME_RINVBNDSTS, "bind after unbind")
        elif command_id == Id.OUTBIND and may_send(self._peer_role, command_id, self._state):
            self._set_state(SessionState.OUTBOUND)
            self._queued.append(OutbindReceived(pdu))
        else:
            # 3.4, table 2-1 and 5.1.3: "incorrect BIND status for given command".
            self._refuse(pdu, Status.ESME_RINVBNDSTS, "not allowed in this state")

    def _receive_response(self, pdu: Pdu, now: float) -> None:
        request = self._pending.get(pdu.sequence_number)
        if request is None:
            # Late, doubled or never asked for: there is nobody to tell, and a response is never answered.
            log.debug("response to no open request", extra={"command_id": pdu.command_id})
            return
        command_id = pdu.command_id
        if command_id != request.command_id | RESPONSE_BIT and command_id != Id.GENERIC_NACK:
            self._response_malformed(request, "response to another kind of request")
            return
        del self._pending[pdu.sequence_number]
        if request.context is _OWN:
            self._own_pending -= 1
            self._receive_own_response(pdu, request.command_id)
        else:
            self._last_transaction = now
            self._queued.append(ResponseReceived(pdu, request))

    def _receive_own_response(self, pdu: Pdu, command_id: int) -> None:
        if command_id in BOUND_BY:
            if pdu.command_status or not isinstance(pdu.body, BindResp):
                self._queued.append(BindRefused(pdu.command_status or Status.ESME_RBINDFAIL))
                self._close("bind refused")
            else:
                self._set_state(BOUND_BY[command_id])
                self._queued.append(Bound(pdu, self._state))
        elif command_id == Id.UNBIND:
            self._set_state(SessionState.UNBOUND)
            self._queued.append(Unbound(by_peer=False))
            self._close("unbound")

    def _receive_unbind(self, sequence_number: int, now: float) -> None:
        self._queued.append(Unbound(by_peer=True))
        if self._inbound_count:
            # What we have taken is answered first: a peer that learned nothing would send it again.
            self._unbind_request = sequence_number
            self._unbind_deadline = now + self.config.response_s
        else:
            self._finish_unbind(sequence_number)

    def _receive_bad(self, error: PduError) -> None:
        if error.command_id & RESPONSE_BIT:
            request = self._pending.get(error.sequence_number)
            if request is not None:
                self._response_malformed(request, error.reason)
                return
        else:
            # 3.4, 3.2 and 4.3: a known request gets its own response with the status, else generic_nack.
            response = RESPONSE_OF.get(error.command_id, GenericNack)
            self._out.append(encode_body(response(), error.sequence_number, error.status))
        self._queued.append(BadPduReceived(error.status, error.command_id, error.reason))

    def _response_malformed(self, request: PendingRequest, reason: str) -> None:
        del self._pending[request.sequence_number]
        if request.context is _OWN:
            self._own_pending -= 1
            self._close(f"malformed response to {Id(request.command_id).name.lower()}")
        else:
            self._queued.append(ResponseMalformed(request, reason))

    def _refuse(self, pdu: Pdu, status: int, reason: str) -> None:
        response = RESPONSE_OF.get(pdu.command_id)
        if response is not None:
            self._out.append(encode_body(response(), pdu.sequence_number, status))
        self._queued.append(BadPduReceived(status, pdu.command_id, reason))

    # ---- inside: our own

    def _check_request(self, command_id: int, own: bool) -> None:
        if self.is_unbinding:
            raise LocalProtocolError("the session is unbinding")
        if not may_send(self.role, command_id, self._state):
            raise LocalProtocolError(f"command 0x{command_id:08X} in state {self._state.value}")
        if not own and len(self._pending) - self._own_pending >= self.config.outbound_window:
            raise WindowFull("the window is full")

    def _take_sequence_number(self) -> int:
        number = self._next_sequence
        # 3.4, 3.2: from 1 to 0x7FFFFFFF, then from 1 again.
        self._next_sequence = number + 1 if number < MAX_SEQUENCE_NUMBER else 1
        return number

    def _send(self, frame: bytes, sequence_number: int, command_id: int, now: float, context: Any) -> None:
        self._out.append(frame)
        if context is _OWN:
            if command_id == Id.OUTBIND:
                return
            self._own_pending += 1
        else:
            self._last_transaction = now
            if command_id == Id.ALERT_NOTIFICATION:
                return
        self._pending[sequence_number] = PendingRequest(sequence_number, command_id, context, now)

    def _settle(self, sequence_number: int) -> None:
        count = self._inbound.pop(sequence_number, 0)
        if not count:
            raise LocalProtocolError("no open request with that sequence number")
        if count > 1:
            self._inbound[sequence_number] = count - 1
        self._inbound_count -= 1

    def _take_bind_request(self) -> Pdu:
        request = self._bind_request
        if request is None or self._state is SessionState.CLOSED:
            raise LocalProtocolError("no bind request is open")
        self._bind_request = None
        return request

    def _expire_requests(self, now: float) -> None:
        expired: list[PendingRequest] = []
        for request in self._pending.values():
            if now < request.sent_at + self.config.response_s:
                break
            expired.append(request)
        gone: PendingRequest | None = None
        for request in expired:
            del self._pending[request.sequence_number]
            if request.context is not _OWN:
                self._queued.append(RequestTimedOut(request))
                continue
            self._own_pending -= 1
            # Any octet since then shows that the peer lives, so a lost enquire_link_resp alone ends nothing.
            if request.command_id != Id.ENQUIRE_LINK or self._last_received <= request.sent_at:
                gone = request
        if gone is not None:
            self._close(f"no response to {Id(gone.command_id).name.lower()}")

    def _finish_unbind(self, sequence_number: int) -> None:
        self._unbind_request = None
        self._out.append(encode_body(UnbindResp(), sequence_number))
        self._set_state(SessionState.UNBOUND)
        self._close("unbound by peer")

    def _close(self, reason: str) -> None:
        if self._state is SessionState.CLOSED:
            return
        lost = [request for request in self._pending.values() if request.context is not _OWN]
        self._pending.clear()
        self._own_pending = 0
        self._inbound.clear()
        self._inbound_count = 0
        self._bind_request = None
        self._unbind_request = None
        self._set_state(SessionState.CLOSED)
        self._queued.append(ConnectionMustClose(reason, lost))

    def _take_queued(self) -> list[Event]:
        events = self._queued
        if events:
            self._queued = []
        return events

    def _set_state(self, state: SessionState) -> None:
        log.debug("= %s: %s -> %s", self.role, self._state.value, state.value)
        self._state = state
