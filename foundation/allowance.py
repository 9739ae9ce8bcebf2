"""How many mistakes each of many is allowed that nobody honest makes often: tokens that come back. No I/O.

What is spent is spent by what came of a question, so it is known only afterwards: an allowance may go below zero by
what was under way, down to minus its burst, and is then over until that is made up for.
"""

from collections import OrderedDict
from typing import Final

HOLDERS_MAX: Final = 20_000
"""Who spent lately, remembered at once; past it the one who spent longest ago starts afresh."""
ALERT_SECONDS: Final = 60.0
"""Between two alerts about one holder."""


class _Tokens:
    __slots__ = ("alerted", "at", "left")

    def __init__(self, left: float, at: float) -> None:
        self.left = left
        self.at = at
        self.alerted = float("-inf")


class Allowance:
    """`per_minute` tokens come back, up to `burst`. Times are monotonic seconds."""

    def __init__(self, per_minute: float, burst: int, *, holders_max: int = HOLDERS_MAX) -> None:
        self._rate = per_minute / 60
        self._burst = float(burst)
        self._max = holders_max
        self._holders: OrderedDict[tuple[str, ...], _Tokens] = OrderedDict()

    def __len__(self) -> int:
        return len(self._holders)

    def is_over(self, holder: tuple[str, ...], now: float) -> bool:
        """Whether everything that the holder was allowed is spent."""
        tokens = self._holders.get(holder)
        return tokens is not None and self._refilled(tokens, now) < 1.0

    def spend(self, holder: tuple[str, ...], count: int, now: float) -> bool:
        """Count mistakes; True when the allowance is over and it is time to alert somebody."""
        tokens = self._holders.get(holder)
        if tokens is None:
            if len(self._holders) >= self._max:
                self._holders.popitem(last=False)
            tokens = self._holders[holder] = _Tokens(self._burst, now)
        self._holders.move_to_end(holder)
        tokens.left = max(-self._burst, self._refilled(tokens, now) - count)
        if tokens.left >= 1.0 or now - tokens.alerted < ALERT_SECONDS:
            return False
        tokens.alerted = now
        return True

    def _refilled(self, tokens: _Tokens, now: float) -> float:
        if now > tokens.at:
            tokens.left = min(self._burst, tokens.left + (now - tokens.at) * self._rate)
            tokens.at = now
        return tokens.left
