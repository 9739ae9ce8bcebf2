"""Messages of queries for evidence, as strict models: by AID or edi_id, and by number without the number.

See docs/formats.md, "Queries for evidence".
"""

from typing import Annotated, Final, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from interparty.evidence_messages import Bundle, PublicKeyHex
from interparty.messages import Message, check_one, one_of, together
from interparty.values import (
    Aid,
    Count,
    EdiId,
    Label,
    Millis,
    Msisdn,
    Nonce,
    PartyId,
    Reason,
    Ref,
    SignatureText,
    Sm3Hex,
    Status,
)

PAGE_MAX: Final = 500
"""Records in one answer, BUNDLE_RECORDS_MAX at most."""
APPROVALS: Final = 2
"""People who must agree to a query by number."""
APPROVALS_MAX: Final = 4
CARRIERS_MAX: Final = 16
"""Carriers asked by one query."""
ANSWER_IDS: Final = 128
"""edi_ids in every carrier's answer, however many it found."""
AIDS_MAX: Final = CARRIERS_MAX * ANSWER_IDS
SEALED_QUERY_TEXT: Final = 998
"""Characters of a sealed query: base64url of interparty.number_query.LENGTH bytes."""
FOUND_TEXT: Final = 2862
"""Characters of what was found, sealed to the asker: base64url of interparty.number_query.FOUND_LENGTH bytes."""

SealedQueryText = Annotated[
    str,
    StringConstraints(
        min_length=SEALED_QUERY_TEXT, max_length=SEALED_QUERY_TEXT, pattern=r"^[A-Za-z0-9_-]+$"
    ),
]


FoundText = Annotated[
    str, StringConstraints(min_length=FOUND_TEXT, max_length=FOUND_TEXT, pattern=r"^[A-Za-z0-9_-]+$")
]
SecretHex = Annotated[str, StringConstraints(min_length=64, max_length=64, pattern=r"^[0-9a-f]+$")]


# --- by AID or edi_id: POST /v1/evidence/queries -----------------------------------------------------


class EvidenceQuery(Message):
    """Everything on record about one consent, page by page. Names it by an AID, or by an edi_id (carriers and
    regulators)."""

    model_config = ConfigDict(json_schema_extra=one_of("aid", "edi_id"))

    aid: Aid | None = None
    """An AID of the consent, whatever it is now."""
    edi_id: EdiId | None = None
    """An EDI of the consent: for the carrier whose subscriber confirmed it, and for regulators."""
    case: Ref | None = None
    """The complaint or file that the query belongs to; a regulator must name one."""
    skip: Count | None = None
    """How many records the pages before had; absent on the first page."""

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        check_one(self, "aid", "edi_id")
        return self


class EvidencePage(Message):
    """Records in the order in which things happened, at most 500, with all that proves them offline."""

    aids: Annotated[list[Aid], Field(min_length=1)]
    """Of the consent: one, or those that replaced each other, in the order of their issue."""
    enterprise: PartyId
    """To which the consent was given."""
    status: Status
    """Of the last of the AIDs."""
    bundle: Bundle | None = None
    """Absent from a page behind the last record."""
    more: bool
    """Whether there are further records."""


# --- about keys: POST /v1/evidence/key-queries ---------------------------------------------------------


class KeyEvidenceQuery(Message):
    """Everything on record about one party's keys, page by page."""

    party: PartyId | None = None
    """Whose; absent: the caller's own. Of other parties, the trust party among them, regulators alone may ask."""
    case: Ref | None = None
    """The file that the query belongs to; a regulator must name one."""
    skip: Count | None = None
    """How many records the pages before had; absent on the first page."""


class KeyEvidencePage(Message):
    """Records of kind KEY in the order in which they came, at most 500, with all that proves them offline."""

    party: PartyId
    """Whose keys they are about."""
    bundle: Bundle | None = None
    """Absent where there is no record, or none behind `skip`."""
    more: bool
    """Whether there are further records."""


# --- by number: sealed to each carrier, POST /v1/evidence/number-queries -------------------------------


class NumberQuestion(Message):
    """What is sealed to a carrier and read by nobody else: who asks for which number, of whom, when and why."""

    number: Msisdn
    """Whose holder is meant."""
    enterprise: PartyId
    """Under complaint."""
    period_from: Millis
    """Start of the period."""
    period_to: Millis
    """Not included."""
    case: Ref
    """The complaint."""
    requester: PartyId
    """The regulator that asks."""
    carrier: PartyId
    """To whom it is sealed."""
    nonce: Nonce
    """Makes equal questions differ."""
    answer_key: PublicKeyHex
    """SM2 key of the requester's, new for each query, to which what is found is sealed."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.period_from >= self.period_to:
            raise ValueError("a period ends after it begins")
        return self


class Approval(Message):
    """ASCS-QUERY1: one of the people at the requester who are enrolled at the carrier agrees to a sealed query."""

    sealed_sm3: Sm3Hex
    """SM3 over the bytes of the sealed query."""
    question_sm3: Sm3Hex
    """SM3 over the question as the approver was shown it. Its nonce, which only requester and carrier know, hides the
    number; the carrier holds it against what it opens."""
    case: Ref
    """As inside the seal."""
    enterprise: PartyId
    """As inside the seal."""
    period_from: Millis
    """As inside the seal."""
    period_to: Millis
    """As inside the seal; not included."""
    approver: PartyId
    """Who signs."""
    at: Millis
    """When."""


class SignedApproval(Message):
    """One approver's word for a sealed query."""

    statement: Approval
    """What is signed."""
    signature: SignatureText
    """The approver's, over ASCS-QUERY1 and the statement."""


class SealedQuery(Message):
    """One carrier's part of a query by number."""

    carrier: PartyId
    """Who can open it."""
    sealed: SealedQueryText
    """The question."""
    approvals: Annotated[list[SignedApproval], Field(min_length=1, max_length=APPROVALS_MAX)]
    """Two or more people."""


class NumberQueryRequest(Message):
    """From a regulator to the trust party: it sees everything but the number."""

    case: Ref
    """The complaint."""
    enterprise: PartyId
    """Under complaint."""
    period_from: Millis
    """Start of the period."""
    period_to: Millis
    """Its end, not included."""
    queries: Annotated[list[SealedQuery], Field(min_length=1, max_length=CARRIERS_MAX)]
    """One for each carrier."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({query.carrier for query in self.queries}) != len(self.queries):
            raise ValueError("one query a carrier")
        if self.period_from >= self.period_to:
            raise ValueError("a period ends after it begins")
        return self


class CarrierOutcome(Message):
    """What became of the part of one carrier; `reason` with REFUSED alone. ANSWERED says nothing of whether anything
    was found."""

    carrier: PartyId
    """Which."""
    outcome: Literal["ANSWERED", "REFUSED", "UNAVAILABLE"]
    """What became of it."""
    reason: Reason | None = None
    """Why it was refused."""
    found: FoundText | None = None
    """Of an answer: the carrier's edi_ids without the random ones, sealed to the question's answer_key. Nobody but the
    carrier knows that key, so what opens is the carrier's."""


class NumberQueryResponse(Message):
    """The enterprise's AIDs of whoever held the number, whose consents were in force at some time of the period."""

    evidence_id: Count
    """Of the record of this query."""
    outcomes: Annotated[list[CarrierOutcome], Field(max_length=CARRIERS_MAX)]
    """One for each carrier asked, in order."""
    aids: Annotated[list[Aid], Field(max_length=AIDS_MAX)]
    """In ascending order."""
    joined: Annotated[list[EdiId], Field(max_length=AIDS_MAX)]
    """The edi_ids that led to them. What a carrier found beyond these leads to no consent in force in the period."""


# --- the carrier's side: POST /v1/number-queries -------------------------------------------------------


class CarrierNumberQuery(Message):
    """From the trust party, which passes on what it cannot read."""

    requester: PartyId
    """The regulator that asks."""
    sealed: SealedQueryText
    """The question, sealed with SM2 to this carrier: base64url."""
    approvals: Annotated[list[SignedApproval], Field(min_length=1, max_length=APPROVALS_MAX)]
    """Two or more people who are enrolled here."""


class NumberAnswer(Message):
    """ASCS-ANSWER1: always 128 ids in ascending order, those that were found among random ones."""

    carrier: PartyId
    """The party that signs."""
    sealed_sm3: Sm3Hex
    """SM3 over the bytes of the sealed query that is answered."""
    edi_ids: Annotated[list[EdiId], Field(min_length=ANSWER_IDS, max_length=ANSWER_IDS)]
    """In ascending order."""
    found: FoundText
    """How many of them were found, and which, sealed to the question's answer_key: always of one size."""
    at: Millis
    """When."""


class CarrierNumberReply(Message):
    """Exactly one of `answer`, with its signature, and `refusal`."""

    model_config = ConfigDict(json_schema_extra=one_of("answer", "refusal") | together("answer", "signature"))

    answer: NumberAnswer | None = None
    """What was found."""
    signature: SignatureText | None = None
    """The carrier's, over ASCS-ANSWER1 and the answer."""
    refusal: Reason | None = None
    """Why not: FORM, MISMATCH, PERIOD, APPROVERS, STALE, REPLAYED or DAILY_CAP."""

    @model_validator(mode="after")
    def _holds_one(self) -> Self:
        if (self.answer is None) == (self.refusal is None) or (self.answer is None) != (
            self.signature is None
        ):
            raise ValueError("either answer and signature, or refusal")
        return self


# --- files that go round inside the requester's house ----------------------------------------------------


class DraftPart(Message):
    """What is sealed to one carrier, with all that an approver needs to see what it is."""

    carrier: PartyId
    nonce: Nonce
    answer_key: PublicKeyHex
    sealed: SealedQueryText


class QueryDraft(Message):
    """What an approver is shown. It holds the number: it stays inside the requester's house."""

    requester: PartyId
    number: Msisdn
    enterprise: PartyId
    period_from: Millis
    period_to: Millis
    case: Ref
    reason: Label | None = None
    """For the approvers, in words."""
    answer_secret: SecretHex
    """The SM2 private key that opens what carriers find."""
    parts: Annotated[list[DraftPart], Field(min_length=1, max_length=CARRIERS_MAX)]

    def question(self, part: DraftPart) -> NumberQuestion:
        """The question to one carrier, as this draft shows it."""
        return NumberQuestion(
            number=self.number,
            enterprise=self.enterprise,
            period_from=self.period_from,
            period_to=self.period_to,
            case=self.case,
            requester=self.requester,
            carrier=part.carrier,
            nonce=part.nonce,
            answer_key=part.answer_key,
        )


class ApprovalFile(Message):
    """One approver's signatures, one for each carrier's part in the draft's order."""

    approvals: Annotated[list[SignedApproval], Field(min_length=1, max_length=CARRIERS_MAX)]
