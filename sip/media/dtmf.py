"""Digits as telephone events (RFC 4733): made for sending, recognised on receipt."""

import struct
from dataclasses import dataclass

from sip.media.rtp import RtpPacket

__all__ = ["DIGITS", "DigitDetector", "Event", "build_event", "events", "parse_event"]

DIGITS = "0123456789*#ABCD"
"""Position is the event code (RFC 4733, section 3.2)."""
PACKET_MS = 20
END_PACKETS = 3
"""RFC 4733, 2.5.1.4: the last packet of an event is sent three times."""
SAMPLES_PER_MS = 8
DEFAULT_PAYLOAD_TYPE = 101


@dataclass(frozen=True, slots=True)
class Event:
    """One telephone-event payload. `volume` in -dBm0 0..63, `duration` in timestamp units."""

    code: int
    end: bool
    volume: int
    duration: int


def parse_event(payload: bytes) -> Event | None:
    """Read a payload; None when it is not one event."""
    if len(payload) < 4:
        return None
    code, flags, duration = struct.unpack_from("!BBH", payload)
    return Event(code, bool(flags & 0x80), flags & 0x3F, duration)


def build_event(event: Event) -> bytes:
    """Write a payload of four octets."""
    return struct.pack("!BBH", event.code, event.end << 7 | event.volume, event.duration)


def events(digit: str, *, duration_ms: int = 100, volume: int = 10) -> list[tuple[bool, bytes]]:
    """Payloads to send 20 ms apart for one digit, each with its marker bit.

    All packets of an event carry the same RTP timestamp, the event's start (RFC 4733, 2.5.1.2).
    Raises ValueError for a character that is no digit or a duration outside 40..4000 ms.
    """
    code = DIGITS.find(digit.upper()) if len(digit) == 1 else -1
    if code < 0:
        raise ValueError("not a telephone digit")
    if not 40 <= duration_ms <= 4000:
        raise ValueError("duration outside 40..4000 ms")
    total = duration_ms * SAMPLES_PER_MS
    payloads = []
    for index, elapsed in enumerate(range(PACKET_MS, duration_ms, PACKET_MS)):
        payloads.append((index == 0, build_event(Event(code, False, volume, elapsed * SAMPLES_PER_MS))))
    payloads.extend([(False, build_event(Event(code, True, volume, total)))] * END_PACKETS)
    return payloads


class DigitDetector:
    """Tells digits apart by the timestamp of their event, so that repeats and reordering count once."""

    __slots__ = ("_last", "_payload_type")

    def __init__(self, payload_type: int = DEFAULT_PAYLOAD_TYPE) -> None:
        self._payload_type = payload_type
        self._last: tuple[int, int] | None = None

    def receive(self, packet: RtpPacket) -> str | None:
        """The digit that this packet begins, or None."""
        if packet.payload_type != self._payload_type:
            return None
        event = parse_event(packet.payload)
        if event is None or event.code >= len(DIGITS):
            return None
        # A digit is told by any of its packets, not only the first or last: those may be lost.
        if self._last is not None and self._last[0] == packet.ssrc:
            ahead = (packet.timestamp - self._last[1]) & 0xFFFFFFFF
            if ahead == 0 or ahead >= 0x80000000:
                return None
        self._last = (packet.ssrc, packet.timestamp)
        return DIGITS[event.code]
