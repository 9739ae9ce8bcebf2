"""RTP packets and what a receiver learns from them (RFC 3550)."""

import struct
from dataclasses import dataclass

__all__ = ["MAX_PACKET_OCTETS", "Reception", "RtpError", "RtpPacket", "build", "is_rtcp", "parse"]

VERSION = 2
MAX_PACKET_OCTETS = 1500
"""Longer datagrams are not audio that a phone sends."""
MAX_DROPOUT = 3000
"""RFC 3550, A.1: a jump forward of the sequence number still taken for loss."""
MAX_MISORDER = 100
"""RFC 3550, A.1: a step back still taken for reordering."""

_FIXED = struct.Struct("!BBHII")


class RtpError(ValueError):
    """Bytes that are no RTP packet."""


@dataclass(slots=True)
class RtpPacket:
    """One RTP packet. `extension` is (profile, octets); padding is neither shown nor built."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes = b""
    marker: bool = False
    csrcs: tuple[int, ...] = ()
    extension: tuple[int, bytes] | None = None


def is_rtcp(data: bytes | memoryview) -> bool:
    """Tell RTCP from RTP by the second octet (RFC 5761, section 4)."""
    return len(data) > 1 and 192 <= data[1] <= 223


def parse(data: bytes | memoryview) -> RtpPacket:
    """Read one packet. Raises RtpError."""
    if len(data) < _FIXED.size:
        raise RtpError("shorter than the fixed header")
    first, second, sequence, timestamp, ssrc = _FIXED.unpack_from(data)
    if first >> 6 != VERSION:
        raise RtpError("version is not 2")
    if is_rtcp(data):
        raise RtpError("an RTCP packet")
    offset = _FIXED.size + 4 * (first & 0x0F)
    if offset > len(data):
        raise RtpError("CSRC list overruns the packet")
    csrcs = struct.unpack_from(f"!{first & 0x0F}I", data, _FIXED.size)
    extension = None
    if first & 0x10:
        if offset + 4 > len(data):
            raise RtpError("header extension overruns the packet")
        profile, words = struct.unpack_from("!HH", data, offset)
        end = offset + 4 + 4 * words
        if end > len(data):
            raise RtpError("header extension overruns the packet")
        extension = (profile, bytes(data[offset + 4 : end]))
        offset = end
    end = len(data)
    if first & 0x20:
        # RFC 3550, 5.1: the last octet counts the padding, itself included.
        padding = data[-1]
        if padding == 0 or offset + padding > end:
            raise RtpError("padding overruns the packet")
        end -= padding
    return RtpPacket(
        payload_type=second & 0x7F,
        sequence=sequence,
        timestamp=timestamp,
        ssrc=ssrc,
        payload=bytes(data[offset:end]),
        marker=bool(second & 0x80),
        csrcs=csrcs,
        extension=extension,
    )


def build(packet: RtpPacket) -> bytes:
    """Write one packet. Raises RtpError when a field does not fit."""
    first = VERSION << 6 | len(packet.csrcs)
    extension = b""
    if packet.extension is not None:
        profile, octets = packet.extension
        if len(octets) % 4:
            raise RtpError("a header extension is a whole number of words")
        first |= 0x10
        extension = struct.pack("!HH", profile, len(octets) // 4) + octets
    if len(packet.csrcs) > 15 or not 0 <= packet.payload_type < 128:
        raise RtpError("field out of range")
    try:
        fixed = _FIXED.pack(
            first,
            packet.marker << 7 | packet.payload_type,
            packet.sequence,
            packet.timestamp,
            packet.ssrc,
        )
    except struct.error as error:
        raise RtpError("field out of range") from error
    return fixed + struct.pack(f"!{len(packet.csrcs)}I", *packet.csrcs) + extension + packet.payload


class Reception:
    """What arrived of one source: loss and jitter as in RFC 3550, A.1, A.3 and A.8."""

    __slots__ = (
        "_bad_sequence",
        "_base",
        "_cycles",
        "_expected_prior",
        "_lost_before",
        "_max_sequence",
        "_received_prior",
        "_timestamp",
        "_transit",
        "clock_rate",
        "jitter",
        "octets",
        "received",
        "ssrc",
    )

    def __init__(self, ssrc: int, sequence: int, clock_rate: int = 8000) -> None:
        self.ssrc = ssrc
        self.clock_rate = clock_rate
        self.received = 0
        self.octets = 0
        self.jitter = 0.0
        """In timestamp units."""
        self._base = self._max_sequence = sequence
        self._bad_sequence: int | None = None
        self._cycles = 0
        self._lost_before = 0
        self._timestamp: int | None = None
        self._transit: float | None = None
        self._expected_prior = 0
        self._received_prior = 0

    def receive(self, sequence: int, timestamp: int, octets: int, now: float) -> bool:
        """Count one packet: its sequence number, timestamp, payload octets and arrival in seconds.

        False, and nothing counted, for the first packet far from the ones before (A.1).
        """
        step = (sequence - self._max_sequence) & 0xFFFF
        if step < MAX_DROPOUT:
            if sequence < self._max_sequence:
                self._cycles += 0x10000
            self._max_sequence = sequence
        elif step <= 0x10000 - MAX_MISORDER:
            # A.1: two in sequence show that the source began anew; one alone is a stray or a forgery.
            if sequence != self._bad_sequence:
                self._bad_sequence = (sequence + 1) & 0xFFFF
                return False
            self._begin_anew(sequence)
        self.received += 1
        self.octets += octets
        # Packets of one event share its timestamp (RFC 4733, 2.5.1.2) and tell nothing of jitter.
        if timestamp != self._timestamp:
            self._timestamp = timestamp
            transit = now * self.clock_rate - timestamp
            if self._transit is not None:
                # The 32-bit timestamp wraps; the difference of transits is what counts, modulo 2^32.
                delta = abs((transit - self._transit + 0x80000000) % 0x100000000 - 0x80000000)
                self.jitter += (delta - self.jitter) / 16.0
            self._transit = transit
        return True

    def _begin_anew(self, sequence: int) -> None:
        self._lost_before = max(0, self.lost)
        self._bad_sequence = None
        self._base = self._max_sequence = sequence
        self._cycles = 0
        self.received = 0
        self._expected_prior = self._received_prior = 0
        self._transit = None

    @property
    def extended_sequence(self) -> int:
        """Highest sequence number received, with the count of its cycles above 16 bits."""
        return self._cycles + self._max_sequence

    @property
    def lost(self) -> int:
        """Expected minus received; below zero when duplicates came."""
        return self._lost_before + self.extended_sequence - self._base + 1 - self.received

    @property
    def jitter_ms(self) -> float:
        """Interarrival jitter in milliseconds."""
        return self.jitter * 1000.0 / self.clock_rate

    def fraction_lost(self) -> int:
        """Loss since the last call, in 1/256 (RFC 3550, A.3); for one report block."""
        expected = self.extended_sequence - self._base + 1
        interval = expected - self._expected_prior
        lost = interval - (self.received - self._received_prior)
        self._expected_prior, self._received_prior = expected, self.received
        return 0 if interval <= 0 or lost <= 0 else min(255, (lost << 8) // interval)
