"""May this enterprise call this AID now? The trust party is asked, and one write decides and records."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from typing import Final, NamedTuple

from foundation.store import Stage, StoreBusy, StoreUnavailable
from gateway.policy.decision import Ask, decide_contacts
from gateway.policy.refusal import Case, Refusal
from gateway.store import records
from gateway.store.domain import Domain
from gateway.voice import call_record
from gateway.voice.call_caps import CallOf
from gateway.voice.call_record import COMMITS_APART_S, CallRecord, Direction
from trust_client.verifier import Grant, Question, Refused, Unavailable, Verifier

_log = logging.getLogger(__name__)


class Authorized(NamedTuple):
    """The call's record is on the disk: whom to call."""

    record: CallRecord
    msisdn: str


Done = Callable[[Authorized | Case], None]

CALLS_ORDER: Final = 50
"""Where in a commit calls are authorized: behind the messages."""


class _Asked(NamedTuple):
    """A call that the trust party has answered for: `grant`, or None and its reason."""

    call: CallOf
    grant: Grant | None
    reason: str | None
    done: Done


class Authorization:
    """Asks about each call, whatever was granted before: calls are few."""

    def __init__(self, domain: Domain, verifier: Verifier) -> None:
        self._domain = domain
        self._verifier = verifier
        self._stage: Stage[_Asked, Authorized | Refusal] = Stage(
            self._decide, _decided, order=CALLS_ORDER, spacing_s=COMMITS_APART_S
        )

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
        # A refusal by the trust party takes the same way through the store as one decided here:
        # from outside, nothing tells which it was.
        try:
            self._domain.store.put(self._stage, _Asked(call, grant, reason, done))
        except (StoreBusy, StoreUnavailable):
            done(Case.NOT_AVAILABLE)

    def _decide(self, conn: sqlite3.Connection, asked: list[_Asked]) -> list[Authorized | Refusal]:
        domain, now = self._domain, self._domain.now_ms()
        asks = [Ask(each.grant, each.call.trunk.enterprise_id, each.call.number.number) for each in asked]
        decided: list[Authorized | Refusal] = []
        refusals: list[records.RefusalRow] = []
        for (call, _, reason, _), found in zip(asked, decide_contacts(conn, domain, asks, now), strict=True):
            of = (call.trunk.enterprise_id, call.number.number, call.aid or "")
            if isinstance(found, Refusal):
                refusals.append(
                    records.RefusalRow(domain.ids.next(), now, of[0], "voice", *of[1:], reason or found.cause)
                )
                decided.append(found)
            else:
                record = CallRecord(domain.ids.next(), Direction.CALL, *of, found.edi_id, now)
                decided.append(Authorized(record, found.msisdn))
        records.put_refusals(conn, refusals)
        call_record.insert(
            conn, domain, [(each.record, each.msisdn) for each in decided if isinstance(each, Authorized)]
        )
        return decided


def _decided(
    asked: list[_Asked], decided: list[Authorized | Refusal] | None, error: BaseException | None
) -> None:
    if decided is None:
        if not isinstance(error, StoreBusy | StoreUnavailable):
            _log.error("call not recorded", exc_info=error)
        for each in asked:
            each.done(Case.NOT_AVAILABLE)
        return
    for each, outcome in zip(asked, decided, strict=True):
        each.done(outcome.case if isinstance(outcome, Refusal) else outcome)
