"""Header names and typed header values (RFC 3261 clauses 7.3, 20 and 25.1)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from sip.uri import CACHED_TEXT_MAX, Param, SipUri, Uri, UriError, host_reference, parse_host, parse_uri

NAME_ADDR_CACHE_MAX = 4096
"""Parsed address values remembered: From and To come back in each message of a call."""
HOP_CACHE_MAX = 4096
"""Beginnings of Via values remembered: each peer has its own in all that it sends."""
SMALL_CACHE_MAX = 1024
"""Values of CSeq remembered: nearly all are a small number and one of a dozen methods."""

SINGLE, LIST, OTHER = range(3)
"""How often a header may stand: once; as a comma-separated list; or as its own rules say (kept as is)."""


class HeaderError(ValueError):
    """A header value breaks the grammar. ``header`` names it."""

    def __init__(self, header: str, reason: str) -> None:
        super().__init__(f"{header}: {reason}")
        self.header = header


class HeaderName(NamedTuple):
    long: str
    compact: str
    kind: int


# One table for parser and builder. RFC 3261 7.3.1: lists may be joined with commas, apart from the four
# challenge and credential headers, whose own grammar has commas.
HEADER_NAMES = tuple(
    HeaderName(*row)
    for row in (
        ("Accept", "", LIST),
        ("Accept-Contact", "a", LIST),
        ("Accept-Encoding", "", LIST),
        ("Accept-Language", "", LIST),
        ("Alert-Info", "", LIST),
        ("Allow", "", LIST),
        ("Allow-Events", "u", LIST),
        ("Authentication-Info", "", OTHER),
        ("Authorization", "", OTHER),
        ("Call-ID", "i", SINGLE),
        ("Call-Info", "", LIST),
        ("Contact", "m", LIST),
        ("Content-Disposition", "", SINGLE),
        ("Content-Encoding", "e", LIST),
        ("Content-Language", "", LIST),
        ("Content-Length", "l", SINGLE),
        ("Content-Type", "c", SINGLE),
        ("CSeq", "", SINGLE),
        ("Date", "", SINGLE),
        ("Diversion", "", LIST),
        ("Error-Info", "", LIST),
        ("Event", "o", SINGLE),
        ("Expires", "", SINGLE),
        ("From", "f", SINGLE),
        ("Geolocation", "", LIST),
        ("History-Info", "", LIST),
        ("Identity", "y", OTHER),
        ("Identity-Info", "n", SINGLE),
        ("In-Reply-To", "", LIST),
        ("Max-Breadth", "", SINGLE),
        ("Max-Forwards", "", SINGLE),
        ("MIME-Version", "", SINGLE),
        ("Min-Expires", "", SINGLE),
        ("Min-SE", "", SINGLE),
        ("Organization", "", SINGLE),
        ("P-Access-Network-Info", "", OTHER),
        ("P-Asserted-Identity", "", LIST),
        ("P-Charging-Vector", "", OTHER),
        ("P-Preferred-Identity", "", LIST),
        ("Path", "", LIST),
        ("Priority", "", SINGLE),
        ("Privacy", "", OTHER),
        ("Proxy-Authenticate", "", OTHER),
        ("Proxy-Authorization", "", OTHER),
        ("Proxy-Require", "", LIST),
        ("RAck", "", SINGLE),
        ("Reason", "", LIST),
        ("Record-Route", "", LIST),
        ("Refer-To", "r", SINGLE),
        ("Referred-By", "b", SINGLE),
        ("Reject-Contact", "j", LIST),
        ("Replaces", "", SINGLE),
        ("Reply-To", "", SINGLE),
        ("Request-Disposition", "d", LIST),
        ("Require", "", LIST),
        ("Retry-After", "", SINGLE),
        ("Route", "", LIST),
        ("RSeq", "", SINGLE),
        ("Server", "", SINGLE),
        ("Service-Route", "", LIST),
        ("Session-Expires", "x", SINGLE),
        ("Session-ID", "", SINGLE),
        ("Subject", "s", SINGLE),
        ("Subscription-State", "", SINGLE),
        ("Supported", "k", LIST),
        ("Timestamp", "", SINGLE),
        ("To", "t", SINGLE),
        ("Unsupported", "", LIST),
        ("User-Agent", "", SINGLE),
        ("Via", "v", LIST),
        ("Warning", "", LIST),
        ("WWW-Authenticate", "", OTHER),
    )
)

KNOWN: dict[str, tuple[str, int]] = {}
for _row in HEADER_NAMES:
    KNOWN[_row.long] = KNOWN[_row.long.lower()] = (_row.long, _row.kind)
    if _row.compact:
        KNOWN[_row.compact] = (_row.long, _row.kind)
LONG_NAMES = frozenset(_row.long for _row in HEADER_NAMES)
"""The spelling under which known headers are kept."""

_WORD = r"A-Za-z0-9\-.!%*_+`'~"
TOKEN = re.compile(rf"[{_WORD}]+")
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PARAM = re.compile(
    rf"[ \t]*;[ \t]*([{_WORD}]+)(?:[ \t]*=[ \t]*({_QUOTED}|[{_WORD}\[\]:]+))?[ \t]*", re.DOTALL
)
_PLAIN_BRANCH = re.compile(rf"branch=(z9hG4bK[{_WORD}]+)(;rport)?")
_PLAIN_TAG = re.compile(rf";tag=([{_WORD}]+)")
_PLAIN_PARAMS = re.compile(rf"(?:;[{_WORD}]+(?:=[{_WORD}\[\]:]+)?)+")
_NAME_ADDR = re.compile(rf"(?:({_QUOTED})[ \t]*|([{_WORD} \t]*))<([^<>]*)>[ \t]*(.*)", re.DOTALL)
_ADDR_SPEC = re.compile(r"([^ \t;,?<>\"]+)[ \t]*(.*)", re.DOTALL)
_VIA = re.compile(
    rf"SIP[ \t]*/[ \t]*([{_WORD}]+)[ \t]*/[ \t]*([{_WORD}]+)[ \t]+"
    r"([^ \t;:\[\],]+|\[[^\]]*\])(?:[ \t]*:[ \t]*([0-9]{1,5}))?[ \t]*(.*)",
    re.DOTALL | re.IGNORECASE | re.ASCII,
)
_CSEQ = re.compile(rf"([0-9]+)[ \t]+([{_WORD}]+)")
_CALL_ID_WORD = rf"[{_WORD}()<>:\\\"/\[\]?{{}}]+"
_CALL_ID = re.compile(rf"{_CALL_ID_WORD}(?:@{_CALL_ID_WORD})?")
_LIST_PIECE = re.compile(rf"{_QUOTED}|<[^>]*>|,", re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_NEEDS_ESCAPE = re.compile(r'(["\\])')
_PLAIN_DISPLAY = re.compile(rf"[{_WORD}]+")

CSEQ_MAX = 2**31 - 1
"""RFC 3261 8.1.1.5: the sequence number must be less than 2**31."""
MAX_FORWARDS_MAX = 255
DELTA_SECONDS_MAX = 2**32 - 1
"""RFC 3261 20.19: larger values are taken as this one."""


def canonical(name: str) -> str:
    """The long form of a known header name in any spelling; an unknown one as it came."""
    if name in LONG_NAMES:
        return name
    entry = KNOWN.get(name) or KNOWN.get(name.lower())
    return entry[0] if entry else name


def unquote(text: str) -> str:
    """The content of a quoted string; other text as it is."""
    if len(text) > 1 and text[0] == '"' == text[-1]:
        inner = text[1:-1]
        return _QUOTED_PAIR.sub(r"\1", inner) if "\\" in inner else inner
    return text


def quote(text: str) -> str:
    """The text as a quoted string. CR and LF, which no quoting can carry, become spaces."""
    clean = text.replace("\r", " ").replace("\n", " ")
    return '"' + _NEEDS_ESCAPE.sub(r"\\\1", clean) + '"'


def split_list(value: str) -> list[str]:
    """The members of a comma-separated value; commas in quoted strings and angle brackets stay."""
    if "," not in value:
        return [value]
    members: list[str] = []
    start = 0
    for match in _LIST_PIECE.finditer(value):
        if match[0] == ",":
            members.append(value[start : match.start()].strip(" \t"))
            start = match.end()
    members.append(value[start:].strip(" \t"))
    return members


def parse_params(text: str, header: str) -> tuple[Param, ...]:
    """``;name=value`` parameters. Values stay as they came, with their quotes.

    :raises HeaderError: what is left over is not a parameter, or one stands twice.
    """
    params: list[Param] = []
    if _PLAIN_PARAMS.fullmatch(text):
        # As nearly all come: no quotes and no white space, so that the two signs alone divide it.
        for item in text[1:].split(";"):
            name, equals, value = item.partition("=")
            params.append((name, value if equals else None))
        if len(params) == 1:
            return tuple(params)
    else:
        position, end = 0, len(text)
        while position < end:
            match = _PARAM.match(text, position)
            if match is None:
                raise HeaderError(header, "bad parameter")
            params.append((match[1], match[2]))
            position = match.end()
    if len(params) > 1 and len({name.lower() for name, _ in params}) != len(params):
        raise HeaderError(header, "parameter stands twice")
    return tuple(params)


def build_params(params: tuple[Param, ...]) -> str:
    text = ""
    for name, value in params:
        text += f";{name}" if value is None else f";{name}={value}"
    return text


def find_param(params: tuple[Param, ...], name: str) -> str | None:
    """The unquoted value of a parameter by its lower-case name; "" when it stands without value."""
    for key, value in params:
        if key == name or key.lower() == name:
            return "" if value is None else unquote(value) if value.startswith('"') else value
    return None


class NameAddr(NamedTuple):
    """An address header value: From, To, Contact, Route, Record-Route, P-Asserted-Identity.

    ``display`` is unquoted; parameter values stay as they are on the wire. Build with :func:`quote` where a
    value is not a token.
    """

    uri: Uri
    display: str | None = None
    params: tuple[Param, ...] = ()

    @property
    def tag(self) -> str | None:
        # (`find_param`, without its call: asked thirty times a call.)
        for key, value in self.params:
            if key == "tag" or key.lower() == "tag":
                return (unquote(value) if value.startswith('"') else value) if value else None
        return None

    def param(self, name: str) -> str | None:
        """The unquoted value; "" when the parameter has none; None when absent."""
        return find_param(self.params, name)

    def with_param(self, name: str, value: str | None = None) -> NameAddr:
        kept = [item for item in self.params if item[0].lower() != name]
        return NameAddr(self.uri, self.display, (*kept, (name, value)))

    def with_tag(self, tag: str) -> NameAddr:
        return self.with_param("tag", tag)

    @property
    def sip_uri(self) -> SipUri | None:
        """The URI where it is one that SIP can be sent to."""
        return self.uri if isinstance(self.uri, SipUri) else None

    def __str__(self) -> str:
        if self.display is None:
            return f"<{self.uri}>{build_params(self.params)}"
        display = self.display if _PLAIN_DISPLAY.fullmatch(self.display) else quote(self.display)
        return f"{display} <{self.uri}>{build_params(self.params)}"


def parse_name_addr(text: str, header: str = "address") -> NameAddr:
    """A name-addr or addr-spec with its header parameters (RFC 3261 25.1).

    :raises HeaderError: the grammar is broken; also an addr-spec that holds a comma, question mark or
        semicolon of its own without angle brackets (RFC 3261 20).
    """
    return _cached_name_addr(text, header) if len(text) <= CACHED_TEXT_MAX else _parse_name_addr(text, header)


def _parse_name_addr(text: str, header: str) -> NameAddr:
    match = _NAME_ADDR.fullmatch(text)
    try:
        if match is not None:
            quoted, plain, uri_text, rest = match.groups()
            display = unquote(quoted) if quoted is not None else plain.strip(" \t") or None
            uri = parse_uri(uri_text)
            if (tag := _PLAIN_TAG.fullmatch(rest)) is not None:
                return NameAddr(uri, display, (("tag", tag[1]),))
            return NameAddr(uri, display, parse_params(rest, header) if rest else ())
        match = _ADDR_SPEC.fullmatch(text)
        if match is None:
            raise HeaderError(header, "not an address")
        return NameAddr(parse_uri(match[1]), None, parse_params(match[2], header) if match[2] else ())
    except UriError as error:
        raise HeaderError(header, str(error)) from None


_cached_name_addr = lru_cache(maxsize=NAME_ADDR_CACHE_MAX)(_parse_name_addr)


BRANCH_MAGIC = "z9hG4bK"
"""RFC 3261 8.1.1.7: branches that begin so are unique across space and time."""


class Via(NamedTuple):
    """One Via value. ``transport`` is upper case; ``host`` as on the wire (IPv6 in brackets)."""

    transport: str
    host: str
    port: int | None = None
    params: tuple[Param, ...] = ()

    @property
    def branch(self) -> str | None:
        for key, value in self.params:
            if key == "branch" and value and not value.startswith('"'):
                return value
        return find_param(self.params, "branch")

    @property
    def received(self) -> str | None:
        return find_param(self.params, "received")

    @property
    def rport(self) -> int | None:
        """The filled-in source port (RFC 3581), None when absent or only asked for."""
        value = find_param(self.params, "rport")
        return int(value) if value and value.isascii() and value.isdigit() and int(value) < 65536 else None

    @property
    def asks_rport(self) -> bool:
        return find_param(self.params, "rport") is not None

    @property
    def sent_by(self) -> str:
        return f"{self.host.lower()}:{self.port or 5060}"

    def with_source(self, host: str, port: int) -> Via:
        """As the server marks it: ``received`` where the host differs (18.2.1) and rport (RFC 3581 4)."""
        params = self.params
        asked = self.asks_rport
        if asked:
            params = tuple((n, str(port) if n.lower() == "rport" else v) for n, v in params)
        # RFC 3581 4: where rport is asked, received is added even if it equals sent-by.
        if asked or host_reference(host) != self.host:
            params = (*(item for item in params if item[0].lower() != "received"), ("received", host))
        return self if params is self.params else Via(self.transport, self.host, self.port, params)

    def __str__(self) -> str:
        port = f":{self.port}" if self.port is not None else ""
        return f"SIP/2.0/{self.transport} {self.host}{port}{build_params(self.params)}"


def parse_via(text: str) -> Via:
    """One Via value.

    :raises HeaderError: broken grammar, a version that is not 2.0, or a branch with the magic cookie and
        nothing after it (RFC 4475 3.2.1: may be refused).
    """
    hop, _, rest = text.partition(";")
    via = _parse_hop(hop) if len(hop) <= CACHED_TEXT_MAX else None
    if via is not None and (branch := _PLAIN_BRANCH.fullmatch(rest)) is not None:
        # As nearly all come: branch, and perhaps rport.
        params: tuple[Param, ...] = (("branch", branch[1]),)
        return Via(via.transport, via.host, via.port, (*params, ("rport", None)) if branch[2] else params)
    if via is None:
        via = _parse_via(text)
    elif len(hop) < len(text):
        via = Via(via.transport, via.host, via.port, parse_params(text[len(hop) :], "Via"))
    if via.branch == BRANCH_MAGIC:
        raise HeaderError("Via", "branch without identifier")
    return via


@lru_cache(maxsize=HOP_CACHE_MAX)
def _parse_hop(text: str) -> Via | None:
    """What of a Via stands before its parameters; None where it is not all well, for a whole look at the value."""
    try:
        via = _parse_via(text)
    except HeaderError:
        return None
    return None if via.params else via


def _parse_via(text: str) -> Via:
    match = _VIA.fullmatch(text)
    if match is None:
        raise HeaderError("Via", "bad grammar")
    version, transport, host, port, rest = match.groups()
    if version != "2.0":
        raise HeaderError("Via", "unknown version")
    number = None
    if port is not None:
        number = int(port)
        if not 0 < number < 65536:
            raise HeaderError("Via", "port out of range")
    try:
        host = parse_host(host)
    except UriError as error:
        raise HeaderError("Via", str(error)) from None
    return Via(transport.upper(), host, number, parse_params(rest, "Via") if rest else ())


class CSeq(NamedTuple):
    number: int
    method: str

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


def parse_cseq(text: str) -> CSeq:
    """:raises HeaderError: broken grammar, or a number of 2**31 or more (8.1.1.5)."""
    return _cached_cseq(text) if len(text) <= CACHED_TEXT_MAX else _parse_cseq(text)


def _parse_cseq(text: str) -> CSeq:
    match = _CSEQ.fullmatch(text)
    if match is None:
        raise HeaderError("CSeq", "bad grammar")
    if len(match[1]) > 32 or (number := int(match[1])) > CSEQ_MAX:
        raise HeaderError("CSeq", "number too large")
    return CSeq(number, match[2])


_cached_cseq = lru_cache(maxsize=SMALL_CACHE_MAX)(_parse_cseq)


def parse_call_id(text: str) -> str:
    """:raises HeaderError: not a word, or a word@word."""
    if not _CALL_ID.fullmatch(text):
        raise HeaderError("Call-ID", "bad grammar")
    return text


def parse_number(text: str, header: str, maximum: int) -> int:
    """A decimal number of 0 to ``maximum``; HeaderError otherwise."""
    if not text.isascii() or not text.isdigit() or len(text) > 32 or (number := int(text)) > maximum:
        raise HeaderError(header, "not a number in range")
    return number


def parse_delta_seconds(text: str, default: int) -> int:
    """Seconds, clamped to 2**32 - 1; ``default`` where it is malformed (RFC 3261 20.10, 20.19)."""
    text = text.partition(";")[0].strip(" \t")
    if not text.isascii() or not text.isdigit():
        return default
    return DELTA_SECONDS_MAX if len(text) > 10 else min(int(text), DELTA_SECONDS_MAX)


_AUTH = re.compile(rf"([{_WORD}]+)[ \t]+(.*)", re.DOTALL)
_AUTH_PARAM_TEXT = rf"[ \t]*([{_WORD}]+)[ \t]*=[ \t]*({_QUOTED}|[{_WORD}/:=]+)[ \t]*(?:,|$)"
_AUTH_PARAM = re.compile(_AUTH_PARAM_TEXT, re.DOTALL)
_AUTH_PARAMS = re.compile(f"(?:{_AUTH_PARAM_TEXT})*", re.DOTALL)


class AuthParams(NamedTuple):
    """A challenge or credentials. ``scheme`` and parameter names are lower case, values unquoted."""

    scheme: str
    params: dict[str, str]


def parse_auth(text: str) -> AuthParams:
    """The value of an Authorization, Proxy-Authorization, WWW-Authenticate or Proxy-Authenticate header.

    :raises HeaderError: the grammar is broken or a parameter stands twice.
    """
    match = _AUTH.fullmatch(text)
    if match is None:
        raise HeaderError("Authorization", "bad grammar")
    rest = match[2]
    if not _AUTH_PARAMS.fullmatch(rest):
        raise HeaderError("Authorization", "bad parameter")
    items = _AUTH_PARAM.findall(rest)
    params = {name.lower(): unquote(value) for name, value in items}
    if len(params) != len(items):
        raise HeaderError("Authorization", "parameter stands twice")
    return AuthParams(match[1].lower(), params)
