"""Searches what a party received, in the clear, for numbers that it must never have seen.

The captures are the receivers' own, taken after TLS. A search that finds nothing proves something only if
it would have found something: so the same search is run over the same bytes with each number planted in
every encoding.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from foundation.capture import read
from masking.encodings import Hit, Numbers, find
from masking.needles import needles

__all__ = ["ChannelReport", "LeakReport", "SelfCheck", "search", "self_check"]

CHUNK_OCTETS = 1 << 17
"""Searched at a time: about a second where it is text, which is read in many ways."""
OVERLAP_OCTETS = 8192
"""A number, in the longest encoding here (telephone events, INFO bodies), may lie across two chunks."""
HITS_KEPT = 20
"""Hits a channel that are kept for the report; all are counted up to the search's own limit a chunk."""


@dataclass(slots=True)
class ChannelReport:
    """One channel of one party. `hits` hold no number: the encoding, the offset, the number's position."""

    party: str
    channel: str
    octets: int = 0
    found: int = 0
    hits: list[Hit] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LeakReport:
    """What was searched and found, in the order in which channels first appear."""

    channels: tuple[ChannelReport, ...]
    numbers: int

    @property
    def octets(self) -> int:
        """Octets searched, all channels together."""
        return sum(channel.octets for channel in self.channels)

    @property
    def found(self) -> int:
        """Numbers found, all channels together."""
        return sum(channel.found for channel in self.channels)

    def missing(self, party: str, channels: Iterable[str]) -> list[str]:
        """Of these channels the ones on which the party received nothing: a search of nothing proves nothing."""
        heard = {report.channel for report in self.channels if report.party == party and report.octets}
        return [channel for channel in channels if channel not in heard]

    def lines(self) -> list[str]:
        """For the ladder: one line a channel, and where something was found."""
        lines = [
            f"{report.party:<12} {report.channel:<8} {report.octets:>12,} bytes searched, {report.found} found"
            for report in self.channels
        ]
        for report in self.channels:
            lines += [
                f"  {report.party} {report.channel}: number {hit.index} as {hit.encoding} at byte {hit.offset}"
                for hit in report.hits
            ]
        return lines


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """How many needles were planted, and the encodings of those that the search did not find."""

    planted: int
    overlooked: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every needle was found, and there were any."""
        return self.planted > 0 and not self.overlooked


def search(
    captures: Sequence[tuple[str, Path]], numbers: Sequence[str], go_on: Callable[[], None] = lambda: None
) -> LeakReport:
    """Search (party, capture file) for E.164 digits, IMSIs and IMEIs.

    A channel's frames are searched as one stream, since a number may be split between two of them. `go_on` is called
    before each chunk and may raise, to end a search that nobody waits for. Raises OSError,
    foundation.capture.CaptureError, ValueError for what is no number.
    """
    prepared = Numbers(numbers)
    reports: dict[tuple[str, str], ChannelReport] = {}
    for party, path in captures:
        for channel, offset, chunk, fresh in _chunks(path):
            go_on()
            report = reports.setdefault((party, channel), ChannelReport(party, channel))
            report.octets += fresh
            hits = find(chunk, prepared)
            overlap = len(chunk) - fresh
            if hits and overlap:
                # What lies in the overlap alone was counted with the chunk before.
                told = {(hit.offset, hit.index) for hit in find(chunk[:overlap], prepared)}
                hits = [hit for hit in hits if (hit.offset, hit.index) not in told]
            report.found += len(hits)
            report.hits += [
                Hit(hit.encoding, offset + hit.offset, hit.index)
                for hit in hits[: max(0, HITS_KEPT - len(report.hits))]
            ]
    return LeakReport(tuple(reports.values()), len(numbers))


def _chunks(path: Path) -> Iterator[tuple[str, int, bytes, int]]:
    """(channel, offset of the chunk, chunk, octets in it that are new) for each channel of a capture."""
    waiting: dict[str, bytearray] = {}
    offsets: dict[str, int] = {}
    carried: dict[str, int] = {}
    for channel, data in read(path):
        buffer = waiting.setdefault(channel, bytearray())
        buffer += data
        if len(buffer) >= CHUNK_OCTETS:
            yield channel, offsets.get(channel, 0), bytes(buffer), len(buffer) - carried.get(channel, 0)
            offsets[channel] = offsets.get(channel, 0) + len(buffer) - OVERLAP_OCTETS
            carried[channel] = OVERLAP_OCTETS
            del buffer[:-OVERLAP_OCTETS]
    for channel, buffer in waiting.items():
        fresh = len(buffer) - carried.get(channel, 0)
        if fresh or not carried.get(channel):
            yield channel, offsets.get(channel, 0), bytes(buffer), fresh


def self_check(numbers: Sequence[str], background: bytes = b"") -> SelfCheck:
    """Plant each number in every encoding, in the middle of `background` (some of what was searched), and
    search for all the numbers at once."""
    prepared = Numbers(numbers)
    half = len(background) // 2
    before, after = background[:half], background[half:]
    planted, overlooked = 0, []
    for index, number in enumerate(numbers):
        for needle in needles(number):
            planted += 1
            if index not in {hit.index for hit in find(before + needle.data + after, prepared)}:
                overlooked.append(needle.encoding)
    return SelfCheck(planted, tuple(overlooked))
