"""AIDs that are not the asker's, or nobody's: how many each may name, and who is told when one names more.

An AID cannot be guessed by number: there are 10^13 and each belongs to one enterprise. Who tries all the same is
answered no precise reasons any more and is put before the operator. What is granted is granted as ever.
"""

import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException

from foundation import audit
from foundation.allowance import Allowance
from foundation.logs import get_logger
from foundation.store import Store, StoreBusy, StoreUnavailable
from trust_party.clock import now_ms
from trust_party.directory import Directory

TOO_MANY_UNKNOWN: Final = "TOO_MANY_UNKNOWN"
"""The reason of every refusal to one who named too many."""
RETRY_AFTER: Final = "60"
"""Seconds."""
EVENT: Final = "aid.guessing"

_log = get_logger(__name__)


class Guesses:
    """Counted for each asking party and the enterprise that it asks for."""

    def __init__(
        self,
        store: Store,
        directory: Directory,
        per_minute: float,
        burst: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._directory = directory
        self._allowance = Allowance(per_minute, burst)
        self._clock = clock
        self.alerts: Counter[tuple[str, str]] = Counter()
        """Alerts since the start, by asking party and enterprise."""

    def is_over(self, party: str, enterprise: str) -> bool:
        """Whether a party has named too many for this enterprise."""
        return self._allowance.is_over(self._holder(party, enterprise), self._clock())

    def check(self, party: str, enterprise: str) -> None:
        """Raises HTTPException 429 when `is_over`: for routes that a party may as well ask later."""
        if self.is_over(party, enterprise):
            raise HTTPException(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too many AIDs that are not the caller's",
                {"Retry-After": RETRY_AFTER},
            )

    def count(self, party: str, enterprise: str, unknown: int) -> None:
        """So many AIDs were unknown, or another's."""
        if unknown and self._allowance.spend(self._holder(party, enterprise), unknown, self._clock()):
            self._alert(party, enterprise)

    def _holder(self, party: str, enterprise: str) -> tuple[str, str]:
        # Names of enterprises that there are not would be without end.
        return (party, enterprise if enterprise in self._directory.enterprises else "")

    def _alert(self, party: str, enterprise: str) -> None:
        self.alerts[self._holder(party, enterprise)] += 1
        _log.warning("AIDs are guessed", party=party, enterprise=enterprise)

        def op(conn: sqlite3.Connection) -> int:
            detail = {"enterprise": enterprise}
            return audit.append(conn, at_ms=now_ms(), user=party, event=EVENT, success=False, detail=detail)

        def done(_sequence: int | None, error: BaseException | None) -> None:
            if error is not None:
                _log.error("guessing is not on the audit chain", party=party, error=str(error))

        try:
            self._store.submit(op, done)
        except (StoreBusy, StoreUnavailable) as error:
            done(None, error)
