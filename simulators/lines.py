"""The lines of a telephone and their calls: what is known of each, while it lasts and afterwards.

A line has a number or user name, a behaviour when it is called and a journal of its calls.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Literal

from simulators.journal import Journal
from simulators.scripts import Behaviour
from sip.call import Call
from sip.media.endpoint import RtpEndpoint

CallStateName = Literal["calling", "ringing", "answered", "ended"]


class NoSuchCall(Exception):
    """The line has no call in a state for what was asked."""


@dataclass(slots=True)
class CallRecord:
    """One call as its telephone saw it. Times are integer milliseconds since the epoch."""

    id: str
    direction: Literal["out", "in"]
    peer: str
    """User part of the other party's URI: whom was called, or what From showed."""
    from_uri: str = ""
    to_uri: str = ""
    asserted: str | None = None
    """P-Asserted-Identity as received."""
    state: CallStateName = "calling"
    started: int = 0
    answered: int | None = None
    ended: int | None = None
    status: int | None = None
    """Final status of a call that was not answered."""
    cause: str | None = None
    rtp_received: int = 0
    rtp_sent: int = 0
    rtcp_received: int = 0
    tone_heard: bool = False
    digits: str = ""
    """What the other side pressed."""
    index: int = 0


@dataclass(slots=True)
class Line:
    """One number or user on a telephone."""

    user: str
    """User part of its URI and contact."""
    calls: Journal[CallRecord]
    behaviour: Behaviour = field(default_factory=Behaviour)
    live_max: int = 1
    """Calls at once; one more is busy."""
    live: "list[LiveCall]" = field(default_factory=list)

    def find(
        self,
        call_id: str | None,
        states: tuple[CallStateName, ...],
        direction: Literal["out", "in"] | None = None,
    ) -> "LiveCall":
        """The call of that id, or the newest, in one of these states. Raises NoSuchCall."""
        for live in reversed(self.live):
            record = live.record
            if call_id not in (None, record.id) or record.state not in states or live.call is None:
                continue
            if direction is None or record.direction == direction:
                return live
        raise NoSuchCall(f"no call is {' or '.join(states)}")


@dataclass(slots=True, eq=False)
class LiveCall:
    """A call that has not ended, with its audio."""

    line: Line
    record: CallRecord
    call: Call | None = None
    media: RtpEndpoint | None = None
    timer: asyncio.TimerHandle | None = None
    """Of ringing, then of talk."""
    keys: asyncio.TimerHandle | None = None
    over: bool = False

    def note_media(self) -> None:
        """What its audio counted so far, into the record."""
        media, record = self.media, self.record
        if media is not None:
            stats = media.stats
            record.rtp_sent, record.rtp_received = stats.rtp_sent, stats.rtp_received
            record.rtcp_received = stats.rtcp_received
            record.tone_heard = record.tone_heard or media.tone_heard()


@dataclass(slots=True)
class CallCounts:
    """The calls of a telephone so far."""

    placed: int = 0
    taken: int = 0
    answered: int = 0
    up: int = 0
    most: int = 0
    """The most that were up at one time."""
    ended: dict[str, int] = field(default_factory=dict)
    """By cause."""
    refused: dict[int, int] = field(default_factory=dict)
    """Calls that were not answered, by status."""

    def __str__(self) -> str:
        refused = "".join(f", {count} ended {status}" for status, count in sorted(self.refused.items()))
        return (
            f"{self.up} calls up (at most {self.most}), {self.taken} taken, {self.placed} placed,"
            f" {self.answered} answered{refused}"
        )

    def count_end(self, record: CallRecord) -> None:
        """One that has ended."""
        cause, status = record.cause or "", record.status
        self.ended[cause] = self.ended.get(cause, 0) + 1
        if record.answered is None and status is not None:
            self.refused[status] = self.refused.get(status, 0) + 1
