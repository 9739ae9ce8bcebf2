"""An enterprise that names too many unknown AIDs is put before the carrier's operator."""

from __future__ import annotations

import logging
import sqlite3

from foundation import audit
from foundation.store import StoreBusy, StoreUnavailable
from gateway.records import metrics
from gateway.store.domain import Domain

EVENT = "aid.guessing"

_log = logging.getLogger(__name__)


class GuessAlert:
    """Log, metric and audit chain; see trust_client.guesses."""

    def __init__(self, domain: Domain, carrier: str) -> None:
        self._domain = domain
        self._carrier = carrier

    def __call__(self, enterprise_id: str) -> None:
        metrics.GUESS_ALERTS.add(enterprise_id)
        _log.warning("AIDs are guessed by enterprise %s: it is not asked for until it stops", enterprise_id)
        at_ms = self._domain.now_ms()

        def op(conn: sqlite3.Connection) -> int:
            detail = {"enterprise": enterprise_id}
            return audit.append(
                conn, at_ms=at_ms, user=self._carrier, event=EVENT, success=False, detail=detail
            )

        def done(_sequence: int | None, error: BaseException | None) -> None:
            if error is not None:
                _log.error("guessing is not on the audit chain: %s", error)

        try:
            self._domain.store.submit(op, done)
        except (StoreBusy, StoreUnavailable) as error:
            done(None, error)
