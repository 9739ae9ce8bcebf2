"""Queries by number, for one enterprise under complaint: answered with edi_ids and never with anything of a person.

The trust party passes on what it cannot read; whether to answer is decided here and nowhere else. Two different people
who are enrolled at this carrier for the requester must have signed this very query, lately; it is answered once, and no
more than so many a day are. "Not our subscriber" and "nothing found" are one answer: the same bytes but for random
ones, the same size, at the same time after the question. Each query is on the audit chain, refused or not.
Standard: T/ISC 0049-2024, 6.2.1.4 and 6.3.1.1.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from foundation import audit
from foundation.allowance import Allowance
from foundation.logs import get_logger
from gateway.settings import QuerySettings
from gateway.store import number_queries
from gateway.store.domain import Domain
from gateway.store.number_queries import QueryRow
from gm.errors import GmError
from gm.sm2 import PrivateKey, PublicKey
from interparty import statements
from interparty.edi import EDI_ID_BYTES
from interparty.number_query import (
    QueryError,
    key_version,
    open_query,
    question_sm3,
    seal_found,
    sealed_sm3,
)
from interparty.query_messages import (
    ANSWER_IDS,
    APPROVALS,
    CarrierNumberQuery,
    CarrierNumberReply,
    NumberAnswer,
    NumberQuestion,
)

FORM: Final = "FORM"
"""It does not open: another key, another carrier, or not in the one form there is."""
MISMATCH: Final = "MISMATCH"
"""Number, requester, case, enterprise or period that was approved is not that inside the seal, or it is another
query's."""
PERIOD: Final = "PERIOD"
"""Longer than allowed, or it begins in the future."""
APPROVERS: Final = "APPROVERS"
"""Not signed by two different people who are enrolled here for this requester."""
STALE: Final = "STALE"
"""An approval is too old, or of a time to come."""
REPLAYED: Final = "REPLAYED"
"""This query was answered already."""
DAILY_CAP: Final = "DAILY_CAP"
"""The requester has had its queries of the last 24 hours."""

REFUSALS_A_DAY: Final = 1_000
"""Refusals of one requester's queries that are recorded in a day; more are refused unread, so that whoever passes them
on cannot fill the audit chain."""
MINUTES_A_DAY: Final = 1_440
DAY_MS: Final = 86_400_000
TIME_MAX_MS: Final = 253_402_300_799_000
"""The end of the year 9999, the last that can be written as a date."""
CLOCK_SKEW_MS: Final = 300_000
"""How far ahead of ours an approver's clock may be."""

_log = get_logger(__name__)

_Outcome = str | list[bytes]
"""Why it is refused, or the edi_ids that were found."""


class NumberQueries:
    """Answers queries by number. `query_key` gives the carrier's query key of a version, or raises KeyStoreError."""

    def __init__(
        self,
        domain: Domain,
        carrier: str,
        settings: QuerySettings,
        query_key: Callable[[int], PrivateKey],
        sign_key: Callable[[], PrivateKey],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._domain = domain
        self._carrier = carrier
        self._settings = settings
        self._query_key = query_key
        self._sign_key = sign_key
        self._sleep = sleep
        self._refusals = Allowance(REFUSALS_A_DAY / MINUTES_A_DAY, REFUSALS_A_DAY)

    async def answer(self, asked: CarrierNumberQuery) -> CarrierNumberReply:
        """The answer, or why there is none. Raises StoreBusy, StoreUnavailable."""
        began = asyncio.get_running_loop().time()
        due = began + self._settings.answer_s
        if self._refusals.is_over((asked.requester,), began):
            _log.warning("query by number refused unread", requester=asked.requester)
            return CarrierNumberReply(refusal=DAILY_CAP)
        question = self._open(asked)
        outcome = await self._domain.store.write(lambda conn: self._decide(conn, asked, question))
        if isinstance(outcome, str) or question is None:
            self._refusals.spend((asked.requester,), 1, began)
            _log.warning("query by number refused", requester=asked.requester, reason=outcome)
            return CarrierNumberReply(refusal=str(outcome))
        answer, signature = await asyncio.to_thread(self._answer, asked, question, outcome)
        # How long the look-up took must tell nothing of what it found.
        await self._sleep(max(0.0, due - asyncio.get_running_loop().time()))
        return CarrierNumberReply(answer=answer, signature=signature)

    def _open(self, asked: CarrierNumberQuery) -> NumberQuestion | None:
        try:
            question = open_query(self._query_key(key_version(asked.sealed)), asked.sealed, self._carrier)
            PublicKey.from_bytes(bytes.fromhex(question.answer_key))
        except (QueryError, GmError):
            return None
        return question

    def _answer(
        self, asked: CarrierNumberQuery, question: NumberQuestion, found: list[bytes]
    ) -> tuple[NumberAnswer, str]:
        """The same work, of the same size, for whatever was found."""
        answer = NumberAnswer(
            carrier=self._carrier,
            sealed_sm3=sealed_sm3(asked.sealed),
            edi_ids=_padded(found),
            found=seal_found(question.answer_key, found),
            at=self._domain.now_ms(),
        )
        return answer, statements.sign(self._sign_key(), statements.ANSWER, answer)

    # --- in one operation of the store ------------------------------------------------------------------

    def _decide(
        self, conn: sqlite3.Connection, asked: CarrierNumberQuery, question: NumberQuestion | None
    ) -> _Outcome:
        if question is None:
            return self._refuse(conn, asked, FORM)
        now = self._domain.now_ms()
        reason = self._refusal(conn, asked, question, now)
        if reason is not None:
            return self._refuse(conn, asked, reason)
        vault = self._domain.vault
        index = vault.find_msisdn(conn, question.number)
        found = []
        if index is not None:
            found = number_queries.edi_ids_of(
                conn, index, question.enterprise, question.period_from, question.period_to
            )
        row = QueryRow(
            sealed_sm3=bytes.fromhex(sealed_sm3(asked.sealed)),
            at=now,
            requester=question.requester,
            case_ref=question.case,
            enterprise_id=question.enterprise,
            period_from=question.period_from,
            period_to=question.period_to,
            approvers=" ".join(sorted({each.statement.approver for each in asked.approvals})),
            found=len(found),
            number_sealed=number_queries.seal_number(vault, question.number),
        )
        number_queries.put(conn, row)
        number_queries.forget_before(conn, now - self._settings.kept_days * DAY_MS)
        self._audit(conn, asked, True, {"found": len(found)})
        if len(found) > ANSWER_IDS:
            _log.error("more EDIs than an answer holds: the newest are in it", case=question.case)
        return found[:ANSWER_IDS]

    def _refusal(
        self, conn: sqlite3.Connection, asked: CarrierNumberQuery, question: NumberQuestion, now: int
    ) -> str | None:
        sealed, shown = sealed_sm3(asked.sealed), question_sm3(question)
        for each in asked.approvals:
            said = each.statement
            if (
                said.sealed_sm3,
                said.question_sm3,
                said.case,
                said.enterprise,
                said.period_from,
                said.period_to,
            ) != (
                sealed,
                shown,
                question.case,
                question.enterprise,
                question.period_from,
                question.period_to,
            ):
                return MISMATCH
        if question.requester != asked.requester:
            return MISMATCH
        length = question.period_to - question.period_from
        if length > self._settings.period_days_max * DAY_MS or question.period_from > now:
            return PERIOD
        if not self._approved(conn, asked):
            return APPROVERS
        oldest = now - self._settings.approval_valid_s * 1000
        if any(not oldest <= each.statement.at <= now + CLOCK_SKEW_MS for each in asked.approvals):
            return STALE
        if number_queries.is_known(conn, bytes.fromhex(sealed)):
            return REPLAYED
        if number_queries.count_since(conn, asked.requester, now - DAY_MS) >= self._settings.per_day:
            return DAILY_CAP
        return None

    def _approved(self, conn: sqlite3.Connection, asked: CarrierNumberQuery) -> bool:
        """Whether every approval is by someone enrolled for the requester, and there are two different people."""
        enrolled = {
            row.id: PublicKey.from_bytes(row.public_key)
            for row in number_queries.approvers(conn)
            if row.requester == asked.requester
        }
        agreed: set[str] = set()
        for each in asked.approvals:
            key = enrolled.get(each.statement.approver)
            if key is None or not statements.verify(key, statements.QUERY, each.statement, each.signature):
                return False
            agreed.add(each.statement.approver)
        return len(agreed) >= APPROVALS

    def _refuse(self, conn: sqlite3.Connection, asked: CarrierNumberQuery, reason: str) -> str:
        self._audit(conn, asked, False, {"reason": reason})
        return reason

    def _audit(
        self,
        conn: sqlite3.Connection,
        asked: CarrierNumberQuery,
        success: bool,
        outcome: dict[str, str | int],
    ) -> None:
        said = asked.approvals[0].statement
        detail = {
            "case": said.case,
            "enterprise": said.enterprise,
            # As text, since the audit masks what could be somebody's number, such as a time in milliseconds.
            "period": [_iso(said.period_from), _iso(said.period_to)],
            "approvers": sorted({each.statement.approver for each in asked.approvals}),
            "sealed_sm3": said.sealed_sm3,
            **outcome,
        }
        audit.append(
            conn,
            at_ms=self._domain.now_ms(),
            user=asked.requester,
            event="number.query",
            success=success,
            detail=detail,
        )


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(min(at_ms, TIME_MAX_MS) / 1000, UTC).isoformat(timespec="milliseconds")


def _padded(found: list[bytes]) -> list[str]:
    """ANSWER_IDS ids in ascending order: what was found among random ones, which are nobody's."""
    ids = {each.hex() for each in found}
    while len(ids) < ANSWER_IDS:
        ids.add(secrets.token_hex(EDI_ID_BYTES))
    return sorted(ids)
