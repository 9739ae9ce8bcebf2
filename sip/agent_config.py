"""What a user agent is: its addresses, methods, extensions and caps."""

from __future__ import annotations

from dataclasses import dataclass, field

from sip.flow import Flow
from sip.session_timer import SESSION_EXPIRES_FLOOR
from sip.timers import TimerValues
from sip.transaction import TRANSACTIONS_MAX

CALLS_MAX = 10_000
"""Calls of one agent, all states; a further INVITE is answered 503."""
RING_MAX = 180.0
"""Seconds an INVITE may stay without final answer."""

DEFAULT_ALLOW = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO", "PRACK", "UPDATE")
RELIABILITY = ("no", "supported", "required")


@dataclass(slots=True, frozen=True)
class AgentConfig:
    """What an agent is. ``addresses`` stand in Via and Contact: what others reach it by, one for each transport
    and address family, the first for what has no better. An endpoint fills them in."""

    addresses: tuple[Flow, ...] = ()
    user: str = ""
    """User part of the Contact where a call states none."""
    user_agent: str | None = None
    """Value of User-Agent and Server; None sends neither."""
    allow: tuple[str, ...] = DEFAULT_ALLOW
    """Methods that are not answered 405; REGISTER outside a dialog always reaches the user. REFER, and NOTIFY
    for one who refers, only where the user handles them."""
    supported: tuple[str, ...] = ()
    """Option tags that the user handles; a request that requires another is answered 420. ``100rel`` and
    ``timer`` follow from the fields below."""
    tolerated: tuple[str, ...] = ()
    """Option tags that a request may require and that are not announced: the user judges each call by itself."""
    values: TimerValues = field(default_factory=TimerValues)
    calls_max: int = CALLS_MAX
    transactions_max: int = TRANSACTIONS_MAX
    ring_max: float = RING_MAX
    symmetric: bool = False
    """Keep a dialog's requests on the flow that made it, whatever its Contact says: peers behind NAT."""
    releases_strays: bool = False
    """End at once what answers an INVITE of an earlier run: ACK and BYE. It would ring, be taken, and be silent."""
    reliable_provisional: str = "no"
    """Provisional responses with PRACK (RFC 3262), of calls of which nothing else is said (``call.reliability``).
    ``no``: never, and a caller that requires them gets 420. ``supported``: offered to callees; towards callers
    that require them, and with a body towards callers that know them. ``required``: of callees and callers both;
    a caller without gets 421."""
    session_expires: int = 0
    """Seconds after which an answered call needs a refresh (RFC 4028); 0 uses no session timers."""
    min_se: int = SESSION_EXPIRES_FLOOR
    """Seconds; a shorter interval is answered 422."""

    def __post_init__(self) -> None:
        if self.reliable_provisional not in RELIABILITY:
            raise ValueError(f"reliable_provisional is none of {', '.join(RELIABILITY)}")
        if self.min_se < SESSION_EXPIRES_FLOOR:
            raise ValueError(f"min_se is below {SESSION_EXPIRES_FLOOR}")
        if self.session_expires and self.session_expires < self.min_se:
            raise ValueError("session_expires is below min_se")

    @property
    def option_tags(self) -> tuple[str, ...]:
        """All extensions that a request may require of this agent."""
        tags = self.supported
        if self.reliable_provisional != "no":
            tags = (*tags, "100rel")
        return (*tags, "timer") if self.session_expires else tags
