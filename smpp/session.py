"""One SMPP session without I/O: octets and `now` in, events and octets to send out.

Either end: `role` says whose state machine this is, "esme" or "mc" (message centre). All times are
monotonic float seconds. The contract: feed `receive_data`, `receive_eof` and `handle_timer`; after each call
send `data_to_send()`, act on the events, and call `handle_timer` at `next_timer()`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any, Final

from smpp.bulk import Bulk
from smpp.codec import Framer, PduError, decode, encode_body
from smpp.config import SessionConfig as SessionConfig
from smpp.constants import RESPONSE_BIT, Tag
from smpp.constants import CommandId as Id
from smpp.constants import CommandStatus as Status
from smpp.errors import LocalProtocolError as LocalProtocolError
from smpp.errors import WindowFull as WindowFull
from smpp.events import (
    BadPduReceived,
    BindRefused,
    BindRequested,
    Bound,
    ConnectionMustClose,
    Event,
    MessagesReceived,
    OutbindReceived,
    PendingRequest,
    RequestReceived,
    RequestTimedOut,
    ResponseMalformed,
    ResponseReceived,
    Unbound,
)
from smpp.handshake import BIND_ATTEMPTS_MAX, Handshake
from smpp.incoming import Incoming
from smpp.liveness import Due, Liveness, stage_of
from smpp.outgoing import OWN, Outgoing
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
    tlv,
)
from smpp.splice import set_sequence_number
from smpp.states import (
    BOUND,
    BOUND_BY,
    MESSAGE_RESP,
    SENT_IN,
    TRY_LATER,
    Role,
    SessionState,
    may_send,
    requests_taken,
)
from smpp.versions import CONGESTION_MAX, Dialect

log = logging.getLogger(__name__)

_NOTHING: Final[frozenset[int]] = frozenset()


class Session:
    """The state machine of one connection, from accept or connect to close."""

    def __init__(self, role: Role, config: SessionConfig, now: float) -> None:
        self.role = role
        self.config = config
        self.peer_congestion: int | None = None
        """congestion_state in the peer's last response that told it, 0 to 100 (5.0, 4.8.4.18)."""
        self.unexpected_responses = 0
        """Responses that answered nothing of ours: late, doubled or never asked for."""
        self._peer_role: Role = "mc" if role == "esme" else "esme"
        self._state = SessionState.OPEN
        self._sends = SENT_IN[role, SessionState.OPEN]
        self._taken = _NOTHING
        """The peer's requests that go to the application now."""
        self._framer = Framer()
        self._out: list[bytes] = []
        self._outgoing = Outgoing(config.response_s)
        self._incoming = Incoming()
        self._live = Liveness(config, now)
        self._dialect = Dialect()
        self._handshake = Handshake(config, self._dialect)
        self._bulk = Bulk(role, self._incoming, self._outgoing, self._dialect)
        self._unbind_request: int | None = None
        self._unbind_deadline = 0.0
        self._unbind_sent = False
        self._draining = False
        self._queued: list[Event] = []

    # ---- what the shell reads

    @property
    def state(self) -> SessionState:
        return self._state

    @property
    def bind(self) -> Bind | None:
        """The bind that is asked or made; its system_id is who the ESME says it is."""
        return self._handshake.bind

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
        """The interface version both ends speak, once bound; one below 0x34 is sent no TLVs (3.4, 3.4)."""
        return self._dialect.version

    @property
    def window_free(self) -> int:
        """Requests that can be sent now without WindowFull; 0 when not bound or unbinding."""
        if self._state not in BOUND or self.is_unbinding:
            return 0
        return self.config.outbound_window - self._outgoing.unacknowledged

    @property
    def unanswered(self) -> int:
        """The peer's requests that still want our response."""
        return self._incoming.count

    @property
    def unacknowledged(self) -> int:
        """Our requests that still want the peer's response, without bind, unbind and enquire_link."""
        return self._outgoing.unacknowledged

    def data_to_send(self) -> bytes:
        """The octets that are due, once."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def configure(self, config: SessionConfig) -> None:
        """Other timers and windows from now on, for what is open too: a message centre learns with the bind
        whose session it is. Ask `next_timer` afterwards."""
        self.config = config
        self._outgoing.response_s = config.response_s
        self._live.config = config

    # ---- what the application sends

    @property
    def congestion_state(self) -> int | None:
        """How busy we are, 0 (idle) to 100 (congested): told in every response to a peer of version 5.0
        (5.0, 4.8.4.18). None tells nothing."""
        return self._dialect.congestion

    @congestion_state.setter
    def congestion_state(self, state: int | None) -> None:
        self._dialect.congestion = state

    def send_request(self, body: Body, now: float, context: Any = None, done: Any = None) -> int:
        """Sends a request; `context` comes back with its response. Returns its sequence number.

        Raises LocalProtocolError when the state does not allow it, WindowFull, EncodeError.
        """
        own = isinstance(body, Bind | Unbind | EnquireLink | Outbind)
        self._check_request(body.COMMAND_ID, own)
        body = self._dialect.request(body)
        sequence_number = self._outgoing.take_sequence_number()
        frame = encode_body(body, sequence_number)
        if isinstance(body, Bind):
            self._handshake.bind = body
        self._out.append(frame)
        if isinstance(body, Outbind):
            self._set_state(SessionState.OUTBOUND)  # outbind has no response
            return sequence_number
        self._expect(sequence_number, body.COMMAND_ID, now, OWN if own else context, done)
        if isinstance(body, Unbind):
            self._unbind_sent = True
        return sequence_number

    def send_frame(self, frame: bytes, now: float, context: Any = None, done: Any = None) -> int:
        """Sends a request that is already encoded, with our sequence number put in. For spliced messages."""
        command_id = int.from_bytes(frame[4:8], "big")
        self._check_request(command_id, False)
        frame = self._dialect.frame(frame, command_id)
        sequence_number = self._outgoing.take_sequence_number()
        self._out.append(set_sequence_number(frame, sequence_number))
        self._expect(sequence_number, command_id, now, context, done)
        return sequence_number

    def send_messages(self, messages: Sequence[tuple[bytes, Any]], now: float) -> int:
        """As `send_frame` for (frame, context) of each, as many as the window takes; returns how many. All are
        submit_sm from an ESME, deliver_sm from a message centre.

        Raises LocalProtocolError, and EncodeError when this peer cannot be sent the first.
        """
        room = self.config.outbound_window - self._outgoing.unacknowledged
        if room <= 0:
            return 0
        self._check_request(self._bulk.sends, False)
        sent = self._bulk.send(messages[:room], now, self._out)
        self._live.last_transaction = now
        return sent

    def send_response(self, sequence_number: int, body: Body, status: int = 0) -> None:
        """Answers the peer's request with that sequence number.

        Raises LocalProtocolError when no such request is open. After the end of the session it does nothing.
        """
        if self._state is SessionState.CLOSED:
            return
        self._answer(sequence_number, self._dialect.response(body, sequence_number, status))

    def send_message_response(
        self, sequence_number: int, message_id: bytes = b"", command_id: int | None = None
    ) -> None:
        """Answers with success and a message_id: submit_sm_resp of a message centre, deliver_sm_resp of an
        ESME, or another such response by its `command_id`. As `send_response`, in less time."""
        if self._state is SessionState.CLOSED:
            return
        if command_id is None:
            command_id = MESSAGE_RESP[self.role]
        self._answer(sequence_number, self._dialect.message_response(command_id, sequence_number, message_id))

    def send_message_responses(self, answers: Sequence[tuple[int, bytes]]) -> None:
        """As `send_message_response` for (sequence number, message_id) of each."""
        if self._state is SessionState.CLOSED:
            return
        self._bulk.answer(answers, self._out)
        self._unbind_if_settled()

    def reject(self, request: Pdu, status: int) -> None:
        """Answers the peer's request with an error and no body."""
        self.reject_request(request.sequence_number, request.command_id, status)

    def reject_request(self, sequence_number: int, command_id: int, status: int) -> None:
        """As `reject`, for a request known by its sequence number and command_id."""
        self.send_response(sequence_number, RESPONSE_OF[command_id](), status)

    def accept_bind(self, system_id: bytes = b"", tlvs: Iterable[tuple[int, bytes]] = ()) -> None:
        """Answers the open bind request with success; Bound comes with the next events."""
        request, frame = self._handshake.accept(system_id, tlvs)
        self._out.append(frame)
        self._set_state(BOUND_BY[request.command_id])
        self._queued.append(Bound(request, self._state))

    def refuse_bind(self, status: int) -> None:
        """Answers the open bind request with that error. The peer may try again, BIND_ATTEMPTS_MAX in all."""
        self._out.append(self._handshake.refuse(status))
        if self._handshake.refused >= BIND_ATTEMPTS_MAX:
            self._close("too many binds refused")

    def drain(self) -> None:
        """From here on the peer's requests are answered with a status that makes it try again later."""
        self._draining = True
        self._taken = _NOTHING

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
        live = self._live
        live.last_received = now
        live.enquiring = False
        incoming = self._incoming
        unanswered = incoming.open
        window = self.config.inbound_window
        queued = self._queued
        bulk = MessagesReceived([], []) if self.config.in_bulk else None
        message, take = self._bulk.takes, self._bulk.take
        for frame in self._framer.feed(data):
            if bulk is not None:
                if take(frame, bulk, window if message in self._taken else 0):
                    live.last_transaction = now
                    continue
                if bulk.requests or bulk.responses:
                    # In the order in which they came.
                    queued.append(bulk)
                    bulk = MessagesReceived([], [])
            try:
                pdu = decode(frame)
            except PduError as error:
                self._receive_bad(error)
            else:
                command_id = pdu.body.COMMAND_ID
                if command_id in self._taken and incoming.count < window:
                    # What all the rest is for: straight on.
                    sequence_number = pdu.sequence_number
                    unanswered[sequence_number] = unanswered.get(sequence_number, 0) + 1
                    incoming.count += 1
                    live.last_transaction = now
                    queued.append(RequestReceived(pdu, frame))
                    continue
                if command_id & RESPONSE_BIT:
                    self._receive_response(pdu, now)
                else:
                    self._receive_request(pdu, frame, now)
            if self.is_closed:
                break
        if bulk is not None and (bulk.requests or bulk.responses):
            queued.append(bulk)
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
        # By hand: it is asked after each read of a socket, and lists and a generator take twice as long (1.1 us).
        due = self._live.next_due(stage_of(self._state, self.is_unbinding))
        answer = self._outgoing.next_due()
        if answer is not None and (due is None or answer < due):
            due = answer
        if self._unbind_request is not None and (due is None or self._unbind_deadline < due):
            due = self._unbind_deadline
        return due

    def handle_timer(self, now: float) -> list[Event]:
        """Does what is due at `now`; harmless when nothing is."""
        if self._state is not SessionState.CLOSED:
            self._expire_requests(now)
        if self._unbind_request is not None and now >= self._unbind_deadline:
            self._finish_unbind(self._unbind_request)
        match self._live.due(stage_of(self._state, self.is_unbinding), now):
            case Due.ENQUIRE:
                self.send_request(EnquireLink(), now)
            case Due.UNBIND:
                self.unbind(now)
            case Due.GIVE_UP:
                self._close("no bind in time")
        return self._take_queued()

    # ---- inside: the peer's PDUs

    def _receive_request(self, pdu: Pdu, frame: bytes, now: float) -> None:
        """A request that does not simply go to the application."""
        command_id, sequence_number = pdu.command_id, pdu.sequence_number
        if command_id == Id.ENQUIRE_LINK:
            # 5.0, 4.1.2: it may be sent in every state.
            self._out.append(self._dialect.response(EnquireLinkResp(), sequence_number))
        elif self._state not in BOUND or not may_send(self._peer_role, command_id, self._state):
            self._receive_out_of_state(pdu, command_id)
        elif command_id == Id.UNBIND:
            self._receive_unbind(sequence_number, now)
        elif self._unbind_request is not None:
            # 3.4, 4.2: after unbind the sender sends no further request.
            self._refuse(pdu, Status.ESME_RINVBNDSTS, "request after unbind")
        elif command_id not in RESPONSE_OF:  # alert_notification
            self._live.last_transaction = now
            self._queued.append(RequestReceived(pdu, frame))
        elif self.role == "mc" and command_id in self.config.not_provided:
            self._refuse(pdu, Status.ESME_RINVCMDID, "not provided")
        else:
            # Draining, or the window is full.
            later = RESPONSE_OF[command_id]()
            self._out.append(self._dialect.response(later, sequence_number, TRY_LATER[self.role]))

    def _receive_out_of_state(self, pdu: Pdu, command_id: int) -> None:
        """A request in a state that does not take it, or that makes a session of a connection."""
        if isinstance(pdu.body, Bind) and self.role == "mc":
            if self._state in BOUND or self._handshake.request is not None:
                self._refuse(pdu, Status.ESME_RALYBND, "bind in a bound state")
            elif may_send("esme", command_id, self._state):
                self._handshake.ask(pdu, pdu.body)
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
        request = self._outgoing.take(pdu.sequence_number)
        if request is None:
            # There is nobody to tell, and a response is never answered.
            self.unexpected_responses += 1
            return
        body = pdu.body
        if request.command_id != body.COMMAND_ID - RESPONSE_BIT and body.COMMAND_ID != Id.GENERIC_NACK:
            self._response_malformed(request, "response to another kind of request")
            return
        if body.tlvs:
            told = tlv(body, Tag.CONGESTION_STATE)
            if told:
                self.peer_congestion = min(told[0], CONGESTION_MAX)
        if request.context is OWN:
            self._receive_own_response(pdu, request.command_id)
        else:
            self._live.last_transaction = now
            self._queued.append(ResponseReceived(pdu, request))

    def _receive_own_response(self, pdu: Pdu, command_id: int) -> None:
        if command_id in BOUND_BY:
            if pdu.command_status or not isinstance(pdu.body, BindResp):
                self._queued.append(BindRefused(pdu.command_status or Status.ESME_RBINDFAIL))
                self._close("bind refused")
            else:
                self._handshake.answered(pdu.body)
                self._set_state(BOUND_BY[command_id])
                self._queued.append(Bound(pdu, self._state))
        elif command_id == Id.UNBIND:
            self._set_state(SessionState.UNBOUND)
            self._queued.append(Unbound(by_peer=False))
            self._close("unbound")

    def _receive_unbind(self, sequence_number: int, now: float) -> None:
        self._queued.append(Unbound(by_peer=True))
        if self._incoming.count:
            # What we have taken is answered first: a peer that learned nothing would send it again.
            self._unbind_request = sequence_number
            self._unbind_deadline = now + self.config.response_s
            self._taken = _NOTHING
        else:
            self._finish_unbind(sequence_number)

    def _receive_bad(self, error: PduError) -> None:
        if error.command_id & RESPONSE_BIT:
            request = self._outgoing.take(error.sequence_number)
            if request is not None:
                self._response_malformed(request, error.reason)
                return
        else:
            # 3.4, 3.2 and 4.3: a known request gets its own response with the status, else generic_nack.
            response = RESPONSE_OF.get(error.command_id, GenericNack)
            self._out.append(encode_body(response(), error.sequence_number, error.status))
        self._queued.append(BadPduReceived(error.status, error.command_id, error.reason))

    def _response_malformed(self, request: PendingRequest, reason: str) -> None:
        if request.context is OWN:
            self._close(f"malformed response to {Id(request.command_id).name.lower()}")
        else:
            self._queued.append(ResponseMalformed(request, reason))

    def _refuse(self, pdu: Pdu, status: int, reason: str) -> None:
        # 3.4, 4.3: outbind and alert_notification have no response of their own.
        response = RESPONSE_OF.get(pdu.command_id, GenericNack)
        self._out.append(encode_body(response(), pdu.sequence_number, status))
        self._queued.append(BadPduReceived(status, pdu.command_id, reason))

    # ---- inside: our own

    def _check_request(self, command_id: int, own: bool) -> None:
        if command_id not in self._sends or self._unbind_sent or self._unbind_request is not None:
            if self.is_unbinding:
                raise LocalProtocolError("the session is unbinding")
            raise LocalProtocolError(f"command 0x{command_id:08X} in state {self._state.value}")
        if not own and self._outgoing.unacknowledged >= self.config.outbound_window:
            raise WindowFull("the window is full")

    def _expect(self, sequence_number: int, command_id: int, now: float, context: Any, done: Any) -> None:
        if context is not OWN:
            self._live.last_transaction = now
            if command_id == Id.ALERT_NOTIFICATION:
                return
        self._outgoing.add(sequence_number, command_id, context, now, done)

    def _answer(self, sequence_number: int, frame: bytes) -> None:
        if not self._incoming.settle(sequence_number):
            raise LocalProtocolError("no open request with that sequence number")
        self._out.append(frame)
        self._unbind_if_settled()

    def _unbind_if_settled(self) -> None:
        if self._unbind_request is not None and not self._incoming.count:
            self._finish_unbind(self._unbind_request)

    def _expire_requests(self, now: float) -> None:
        gone: PendingRequest | None = None
        for request in self._outgoing.take_expired(now):
            if request.context is not OWN:
                self._queued.append(RequestTimedOut(request))
            # Any octet since then shows that the peer lives, so a lost enquire_link_resp alone ends nothing.
            elif request.command_id != Id.ENQUIRE_LINK or self._live.last_received <= request.sent_at:
                gone = request
        if gone is not None:
            self._close(f"no response to {Id(gone.command_id).name.lower()}")

    def _finish_unbind(self, sequence_number: int) -> None:
        self._unbind_request = None
        self._out.append(self._dialect.response(UnbindResp(), sequence_number))
        self._set_state(SessionState.UNBOUND)
        self._close("unbound by peer")

    def _close(self, reason: str) -> None:
        if self._state is SessionState.CLOSED:
            return
        lost = self._outgoing.take_all()
        self._incoming.clear()
        self._handshake.request = None
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
        self._sends = SENT_IN[self.role, state]
        refused = self.config.not_provided if self.role == "mc" else _NOTHING
        self._taken = _NOTHING if self._draining else requests_taken(self.role, state, refused)
