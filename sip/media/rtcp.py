"""RTCP compound packets (RFC 3550, section 6): parsed to typed values and built from them.

Only what a relay or a phone acts on has a type. Every other packet parses to `Unknown`, of which
no octets are kept, so that nothing can be copied through by accident.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

__all__ = [
    "Bye",
    "Packet",
    "ReceiverReport",
    "ReportBlock",
    "RtcpError",
    "SenderReport",
    "SourceDescription",
    "Unknown",
    "build",
    "ntp_time",
    "parse",
]

SR, RR, SDES, BYE, APP = 200, 201, 202, 203, 204
CNAME = 1
MAX_COMPOUND_PACKETS = 32
"""More packets in one datagram than any endpoint has reason to send."""

_BLOCK = struct.Struct("!IIIIII")
_SENDER = struct.Struct("!IQIII")
NTP_EPOCH_OFFSET = 2_208_988_800


class RtcpError(ValueError):
    """Bytes that are no RTCP compound packet."""


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """Reception of one source. `fraction_lost` in 1/256; `lost` is signed, 24 bits; `delay` in 1/65536 s."""

    ssrc: int
    fraction_lost: int = 0
    lost: int = 0
    highest_sequence: int = 0
    jitter: int = 0
    last_sr: int = 0
    delay: int = 0


@dataclass(frozen=True, slots=True)
class SenderReport:
    """SR: what the sender sent, and reports of what it received. `ntp` is 32.32 fixed point."""

    ssrc: int
    ntp: int
    rtp_timestamp: int
    packets: int
    octets: int
    reports: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """RR: reports of one that sends nothing."""

    ssrc: int
    reports: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """SDES with the CNAME only: the one item that RFC 3550 demands. Other items are dropped on reading."""

    ssrc: int
    cname: str = ""


@dataclass(frozen=True, slots=True)
class Bye:
    """BYE; a reason text is dropped on reading and never built."""

    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unknown:
    """A packet of another type (APP, feedback, XR): its type, and none of its octets."""

    packet_type: int


Packet: TypeAlias = SenderReport | ReceiverReport | SourceDescription | Bye | Unknown


def ntp_time(unix_seconds: float) -> int:
    """NTP timestamp in 32.32 fixed point of a time since 1970."""
    return int((unix_seconds + NTP_EPOCH_OFFSET) * 0x100000000) & 0xFFFFFFFFFFFFFFFF


def parse(data: bytes | memoryview) -> list[Packet]:
    """Read a compound packet. Raises RtcpError when any packet in it is malformed."""
    data = bytes(data)
    packets: list[Packet] = []
    offset = 0
    while offset < len(data):
        if len(packets) == MAX_COMPOUND_PACKETS:
            raise RtcpError("too many packets in one datagram")
        if offset + 4 > len(data):
            raise RtcpError("header overruns the datagram")
        first, kind, words = struct.unpack_from("!BBH", data, offset)
        end = offset + 4 + 4 * words
        if first >> 6 != 2 or not 192 <= kind <= 223:
            raise RtcpError("not an RTCP header")
        if end > len(data):
            raise RtcpError("packet overruns the datagram")
        body = data[offset + 4 : end]
        if first & 0x20:
            # RFC 3550, 6.4.1: padding is at the end of the last packet only.
            if not body or not 0 < body[-1] <= len(body) or end != len(data):
                raise RtcpError("bad padding")
            body = body[: len(body) - body[-1]]
        packets.extend(_parse_one(kind, first & 0x1F, body))
        offset = end
    if not packets:
        raise RtcpError("empty")
    return packets


def _parse_one(kind: int, count: int, body: bytes) -> Iterable[Packet]:
    try:
        if kind == SR:
            ssrc, ntp, rtp_timestamp, sent, octets = _SENDER.unpack_from(body)
            return [SenderReport(ssrc, ntp, rtp_timestamp, sent, octets, _blocks(body, _SENDER.size, count))]
        if kind == RR:
            (ssrc,) = struct.unpack_from("!I", body)
            return [ReceiverReport(ssrc, _blocks(body, 4, count))]
        if kind == SDES:
            return _chunks(body, count)
        if kind == BYE:
            return [Bye(struct.unpack_from(f"!{count}I", body))]
    except (struct.error, IndexError) as error:
        raise RtcpError("packet shorter than its count") from error
    return [Unknown(kind)]


def _blocks(body: bytes, offset: int, count: int) -> tuple[ReportBlock, ...]:
    blocks = []
    for index in range(count):
        ssrc, loss, highest, jitter, last_sr, delay = _BLOCK.unpack_from(body, offset + index * _BLOCK.size)
        lost = loss & 0xFFFFFF
        if lost & 0x800000:
            lost -= 0x1000000
        blocks.append(ReportBlock(ssrc, loss >> 24, lost, highest, jitter, last_sr, delay))
    return tuple(blocks)


def _chunks(body: bytes, count: int) -> list[Packet]:
    chunks: list[Packet] = []
    offset = 0
    for _ in range(count):
        (ssrc,) = struct.unpack_from("!I", body, offset)
        offset += 4
        cname = ""
        while body[offset]:
            item, length = body[offset], body[offset + 1]
            if offset + 2 + length > len(body):
                raise RtcpError("SDES item overruns the packet")
            if item == CNAME:
                cname = body[offset + 2 : offset + 2 + length].decode("utf-8", "replace")
            offset += 2 + length
        # RFC 3550, 6.5: at least one null octet ends the list, then up to the next word.
        offset = (offset // 4 + 1) * 4
        chunks.append(SourceDescription(ssrc, cname))
    return chunks


def build(packets: Sequence[Packet]) -> bytes:
    """Write a compound packet. Raises RtcpError for a field out of range or an `Unknown`."""
    try:
        return b"".join(_build_one(packet) for packet in packets)
    except struct.error as error:
        raise RtcpError("field out of range") from error


def _build_one(packet: Packet) -> bytes:
    if isinstance(packet, SenderReport):
        body = _SENDER.pack(packet.ssrc, packet.ntp, packet.rtp_timestamp, packet.packets, packet.octets)
        return _header(SR, len(packet.reports), body + _build_blocks(packet.reports))
    if isinstance(packet, ReceiverReport):
        body = struct.pack("!I", packet.ssrc) + _build_blocks(packet.reports)
        return _header(RR, len(packet.reports), body)
    if isinstance(packet, SourceDescription):
        name = packet.cname.encode()
        if len(name) > 255:
            raise RtcpError("CNAME over 255 octets")
        chunk = struct.pack("!IBB", packet.ssrc, CNAME, len(name)) + name
        return _header(SDES, 1, chunk + bytes(4 - len(chunk) % 4))
    if isinstance(packet, Bye):
        return _header(BYE, len(packet.ssrcs), struct.pack(f"!{len(packet.ssrcs)}I", *packet.ssrcs))
    raise RtcpError("a packet without known contents is not built")


def _header(kind: int, count: int, body: bytes) -> bytes:
    if count > 31:
        raise RtcpError("more than 31 blocks")
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body


def _build_blocks(blocks: Sequence[ReportBlock]) -> bytes:
    return b"".join(
        _BLOCK.pack(
            block.ssrc,
            block.fraction_lost << 24 | max(-0x800000, min(0x7FFFFF, block.lost)) & 0xFFFFFF,
            block.highest_sequence,
            block.jitter,
            block.last_sr,
            block.delay,
        )
        for block in blocks
    )
