"""Rate limits and congestion: what an SMSC does when it is sent too much."""


class Bucket:
    """A token bucket: `rate` messages a second, and `burst` more at once."""

    __slots__ = ("_at", "_tokens", "burst", "rate")

    def __init__(self, rate: int, burst: int, now_ms: int) -> None:
        self.rate = rate
        self.burst = float(burst or rate)
        self._tokens = self.burst
        self._at = now_ms

    def _fill(self, now_ms: int) -> None:
        if now_ms > self._at:
            self._tokens = min(self.burst, self._tokens + (now_ms - self._at) * self.rate / 1000)
            self._at = now_ms

    def take(self, now_ms: int) -> bool:
        """Whether one more message is within the rate."""
        self._fill(now_ms)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def used(self, now_ms: int) -> float:
        """Share of the burst that is used up, 0 to 1."""
        self._fill(now_ms)
        return 1 - self._tokens / self.burst


CONGESTION_MAX = 99
"""5.0 4.8.4.18: 0 idle, 1-29 low, 30-49 medium, 50-79 high, 80-89 optimum, 90-99 nearing congestion."""


def congestion(*shares: float) -> int:
    """The congestion_state of the most loaded of several resources."""
    return min(CONGESTION_MAX, max(0, int(max(shares) * 100)))
