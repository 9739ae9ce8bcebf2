"""Queries by number for one enterprise under complaint, of which this house sees everything but the number.

The requester sealed the question to each carrier, and two of its people signed it with keys that the carriers enrolled.
It is passed on as it came; each carrier decides for itself and answers with edi_ids, a fixed number of them, most of
which are random and nobody's. Those that are here lead to AIDs: of that enterprise, in force at some time of the
period, and no other. Each query is evidence before it is passed on. Standard: T/ISC 0049-2024, 6.2.1.4.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol

from foundation.logs import get_logger
from foundation.store import Store
from gm.sm3 import sm3
from interparty import statements
from interparty.client import PeerProblem, PeerUnavailable
from interparty.number_query import QueryError, sealed_sm3
from interparty.query_messages import (
    CarrierNumberQuery,
    CarrierNumberReply,
    CarrierOutcome,
    NumberAnswer,
    NumberQueryRequest,
    NumberQueryResponse,
    SealedQuery,
)
from trust_party.directory import Caller, Carrier, Directory
from trust_party.evidence_log import Evidence
from trust_party.sequencer import Sequencer
from trust_party.store.rows import padded

MISMATCH: Final = "MISMATCH"
"""An approval is not of this query, case, enterprise and period."""
UNKNOWN_CARRIER: Final = "UNKNOWN_CARRIER"
PATH: Final = "/v1/number-queries"

_IN_FORCE: Final = (
    "SELECT a.aid, e.edi_id FROM edis e JOIN authorizations b ON b.aid = e.aid"
    " JOIN authorizations a ON a.data_key_id = b.data_key_id"
    " WHERE e.edi_id IN ({}) AND e.carrier = ? AND a.enterprise = ? AND a.deposited_at < ?"
    " AND CASE WHEN a.state >= 3 THEN a.changed_at ELSE a.not_after END > ?"
)

_log = get_logger(__name__)


class CarrierRoutes(Protocol):
    """A carrier's routes, as interparty.client.Peer offers them."""

    async def request(
        self, method: str, path: str, message: CarrierNumberQuery, answer: type[CarrierNumberReply]
    ) -> CarrierNumberReply:
        """Raises PeerUnavailable, PeerProblem."""

    async def close(self) -> None:
        """Close the connections."""


class _Reply(NamedTuple):
    outcome: CarrierOutcome
    answer: NumberAnswer | None = None


class NumberQueries:
    """Passes queries on and joins the answers. `connect` makes the routes of a carrier."""

    def __init__(
        self,
        store: Store,
        evidence: Evidence,
        sequencer: Sequencer,
        directory: Directory,
        connect: Callable[[Carrier], CarrierRoutes],
    ) -> None:
        self._store = store
        self._evidence = evidence
        self._sequencer = sequencer
        self._directory = directory
        self._connect = connect

    async def ask(self, caller: Caller, asked: NumberQueryRequest, now_ms: int) -> NumberQueryResponse:
        """What the carriers said, and the AIDs that it leads to. Raises StoreBusy, StoreUnavailable."""
        number = await self._store.write(lambda conn: self._record(conn, caller, asked, now_ms))
        replies = await asyncio.gather(*(self._pass_on(caller, asked, query) for query in asked.queries))
        found = await self._store.write(lambda conn: self._join(conn, caller, asked, replies, now_ms))
        [proof] = await self._sequencer.proofs([number])
        return NumberQueryResponse(
            evidence_id=proof.index,
            outcomes=[reply.outcome for reply in replies],
            aids=[str(aid) for aid in sorted(found)],
            joined=sorted({edi_id for edi_ids in found.values() for edi_id in edi_ids}),
        )

    def _record(
        self, conn: sqlite3.Connection, caller: Caller, asked: NumberQueryRequest, now_ms: int
    ) -> int:
        record: dict[str, Any] = {
            "kind": "NUMBER_QUERY",
            "by": caller.id,
            "case": asked.case,
            "enterprise": asked.enterprise,
            "period_from": asked.period_from,
            "period_to": asked.period_to,
            "queries": [
                {
                    "carrier": query.carrier,
                    "sealed_sm3": _sealed_sm3(query),
                    "approvals": [approval.fields() for approval in query.approvals],
                }
                for query in asked.queries
            ],
            "at": now_ms,
        }
        return self._evidence.append(conn, [record], now_ms)[0]

    async def _pass_on(self, caller: Caller, asked: NumberQueryRequest, query: SealedQuery) -> _Reply:
        carrier = self._directory.carriers.get(query.carrier)
        if carrier is None:
            return _refused(query, UNKNOWN_CARRIER)
        # The carrier holds approvals against what is sealed; here they are held against what will be joined.
        for approval in query.approvals:
            said = approval.statement
            if (said.sealed_sm3, said.case, said.enterprise, said.period_from, said.period_to) != (
                _sealed_sm3(query),
                asked.case,
                asked.enterprise,
                asked.period_from,
                asked.period_to,
            ):
                return _refused(query, MISMATCH)
        routes = self._connect(carrier)
        message = CarrierNumberQuery(requester=caller.id, sealed=query.sealed, approvals=query.approvals)
        try:
            reply = await routes.request("POST", PATH, message, CarrierNumberReply)
        except (PeerUnavailable, PeerProblem) as error:
            _log.warning("carrier did not answer a query by number", carrier=carrier.id, reason=str(error))
            return _Reply(CarrierOutcome(carrier=carrier.id, outcome="UNAVAILABLE"))
        finally:
            await routes.close()
        if reply.refusal is not None:
            return _refused(query, reply.refusal)
        if not await asyncio.to_thread(_genuine, carrier, query, reply):
            _log.error("answer to a query by number is not its carrier's", carrier=carrier.id)
            return _Reply(CarrierOutcome(carrier=carrier.id, outcome="UNAVAILABLE"))
        assert reply.answer is not None  # it is genuine
        outcome = CarrierOutcome(carrier=carrier.id, outcome="ANSWERED", found=reply.answer.found)
        return _Reply(outcome, reply.answer)

    def _join(
        self,
        conn: sqlite3.Connection,
        caller: Caller,
        asked: NumberQueryRequest,
        replies: Sequence[_Reply],
        now_ms: int,
    ) -> dict[int, set[str]]:
        """The AIDs, each with the edi_ids that led to it."""
        found: dict[int, set[str]] = {}
        for reply in replies:
            if reply.answer is None:
                continue
            marks, params = padded([bytes.fromhex(edi_id) for edi_id in reply.answer.edi_ids])
            rows = conn.execute(
                _IN_FORCE.replace("{}", marks),
                [*params, reply.answer.carrier, asked.enterprise, asked.period_to, asked.period_from],
            )
            for aid, edi_id in rows:
                found.setdefault(aid, set()).add(edi_id.hex())
        # Which AIDs are one person's is nothing to keep beyond each of them: one record for each, under its own key.
        for aid in sorted(found):
            record = {
                "kind": "QUERY",
                "by": caller.id,
                "role": caller.role,
                "asked": {"number_query": asked.case},
                "answered": True,
                "at": now_ms,
            }
            self._evidence.append_query(conn, record, aid, now_ms)
        outcomes = [
            {
                "carrier": reply.outcome.carrier,
                "outcome": reply.outcome.outcome,
                **({"reason": reply.outcome.reason} if reply.outcome.reason else {}),
                **({"answer_sm3": sm3(statements.jcs(reply.answer)).hex()} if reply.answer else {}),
            }
            for reply in replies
        ]
        answered = {
            "kind": "NUMBER_ANSWER",
            "by": caller.id,
            "case": asked.case,
            "outcomes": outcomes,
            "at": now_ms,
        }
        self._evidence.append(conn, [answered], now_ms)
        return found


def _refused(query: SealedQuery, reason: str) -> _Reply:
    return _Reply(CarrierOutcome(carrier=query.carrier, outcome="REFUSED", reason=reason))


def _sealed_sm3(query: SealedQuery) -> str:
    try:
        return sealed_sm3(query.sealed)
    except QueryError:
        return ""


def _genuine(carrier: Carrier, query: SealedQuery, reply: CarrierNumberReply) -> bool:
    answer, signature = reply.answer, reply.signature
    if answer is None or signature is None:
        return False
    if (answer.carrier, answer.sealed_sm3) != (carrier.id, _sealed_sm3(query)):
        return False
    return any(
        statements.verify(key, statements.ANSWER, answer, signature) for key in carrier.sign_keys.values()
    )
