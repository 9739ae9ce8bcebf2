"""DNS queries for SRV and NAPTR, and what answers them (RFC 1035, RFC 2782, RFC 3403). No I/O.

What does not fit the grammar is refused as a whole: a name server's answer decides where calls go.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

SRV: Final = 33
NAPTR: Final = 35
_CNAME: Final = 5
_IN: Final = 1

LABELS_MAX: Final = 128
"""Of one name, followed pointers included: more is a loop (a name has at most 255 octets)."""
RECORDS_MAX: Final = 64
"""Answers that are read of one response."""

_NXDOMAIN: Final = 3


class DnsError(ValueError):
    """Not a response to the query, or one that says that the server failed."""


@dataclass(frozen=True, slots=True)
class Srv:
    """A server of a service: lower priority first, weight is its share among equals (0 to 65535 each)."""

    priority: int
    weight: int
    port: int
    target: str
    """Without the closing dot; empty: the service is decidedly not there."""


@dataclass(frozen=True, slots=True)
class Naptr:
    """How to go on: lower order, then lower preference first."""

    order: int
    preference: int
    flags: str
    services: str
    regexp: str
    replacement: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The records of the kind that was asked for; none where the name has none, or is not there."""

    records: tuple[Srv | Naptr, ...]
    ttl_s: int | None
    """The shortest; None without records."""
    truncated: bool
    """All of it comes over TCP."""


def query(identifier: int, name: str, kind: int) -> bytes:
    """A recursive query. Raises DnsError where `name` cannot be one."""
    return struct.pack(">6H", identifier, 0x0100, 1, 0, 0, 0) + _question(name, kind)


def parse_answer(packet: bytes, identifier: int, name: str, kind: int) -> Answer:
    """Judge a response to `query` of the same arguments. Raises DnsError."""
    try:
        return _parse(packet, identifier, name, kind)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise DnsError("the response is cut short or garbled") from error


def _parse(packet: bytes, identifier: int, name: str, kind: int) -> Answer:
    number, flags, questions, answers, _, _ = struct.unpack_from(">6H", packet)
    asked = _question(name, kind)
    # RFC 5452 9.1: the question is repeated in the response, or this is somebody else's.
    if number != identifier or not flags & 0x8000 or questions != 1:
        raise DnsError("not a response to the query")
    if packet[12 : 12 + len(asked)].lower() != asked.lower():
        raise DnsError("a response to another question")
    code = flags & 0x000F
    if code == _NXDOMAIN:
        return Answer((), None, False)
    if code:
        raise DnsError(f"the name server answers with code {code}")
    if flags & 0x0200:
        return Answer((), None, True)
    at = 12 + len(asked)
    records: list[Srv | Naptr] = []
    ttls: list[int] = []
    for _ in range(min(answers, RECORDS_MAX)):
        _, at = _name(packet, at)
        found, of, ttl, octets = struct.unpack_from(">HHIH", packet, at)
        at += 10
        if at + octets > len(packet):
            raise DnsError("a record is cut short")
        # A CNAME's target comes with it (RFC 1034 4.3.2): its records are in the same answer.
        if of == _IN and found == kind:
            records.append(_srv(packet, at) if kind == SRV else _naptr(packet, at))
            ttls.append(ttl if ttl < 1 << 31 else 0)  # RFC 2181 8
        elif found == _CNAME:
            ttls.append(ttl if ttl < 1 << 31 else 0)
        at += octets
    return Answer(tuple(records), min(ttls) if records else None, False)


def _question(name: str, kind: int) -> bytes:
    octets = bytearray()
    for label in name.rstrip(".").split("."):
        try:
            encoded = label.encode("ascii")
        except UnicodeEncodeError:
            raise DnsError("a host name is ASCII") from None
        if not 1 <= len(encoded) <= 63:
            raise DnsError("a label has 1 to 63 octets")
        octets += bytes((len(encoded),)) + encoded
    if len(octets) > 254:
        raise DnsError("a name has at most 255 octets")
    return bytes(octets) + b"\0" + struct.pack(">HH", kind, _IN)


def _name(packet: bytes, at: int) -> tuple[str, int]:
    """The name at a place and the place after it (RFC 1035 4.1.4: pointers lead backwards)."""
    labels: list[str] = []
    after: int | None = None
    for _ in range(LABELS_MAX):
        length = packet[at]
        if length == 0:
            return ".".join(labels), at + 1 if after is None else after
        if length & 0xC0 == 0xC0:
            target = (length & 0x3F) << 8 | packet[at + 1]
            if after is None:
                after = at + 2
            if target >= at:
                raise DnsError("a pointer leads forwards")
            at = target
        elif length & 0xC0:
            raise DnsError("a label of an unknown kind")
        else:
            label = packet[at + 1 : at + 1 + length]
            if len(label) != length:
                raise DnsError("a label is cut short")
            labels.append(label.decode("ascii"))
            at += 1 + length
    raise DnsError("a name does not end")


def _srv(packet: bytes, at: int) -> Srv:
    priority, weight, port = struct.unpack_from(">HHH", packet, at)
    target, _ = _name(packet, at + 6)
    return Srv(priority, weight, port, target)


def _naptr(packet: bytes, at: int) -> Naptr:
    order, preference = struct.unpack_from(">HH", packet, at)
    at += 4
    texts: list[str] = []
    for _ in range(3):
        length = packet[at]
        text = packet[at + 1 : at + 1 + length]
        if len(text) != length:
            raise DnsError("a text is cut short")
        texts.append(text.decode("ascii"))
        at += 1 + length
    replacement, _ = _name(packet, at)
    flags, services, regexp = texts
    return Naptr(order, preference, flags, services, regexp, replacement)
