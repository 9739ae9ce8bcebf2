"""How fast a link may send: a token bucket that slows down by itself when the SMSC throttles.

Pure: `now` is monotonic seconds. After a throttled answer nothing is sent for a pause; then the bucket fills
half as fast as before, and the halved rate doubles in every `recover_s` until it is what was configured. A link
without a configured rate is measured, halved from that, and free again at four times it: AIMD's saw tooth, with
a multiplicative climb since an SMSC's limit is not known to be near.
"""

from __future__ import annotations

from math import inf
from typing import Final

BURST_S: Final = 0.1
"""Seconds' worth of messages that may go at once where no burst is configured."""
BURST_LEAST_S: Final = 0.02
"""The bucket holds at least so much: a timer of the loop comes a few milliseconds late, and what does not fit
meanwhile would be lost to the rate."""
LIMIT_MIN: Final = 1.0
"""Messages a second below which throttling slows nothing further."""
MEASURE_S: Final = 1.0
"""How long messages are counted to tell how fast a link without a rate sends."""
FREE_ABOVE: Final = 4.0
"""Times the rate at which an SMSC throttled: from there a link without a rate has no limit again."""


class Pace:
    """The pace of one SMSC's link."""

    __slots__ = (
        "_at",
        "_burst_s",
        "_ceiling",
        "_limit",
        "_marked_at",
        "_measured",
        "_pause_s",
        "_paused_until",
        "_rate",
        "_recover_s",
        "_sent",
        "_tokens",
    )

    def __init__(self, rate: float, burst: float, *, pause_s: float, recover_s: float, now: float) -> None:
        """`rate` in messages a second, 0 for no limit; `burst` in messages, 0 for a tenth of a second's."""
        self._rate = rate if rate > 0 else inf
        self._burst_s = max(burst / rate if rate > 0 and burst else BURST_S, BURST_LEAST_S)
        self._pause_s = pause_s
        self._recover_s = recover_s
        self._limit = self._ceiling = self._rate
        self._tokens = self._capacity() if self._limit < inf else 0.0
        self._at = now
        self._paused_until = now
        self._sent = 0
        self._marked_at = now
        self._measured = 0.0

    @property
    def limit(self) -> float:
        """Messages a second at which the bucket fills, as of the last look; inf when there is no limit."""
        return self._limit

    def wait(self, now: float) -> float:
        """Seconds until the next message may be sent; 0 when it may be sent now."""
        if now < self._paused_until:
            return self._paused_until - now
        # What it holds is enough, and is reckoned anew only when it is not or when the rate is recovering.
        if self._limit == self._rate and (self._limit == inf or self._tokens >= 1.0):
            return 0.0
        self._fill(now)
        # As many tokens as floating point leaves of one are one.
        return 0.0 if self._tokens > 0.999_999 else (1.0 - self._tokens) / self._limit

    @property
    def is_free(self) -> bool:
        """Whether there is no limit now."""
        return self._limit == inf

    def take(self, now: float, messages: int = 1) -> None:
        """Messages are sent."""
        if now - self._marked_at >= MEASURE_S:
            self._measured = self._sent / (now - self._marked_at)
            self._sent = 0
            self._marked_at = now
        self._sent += messages
        self._tokens -= messages

    def throttled(self, now: float, pause_s: float | None = None) -> bool:
        """The SMSC says that it was too fast; `pause_s` in place of the configured pause.

        False within a pause: what was sent before it may still be refused, and is no news.
        """
        if now < self._paused_until:
            return False
        if self._limit < inf:
            self._fill(now)
        reached = self._limit if self._limit < inf else self._speed(now)
        self._ceiling = self._rate if self._rate < inf else max(FREE_ABOVE * reached, FREE_ABOVE)
        self._limit = min(max(reached / 2, LIMIT_MIN), self._ceiling)
        self._paused_until = now + (self._pause_s if pause_s is None else pause_s)
        self._tokens = 1.0
        self._at = self._paused_until
        return True

    def _fill(self, now: float) -> None:
        passed = now - self._at
        if passed <= 0:
            return
        self._at = now
        if self._limit < self._ceiling:
            self._limit = min(self._limit * 2.0 ** min(passed / self._recover_s, 64.0), self._ceiling)
            if self._limit == self._ceiling:
                self._limit = self._rate
                if self._limit == inf:
                    return
        self._tokens = min(self._tokens + passed * self._limit, self._capacity())

    def _capacity(self) -> float:
        return max(1.0, self._limit * self._burst_s)

    def _speed(self, now: float) -> float:
        """Messages a second of late; a burst counts as if it had taken a tenth of a second."""
        passed = now - self._marked_at
        recent = self._sent / max(passed, BURST_S)
        return max(recent, self._measured if passed < 2 * MEASURE_S else 0.0)
