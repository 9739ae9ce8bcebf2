"""Bytes to messages, strictly (RFC 3261 clause 25; verdicts of RFC 4475 and RFC 5118)."""

from __future__ import annotations

import re

from sip import headers as h
from sip.headers import KNOWN, LIST, SINGLE, TOKEN, HeaderError, split_list
from sip.message import Message, Request, Response
from sip.uri import SipUri, UriError, parse_uri

MESSAGE_MAX = 65_535
"""Octets of one message: what a datagram can carry; more is refused on a stream too."""
HEADER_FIELDS_MAX = 256
"""Header values in one message, list members counted each."""

_FOLD = re.compile(r"[ \t]*\r\n[ \t]+")
_STATUS_LINE = re.compile(r"SIP/([0-9]+\.[0-9]+) ([0-9]+) (.*)", re.DOTALL | re.IGNORECASE | re.ASCII)
_MANDATORY = ("Via", "From", "To", "Call-ID", "CSeq")


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
    start, *lines = head.split("\r\n")
    message, problem = _parse_start(start)
    if not blank:
        problem = problem or ("no end of headers", 400)
        if lines and not lines[-1]:
            lines.pop()
    content_length = None
    seen: set[str] = set()
    collected = message._headers
    for line in lines:
        name, colon, value = line.partition(":")
        entry = KNOWN.get(name)
        if entry is None:
            name = name.rstrip(" \t")
            if not colon or not TOKEN.fullmatch(name):
                problem = problem or ("bad header line", 400)
                continue
            entry = KNOWN.get(name) or KNOWN.get(name.lower())
        value = value.strip(" \t")
        if "\n" in value or "\r" in value:
            problem = problem or ("bare line break in a header", 400)
            continue
        if entry is None:
            collected.append((name, value))
            continue
        name, kind = entry
        if kind == SINGLE:
            if name in seen:
                # RFC 4475 3.3.8: several values where one is allowed.
                problem = problem or (f"{name} stands twice", 400)
                continue
            seen.add(name)
            if name == "Content-Length":
                content_length = value
                continue
        elif kind == LIST and "," in value:
            collected.extend((name, member) for member in split_list(value))
            continue
        collected.append((name, value))
    if len(collected) > HEADER_FIELDS_MAX:
        problem = problem or ("too many headers", 400)
    if problem is None:
        problem = _check(message) or _take_body(message, body, content_length, stream)
    if problem is not None:
        raise SipParseError(problem[0], problem[1], _salvage(message))
    return message


Problem = tuple[str, int]


def _parse_start(line: str) -> tuple[Request | Response, Problem | None]:
    parts = line.split(" ")
    if len(parts) == 3 and parts[2] == "SIP/2.0" and not line.startswith("SIP/"):
        method, uri_text, _ = parts
        request = Request(method, _NO_URI)
        if not TOKEN.fullmatch(method):
            return request, ("bad method", 400)
        try:
            request.uri = parse_uri(uri_text)
        except UriError as error:
            return request, (f"Request-URI: {error}", 400)
        # RFC 3261 19.1.1: headers are not allowed in a Request-URI (RFC 4475 3.1.2.11).
        if isinstance(request.uri, SipUri) and request.uri.headers:
            return request, ("Request-URI holds headers", 400)
        return request, None
    status_line = _STATUS_LINE.fullmatch(line)
    if status_line is not None:
        version, status, reason = status_line.groups()
        response = Response(0, reason)
        if (
            version != "2.0"
            or len(status) != 3
            or not 100 <= int(status) <= 699
            or "\n" in reason
            or "\r" in reason
        ):
            return response, ("bad status line", 400)
        response.status = int(status)
        return response, None
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


_NO_URI = SipUri(None, "invalid")


def _check(message: Request | Response) -> Problem | None:
    # RFC 3261 8.1.1: these must stand in every request; a response echoes five of them. Max-Forwards may be
    # missing: 2543 senders have none (RFC 3261 16.3 step 3).
    try:
        vias = message.vias
        for name in _MANDATORY:
            if name != "Via" and message.get(name) is None:
                return f"{name} missing", 400
        if not vias:
            return "Via missing", 400
        # Each view is parsed here once and kept; a broken one raises.
        _ = message.from_, message.to, message.call_id, message.contacts, message.record_routes
        cseq = message.cseq
        if isinstance(message, Request):
            # RFC 3261 8.1.1.5, RFC 4475 3.1.2.17 and 18.
            if cseq.method != message.method:
                return "CSeq method differs from the request's", 400
            _ = message.max_forwards, message.routes
    except HeaderError as error:
        return str(error), 400
    return None


def _take_body(message: Message, body: bytes, content_length: str | None, stream: bool) -> Problem | None:
    if content_length is None:
        if stream:
            # RFC 3261 20.14: on a stream it must be there.
            return "Content-Length missing", 400
        message.body = body
        return None
    try:
        length = h.parse_number(content_length, "Content-Length", MESSAGE_MAX)
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
