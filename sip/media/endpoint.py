"""A plain RTP endpoint for simulated phones and PBX: says a tone, presses digits, counts what it hears."""

import asyncio
import contextlib
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from sip.media import pcm, rtcp
from sip.media.dtmf import DEFAULT_PAYLOAD_TYPE, DigitDetector, events
from sip.media.rtp import Reception, RtpError, RtpPacket, build, parse

__all__ = ["EndpointStats", "RtpEndpoint"]

PACKET_S = 0.020
REPORT_S = 2.0
DIGIT_MS = 100
GAP_PACKETS = 3
"""Audio packets between two digits."""
DIGITS_QUEUED_MAX = 64
DIGITS_HEARD_MAX = 1024
CATCH_UP_PACKETS = 5
"""Packets sent at once after a late timer; what is more late than this is skipped."""
PORT_TRIES = 20

Tap = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class EndpointStats:
    """Counts of one endpoint. Octets are RTP payload."""

    rtp_sent: int
    rtp_received: int
    octets_sent: int
    octets_received: int
    lost: int
    rtcp_sent: int
    rtcp_received: int
    last_ssrc: int | None


class _Port(asyncio.DatagramProtocol):
    def __init__(self, receive: Callable[[bytes], None]) -> None:
        self._receive = receive

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._receive(data)


class RtpEndpoint:
    """One phone's audio. Made by `RtpEndpoint.open`."""

    def __init__(
        self,
        host: str,
        payload_type: int,
        dtmf_payload_type: int,
        tap_rtp: Tap | None,
        tap_rtcp: Tap | None,
        on_digit: Callable[[str], None] | None,
        cname: str | None,
    ) -> None:
        self.host = host
        self.rtp_port = 0
        self.rtcp_port = 0
        self.digits = ""
        """Digits heard, oldest first, at most DIGITS_HEARD_MAX."""
        self._payload_type = payload_type
        self._dtmf_payload_type = dtmf_payload_type
        self._tap_rtp = tap_rtp
        self._tap_rtcp = tap_rtcp
        self._on_digit = on_digit
        self._cname = cname or secrets.token_hex(8)
        self._tone = pcm.tone_frame(payload_type)
        self._detector = DigitDetector(dtmf_payload_type)
        self._reception: Reception | None = None
        self._remote: tuple[str, int] | None = None
        self._remote_rtcp: tuple[str, int] | None = None
        self._rtp: asyncio.DatagramTransport | None = None
        self._rtcp: asyncio.DatagramTransport | None = None
        self._ssrc = secrets.randbits(32)
        self._sequence = secrets.randbits(16)
        self._timestamp = secrets.randbits(32)
        self._event_timestamp = 0
        self._pressed: deque[tuple[bool, bytes] | None] = deque()
        self._timer: asyncio.Handle | None = None
        self._due = self._report_due = 0.0
        self._rtp_sent = self._rtp_received = self._octets_sent = self._octets_received = 0
        self._rtcp_sent = self._rtcp_received = 0
        self._last_sr: tuple[int, float] | None = None
        self._tone_heard = False

    @classmethod
    async def open(
        cls,
        host: str = "127.0.0.1",
        *,
        rtp_port: int = 0,
        payload_type: int = pcm.PCMU,
        dtmf_payload_type: int = DEFAULT_PAYLOAD_TYPE,
        tap_rtp: Tap | None = None,
        tap_rtcp: Tap | None = None,
        on_digit: Callable[[str], None] | None = None,
        cname: str | None = None,
    ) -> "RtpEndpoint":
        """Bind an RTP port (0: any even one) and the next for RTCP. Raises OSError when none is free."""
        endpoint = cls(host, payload_type, dtmf_payload_type, tap_rtp, tap_rtcp, on_digit, cname)
        loop = asyncio.get_running_loop()
        for attempt in range(PORT_TRIES):
            opened, _ = await loop.create_datagram_endpoint(
                lambda: _Port(endpoint._receive_rtp), local_addr=(host, rtp_port)
            )
            port: int = opened.get_extra_info("sockname")[1]
            try:
                if port % 2 and not rtp_port:
                    raise OSError("RTP takes an even port (RFC 3550, section 11)")
                endpoint._rtcp, _ = await loop.create_datagram_endpoint(
                    lambda: _Port(endpoint._receive_rtcp), local_addr=(host, port + 1)
                )
            except OSError:
                opened.close()
                if rtp_port or attempt == PORT_TRIES - 1:
                    raise
                continue
            endpoint._rtp = opened
            endpoint.rtp_port, endpoint.rtcp_port = port, port + 1
            break
        return endpoint

    def set_remote(self, host: str, rtp_port: int, rtcp_port: int | None = None) -> None:
        """Where to send; rtcp_port None is the next one, rtp_port 0 sends nothing."""
        self._remote = (host, rtp_port) if rtp_port else None
        self._remote_rtcp = (host, rtcp_port or rtp_port + 1) if rtp_port else None

    def start(self) -> None:
        """Begin to send; does nothing when it already sends."""
        if self._timer is None and self._rtp is not None:
            loop = asyncio.get_running_loop()
            self._due = loop.time()
            # RFC 3550, 6.2: the first report comes after half the interval.
            self._report_due = self._due + REPORT_S / 2
            self._timer = loop.call_soon(self._tick)

    def pause(self) -> None:
        """Stop sending; receiving goes on."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def send_digits(self, digits: str) -> float:
        """Queue digits (0-9 * # A-D) as telephone events; the seconds until the last is said.

        Raises ValueError for another character or over DIGITS_QUEUED_MAX.
        """
        packets: list[tuple[bool, bytes] | None] = []
        for digit in digits:
            packets.extend(events(digit, duration_ms=DIGIT_MS))
            packets.extend([None] * GAP_PACKETS)
        if len(self._pressed) + len(packets) > DIGITS_QUEUED_MAX * (DIGIT_MS // 20 + 2 + GAP_PACKETS):
            raise ValueError("too many digits wait")
        self._pressed.extend(packets)
        return len(self._pressed) * PACKET_S

    def tone_heard(self) -> bool:
        """Whether the last audio packet received was more than silence."""
        return self._tone_heard

    @property
    def stats(self) -> EndpointStats:
        """The counts so far."""
        reception = self._reception
        return EndpointStats(
            rtp_sent=self._rtp_sent,
            rtp_received=self._rtp_received,
            octets_sent=self._octets_sent,
            octets_received=self._octets_received,
            lost=max(0, reception.lost) if reception else 0,
            rtcp_sent=self._rtcp_sent,
            rtcp_received=self._rtcp_received,
            last_ssrc=reception.ssrc if reception else None,
        )

    async def close(self) -> EndpointStats:
        """Say BYE, close the sockets; the final counts. Idempotent."""
        self.pause()
        if self._rtp is not None and self._rtcp is not None:
            if self._rtp_sent or self._reception:
                self._report(asyncio.get_running_loop().time(), bye=True)
            self._rtp.close()
            self._rtcp.close()
            self._rtp = self._rtcp = None
            await asyncio.sleep(0)
        return self.stats

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for _ in range(CATCH_UP_PACKETS):
            if self._due > now:
                break
            self._send_packet()
            self._due += PACKET_S
        if self._due <= now:
            skipped = int((now - self._due) / PACKET_S) + 1
            self._due += skipped * PACKET_S
            self._timestamp = (self._timestamp + skipped * pcm.FRAME_SAMPLES) & 0xFFFFFFFF
        if now >= self._report_due:
            self._report_due = now + REPORT_S
            self._report(now)
        self._timer = loop.call_at(self._due, self._tick)

    def _send_packet(self) -> None:
        pressed = self._pressed.popleft() if self._pressed else None
        packet = RtpPacket(self._payload_type, self._sequence, self._timestamp, self._ssrc, self._tone)
        if pressed is not None:
            begins, packet.payload = pressed
            if begins:
                self._event_timestamp = self._timestamp
            packet.payload_type, packet.marker = self._dtmf_payload_type, begins
            packet.timestamp = self._event_timestamp
        self._timestamp = (self._timestamp + pcm.FRAME_SAMPLES) & 0xFFFFFFFF
        if self._remote is None or self._rtp is None:
            return
        self._rtp.sendto(build(packet), self._remote)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._rtp_sent += 1
        self._octets_sent += len(packet.payload)

    def _report(self, now: float, *, bye: bool = False) -> None:
        if self._remote_rtcp is None or self._rtcp is None:
            return
        blocks: tuple[rtcp.ReportBlock, ...] = ()
        if (heard := self._reception) is not None:
            last_sr, delay = 0, 0
            if self._last_sr is not None:
                last_sr, delay = self._last_sr[0], int((now - self._last_sr[1]) * 65536)
            blocks = (
                rtcp.ReportBlock(
                    heard.ssrc,
                    heard.fraction_lost(),
                    heard.lost,
                    heard.extended_sequence & 0xFFFFFFFF,
                    int(heard.jitter) & 0xFFFFFFFF,
                    last_sr,
                    delay & 0xFFFFFFFF,
                ),
            )
        packets: list[rtcp.Packet] = [
            rtcp.SenderReport(
                self._ssrc,
                rtcp.ntp_time(time.time()),
                self._timestamp,
                self._rtp_sent,
                self._octets_sent,
                blocks,
            ),
            rtcp.SourceDescription(self._ssrc, self._cname),
        ]
        if bye:
            packets.append(rtcp.Bye((self._ssrc,)))
        self._rtcp.sendto(rtcp.build(packets), self._remote_rtcp)
        self._rtcp_sent += 1

    def _receive_rtp(self, data: bytes) -> None:
        if self._tap_rtp is not None:
            self._tap_rtp(data)
        try:
            packet = parse(data)
        except RtpError:
            return
        if self._reception is None or self._reception.ssrc != packet.ssrc:
            self._reception = Reception(packet.ssrc, packet.sequence, pcm.CLOCK_RATE)
        now = asyncio.get_running_loop().time()
        self._reception.receive(packet.sequence, packet.timestamp, len(packet.payload), now)
        self._rtp_received += 1
        self._octets_received += len(packet.payload)
        if packet.payload_type == self._dtmf_payload_type:
            digit = self._detector.receive(packet)
            if digit is not None:
                self.digits = (self.digits + digit)[-DIGITS_HEARD_MAX:]
                if self._on_digit is not None:
                    self._on_digit(digit)
        else:
            self._tone_heard = not pcm.is_silence(packet.payload_type, packet.payload)

    def _receive_rtcp(self, data: bytes) -> None:
        if self._tap_rtcp is not None:
            self._tap_rtcp(data)
        with contextlib.suppress(rtcp.RtcpError):
            for packet in rtcp.parse(data):
                if isinstance(packet, rtcp.SenderReport):
                    # RFC 3550, 6.4.1: LSR is the middle 32 bits of the NTP timestamp.
                    self._last_sr = (packet.ntp >> 16 & 0xFFFFFFFF, asyncio.get_running_loop().time())
            self._rtcp_received += 1
