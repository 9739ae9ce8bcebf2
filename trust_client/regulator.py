"""A query by number, in the requester's own house: seal it to each carrier, have two people sign it, send it.

The number leaves the house sealed to carriers alone, under keys that the carriers themselves handed over: a key that
came through the trust party could be the trust party's own. See docs/formats.md, "Queries by number".
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gm.sm2 import PrivateKey, PublicKey
from interparty import number_query, statements
from interparty.edi import NONCE_BYTES
from interparty.query_messages import (
    APPROVALS,
    Approval,
    ApprovalFile,
    DraftPart,
    NumberQueryRequest,
    NumberQueryResponse,
    NumberQuestion,
    QueryDraft,
    SealedQuery,
    SignedApproval,
)

SUBMIT_SECONDS: Final = 30.0
"""For all carriers' answers, each of which takes its time."""


@dataclass(frozen=True, slots=True)
class CarrierKey:
    """To which a carrier's questions are sealed."""

    public_key: PublicKey
    version: int


def draft(
    carriers: Mapping[str, CarrierKey],
    *,
    requester: str,
    number: str,
    enterprise: str,
    period_from: int,
    period_to: int,
    case: str,
    reason: str | None = None,
) -> QueryDraft:
    """A query sealed to every carrier, for two people to sign. It holds the number in the clear for them: keep it in
    the house. Times in ms since the epoch. Raises ValueError (pydantic's too) for what is no query."""
    secret = PrivateKey.generate()
    parts: list[DraftPart] = []
    for carrier, key in carriers.items():
        question = NumberQuestion(
            number=number,
            enterprise=enterprise,
            period_from=period_from,
            period_to=period_to,
            case=case,
            requester=requester,
            carrier=carrier,
            nonce=secrets.token_hex(NONCE_BYTES),
            answer_key=secret.public_key.to_bytes().hex(),
        )
        sealed = number_query.seal(key.public_key, key.version, question)
        part = DraftPart(carrier=carrier, nonce=question.nonce, answer_key=question.answer_key, sealed=sealed)
        parts.append(part)
    return QueryDraft(
        requester=requester,
        number=number,
        enterprise=enterprise,
        period_from=period_from,
        period_to=period_to,
        case=case,
        reason=reason,
        answer_secret=secret.to_bytes().hex(),
        parts=parts,
    )


def approve(query: QueryDraft, approver: str, key: PrivateKey, at_ms: int) -> ApprovalFile:
    """One person's signatures, one for each carrier; needs no network.

    Nobody but the carrier can open what is sealed, so the signature is over what is shown as well: a draft that shows
    another number than is sealed is refused by the carrier. Raises QueryError for a draft whose parts are none.
    """
    approvals: list[SignedApproval] = []
    for part in query.parts:
        statement = Approval(
            sealed_sm3=number_query.sealed_sm3(part.sealed),
            question_sm3=number_query.question_sm3(query.question(part)),
            case=query.case,
            enterprise=query.enterprise,
            period_from=query.period_from,
            period_to=query.period_to,
            approver=approver,
            at=at_ms,
        )
        signature = statements.sign(key, statements.QUERY, statement)
        approvals.append(SignedApproval(statement=statement, signature=signature))
    return ApprovalFile(approvals=approvals)


def request(query: QueryDraft, files: Sequence[ApprovalFile]) -> NumberQueryRequest:
    """What goes to the trust party: all of the query but the number. Raises ValueError unless two different people
    signed every part."""
    by_sealed: dict[str, list[SignedApproval]] = {}
    for file in files:
        for approval in file.approvals:
            by_sealed.setdefault(approval.statement.sealed_sm3, []).append(approval)
    queries: list[SealedQuery] = []
    for part in query.parts:
        approvals = by_sealed.get(number_query.sealed_sm3(part.sealed), [])
        if len({each.statement.approver for each in approvals}) < APPROVALS:
            raise ValueError(f"{APPROVALS} different people must sign the part of {part.carrier}")
        queries.append(SealedQuery(carrier=part.carrier, sealed=part.sealed, approvals=approvals))
    return NumberQueryRequest(
        case=query.case,
        enterprise=query.enterprise,
        period_from=query.period_from,
        period_to=query.period_to,
        queries=queries,
    )


def found_by(query: QueryDraft, response: NumberQueryResponse) -> dict[str, list[str]]:
    """What each carrier that answered found: its edi_ids, as it sealed them to this query alone.

    The trust party cannot make or change this; what is in it and not in `response.joined` led to no AID, since the
    consent was not in force in the period, or was erased, or because the trust party left it out. Raises QueryError for
    what its carrier did not seal.
    """
    secret = PrivateKey.from_bytes(bytes.fromhex(query.answer_secret))
    return {
        outcome.carrier: number_query.open_found(secret, outcome.found)
        for outcome in response.outcomes
        if outcome.found is not None
    }
