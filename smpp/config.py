"""What the owner of a session sets, with the caps of what may be set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from smpp.constants import VERSION_3_4, VERSION_5_0, CommandId

INBOUND_WINDOW_MAX: Final = 100_000
"""Upper bound of SessionConfig.inbound_window: each open request costs memory here and in the application."""
OUTBOUND_WINDOW_MAX: Final = 100_000
"""Upper bound of SessionConfig.outbound_window."""

BROADCAST: Final = frozenset(
    {CommandId.BROADCAST_SM, CommandId.QUERY_BROADCAST_SM, CommandId.CANCEL_BROADCAST_SM}
)
"""5.0's cell broadcast: a service of the radio network, which few message centres provide."""


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """Timers (3.4, 7.2) in seconds, 0 switches one off; windows in PDUs."""

    session_init_s: float = 10.0
    """From connection to a successful bind."""
    enquire_link_s: float = 30.0
    """Silence after which we send enquire_link."""
    inactivity_s: float = 0.0
    """Without a request other than enquire_link for so long, the session is unbound."""
    response_s: float = 10.0
    """From a request of ours to its response."""
    outbound_window: int = 100
    """Requests of ours that may be unanswered."""
    inbound_window: int = 1000
    """Requests of the peer that may be unanswered; one more is answered ESME_RTHROTTLED."""
    interface_version: int = VERSION_5_0
    """What a message centre says in sc_interface_version, and the highest version that is spoken."""
    silent_version: int = VERSION_3_4
    """What an ESME takes a message centre for that sends no sc_interface_version. By the letter of 3.4, 3.4
    it is one that takes no TLVs (0x33); in the field most that take them are silent too."""
    in_bulk: bool = False
    """Whether messages and plain answers to ours come as MessagesReceived, one event for many, in place of a
    RequestReceived or ResponseReceived each: for who has thousands a second."""
    not_provided: frozenset[int] = BROADCAST
    """Requests that a message centre refuses by itself, with ESME_RINVCMDID in their own response."""

    def __post_init__(self) -> None:
        if not 1 <= self.outbound_window <= OUTBOUND_WINDOW_MAX:
            raise ValueError(f"outbound_window: 1 to {OUTBOUND_WINDOW_MAX}")
        if not 1 <= self.inbound_window <= INBOUND_WINDOW_MAX:
            raise ValueError(f"inbound_window: 1 to {INBOUND_WINDOW_MAX}")
        if min(self.session_init_s, self.enquire_link_s, self.inactivity_s) < 0 or self.response_s <= 0:
            raise ValueError("a timer is at least 0, response_s above 0")
