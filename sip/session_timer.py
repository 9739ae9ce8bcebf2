"""Session timers (RFC 4028): how long a session may go without refresh, and who refreshes. Pure decisions; the
call arms the timers."""

from __future__ import annotations

from typing import NamedTuple

from sip.extensions import SessionExpires, minimum_expires, session_expires
from sip.headers import HeaderError
from sip.message import Request, Response

SESSION_EXPIRES_FLOOR = 90
"""RFC 4028 4: no session interval is shorter; seconds."""
SESSION_EXPIRES_MAX = 86_400
"""Seconds; a longer interval that a peer names is taken as this one."""
INTERVAL_REFUSALS_MAX = 3
"""How often one request is sent again after 422."""


class Agreed(NamedTuple):
    """What a session's two sides agreed on: ``interval`` in seconds, and whether the refreshing is ours."""

    interval: int
    ours: bool

    @property
    def refresh_after(self) -> float:
        """RFC 4028 7.2: the refresher refreshes when half the interval is gone."""
        return self.interval / 2

    @property
    def ends_after(self) -> float:
        """RFC 4028 10: who waits for a refresh gives up a third of the interval, at most 32 s, before its end.
        The refresher holds out to the end, in case its last attempt is answered."""
        return float(self.interval) if self.ours else self.interval - min(32.0, self.interval / 3)


def request_headers(interval: int, minimum: int, refresher: str | None = None) -> list[tuple[str, object]]:
    """What an INVITE or UPDATE says (RFC 4028 7.1, 7.4)."""
    headers: list[tuple[str, object]] = [("Session-Expires", SessionExpires(interval, refresher))]
    if minimum > SESSION_EXPIRES_FLOOR:
        headers.append(("Min-SE", minimum))
    return headers


def too_small(request: Request, minimum: int) -> bool:
    """The interval asked for is to be refused with 422 and our Min-SE (RFC 4028 9): it is below our minimum and
    the sender can ask anew, knowing the extension. Broken values count as too small."""
    try:
        asked = session_expires(request)
    except HeaderError:
        return True
    return asked is not None and asked.seconds < minimum and "timer" in request.supported


def answer(request: Request, interval: int, minimum: int) -> tuple[Agreed, list[tuple[str, object]]]:
    """What the callee takes, with the headers of its 2xx (RFC 4028 9).

    ``interval`` and ``minimum`` are ours in seconds. Never above what the caller asked, never below anybody's
    minimum.
    """
    knows = "timer" in request.supported
    try:
        asked, lowest = session_expires(request), minimum_expires(request)
    except HeaderError:
        asked, lowest = None, 0
    if asked is not None:
        interval = min(interval, asked.seconds)
    interval = min(max(interval, lowest, minimum), SESSION_EXPIRES_MAX)
    # Table 2: the caller's word holds if it knows the extension; if not, only we can refresh.
    refresher = ((asked.refresher if asked is not None else None) or "uac") if knows else "uas"
    headers: list[tuple[str, object]] = [("Session-Expires", SessionExpires(interval, refresher))]
    if refresher == "uac":
        headers.append(("Require", "timer"))
    return Agreed(interval, refresher == "uas"), headers


def agreed(response: Response, interval: int) -> Agreed:
    """What the caller takes from a 2xx (RFC 4028 7.2). A callee that does not know the extension leaves the
    refreshing to us, at our own ``interval``: that is how a peer that vanished is noticed."""
    try:
        given = session_expires(response)
    except HeaderError:
        given = None
    if given is None:
        return Agreed(interval, True)
    seconds = min(max(given.seconds, SESSION_EXPIRES_FLOOR), SESSION_EXPIRES_MAX)
    return Agreed(seconds, given.refresher != "uas")


def raised(response: Response, interval: int) -> int | None:
    """The interval to ask for after this 422 (RFC 4028 7.3): its Min-SE. None where that says nothing new."""
    try:
        minimum = minimum_expires(response)
    except HeaderError:
        return None
    return minimum if interval < minimum <= SESSION_EXPIRES_MAX else None
