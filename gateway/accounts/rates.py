"""How fast accounts and access numbers may send, and how fast calls may be made: token buckets with burst."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from gateway.access_number import AccessNumberRow
from gateway.store.accounts import AccountRow

BUCKETS_MAX: Final = 100_000
"""Accounts and access numbers remembered at once; past it the one not used for longest starts afresh."""


class TokenBucket:
    """Fills at `rate` tokens a second up to `burst`; begins full. `now` is monotonic seconds."""

    __slots__ = ("_at", "_tokens", "burst", "rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._at = now

    def take(self, tokens: float, now: float) -> bool:
        """All of them or, when there are fewer, none."""
        if now > self._at:
            self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
            self._at = now
        # More than the bucket ever holds passes when it is full, as a debt: refused, it could never be sent.
        if self._tokens < min(tokens, self.burst):
            return False
        self._tokens -= tokens
        return True

    def change(self, rate: float, burst: float, now: float) -> None:
        """Other limits from now on; what was taken stays taken."""
        self.take(0, now)
        self._tokens = min(self._tokens, burst)
        self.rate = rate
        self.burst = burst


class Rates:
    """The buckets of all accounts, access numbers and who calls. A rate of 0 is no limit."""

    def __init__(
        self,
        *,
        account_rate: float = 0.0,
        access_number_rate: float = 0.0,
        burst_s: float = 1.0,
        buckets_max: int = BUCKETS_MAX,
    ) -> None:
        """The rates hold where a row has none of its own. Without a burst of its own, a bucket holds what
        comes in `burst_s` seconds, at least one message."""
        self._account_rate = account_rate
        self._access_number_rate = access_number_rate
        self._burst_s = burst_s
        self._buckets_max = buckets_max
        self._buckets: OrderedDict[tuple[str, ...], TokenBucket] = OrderedDict()

    def limits(self, account: AccountRow) -> bool:
        """Whether there is a limit to what the account may send."""
        return (self._account_rate if account.rate is None else account.rate) > 0

    def take_account(self, account: AccountRow, now: float, messages: int = 1) -> bool:
        """Whether the account may send that many messages now; if so they are counted."""
        rate = self._account_rate if account.rate is None else account.rate
        return rate <= 0 or self._take(("account", account.system_id), rate, account.burst, messages, now)

    def take_access_number(self, row: AccessNumberRow, now: float, messages: int = 1) -> bool:
        """Whether that many messages may come from the access number now; if so they are counted."""
        rate = self._access_number_rate if row.rate is None else row.rate
        return rate <= 0 or self._take(("access number", row.number), rate, row.burst, messages, now)

    def take_call(self, key: tuple[str, ...], rate: float | None, burst: int | None, now: float) -> bool:
        """Whether one more call of this trunk, access number or person may be made now; if so it is counted."""
        return not rate or self._take(key, rate, burst, 1, now)

    def _take(
        self, key: tuple[str, ...], rate: float, own_burst: int | None, messages: int, now: float
    ) -> bool:
        burst = max(1.0, rate * self._burst_s) if own_burst is None else float(own_burst)
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= self._buckets_max:
                self._buckets.popitem(last=False)
            bucket = self._buckets[key] = TokenBucket(rate, burst, now)
        else:
            self._buckets.move_to_end(key)
            if bucket.rate != rate or bucket.burst != burst:
                bucket.change(rate, burst, now)
        return bucket.take(messages, now)
