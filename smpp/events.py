"""What a session tells its owner. Each event has happened; a docstring a field says what it carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from smpp.pdu import Body, Pdu
from smpp.states import SessionState


@dataclass(slots=True)
class PendingRequest:
    """A request of ours that has no response yet."""

    sequence_number: int
    command_id: int
    context: Any
    """What was given to send_request."""
    sent_at: float
    done: Any = None
    """The shell's: who hears the outcome in place of the event."""


@dataclass(slots=True)
class Event:
    """Base of all events."""


@dataclass(slots=True)
class OutbindReceived(Event):
    """The message centre asks us to bind (3.4, 2.2.1)."""

    pdu: Pdu


@dataclass(slots=True)
class BindRequested(Event):
    """An ESME asks to bind: answer with accept_bind or refuse_bind."""

    pdu: Pdu


@dataclass(slots=True)
class Bound(Event):
    """The session is bound. `pdu` is the bind at the message centre, the bind response at the ESME."""

    pdu: Pdu
    state: SessionState


@dataclass(slots=True)
class BindRefused(Event):
    """The message centre refused our bind; ConnectionMustClose follows."""

    status: int


@dataclass(slots=True)
class RequestReceived(Event):
    """A request that the state allows and the window takes. All but alert_notification want a response."""

    pdu: Pdu
    frame: bytes
    """The PDU's octets as they came."""


@dataclass(slots=True)
class ResponseReceived(Event):
    """The response to a request of ours: look at command_status; the body may be GenericNack."""

    pdu: Pdu
    request: PendingRequest


@dataclass(slots=True)
class MessagesReceived(Event):
    """Under SessionConfig.in_bulk: messages, and answers to ours, that came one after the other in one read."""

    requests: list[tuple[int, Body, bytes]]
    """(sequence number, body, octets) of submit_sm at a message centre, of deliver_sm at an ESME. Each wants a
    response."""
    responses: list[tuple[Any, int, bytes]]
    """(context, command_status, message_id) of answers to messages of ours that bore no TLV."""


@dataclass(slots=True)
class ResponseMalformed(Event):
    """The response to a request of ours could not be read: what became of the request is not known."""

    request: PendingRequest
    reason: str


@dataclass(slots=True)
class RequestTimedOut(Event):
    """No response within response_s: what became of the request is not known."""

    request: PendingRequest


@dataclass(slots=True)
class BadPduReceived(Event):
    """A PDU was refused by the codec or by the session's state, and already answered where it can be."""

    status: int
    command_id: int
    reason: str


@dataclass(slots=True)
class Unbound(Event):
    """No request will be taken any more; ConnectionMustClose follows."""

    by_peer: bool


@dataclass(slots=True)
class ConnectionMustClose(Event):
    """The last event, exactly once: send what is due, then close the connection."""

    reason: str
    lost: list[PendingRequest]
    """Requests of ours that will get no response and were not told before."""
