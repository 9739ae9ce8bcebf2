"""Session states and who may send what in which (3.4, 2.2 and table 2-1; 5.0, 2.3 and 2.4)."""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal

from smpp.constants import CommandId as Id
from smpp.constants import CommandStatus as Status
from smpp.pdu import RESPONSE_OF

Role = Literal["esme", "mc"]


class SessionState(Enum):
    """3.4, 2.2; OUTBOUND, UNBOUND and CLOSED as 5.0, 2.3 names them."""

    OPEN = "open"
    OUTBOUND = "outbound"
    BOUND_TX = "bound_tx"
    BOUND_RX = "bound_rx"
    BOUND_TRX = "bound_trx"
    UNBOUND = "unbound"
    CLOSED = "closed"


BOUND: Final = (SessionState.BOUND_TX, SessionState.BOUND_RX, SessionState.BOUND_TRX)

BOUND_BY: Final[dict[int, SessionState]] = {
    Id.BIND_TRANSMITTER: SessionState.BOUND_TX,
    Id.BIND_RECEIVER: SessionState.BOUND_RX,
    Id.BIND_TRANSCEIVER: SessionState.BOUND_TRX,
}
"""The state that a successful bind leads to."""

_UNBOUND_YET = (SessionState.OPEN, SessionState.OUTBOUND)
_TO_MC = (SessionState.BOUND_TX, SessionState.BOUND_TRX)
_TO_ESME = (SessionState.BOUND_RX, SessionState.BOUND_TRX)

# Table 2-1, requests only: a response may be sent wherever its request could be received.
_ALLOWED: Final[dict[Role, dict[int, tuple[SessionState, ...]]]] = {
    "esme": {
        Id.BIND_TRANSMITTER: _UNBOUND_YET,
        Id.BIND_RECEIVER: _UNBOUND_YET,
        Id.BIND_TRANSCEIVER: _UNBOUND_YET,
        Id.UNBIND: BOUND,
        Id.ENQUIRE_LINK: BOUND,
        Id.SUBMIT_SM: _TO_MC,
        Id.SUBMIT_MULTI: _TO_MC,
        Id.DATA_SM: _TO_MC,
        Id.QUERY_SM: _TO_MC,
        Id.CANCEL_SM: _TO_MC,
        Id.REPLACE_SM: _TO_MC,
        Id.BROADCAST_SM: _TO_MC,
        Id.QUERY_BROADCAST_SM: _TO_MC,
        Id.CANCEL_BROADCAST_SM: _TO_MC,
    },
    "mc": {
        Id.OUTBIND: (SessionState.OPEN,),
        Id.UNBIND: BOUND,
        Id.ENQUIRE_LINK: BOUND,
        Id.DELIVER_SM: _TO_ESME,
        Id.DATA_SM: _TO_ESME,
        Id.ALERT_NOTIFICATION: _TO_ESME,
    },
}


SENT_IN: Final[dict[tuple[Role, SessionState], frozenset[int]]] = {
    (role, state): frozenset(int(command) for command, states in table.items() if state in states)
    for role, table in _ALLOWED.items()
    for state in SessionState
}
"""The requests that an end may send in a state: the same table, turned for the session's own look-ups."""


TRY_LATER: Final[dict[Role, int]] = {"mc": Status.ESME_RTHROTTLED, "esme": Status.ESME_RX_T_APPN}
"""The status by which each end tells the other to come back later (5.1.3)."""

MESSAGE_RESP: Final[dict[Role, int]] = {"mc": int(Id.SUBMIT_SM_RESP), "esme": int(Id.DELIVER_SM_RESP)}
"""What each end answers most."""

MESSAGE: Final[dict[Role, int]] = {"mc": int(Id.DELIVER_SM), "esme": int(Id.SUBMIT_SM)}
"""What each end sends most."""

_LINK_REQUESTS: Final = frozenset({int(Id.ENQUIRE_LINK), int(Id.UNBIND)})
"""Requests in a bound state that the session answers by itself."""


def requests_taken(role: Role, state: SessionState, refused: frozenset[int]) -> frozenset[int]:
    """The peer's requests that go to the application of that end and want its response."""
    if state not in BOUND:
        return frozenset()
    sent = SENT_IN["mc" if role == "esme" else "esme", state]
    return frozenset(sent & RESPONSE_OF.keys()) - _LINK_REQUESTS - refused


def may_send(role: Role, command_id: int, state: SessionState) -> bool:
    """Whether that end may send that request in that state."""
    return command_id in SENT_IN[role, state]
