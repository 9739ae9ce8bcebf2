"""AIDs that are not an enterprise's own, or nobody's: how many it may name before nothing of it is asked."""

import time
from collections.abc import Callable
from typing import Final

from foundation.allowance import Allowance

GUESSES: Final = frozenset({"UNKNOWN_AID", "NOT_OWNER"})
"""Reasons of the trust party that count."""
TOO_MANY_UNKNOWN: Final = "TOO_MANY_UNKNOWN"
"""The trust party's own bound: no statement about the AID."""


class Guesses:
    """Counted for each enterprise; `alert` is told of one that names too many, at most once a minute."""

    def __init__(
        self,
        per_minute: float,
        burst: int,
        alert: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allowance = Allowance(per_minute, burst)
        self._alert = alert
        self._clock = clock

    @property
    def anybody(self) -> bool:
        """Whether anybody guessed at all lately: else nobody has to be looked up."""
        return len(self._allowance) > 0

    def is_over(self, enterprise: str) -> bool:
        """Whether an enterprise has named too many."""
        return self._allowance.is_over((enterprise,), self._clock())

    def refused(self, enterprise: str, reason: str) -> None:
        """A question of the enterprise's was refused for this reason."""
        if reason in GUESSES and self._allowance.spend((enterprise,), 1, self._clock()):
            self._alert(enterprise)
