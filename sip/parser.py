"""Bytes to messages, strictly (RFC 3261 clause 25; verdicts of RFC 4475 and RFC 5118)."""

from __future__ import annotations

import re
from functools import lru_cache

from sip import headers as h
from sip.headers import KNOWN, LIST, SINGLE, TOKEN, HeaderError, parse_name_addr, split_list
from sip.message import Message, Request, Response
from sip.uri import CACHED_TEXT_MAX, SipUri, UriError, parse_uri

MESSAGE_MAX = 65_535
"""Octets of one message: what a datagram can carry; more is refused on a stream too."""
HEADER_FIELDS_MAX = 256
"""Header values in one message, list members counted each."""
NUMBERS_MAX = 1024
"""Values of Content-Length and Max-Forwards remembered, each."""
STATUS_LINES_MAX = 256
"""Status lines remembered."""

_FOLD = re.compile(r"[ \t]*\r\n[ \t]+")
_STATUS_LINE = re.compile(r"SIP/([0-9]+\.[0-9]+) ([0-9]+) (.*)", re.DOTALL | re.IGNORECASE | re.ASCII)
_USUAL_METHODS = frozenset(
    ("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "PRACK", "UPDATE", "INFO", "REFER", "NOTIFY")
)
_MANDATORY = ("From", "To", "Call-ID", "CSeq")


class SipParseError(ValueError):
    """The bytes are not a message that can be processed.

    ``reason`` is fit for a log and for the reason phrase. ``status`` is what RFC 4475 has a server answer.
    ``request`` holds the headers that could be salvaged, unparsed, or None when there is nothing to answer:
    the message is a response, an ACK, or lacks what a response must echo.
    """

    def __init__(self, reason: str, status: int = 400, request: Request | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.request = request


def parse(data: bytes, *, stream: bool = False) -> Request | Response:
    """One message from one datagram, or from one framed piece of a stream.

    On a datagram, octets past Content-Length are dropped and a missing Content-Length means the rest (18.3);
    on a stream both are errors.

    :raises SipParseError: always this and nothing else, whatever the bytes are.
    """
    if len(data) > MESSAGE_MAX:
        raise SipParseError("message too large", 513)
    head_bytes, blank, body = data.partition(b"\r\n\r\n")
    head = head_bytes.decode("utf-8", "surrogateescape")
    # RFC 3261 7.3.1: a line that begins with white space continues the one before.
    if "\r\n " in head or "\r\n\t" in head:
        head = _FOLD.sub(" ", head)
    lines = head.split("\r\n")
    breaks = len(lines) - 1
    has_bare_break = head.count("\n") != breaks or head.count("\r") != breaks
    message, problem = _parse_start(lines[0])
    del lines[0]
    if not blank:
        problem = problem or ("no end of headers", 400)
        if lines and not lines[-1]:
            lines.pop()
    content_length = None
    first: dict[str, str] = {}
    collected = message._headers
    known = KNOWN.get
    for line in lines:
        name, colon, value = line.partition(":")
        entry = known(name)
        if entry is None:
            name = name.rstrip(" \t")
            if not colon or not TOKEN.fullmatch(name):
                problem = problem or ("bad header line", 400)
                continue
            entry = known(name) or known(name.lower())
        value = value.strip(" \t")
        if has_bare_break and ("\n" in value or "\r" in value):
            problem = problem or ("bare line break in a header", 400)
            continue
        if entry is None:
            collected.append((name, value))
            continue
        name, kind = entry
        if kind == SINGLE:
            if name in first:
                # RFC 4475 3.3.8: several values where one is allowed.
                problem = problem or (f"{name} stands twice", 400)
                continue
            first[name] = value
            if name == "Content-Length":
                content_length = value
                continue
        else:
            first[name] = value
            if kind == LIST and "," in value:
                collected.extend([(name, member) for member in split_list(value)])
                continue
        collected.append((name, value))
    message._present = first
    if len(collected) > HEADER_FIELDS_MAX:
        problem = problem or ("too many headers", 400)
    if problem is None:
        problem = _check(message, first) or _take_body(message, body, content_length, stream)
    if problem is not None:
        raise SipParseError(problem[0], problem[1], _salvage(message))
    return message


Problem = tuple[str, int]


def _parse_start(line: str) -> tuple[Request | Response, Problem | None]:
    parts = line.split(" ")
    if len(parts) == 3 and parts[2] == "SIP/2.0" and not line.startswith("SIP/"):
        method, uri_text, _ = parts
        request = Request(method, _NO_URI)
        if method not in _USUAL_METHODS and not TOKEN.fullmatch(method):
            return request, ("bad method", 400)
        try:
            request.uri = uri = parse_uri(uri_text)
        except UriError as error:
            return request, (f"Request-URI: {error}", 400)
        # RFC 3261 19.1.1: headers are not allowed in a Request-URI (RFC 4475 3.1.2.11).
        if isinstance(uri, SipUri) and uri.headers:
            return request, ("Request-URI holds headers", 400)
        return request, None
    status_line = _status_line(line) if len(line) <= CACHED_TEXT_MAX else _parse_status_line(line)
    if status_line is not None:
        status, reason = status_line
        return Response(status, reason), None if status else ("bad status line", 400)
    if line[:4].upper() == "SIP/":
        return Response(0, ""), ("bad status line", 400)  # a response, however broken, is never answered
    request = Request(parts[0] if TOKEN.fullmatch(parts[0]) else "UNKNOWN", _NO_URI)
    # RFC 3261 21.5.6, RFC 4475 3.1.2.16: another version of the protocol.
    if (
        len(parts) == 3
        and re.fullmatch(r"SIP/[0-9]+\.[0-9]+", parts[2], re.IGNORECASE)
        and parts[2].upper() != "SIP/2.0"
    ):
        return request, ("version not supported", 505)
    if len(parts) == 3 and parts[2].upper() == "SIP/2.0":
        # RFC 3261 7.1: the version is case-insensitive, but must be sent in upper case.
        return _parse_start(f"{parts[0]} {parts[1]} SIP/2.0")
    return request, ("bad request line", 400)


def _parse_status_line(line: str) -> tuple[int, str] | None:
    """Status and reason; status 0 where it is a status line that cannot be right, None where it is none."""
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        return None
    version, status, reason = match.groups()
    bad = version != "2.0" or len(status) != 3 or "\n" in reason or "\r" in reason
    return 0 if bad or not 100 <= int(status) <= 699 else int(status), reason


_status_line = lru_cache(maxsize=STATUS_LINES_MAX)(_parse_status_line)

_NO_URI = SipUri(None, "invalid")


def _check(message: Request | Response, first: dict[str, str]) -> Problem | None:
    """``first``: what stands under each known name; where several do, one of them."""
    # RFC 3261 8.1.1: these must stand in every request; a response echoes five of them. Max-Forwards may be
    # missing: 2543 senders have none (RFC 3261 16.3 step 3).
    try:
        vias = message.vias
        for name in _MANDATORY:
            if name not in first:
                return f"{name} missing", 400
        if not vias:
            return "Via missing", 400
        # Each view is parsed here once and kept; a broken one raises. The order is that of the verdicts.
        message._from = parse_name_addr(first["From"], "From")
        message._to = parse_name_addr(first["To"], "To")
        message._call_id = h.parse_call_id(first["Call-ID"])
        if "Contact" in first:
            _ = message.contacts
        if "Record-Route" in first:
            _ = message.record_routes
        message._cseq = cseq = h.parse_cseq(first["CSeq"])
        if isinstance(message, Request):
            # RFC 3261 8.1.1.5, RFC 4475 3.1.2.17 and 18.
            if cseq.method != message.method:
                return "CSeq method differs from the request's", 400
            if "Max-Forwards" in first:
                _max_forwards(first["Max-Forwards"])
            if "Route" in first:
                _ = message.routes
    except HeaderError as error:
        return str(error), 400
    return None


@lru_cache(maxsize=NUMBERS_MAX)
def _max_forwards(text: str) -> int:
    return h.parse_number(text, "Max-Forwards", h.MAX_FORWARDS_MAX)


@lru_cache(maxsize=NUMBERS_MAX)
def _content_length(text: str) -> int:
    return h.parse_number(text, "Content-Length", MESSAGE_MAX)


def _take_body(message: Message, body: bytes, content_length: str | None, stream: bool) -> Problem | None:
    if content_length is None:
        if stream:
            # RFC 3261 20.14: on a stream it must be there.
            return "Content-Length missing", 400
        message.body = body
        return None
    try:
        length = _content_length(content_length)
    except HeaderError as error:
        return str(error), 400
    # RFC 3261 18.3: a datagram that ends before the body does is answered 400.
    if length > len(body) or (stream and length != len(body)):
        return "Content-Length differs from the body", 400
    message.body = body[:length]
    return None


def _salvage(message: Request | Response) -> Request | None:
    # An ACK is never answered; without Via there is no way back. What else is missing, the answer lacks too.
    if not isinstance(message, Request) or message.method == "ACK" or message.get("Via") is None:
        return None
    return message
