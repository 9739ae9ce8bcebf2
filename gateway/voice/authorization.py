"""May this enterprise call this AID now? The trust party is asked, and one write decides and records."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from foundation.store import StoreBusy, StoreUnavailable
from gateway.policy.decision import Ask, decide_contacts
from gateway.policy.refusal import Case, Refusal
from gateway.store import records
from gateway.store.domain import Domain
from gateway.voice import call_record
from gateway.voice.call_caps import CallOf
from gateway.voice.call_record import CallRecord, Direction
from trust_client.verifier import Grant, Question, Refused, Unavailable, Verifier

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Authorized:
    """The call's record is on the disk: whom to call."""

    record: CallRecord
    msisdn: str


Done = Callable[[Authorized | Case], None]


class Authorization:
    """Asks about each call, whatever was granted before: calls are few."""

    def __init__(self, domain: Domain, verifier: Verifier) -> None:
        self._domain = domain
        self._verifier = verifier

    def ask(self, call: CallOf, done: Done) -> None:
        """`done` is told once: the call's record, or the case of its refusal, whose cause is recorded."""
        self._verifier.submit(
            Question(call.aid or "", call.trunk.enterprise_id, "voice", call.number.number),
            lambda answer: self._verified(call, answer, done),
            fresh=True,
        )

    def _verified(self, call: CallOf, answer: Grant | Refused | Unavailable, done: Done) -> None:
        if isinstance(answer, Unavailable):
            done(Case.NOT_AVAILABLE)
            return
        grant = answer if isinstance(answer, Grant) else None
        reason = answer.reason if isinstance(answer, Refused) else None

        def op(conn: sqlite3.Connection) -> Authorized | Refusal:
            return self._commit(conn, call, grant, reason)

        def written(outcome: Authorized | Refusal | None, error: BaseException | None) -> None:
            if error is not None or outcome is None:
                if not isinstance(error, StoreBusy | StoreUnavailable):
                    _log.error("call not recorded", exc_info=error)
                done(Case.NOT_AVAILABLE)
            else:
                done(outcome.case if isinstance(outcome, Refusal) else outcome)

        # A refusal by the trust party takes the same way through the store as one decided here:
        # from outside, nothing tells which it was.
        try:
            self._domain.store.submit(op, written)
        except (StoreBusy, StoreUnavailable):
            done(Case.NOT_AVAILABLE)

    def _commit(
        self, conn: sqlite3.Connection, call: CallOf, grant: Grant | None, reason: str | None
    ) -> Authorized | Refusal:
        domain, enterprise_id, now = self._domain, call.trunk.enterprise_id, self._domain.now_ms()
        number, aid = call.number.number, call.aid or ""
        found = decide_contacts(conn, domain, [Ask(grant, enterprise_id, number)], now)[0]
        if isinstance(found, Refusal):
            refusal = records.RefusalRow(
                domain.ids.next(), now, enterprise_id, "voice", number, aid, reason or found.cause
            )
            records.put_refusals(conn, [refusal])
            return found
        record = CallRecord(
            id=domain.ids.next(),
            direction=Direction.CALL,
            enterprise_id=enterprise_id,
            access_number=number,
            aid=aid,
            edi_id=found.edi_id,
            started_at=now,
        )
        call_record.insert(conn, domain, record, found.msisdn)
        return Authorized(record, found.msisdn)
