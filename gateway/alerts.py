"""What is put before the carrier's operator: log, metric and audit chain."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from typing import Final

from foundation import audit
from foundation.store import StoreBusy, StoreUnavailable
from gateway.records import metrics
from gateway.store.domain import Domain

GUESSING: Final = "aid.guessing"
WRONG_ANSWERS: Final = "trust.answers.unsigned"
AGAIN_S: Final = 60.0
"""Wrong answers go on the audit chain at most so often; log and metric have each."""

_log = logging.getLogger(__name__)


class GuessAlert:
    """An enterprise names too many unknown AIDs; see trust_client.guesses."""

    def __init__(self, domain: Domain, carrier: str) -> None:
        self._domain = domain
        self._carrier = carrier

    def __call__(self, enterprise_id: str) -> None:
        metrics.GUESS_ALERTS.add(enterprise_id)
        _log.warning("AIDs are guessed by enterprise %s: it is not asked for until it stops", enterprise_id)
        _on_chain(self._domain, self._carrier, GUESSING, {"enterprise": enterprise_id})


class AnswerAlert:
    """The trust party did not sign what it answered; see trust_client.batch_check, which logs each."""

    def __init__(
        self, domain: Domain, carrier: str, trust_party: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._domain = domain
        self._carrier = carrier
        self._trust_party = trust_party
        self._clock = clock
        self._again = float("-inf")

    def __call__(self) -> None:
        metrics.WRONG_ANSWERS.inc()
        now = self._clock()
        if now >= self._again:
            self._again = now + AGAIN_S
            _on_chain(self._domain, self._carrier, WRONG_ANSWERS, {"trust_party": self._trust_party})


def _on_chain(domain: Domain, carrier: str, event: str, detail: dict[str, str]) -> None:
    at_ms = domain.now_ms()

    def op(conn: sqlite3.Connection) -> int:
        return audit.append(conn, at_ms=at_ms, user=carrier, event=event, success=False, detail=detail)

    def done(_sequence: int | None, error: BaseException | None) -> None:
        if error is not None:
            _log.error("%s is not on the audit chain: %s", event, error)

    try:
        domain.store.submit(op, done)
    except (StoreBusy, StoreUnavailable) as error:
        done(None, error)
