"""May this enterprise call this AID now? The trust party is asked, and one write decides and records."""

from __future__ import annotations

import asyncio
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
from trust_client.verifier import Answers, Grant, Question, Refused, Unavailable, Verifier

_log = logging.getLogger(__name__)


class Authorized(NamedTuple):
    """The call's record is on the disk: whom to call."""

    record: CallRecord
    msisdn: str


Done = Callable[[Authorized | Case], None]

CALLS_ORDER: Final = 50
"""Where in a commit calls are authorized: behind the messages."""


GATHER_S: Final = 0.005
"""How long after one question calls wait for the next, which then asks about all of them: a question on its own costs
the gateway as much as one about ten calls."""


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
        self._waiting: list[tuple[Question, tuple[CallOf, Done]]] = []
        """Calls that are asked about next. Bounded by the calls that there may be."""
        self._gathering: asyncio.TimerHandle | None = None
        self._asked_at = float("-inf")
        self._stage: Stage[_Asked, Authorized | Refusal] = Stage(
            self._decide, _decided, order=CALLS_ORDER, spacing_s=COMMITS_APART_S
        )

    def ask(self, call: CallOf, done: Done) -> None:
        """`done` is told once: the call's record, or the case of its refusal, whose cause is recorded."""
        question = Question(call.aid or "", call.trunk.enterprise_id, "voice", call.number.number)
        self._waiting.append((question, (call, done)))
        if self._gathering is None:
            # At once, unless some were asked just now: then with those that come meanwhile.
            self._gathering = asyncio.get_running_loop().call_at(self._asked_at + GATHER_S, self._ask)

    def _ask(self) -> None:
        self._gathering = None
        self._asked_at = asyncio.get_running_loop().time()
        waiting, self._waiting = self._waiting, []
        self._verifier.submit_all(waiting, self._verified, fresh=True)

    def _verified(self, answers: Answers[tuple[CallOf, Done]]) -> None:
        asked: list[_Asked] = []
        for (call, done), answer in answers:
            if isinstance(answer, Unavailable):
                done(Case.NOT_AVAILABLE)
            else:
                grant = answer if isinstance(answer, Grant) else None
                reason = answer.reason if isinstance(answer, Refused) else None
                asked.append(_Asked(call, grant, reason, done))
        # A refusal by the trust party takes the same way through the store as one decided here:
        # from outside, nothing tells which it was.
        try:
            self._domain.store.put_all(self._stage, asked)
        except (StoreBusy, StoreUnavailable):
            for each in asked:
                each.done(Case.NOT_AVAILABLE)

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
