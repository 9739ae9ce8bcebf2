"""How far a request may go, and whether it has come round (RFC 3261 8.1.1.6, RFC 5393)."""

from __future__ import annotations

from sip.headers import HeaderError
from sip.message import DEFAULT_MAX_FORWARDS, Request


def next_max_forwards(request: Request) -> int | None:
    """Max-Forwards of the request that one who passes this one on sends; None: none is left, answer 483.

    A back-to-back user agent is the end of a request and the start of another, but two of them that point at
    each other call for ever unless the hops are counted across (RFC 7332 for the same reason). A request
    without the header counts as a fresh one (RFC 3261 16.6 step 3); so does a value that is no number.
    """
    try:
        left = request.max_forwards
    except HeaderError:
        left = None
    if left is None:
        return DEFAULT_MAX_FORWARDS
    # More than our own start is no more than our own start: 255 hops serve nobody.
    return None if left <= 0 else min(left, DEFAULT_MAX_FORWARDS + 1) - 1
