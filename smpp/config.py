"""What the owner of a session sets, with the caps of what may be set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from smpp.constants import VERSION_5_0

INBOUND_WINDOW_MAX: Final = 100_000
"""Upper bound of SessionConfig.inbound_window: each open request costs memory here and in the application."""
OUTBOUND_WINDOW_MAX: Final = 100_000
"""Upper bound of SessionConfig.outbound_window."""


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
    """What a message centre says in sc_interface_version."""

    def __post_init__(self) -> None:
        if not 1 <= self.outbound_window <= OUTBOUND_WINDOW_MAX:
            raise ValueError(f"outbound_window: 1 to {OUTBOUND_WINDOW_MAX}")
        if not 1 <= self.inbound_window <= INBOUND_WINDOW_MAX:
            raise ValueError(f"inbound_window: 1 to {INBOUND_WINDOW_MAX}")
        if min(self.session_init_s, self.enquire_link_s, self.inactivity_s) < 0 or self.response_s <= 0:
            raise ValueError("a timer is at least 0, response_s above 0")
