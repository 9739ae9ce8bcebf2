"""Requests and responses: an ordered header list with typed views, and the bytes they make."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from sip import headers as h
from sip.headers import LONG_NAMES, CSeq, NameAddr, Via, canonical, parse_name_addr
from sip.uri import Uri

HeaderItems = Iterable[tuple[str, object]]

VERSION = "SIP/2.0"
DEFAULT_MAX_FORWARDS = 70
_LINE = ": ".join
"""A header's line of its name and value."""

REASONS = {
    100: "Trying",
    180: "Ringing",
    181: "Call Is Being Forwarded",
    182: "Queued",
    183: "Session Progress",
    199: "Early Dialog Terminated",
    200: "OK",
    202: "Accepted",
    204: "No Notification",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    305: "Use Proxy",
    380: "Alternative Service",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    410: "Gone",
    412: "Conditional Request Failed",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    421: "Extension Required",
    422: "Session Interval Too Small",
    423: "Interval Too Brief",
    429: "Provide Referrer Identity",
    433: "Anonymity Disallowed",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    484: "Address Incomplete",
    485: "Ambiguous",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    489: "Bad Event",
    491: "Request Pending",
    493: "Undecipherable",
    500: "Server Internal Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Server Time-out",
    505: "Version Not Supported",
    513: "Message Too Large",
    580: "Precondition Failure",
    600: "Busy Everywhere",
    603: "Decline",
    604: "Does Not Exist Anywhere",
    606: "Not Acceptable",
}


_ECHOED = frozenset(("Via", "From", "To", "Call-ID", "CSeq"))


class Message:
    """What requests and responses share.

    Header values are kept in order, each member of a comma-separated list on its own, under the long form of
    its name. Typed views are parsed on first use and kept until the header changes. Content-Length is never
    kept: it is made from the body.
    """

    # A call's messages are asked for the first five a hundred times: each has a place of its own. Addresses of
    # other headers are in `_addresses`, by name.
    __slots__ = ("_addresses", "_call_id", "_cseq", "_from", "_headers", "_present", "_to", "_vias", "body")

    def __init__(self, headers: HeaderItems = (), body: bytes = b"") -> None:
        self._headers: list[tuple[str, str]] = (
            [
                (name if name in LONG_NAMES else canonical(name), value if type(value) is str else str(value))
                for name, value in headers
            ]
            if headers
            else []
        )
        self._vias: list[Via] | None = None
        self._from: NameAddr | None = None
        self._to: NameAddr | None = None
        self._call_id: str | None = None
        self._cseq: CSeq | None = None
        self._addresses: dict[str, list[NameAddr]] | None = None
        self._present: Collection[str] | None = None
        """The known names that stand here, as long as the parser knows: most that one asks for do not."""
        self.body = body

    def get(self, name: str) -> str | None:
        """The first value under this name (any spelling), None when there is none."""
        present = self._present
        if present is not None and name not in present and name in LONG_NAMES:
            return str(len(self.body)) if name == "Content-Length" else None
        for key, value in self._headers:
            if key == name:
                return value
        if name not in LONG_NAMES:
            return self._get_folded(name)
        return str(len(self.body)) if name == "Content-Length" else None

    def _get_folded(self, name: str) -> str | None:
        name = canonical(name)
        if name in LONG_NAMES:
            return self.get(name)
        folded = name.lower()
        for key, value in self._headers:
            if key.lower() == folded:
                return value
        return None

    def get_all(self, name: str) -> list[str]:
        """All values under this name, in order."""
        present = self._present
        if present is not None and name not in present and name in LONG_NAMES:
            return []
        if name not in LONG_NAMES:
            name = canonical(name)
        if name in LONG_NAMES:  # known names are kept in their one spelling
            return [value for key, value in self._headers if key == name]
        folded = name.lower()
        return [value for key, value in self._headers if key.lower() == folded]

    def items(self) -> Iterator[tuple[str, str]]:
        """Names (long form) and values in order, without Content-Length."""
        return iter(self._headers)

    def _changed(self, name: str) -> None:
        """What was kept of a header no longer holds."""
        self._present = None
        if name not in _ECHOED:
            if self._addresses is not None:
                self._addresses.pop(name, None)
        elif name == "Via":
            self._vias = None
        elif name == "From":
            self._from = None
        elif name == "To":
            self._to = None
        elif name == "Call-ID":
            self._call_id = None
        else:
            self._cseq = None

    def know(self, from_: NameAddr, to: NameAddr, call_id: str, cseq: CSeq) -> None:
        """What four of the headers were written from, so that nobody reads them again."""
        self._from, self._to, self._call_id, self._cseq = from_, to, call_id, cseq

    def lacks(self, names: frozenset[str]) -> bool:
        """Whether it is known, without looking, that none of these known headers stands here."""
        return self._present is not None and names <= LONG_NAMES and names.isdisjoint(self._present)

    def forget_views(self) -> None:
        """Keep the header values alone: what was parsed of them is parsed again when it is asked for."""
        self._vias = self._from = self._to = self._call_id = self._cseq = self._addresses = None

    def add(self, name: str, value: object) -> None:
        """Append one value after those that are there."""
        if name not in LONG_NAMES:
            name = canonical(name)
        self._changed(name)
        self._headers.append((name, value if type(value) is str else str(value)))

    def prepend(self, name: str, value: object) -> None:
        """Put one value above all others, as a hop does with its Via."""
        name = canonical(name)
        self._changed(name)
        self._headers.insert(0, (name, str(value)))

    def set(self, name: str, value: object) -> None:
        """One value instead of those that are there; it keeps the place of the first."""
        name = canonical(name)
        self._changed(name)
        folded = name.lower()
        kept: list[tuple[str, str]] = []
        placed = False
        for item in self._headers:
            if item[0] != name and item[0].lower() != folded:
                kept.append(item)
            elif not placed:
                kept.append((name, str(value)))
                placed = True
        if not placed:
            kept.append((name, str(value)))
        self._headers = kept

    def remove(self, name: str) -> int:
        """Take all values under this name away; says how many there were."""
        name = canonical(name)
        self._changed(name)
        folded = name.lower()
        before = len(self._headers)
        self._headers = [item for item in self._headers if item[0].lower() != folded]
        return before - len(self._headers)

    def push_via(self, via: Via) -> None:
        """One Via above all others, as a hop puts it there."""
        vias = self._vias
        if vias is None and self._headers:
            vias = self.vias
        self._headers.insert(0, ("Via", str(via)))
        self._vias = [via, *(vias or ())]
        self._present = None

    def replace_top_via(self, via: Via) -> None:
        """The first Via anew; the others stay."""
        for index, (key, _) in enumerate(self._headers):
            if key == "Via":
                self._headers[index] = ("Via", str(via))
                if self._vias:
                    self._vias[0] = via
                return
        raise KeyError("Via")

    def remove_top_via(self) -> None:
        for index, (key, _) in enumerate(self._headers):
            if key == "Via":
                del self._headers[index]
                self._changed("Via")
                return

    def _one(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise h.HeaderError(name, "missing")
        return value

    @property
    def vias(self) -> list[Via]:
        kept = self._vias
        if kept is None:
            kept = self._vias = [h.parse_via(value) for key, value in self._headers if key == "Via"]
        return kept

    @property
    def top_via(self) -> Via:
        """:raises HeaderError: there is none."""
        vias = self._vias or self.vias
        if not vias:
            raise h.HeaderError("Via", "missing")
        return vias[0]

    @property
    def from_(self) -> NameAddr:
        kept = self._from
        if kept is None:
            kept = self._from = parse_name_addr(self._one("From"), "From")
        return kept

    @property
    def to(self) -> NameAddr:
        kept = self._to
        if kept is None:
            kept = self._to = parse_name_addr(self._one("To"), "To")
        return kept

    @property
    def call_id(self) -> str:
        kept = self._call_id
        if kept is None:
            kept = self._call_id = h.parse_call_id(self._one("Call-ID"))
        return kept

    @property
    def cseq(self) -> CSeq:
        kept = self._cseq
        if kept is None:
            kept = self._cseq = h.parse_cseq(self._one("CSeq"))
        return kept

    def addresses(self, name: str) -> list[NameAddr]:
        """All values of an address header, typed; HeaderError where one is broken."""
        if name not in LONG_NAMES:
            name = canonical(name)
        if self._addresses is None:
            self._addresses = {}
        kept = self._addresses.get(name)
        if kept is None:
            values = [value for key, value in self._headers if key == name]
            kept = self._addresses[name] = [parse_name_addr(value, name) for value in values]
        return kept

    @property
    def contacts(self) -> list[NameAddr]:
        """The Contact values; empty for ``Contact: *`` (see :attr:`contact_is_star`)."""
        if self._addresses is not None and (kept := self._addresses.get("Contact")) is not None:
            return kept
        return [] if self.contact_is_star else self.addresses("Contact")

    @property
    def contact_is_star(self) -> bool:
        return [value for key, value in self._headers if key == "Contact"] == ["*"]

    @property
    def routes(self) -> list[NameAddr]:
        return self.addresses("Route")

    @property
    def record_routes(self) -> list[NameAddr]:
        return self.addresses("Record-Route")

    @property
    def max_forwards(self) -> int | None:
        value = self.get("Max-Forwards")
        return None if value is None else h.parse_number(value, "Max-Forwards", h.MAX_FORWARDS_MAX)

    @property
    def expires(self) -> int | None:
        """Seconds, clamped; a malformed value counts as 3600 (RFC 3261 20.10)."""
        value = self.get("Expires")
        return None if value is None else h.parse_delta_seconds(value, 3600)

    @property
    def content_type(self) -> str | None:
        """The media type in lower case without its parameters."""
        value = self.get("Content-Type")
        return None if value is None else value.partition(";")[0].strip(" \t").lower()

    @property
    def require(self) -> list[str]:
        return [tag.lower() for tag in self.get_all("Require")]

    @property
    def supported(self) -> list[str]:
        return [tag.lower() for tag in self.get_all("Supported")]

    def start_line(self) -> str:
        raise NotImplementedError

    def to_bytes(self) -> bytes:
        """The message as it goes on the wire, Content-Length last.

        :raises ValueError: a value holds CR or LF, which would add a header of its own.
        """
        lines = [self.start_line(), *map(_LINE, self._headers), f"Content-Length: {len(self.body)}\r\n\r\n"]
        head = "\r\n".join(lines)
        breaks = len(lines) + 1
        if head.count("\n") != breaks or head.count("\r") != breaks:
            raise ValueError("a header value holds a line break")
        return head.encode("utf-8", "surrogateescape") + self.body


class Request(Message):
    """A SIP request."""

    __slots__ = ("method", "uri")

    def __init__(self, method: str, uri: Uri, headers: HeaderItems = (), body: bytes = b"") -> None:
        Message.__init__(self, headers, body)
        self.method = method
        self.uri = uri

    def start_line(self) -> str:
        return f"{self.method} {self.uri} {VERSION}"

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.get('Call-ID')}>"


class Response(Message):
    """A SIP response."""

    __slots__ = ("reason", "status")

    def __init__(
        self, status: int, reason: str | None = None, headers: HeaderItems = (), body: bytes = b""
    ) -> None:
        Message.__init__(self, headers, body)
        self.status = status
        self.reason = REASONS.get(status, "") if reason is None else reason

    def start_line(self) -> str:
        return f"{VERSION} {self.status} {self.reason}"

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.get('CSeq')} {self.get('Call-ID')}>"


_ECHOED_WITH_DIALOG = _ECHOED | {"Record-Route"}
_ECHOED_WITH_TIME = _ECHOED | {"Timestamp"}


def make_response(
    request: Request,
    status: int,
    reason: str | None = None,
    *,
    to_tag: str | None = None,
    headers: HeaderItems = (),
    body: bytes = b"",
    content_type: str | None = None,
) -> Response:
    """A response with what RFC 3261 8.2.6.2 has copied: Via, From, To, Call-ID and CSeq; Record-Route where
    the response makes a dialog (12.1.1); Timestamp for a 100. ``to_tag`` goes into To unless it has a tag.
    """
    dialog = 100 < status < 300 and request.method == "INVITE"
    names = _ECHOED_WITH_DIALOG if dialog else _ECHOED_WITH_TIME if status == 100 else _ECHOED
    response = Response(status, reason)
    items = response._headers = [item for item in request._headers if item[0] in names]
    if to_tag is not None and request.to.tag is None:
        place = next(place for place, item in enumerate(items) if item[0] == "To")
        items[place] = ("To", f"{items[place][1]};tag={to_tag}")
    if content_type is not None:
        items.append(("Content-Type", content_type))
    for name, value in headers:
        response.add(name, value)
    response.body = body
    return response


def make_error_response(salvaged: Request, status: int, reason: str) -> Response:
    """The answer to a request that did not parse: what came is echoed as it came, nothing is interpreted."""
    response = Response(status, reason)
    response._headers = [item for item in salvaged.items() if item[0] in _ECHOED]
    return response
