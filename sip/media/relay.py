"""The relay's core: which datagram may pass, and what leaves in its place. No sockets, `now` is given.

RTP is not copied through. The header is built anew with an SSRC, a sequence number offset and a
timestamp offset of ours, without CSRC list and header extension, and the payload is put behind it.
RTCP is read into typed values and built from them under our SSRC and a CNAME made for the call
(RFC 3550, 7.2: a translator that changes SSRCs must change RTCP with them).
"""

import ipaddress
import secrets
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from sip.media import rtcp, rtp
from sip.media.control import MediaError, RemoteMedia, Side, SideStats

__all__ = ["Address", "Leg", "RelayCore", "Session"]

Address = tuple[str, int]

SESSIONS_MAX = 2000
SOURCES_MAX = 4
"""SSRCs remembered a side, so that a late packet of the source before keeps its translation."""
CANDIDATES_MAX = 4
"""Sources remembered of which one packet came, while a port has none."""
PACKET_RATE_MAX = 200
"""Packets a second taken from one side: 50 of audio, doubled for 10 ms frames, doubled for a burst."""
RTCP_RATE_MAX = 20
DEFAULT_CLOCK_RATE = 8000
ADDRESSES_MAX = 1024
"""Addresses of which it is remembered how the kernel writes them."""
UNSPECIFIED = ("0.0.0.0", "::", "")  # noqa: S104 - compared with what an SDP says, never bound
CNAME_OCTETS = 16
_LETTER_OF = bytes(ord("a") + octet % 26 for octet in range(256))

_HEADER = struct.Struct("!BBHII")


@lru_cache(maxsize=ADDRESSES_MAX)
def _address_text(host: str) -> str:
    """An address as the kernel writes it: a description may write IPv6 in other ways (RFC 5952)."""
    if host in UNSPECIFIED:
        return host
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        # A name would have the kernel's resolver asked, with all calls' audio waiting.
        raise MediaError("no IP address is announced") from None


def _random32() -> int:
    return int.from_bytes(secrets.token_bytes(4))


@dataclass(slots=True)
class _Translation:
    """One SSRC of a side, and what it is called on the other side."""

    reception: rtp.Reception
    ssrc_out: int = field(default_factory=_random32)
    sequence_offset: int = field(default_factory=lambda: secrets.randbelow(0x10000))
    timestamp_offset: int = field(default_factory=_random32)
    packets_out: int = 0
    octets_out: int = 0


class _Latch:
    """Which source one of our ports listens to, and where it sends.

    The address that the SDP announces latches with its first packet, and takes over from a guess, once.
    Another port of an allowed host latches as a guess, where its packets prove to be one stream. After
    that nothing but an update changes the source.
    """

    __slots__ = ("_candidates", "_exact", "announced", "hosts", "source")

    def __init__(self) -> None:
        self.announced: Address | None = None
        self.hosts: frozenset[str] = frozenset()
        self.source: Address | None = None
        self._exact = False
        self._candidates: dict[Address, tuple[int, int]] = {}

    def update(self, announced: Address, hosts: frozenset[str]) -> None:
        """The same announcement again (a session refresh) keeps the source."""
        if (announced, hosts) != (self.announced, self.hosts):
            self.announced, self.hosts = announced, hosts
            self.source, self._exact = None, False
            self._candidates.clear()

    def accepts(self, source: Address, ssrc: int | None = None, sequence: int = 0) -> bool:
        """Whether a packet that is valid in itself may come from there.

        RTP gives its SSRC and sequence number: a guess is latched by two packets in sequence (RFC 3550, A.1,
        MIN_SEQUENTIAL), so that one stray or forged packet takes nothing over. RTCP comes too seldom for that.
        """
        if source == self.source:
            return True
        if self._exact or self.announced is None:
            return False
        if source == self.announced:
            self.source, self._exact = source, True
            return True
        if self.source is not None or source[0] not in self.hosts:
            return False
        if ssrc is not None and self._candidates.get(source) != (ssrc, sequence):
            if source not in self._candidates and len(self._candidates) == CANDIDATES_MAX:
                del self._candidates[next(iter(self._candidates))]
            self._candidates[source] = (ssrc, (sequence + 1) & 0xFFFF)
            return False
        self._candidates.clear()
        self.source = source
        return True

    @property
    def destination(self) -> Address | None:
        """Where to send: the latched source, since NAT may differ from the SDP; else as announced."""
        if self.announced is None or self.announced[1] == 0 or self.announced[0] in UNSPECIFIED:
            return None
        return self.source or self.announced


class Leg:
    """One side of a call: what it announced, from where it sends, and what came from it."""

    __slots__ = (
        "_count",
        "_current",
        "_lost_before",
        "_probation",
        "_rtcp_count",
        "_rtcp_window",
        "_window",
        "clock_rates",
        "cname",
        "forwarded",
        "last_rtp",
        "octets",
        "open",
        "packets",
        "rate_max",
        "refused",
        "report_ssrc",
        "rtcp",
        "rtp",
        "sources",
        "ssrc_changes",
    )

    def __init__(self, now: float, *, open: bool, rate_max: int = PACKET_RATE_MAX) -> None:
        self.rtp = _Latch()
        self.rtcp = _Latch()
        self.open = open
        self.clock_rates: Mapping[int, int] = {}
        self.rate_max = rate_max
        self.last_rtp = now
        self.packets = self.octets = self.refused = self.forwarded = self.ssrc_changes = 0
        self.sources: dict[int, _Translation] = {}
        self.report_ssrc = _random32()
        """Reports cross under it while the side itself sent no RTP."""
        self.cname = secrets.token_bytes(CNAME_OCTETS).translate(_LETTER_OF).decode()
        """Of letters alone: nobody can take it for a number."""
        self._current: _Translation | None = None
        self._probation: tuple[int, int] | None = None
        self._lost_before = 0
        self._window = self._rtcp_window = now
        self._count = self._rtcp_count = 0

    def update(self, remote: RemoteMedia) -> None:
        """Take what the side's SDP announces. Raises MediaError where that is no IP address."""
        host = _address_text(remote.host)
        hosts = frozenset((host, *map(_address_text, remote.also_from))).difference(UNSPECIFIED)
        rtcp_port = remote.rtcp_port
        if rtcp_port is None:
            rtcp_port = remote.rtp_port + 1 if remote.rtp_port else 0
        self.rtp.update((host, remote.rtp_port), hosts)
        self.rtcp.update((host, rtcp_port), hosts)
        self.clock_rates = dict(remote.clock_rates)

    def receive_rtp(
        self, data: bytes | memoryview, source: Address, now: float, other: "Leg"
    ) -> tuple[bytes, Address] | None:
        """Take one datagram of this side; what to send to the other side, and where to, or None."""
        size = len(data)
        if not _HEADER.size <= size <= rtp.MAX_PACKET_OCTETS:
            return self._refuse()
        first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
        payload = data[_HEADER.size :]
        # The plain case: version 2, no padding, extension or CSRC, and not RTCP on the wrong port.
        if first != 0x80 or 192 <= second <= 223:
            try:
                payload = rtp.parse(data).payload
            except rtp.RtpError:
                return self._refuse()
        # Only a packet that is valid in itself may latch.
        if source != self.rtp.source and not self.rtp.accepts(source, ssrc, sequence):
            return self._refuse()
        if now - self._window >= 1.0:
            self._window, self._count = now, 0
        self._count += 1
        if self._count > self.rate_max:
            return self._refuse()
        current = self._current
        if current is None or current.reception.ssrc != ssrc:
            current = self._change_source(ssrc, sequence, second & 0x7F)
            if current is None:
                return self._refuse()
        octets = len(payload)
        if not current.reception.receive(sequence, timestamp, octets, now):
            return self._refuse()
        self.packets += 1
        self.octets += octets
        self.last_rtp = now
        destination = other.rtp.destination if self.open else None
        if destination is None:
            return None
        current.packets_out += 1
        current.octets_out += octets
        self.forwarded += 1
        header = _HEADER.pack(
            0x80,
            second,
            (sequence + current.sequence_offset) & 0xFFFF,
            (timestamp + current.timestamp_offset) & 0xFFFFFFFF,
            current.ssrc_out,
        )
        return header + payload, destination

    def _refuse(self) -> tuple[bytes, Address] | None:
        self.refused += 1
        return None

    def _change_source(self, ssrc: int, sequence: int, payload_type: int) -> _Translation | None:
        """The translation of an SSRC other than the current one; None while it has not proved itself.

        RFC 3550, A.1: a new source is on probation until two packets came in sequence. The first of a leg is
        taken at once, since there is nothing that it could take over.
        """
        translation = self.sources.get(ssrc)
        if translation is None:
            if self._current is not None and self._probation != (ssrc, sequence):
                self._probation = (ssrc, (sequence + 1) & 0xFFFF)
                return None
            if len(self.sources) == SOURCES_MAX:
                forgotten = self.sources.pop(next(iter(self.sources)))
                self._lost_before += max(0, forgotten.reception.lost)
            clock_rate = self.clock_rates.get(payload_type, DEFAULT_CLOCK_RATE)
            translation = self.sources[ssrc] = _Translation(rtp.Reception(ssrc, sequence, clock_rate))
        if self._current is not None:
            self.ssrc_changes += 1
        self._current = translation
        return translation

    def receive_rtcp(
        self, data: bytes | memoryview, source: Address, now: float, other: "Leg"
    ) -> tuple[bytes, Address] | None:
        """Take one RTCP datagram of this side; what to send to the other side instead, or None."""
        if len(data) > rtp.MAX_PACKET_OCTETS:
            return self._refuse()
        try:
            packets = rtcp.parse(data)
        except rtcp.RtcpError:
            return self._refuse()
        if not self._is_rtcp_source(source) or not self.rtcp.accepts(source):
            return self._refuse()
        if now - self._rtcp_window >= 1.0:
            self._rtcp_window, self._rtcp_count = now, 0
        self._rtcp_count += 1
        if self._rtcp_count > RTCP_RATE_MAX:
            return self._refuse()
        destination = other.rtcp.destination if self.open else None
        translated = self._translate(packets, other) if destination else []
        if destination is None or not translated:
            return None
        return rtcp.build(translated), destination

    def _is_rtcp_source(self, source: Address) -> bool:
        """Where the side's RTP comes from is known: another allowed host's RTCP is taken from its own port alone."""
        heard = self.rtp.source
        return heard is None or source[0] == heard[0] or source == self.rtcp.announced

    def _translate(self, packets: list[rtcp.Packet], other: "Leg") -> list[rtcp.Packet]:
        """The compound packet that crosses: a report, our CNAME, and BYE. The rest has no form here."""
        report: rtcp.SenderReport | rtcp.ReceiverReport | None = None
        gone: list[int] = []
        for packet in packets:
            if isinstance(packet, rtcp.SenderReport):
                known = self.sources.get(packet.ssrc)
                if known is not None:
                    report = rtcp.SenderReport(
                        known.ssrc_out,
                        packet.ntp,
                        (packet.rtp_timestamp + known.timestamp_offset) & 0xFFFFFFFF,
                        known.packets_out & 0xFFFFFFFF,
                        known.octets_out & 0xFFFFFFFF,
                        other.reports_for(packet.reports),
                    )
            elif isinstance(packet, rtcp.ReceiverReport):
                known = self.sources.get(packet.ssrc)
                ssrc = known.ssrc_out if known else self.report_ssrc
                report = rtcp.ReceiverReport(ssrc, other.reports_for(packet.reports))
            elif isinstance(packet, rtcp.Bye):
                gone += [self.sources[ssrc].ssrc_out for ssrc in packet.ssrcs if ssrc in self.sources]
        if report is None:
            if not gone:
                return []
            # RFC 3550, 6.1: every compound packet begins with a report, if an empty one.
            report = rtcp.ReceiverReport(gone[0])
        built: list[rtcp.Packet] = [report, rtcp.SourceDescription(report.ssrc, self.cname)]
        if gone:
            built.append(rtcp.Bye(tuple(gone[:31])))
        return built

    def reports_for(self, blocks: tuple[rtcp.ReportBlock, ...]) -> tuple[rtcp.ReportBlock, ...]:
        """Reports about what we sent for this side, in this side's own numbers; others fall away."""
        own = {known.ssrc_out: (ssrc, known) for ssrc, known in self.sources.items()}
        return tuple(
            rtcp.ReportBlock(
                own[block.ssrc][0],
                block.fraction_lost,
                block.lost,
                (block.highest_sequence - own[block.ssrc][1].sequence_offset) & 0xFFFFFFFF,
                block.jitter,
                block.last_sr,
                block.delay,
            )
            for block in blocks
            if block.ssrc in own
        )

    def stats(self, now: float) -> SideStats:
        """The counters of this side."""
        source = self.rtp.source
        lost = self._lost_before + sum(max(0, known.reception.lost) for known in self.sources.values())
        return SideStats(
            packets=self.packets,
            octets=self.octets,
            lost=lost,
            jitter_ms=round(self._current.reception.jitter_ms, 3) if self._current else 0.0,
            ssrc_changes=self.ssrc_changes,
            refused=self.refused,
            forwarded=self.forwarded,
            silent_s=round(now - self.last_rtp, 3),
            latched=f"{source[0]}:{source[1]}" if source else None,
        )


class Session:
    """Two legs of one call."""

    __slots__ = ("a", "b", "call_id", "created")

    def __init__(self, call_id: str, a: Leg, b: Leg, created: float) -> None:
        self.call_id = call_id
        self.a = a
        self.b = b
        self.created = created

    def leg(self, side: Side) -> Leg:
        """The leg of this side."""
        return self.a if side == "a" else self.b


class RelayCore:
    """The table of calls, bounded by `sessions_max`."""

    def __init__(self, *, sessions_max: int = SESSIONS_MAX, packet_rate_max: int = PACKET_RATE_MAX) -> None:
        self._sessions: dict[str, Session] = {}
        self._sessions_max = sessions_max
        self._rate_max = packet_rate_max

    def __len__(self) -> int:
        return len(self._sessions)

    def create(self, call_id: str, now: float, *, gate_a: bool = True, gate_b: bool = True) -> Session:
        """Begin a call. Raises MediaError when the id is in use or the table is full."""
        if call_id in self._sessions:
            raise MediaError("call id in use")
        if len(self._sessions) >= self._sessions_max:
            raise MediaError("too many calls")
        leg_a = Leg(now, open=gate_a, rate_max=self._rate_max)
        leg_b = Leg(now, open=gate_b, rate_max=self._rate_max)
        session = self._sessions[call_id] = Session(call_id, leg_a, leg_b, now)
        return session

    def get(self, call_id: str) -> Session:
        """A call by its id. Raises MediaError when it is unknown."""
        try:
            return self._sessions[call_id]
        except KeyError:
            raise MediaError("unknown call") from None

    def delete(self, call_id: str) -> Session:
        """End a call. Raises MediaError when it is unknown."""
        session = self.get(call_id)
        del self._sessions[call_id]
        return session

    def silent(self, seconds: float, now: float) -> list[tuple[str, Side]]:
        """Sides from which no RTP came for so long."""
        sides: list[tuple[str, Side]] = []
        for session in self._sessions.values():
            if now - session.a.last_rtp >= seconds:
                sides.append((session.call_id, "a"))
            if now - session.b.last_rtp >= seconds:
                sides.append((session.call_id, "b"))
        return sides
