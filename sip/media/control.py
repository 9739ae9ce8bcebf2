"""What signalling asks of media, whichever relay carries it: our own process, or rtpengine.

Each call has two sides, "a" and "b"; each side has one address that its SDP announces to us and one
that our SDP announces to it. Media of a side is what that side *sends*.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol, TypeAlias

__all__ = [
    "SIDES",
    "LocalMedia",
    "MediaControl",
    "MediaError",
    "MediaPorts",
    "MediaStats",
    "MediaUnavailable",
    "RemoteMedia",
    "Side",
    "SideStats",
]

Side: TypeAlias = Literal["a", "b"]
SIDES: tuple[Side, Side] = ("a", "b")


class MediaError(Exception):
    """The relay refused: unknown call, call id in use, no port or session left."""


class MediaUnavailable(MediaError):
    """The relay is gone, or did not answer within the deadline."""


class LocalMedia(NamedTuple):
    """Where a side sends to: for the SDP that it is shown."""

    host: str
    rtp_port: int
    rtcp_port: int


class MediaPorts(NamedTuple):
    """The addresses given to the two sides."""

    a: LocalMedia
    b: LocalMedia

    def of(self, side: Side) -> LocalMedia:
        """The address to show to this side."""
        return self.a if side == "a" else self.b


@dataclass(frozen=True, slots=True)
class RemoteMedia:
    """Where a side listens, as its SDP announces, and from where its packets may come."""

    host: str
    """IP address. Nothing is sent while it is unspecified (0.0.0.0, ::): the old form of hold."""
    rtp_port: int
    """0: nothing is sent."""
    rtcp_port: int | None = None
    """None: rtp_port + 1."""
    also_from: tuple[str, ...] = ()
    """Other addresses that packets may come from, because of NAT: the one that signalling comes from."""
    clock_rates: Mapping[int, int] = field(default_factory=dict)
    """Payload type to clock rate in Hz, for jitter; 8000 for others, since a side may send by the numbers of
    the other side's answer (RFC 3264, section 5.1)."""


class SideStats(NamedTuple):
    """What came from one side."""

    packets: int
    octets: int
    """RTP payload octets."""
    lost: int | None
    """None where the relay does not know it."""
    jitter_ms: float | None
    """None where the relay does not know it."""
    ssrc_changes: int
    refused: int
    """Datagrams dropped: another source, no RTP, over the rate."""
    forwarded: int
    silent_s: float
    """Seconds since the last RTP packet, or since the call's creation where none came."""
    latched: str | None
    """"host:port" that packets come from."""


class MediaStats(NamedTuple):
    """Both sides of one call and its age in seconds."""

    a: SideStats
    b: SideStats
    age_s: float

    def of(self, side: Side) -> SideStats:
        """What came from this side."""
        return self.a if side == "a" else self.b


class MediaControl(Protocol):
    """Anchors the media of calls. Every method raises MediaError or MediaUnavailable."""

    async def create(
        self,
        call_id: str,
        *,
        gate_a: bool = True,
        gate_b: bool = True,
        networks: tuple[Side, Side] = SIDES,
        told: tuple[Side, RemoteMedia] | None = None,
    ) -> MediaPorts:
        """Take ports for a call. A closed gate withholds what that side sends (early media). `networks`: in which the
        two sides are; both in the same one where a call has been put through to another party there. `told`: what a
        side's SDP announced already, as `update` tells it, without asking twice."""

    async def update(
        self, call_id: str, side: Side, remote: RemoteMedia, *, opens: Side | None = None
    ) -> None:
        """Tell what a side's SDP announces. Another address than before lets the source change. `opens`: let what that
        side sends through from then on, as `gate` does, without asking twice."""

    async def gate(self, call_id: str, side: Side, open: bool) -> None:
        """Let what this side sends through, or withhold it."""

    async def stats(self, call_id: str) -> MediaStats:
        """Counters of a call."""

    async def silent(self, seconds: float) -> list[tuple[str, Side]]:
        """The sides, over all calls, from which no RTP came for so long."""

    async def delete(self, call_id: str) -> MediaStats:
        """Give the ports back; the last counters."""
