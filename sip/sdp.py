"""Session descriptions (RFC 4566) and the offer/answer model (RFC 3264), typed."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from sip.uri import CACHED_TEXT_MAX, bare_host

SDP_TYPE = "application/sdp"
"""The media type of a description."""
SDP_MAX = 16_384
"""Octets of a description that is read."""
MEDIA_MAX = 16
"""Media lines in a description."""
ATTRIBUTES_MAX = 512
"""Attribute lines in a description, all levels together."""
LINES_CACHE_MAX = 1024
"""Formats and connections remembered, each: descriptions differ in little but ports."""

Attribute = tuple[str, str | None]

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_REVERSED = {"sendonly": "recvonly", "recvonly": "sendonly"}

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`{|}~]+")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
_RTPMAP = re.compile(r"([0-9]{1,3})\s+([^\s/]+)/([0-9]{1,9})(?:/([0-9]{1,3}))?")
_FMTP = re.compile(r"([0-9]{1,3})\s+(.*)")
_HOST = re.compile(r"[A-Za-z0-9.\-]+")


class SdpError(ValueError):
    """The body is not a session description."""


class NoCommonCodec(ValueError):
    """Offer and answerer share no codec for any medium: 488."""


@dataclass(slots=True, frozen=True)
class Connection:
    """A ``c=`` line. ``address_type`` is IP4 or IP6; ``address`` without brackets."""

    address_type: str
    address: str

    def __str__(self) -> str:
        return f"IN {self.address_type} {self.address}"


@dataclass(slots=True, frozen=True)
class Origin:
    """The ``o=`` line. ``version`` grows by one with each description of a session (RFC 3264 8)."""

    username: str
    session_id: int
    version: int
    connection: Connection

    def __str__(self) -> str:
        return f"{self.username} {self.session_id} {self.version} {self.connection}"


@dataclass(slots=True, frozen=True)
class Codec:
    """One RTP payload format: the number, its rtpmap and its fmtp. ``rate`` in Hz."""

    payload_type: int
    name: str
    rate: int
    channels: int = 1
    fmtp: str | None = None

    def same_format(self, other: Codec) -> bool:
        """Equal but for the number: name (any case), rate and channels."""
        return (self.name.lower(), self.rate, self.channels) == (
            other.name.lower(),
            other.rate,
            other.channels,
        )

    @property
    def rtpmap(self) -> str:
        channels = f"/{self.channels}" if self.channels != 1 else ""
        return f"{self.payload_type} {self.name}/{self.rate}{channels}"


PCMU = Codec(0, "PCMU", 8000)
PCMA = Codec(8, "PCMA", 8000)
TELEPHONE_EVENT = Codec(101, "telephone-event", 8000, fmtp="0-16")
DEFAULT_CODECS = (PCMU, PCMA, TELEPHONE_EVENT)


def _parse_rtpmap(value: str) -> Codec | None:
    match = _RTPMAP.fullmatch(value.strip())
    if match is None:
        return None
    return Codec(int(match[1]), match[2], int(match[3]), int(match[4] or 1))


_cached_rtpmap = lru_cache(maxsize=LINES_CACHE_MAX)(_parse_rtpmap)


def _rtpmap(value: str) -> Codec | None:
    return _cached_rtpmap(value) if len(value) <= CACHED_TEXT_MAX else _parse_rtpmap(value)


# RFC 3551: static payload types that need no rtpmap.
STATIC_CODECS = {
    codec.payload_type: codec
    for codec in (
        PCMU,
        Codec(3, "GSM", 8000),
        Codec(4, "G723", 8000),
        PCMA,
        Codec(9, "G722", 8000),
        Codec(13, "CN", 8000),
        Codec(15, "G728", 8000),
        Codec(18, "G729", 8000),
        Codec(31, "H261", 90000),
        Codec(34, "H263", 90000),
    )
}


@dataclass(slots=True)
class Media:
    """An ``m=`` line and what stands below it."""

    kind: str
    port: int
    protocol: str
    formats: list[str]
    connection: Connection | None = None
    attributes: list[Attribute] = field(default_factory=list)
    title: str | None = None
    bandwidths: list[str] = field(default_factory=list)
    port_count: int = 1

    def attribute(self, name: str) -> str | None:
        """The first value of an attribute, "" when it has none, None when absent."""
        return _attribute(self.attributes, name)

    @property
    def direction(self) -> str | None:
        """The direction stated at this medium, None when the session's holds."""
        return _direction(self.attributes)

    @property
    def codecs(self) -> list[Codec]:
        """The RTP formats in order of preference; numbers without a known format are left out."""
        maps: dict[int, Codec] = {}
        fmtps: dict[int, str] = {}
        for name, value in self.attributes:
            if value is None:
                continue
            if name == "rtpmap" and (mapped := _rtpmap(value)) is not None:
                maps[mapped.payload_type] = mapped
            elif name == "fmtp" and (match := _FMTP.fullmatch(value.strip())):
                fmtps[int(match[1])] = match[2]
        result: list[Codec] = []
        for text in self.formats:
            if not text.isascii() or not text.isdigit() or int(text) > 127:
                continue
            number = int(text)
            codec = maps.get(number) or STATIC_CODECS.get(number)
            if codec is not None:
                fmtp = fmtps.get(number)
                result.append(codec if fmtp == codec.fmtp else replace(codec, fmtp=fmtp))
        return result

    @property
    def ptime(self) -> int | None:
        """Milliseconds of audio a packet, where stated."""
        value = self.attribute("ptime")
        return int(value) if value and value.isascii() and value.isdigit() and int(value) < 1000 else None

    @property
    def rtcp_port(self) -> int:
        """RFC 3605 ``a=rtcp``, else RTP's port plus one."""
        value = (self.attribute("rtcp") or "").split(" ")[0]
        if value.isascii() and value.isdigit() and 0 < int(value) < 65536:
            return int(value)
        return self.port if self.attribute("rtcp-mux") is not None else self.port + 1


@dataclass(slots=True)
class Session:
    """A session description. ``time_lines`` holds the t=, r= and z= lines as they came."""

    origin: Origin
    media: list[Media] = field(default_factory=list)
    connection: Connection | None = None
    name: str = "-"
    attributes: list[Attribute] = field(default_factory=list)
    time_lines: list[str] = field(default_factory=lambda: ["t=0 0"])
    bandwidths: list[str] = field(default_factory=list)
    other_lines: list[str] = field(default_factory=list)

    @property
    def audio(self) -> Media | None:
        """The first audio medium that is not refused (port 0)."""
        for medium in self.media:
            if medium.kind == "audio" and medium.port:
                return medium
        return None

    def direction(self, medium: Media) -> str:
        """What holds for a medium: its own direction, the session's, or sendrecv (RFC 4566 6)."""
        return medium.direction or _direction(self.attributes) or "sendrecv"

    def to_bytes(self) -> bytes:
        """:raises ValueError: a value holds a line break."""
        lines = ["v=0", f"o={self.origin}", f"s={self.name or '-'}"]
        lines += self.other_lines
        if self.connection is not None:
            lines.append(f"c={self.connection}")
        lines += [f"b={value}" for value in self.bandwidths]
        lines += self.time_lines
        lines += _attribute_lines(self.attributes)
        for medium in self.media:
            count = f"/{medium.port_count}" if medium.port_count != 1 else ""
            lines.append(f"m={medium.kind} {medium.port}{count} {medium.protocol} {' '.join(medium.formats)}")
            if medium.title is not None:
                lines.append(f"i={medium.title}")
            if medium.connection is not None:
                lines.append(f"c={medium.connection}")
            lines += [f"b={value}" for value in medium.bandwidths]
            lines += _attribute_lines(medium.attributes)
        text = "\r\n".join(lines) + "\r\n"
        if text.count("\n") != len(lines) or text.count("\r") != len(lines):
            raise ValueError("an SDP value holds a line break")
        return text.encode("utf-8", "surrogateescape")


def _attribute_lines(attributes: Iterable[Attribute]) -> list[str]:
    return [f"a={name}" if value is None else f"a={name}:{value}" for name, value in attributes]


def _attribute(attributes: Iterable[Attribute], name: str) -> str | None:
    for key, value in attributes:
        if key == name:
            return value or ""
    return None


def _direction(attributes: Iterable[Attribute]) -> str | None:
    for name, value in attributes:
        if value is None and name in DIRECTIONS:
            return name
    return None


def parse_sdp(data: bytes) -> Session:
    """A description, with LF or CRLF line ends.

    :raises SdpError: always this and nothing else, whatever the bytes are.
    """
    if len(data) > SDP_MAX:
        raise SdpError("description too large")
    text = data.decode("utf-8", "surrogateescape").replace("\r\n", "\n")
    has_odd = "\r" in text or "\0" in text
    lines = text.split("\n")
    while lines and not lines[-1]:
        lines.pop()
    if not lines or lines[0] != "v=0":
        raise SdpError("version missing")
    session: Session | None = None
    medium: Media | None = None
    name = None
    attributes_seen = 0
    time_lines: list[str] = []
    for line in lines[1:]:
        key, value = line[:1], line[2:]
        if line[1:2] != "=" or key not in _LETTERS or (has_odd and ("\r" in line or "\0" in line)):
            raise SdpError("bad line")
        if session is None:
            if key != "o":
                raise SdpError("origin missing")
            session = Session(_parse_origin(value))
        elif key == "m":
            if len(session.media) >= MEDIA_MAX:
                raise SdpError("too many media")
            medium = _parse_media(value)
            session.media.append(medium)
        elif key == "a":
            attributes_seen += 1
            if attributes_seen > ATTRIBUTES_MAX:
                raise SdpError("too many attributes")
            (session if medium is None else medium).attributes.append(_parse_attribute(value))
        elif key == "c":
            (session if medium is None else medium).connection = _connection(value)
        elif key == "b":
            (session if medium is None else medium).bandwidths.append(value)
        elif medium is not None:
            if key == "i":
                medium.title = value
            elif key != "k":
                raise SdpError(f"{key}= below a medium")
        elif key == "s":
            name = value
        elif key in "trz":
            time_lines.append(line)
        elif key in "iuepk":
            session.other_lines.append(line)
        else:
            raise SdpError("bad line")
    if session is None or name is None:
        raise SdpError("session name missing")
    # RFC 4566 5.9 wants a t= line; descriptions without one are common and harmless.
    session.name, session.time_lines = name, time_lines or ["t=0 0"]
    if session.connection is None and any(m.connection is None and m.port for m in session.media):
        raise SdpError("connection missing")
    return session


def _parse_origin(value: str) -> Origin:
    parts = value.split(" ")
    if len(parts) != 6 or not _number(parts[1]) or not _number(parts[2]):
        raise SdpError("bad origin")
    return Origin(parts[0], int(parts[1]), int(parts[2]), _connection(" ".join(parts[3:])))


def _number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 20


def _connection(value: str) -> Connection:
    return _cached_connection(value) if len(value) <= CACHED_TEXT_MAX else _parse_connection(value)


def _parse_connection(value: str) -> Connection:
    parts = value.split(" ")
    if len(parts) != 3 or parts[0] != "IN" or parts[1] not in ("IP4", "IP6"):
        raise SdpError("bad connection")
    address = parts[2].partition("/")[0]
    try:
        version = ipaddress.ip_address(address).version
        if version != (4 if parts[1] == "IP4" else 6):
            raise SdpError("address type differs from the address")
    except ValueError as error:
        if isinstance(error, SdpError):
            raise
        # RFC 4566 5.7 allows a fully qualified name.
        if not _HOST.fullmatch(address) or address.replace(".", "").isdigit():
            raise SdpError("bad address") from None
    return Connection(parts[1], address)


_cached_connection = lru_cache(maxsize=LINES_CACHE_MAX)(_parse_connection)


def _parse_media(value: str) -> Media:
    parts = value.split(" ")
    if len(parts) < 4 or "" in parts or not _TOKEN.fullmatch(parts[0]):
        raise SdpError("bad media line")
    port, slash, count = parts[1].partition("/")
    if not _number(port) or int(port) > 65535 or (slash and (not _number(count) or not 0 < int(count) < 256)):
        raise SdpError("bad media port")
    return Media(parts[0], int(port), parts[2], parts[3:], port_count=int(count) if slash else 1)


def _parse_attribute(value: str) -> Attribute:
    name, colon, rest = value.partition(":")
    if not _TOKEN.fullmatch(name):
        raise SdpError("bad attribute")
    return name, rest if colon else None


def connection_of(address: str) -> Connection:
    """The ``c=`` content for an address, with or without brackets."""
    bare = bare_host(address)
    return Connection("IP6" if ":" in bare else "IP4", bare)


def media_address(session: Session, medium: Media) -> tuple[str, int]:
    """Where RTP for a medium goes: the medium's own connection before the session's."""
    connection = medium.connection or session.connection
    if connection is None:
        raise SdpError("connection missing")
    return connection.address, medium.port


def reverse_direction(direction: str) -> str:
    """The same stream as the other side names it (RFC 3264 6.1)."""
    return _REVERSED.get(direction, direction)


def make_offer(
    address: str,
    port: int,
    codecs: Sequence[Codec] = DEFAULT_CODECS,
    *,
    direction: str = "sendrecv",
    session_id: int,
    version: int = 1,
    ptime: int | None = 20,
) -> Session:
    """One audio medium at address:port, anonymous origin."""
    connection = connection_of(address)
    medium = _audio(port, codecs, direction, ptime)
    return Session(Origin("-", session_id, version, connection), [medium], connection)


def _audio(port: int, codecs: Sequence[Codec], direction: str, ptime: int | None) -> Media:
    attributes: list[Attribute] = []
    for codec in codecs:
        attributes.append(("rtpmap", codec.rtpmap))
        if codec.fmtp:
            attributes.append(("fmtp", f"{codec.payload_type} {codec.fmtp}"))
    if ptime is not None:
        attributes.append(("ptime", str(ptime)))
    attributes.append((direction, None))
    return Media(
        "audio", port, "RTP/AVP", [str(codec.payload_type) for codec in codecs], attributes=attributes
    )


def make_answer(
    offer: Session,
    address: str,
    port: int,
    codecs: Sequence[Codec] = DEFAULT_CODECS,
    *,
    direction: str | None = None,
    session_id: int,
    version: int = 1,
) -> Session:
    """The answer to an offer (RFC 3264 6): as many media in the same order, the first usable audio accepted
    at address:port with the offer's numbers and order, everything else refused with port 0.

    ``direction`` narrows what the offer allows; None takes its mirror.

    :raises NoCommonCodec: no audio medium shares a codec (telephone-event alone is none).
    """
    connection = connection_of(address)
    media: list[Media] = []
    accepted = False
    for medium in offer.media:
        common = (
            [] if accepted or medium.kind != "audio" or not medium.port else common_codecs(medium, codecs)
        )
        # RFC 3264 6: a profile that is not understood is refused too.
        if medium.protocol != "RTP/AVP" or all(codec.name.lower() == "telephone-event" for codec in common):
            media.append(Media(medium.kind, 0, medium.protocol, list(medium.formats)))
            continue
        mirrored = reverse_direction(offer.direction(medium))
        wanted = mirrored if direction is None else _narrow(mirrored, direction)
        media.append(_audio(port, common, wanted, medium.ptime))
        accepted = True
    if not accepted:
        raise NoCommonCodec("no common codec")
    return Session(
        Origin("-", session_id, version, connection), media, connection, time_lines=list(offer.time_lines)
    )


def common_codecs(medium: Media, codecs: Sequence[Codec]) -> list[Codec]:
    """What both sides speak, in the offer's order and with the offer's numbers."""
    result: list[Codec] = []
    for offered in medium.codecs:
        mine = next((codec for codec in codecs if codec.same_format(offered)), None)
        if mine is not None:
            result.append(replace(offered, fmtp=mine.fmtp or offered.fmtp))
    return result


def _narrow(allowed: str, wanted: str) -> str:
    sends = allowed in ("sendrecv", "sendonly") and wanted in ("sendrecv", "sendonly")
    receives = allowed in ("sendrecv", "recvonly") and wanted in ("sendrecv", "recvonly")
    return {(True, True): "sendrecv", (True, False): "sendonly", (False, True): "recvonly"}.get(
        (sends, receives), "inactive"
    )
