"""The messages of the routes between the parties, as strict pydantic models, and what all of them have in common.

Unknown fields, other types and values out of bounds are refused. Strictness also makes a message equal
to its own dump, so that a statement's signature is over what was received. Their docstrings are what the OpenAPI
documents say of them (`interparty.openapi`); the values that they are made of are in `interparty.values`. Deposits,
verification, evidence, keys and the carrier's own routes have theirs in files beside this one. See
docs/formats.md, "Messages".
"""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from interparty.values import (
    AccessNumber,
    Aid,
    Channel,
    Count,
    EdiId,
    EdiText,
    Frequency,
    Hours,
    Label,
    Millis,
    Nonce,
    PartyId,
    QueryCount,
    Reason,
    Ref,
    SignatureText,
    Sm3Hex,
)

DEPOSITS_MAX: Final = 1000
"""Deposits in one request."""
ITEMS_MAX: Final = 500
"""Items in one request of any other batch route."""
EDIS_MAX: Final = 4
"""EDIs of one deposit: the identifiers that one device gives."""
ACCESS_NUMBERS_MAX: Final = 20
"""Access numbers that one consent may name."""
AGREEMENT_TEXT_MAX: Final = 256 * 1024
"""Characters of a sealed agreement text (base64url)."""
PROOF_TEXT_MAX: Final = 64 * 1024
"""Characters of a sealed proof of consent (base64url)."""
PROOF_NODES_MAX: Final = 64
"""Nodes of a Merkle proof: a log of 2^63 entries needs no more."""


def one_of(*names: str) -> JsonDict:
    """What the JSON schema says of fields of which exactly one is there."""
    return {"oneOf": [{"required": [name]} for name in names]}


def check_one(message: "Message", *names: str) -> None:
    """Raises ValueError unless exactly one of the fields is there."""
    if sum(getattr(message, name) is not None for name in names) != 1:
        raise ValueError(f"either {' or '.join(names)}")


def together(*names: str) -> JsonDict:
    """What the JSON schema says of fields that are all there, or none."""
    return {"dependentRequired": {name: [each for each in names if each != name] for name in names}}


class Message(BaseModel):
    """What all messages have in common: nothing unknown, nothing converted, nothing changed later."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _has_no_null(cls, data: Any, info: ValidationInfo) -> Any:
        # A signature is over what was sent: null and absent would be two texts of one message.
        if info.mode == "json" and isinstance(data, dict) and None in data.values():
            raise PydanticCustomError("null", "a field without value is left out")
        return data

    def fields(self) -> dict[str, Any]:
        """The JSON object as it goes over the wire and as it is signed: absent fields left out."""
        return self.model_dump(mode="json", exclude_none=True)


# --- statements that are signed ---------------------------------------------------------------------


class Consent(Message):
    """ASCS-CONSENT1: what a person agreed to, as the enterprise states it."""

    enterprise: PartyId
    """Whom the person allows to contact them; the party that signs."""
    service: Label
    """What for, as the person read it."""
    channels: Annotated[list[Channel], Field(min_length=1, max_length=2)]
    """How the person may be contacted."""
    access_numbers: Annotated[list[AccessNumber], Field(min_length=1, max_length=ACCESS_NUMBERS_MAX)]
    """From which numbers; none other is granted."""
    hours: Hours
    """When."""
    frequency: Frequency
    """How often."""
    term_from: Millis
    """Start of the term that the person chose."""
    term_to: Millis
    """End of the term, not included in it."""
    agreement_version: Ref
    """The enterprise's name of the agreement's version."""
    agreement_sm3: Sm3Hex
    """SM3 over the agreement's text in UTF-8, as the person saw it."""
    page_version_sm3: Sm3Hex
    """SM3 over the page on which the person consented."""
    confirmed_by: Literal["page", "app", "code", "signature", "recording", "paper"]
    """How the person confirmed towards the enterprise."""
    proof_sm3: Sm3Hex
    """Of the proof of that, which the enterprise keeps, or hands in with the deposit."""
    edi_ids: Annotated[list[EdiId], Field(min_length=1, max_length=EDIS_MAX)]
    """One for each EDI of the deposit, in its order."""
    nonce: Nonce
    """Also inside each EDI. One consent has one: the same nonce with another consent is refused."""
    collected_at: Millis
    """When the person consented."""


class Confirmation(Message):
    """ASCS-CONFIRM1: the carrier states that the one subscriber behind an EDI confirmed a consent."""

    carrier: PartyId
    """The party that signs."""
    enterprise: PartyId
    """As in the consent."""
    consent_sm3: Sm3Hex
    """SM3 over the JCS form (RFC 8785) of the one consent, without a tag."""
    edi_id: EdiId
    """That of the deposit's EDIs that the carrier opened."""
    method: Literal["sms-code", "network"]
    """sms-code: the subscriber returned a code by SMS to the carrier. network: a network peer asserted
    the session."""
    confirmed_at: Millis
    """When the subscriber confirmed."""


class Cancellation(Message):
    """ASCS-CANCEL1: an authorization ends. An enterprise names it by AID, a carrier by edi_id."""

    model_config = ConfigDict(
        json_schema_extra=one_of("aid", "edi_id")
        | {
            "if": {"properties": {"cause": {"enum": ["TRUST_PARTY", "REGULATOR"]}}},
            "then": {"required": ["order"]},
            "else": {"not": {"required": ["order"]}},
        }
    )

    enterprise: PartyId
    """Whose authorization it is."""
    aid: Aid | None = None
    """From an enterprise or the trust party."""
    edi_id: EdiId | None = None
    """From a carrier."""
    cause: Literal["USER", "OPT_OUT", "ENTERPRISE", "TRUST_PARTY", "REGULATOR", "SUBSCRIBER_CHANGED"]
    """Why."""
    order: Ref | None = None
    """Number of the order, where trust party or regulator orders it; there alone."""
    at: Millis
    """When it was asked for."""

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        check_one(self, "aid", "edi_id")
        if (self.order is None) == (self.cause in ("TRUST_PARTY", "REGULATOR")):
            raise ValueError("an order has a number, and nothing else has")
        return self


class Rotation(Message):
    """ASCS-ROTATE1: the enterprise wants another AID for the same consent."""

    enterprise: PartyId
    """The party that signs."""
    aid: Aid
    """The one to be replaced."""
    at: Millis
    """When it was asked for."""


class Unlinking(Message):
    """ASCS-UNLINK1: the trust party's operator orders that the consent behind an AID that is over is erased."""

    enterprise: PartyId
    aid: Aid
    order: Ref
    at: Millis


class SignedConfirmation(Message):
    """A confirmation that the carrier can be held to."""

    statement: Confirmation
    """What is signed."""
    signature: SignatureText
    """The carrier's, over ASCS-CONFIRM1 and the statement."""


class SignedCancellation(Message):
    """A cancellation that its party can be held to."""

    statement: Cancellation
    """What is signed."""
    signature: SignatureText
    """The asking party's, over ASCS-CANCEL1 and the statement."""


class SignedRotation(Message):
    """A wish for another AID that the enterprise can be held to."""

    statement: Rotation
    """What is signed."""
    signature: SignatureText
    """The enterprise's, over ASCS-ROTATE1 and the statement."""


# --- evidence log -----------------------------------------------------------------------------------


class CheckpointBody(Message):
    """A signed head of the evidence log."""

    log_id: Sm3Hex
    """SM3 over the SubjectPublicKeyInfo (DER) of the log's key."""
    size: Count
    """Entries."""
    time_ms: Millis
    """When it was signed; never earlier than that of a smaller one."""
    root: Sm3Hex
    """Root of the Merkle tree (RFC 9162, 2.1, with SM3) over all entries."""
    signature: SignatureText
    """SM2 over "ASCS-STH1" 00 | log_id[32] | u64 size | u64 time_ms | root[32]."""


class InclusionBody(Message):
    """Proof that entry `index` is in the log of `size` entries; GET /v1/log/inclusion."""

    index: Count
    """From 0."""
    size: Count
    """Entries of the log for which the proof is."""
    leaf: Sm3Hex
    """Leaf hash: SM3(00 | entry)."""
    proof: Annotated[list[Sm3Hex], Field(max_length=PROOF_NODES_MAX)]
    """Hashes from the leaf up (RFC 9162, 2.1.3)."""
    root: Sm3Hex
    """Root of the log of that size."""
    checkpoint: CheckpointBody | None = None
    """Present where a signed head of exactly this size exists."""


class ConsistencyBody(Message):
    """Proof that the log of `second` entries only appended to that of `first`; GET /v1/log/consistency."""

    first: Count
    """Entries of the earlier log."""
    second: Count
    """Entries of the later log."""
    proof: Annotated[list[Sm3Hex], Field(max_length=PROOF_NODES_MAX)]
    """Hashes as in RFC 9162, 2.1.4."""


# --- POST /v1/verifications -------------------------------------------------------------------------


class RefusalBody(Message):
    """May not be contacted, or there is nothing to give."""

    reason: Reason
    """The precise reason, which the carrier keeps inside: see info.description, The life of an AID."""


# --- POST /v1/conversions, /v1/restorations, /v1/reports --------------------------------------------


class ConversionRequest(Message):
    """An AID and whose it is."""

    aid: Aid
    """Whose EDI is asked for."""
    enterprise: PartyId
    """Whose AID it is."""


class ConversionResponse(Message):
    """The EDI behind it."""

    edi: EdiText
    """Sealed to the asking carrier."""


class RestoreItem(Message):
    """Under which AID does this enterprise know the subscriber behind an EDI?"""

    edi_id: EdiId
    """Who replied or called back."""
    enterprise: PartyId
    """To whom."""
    access_number: AccessNumber
    """To which of its numbers."""


class RestoreRequest(Message):
    """Subscribers who replied or called back."""

    items: Annotated[list[RestoreItem], Field(min_length=1, max_length=ITEMS_MAX)]
    """The questions."""


class RestoreAnswer(Message):
    """Exactly one of `aid` and `refusal`."""

    model_config = ConfigDict(json_schema_extra=one_of("aid", "refusal"))

    aid: Aid | None = None
    """The current one."""
    refusal: RefusalBody | None = None
    """There is none that may be used."""

    @model_validator(mode="after")
    def _holds_one(self) -> Self:
        check_one(self, "aid", "refusal")
        return self


class RestoreResponse(Message):
    """Under which AID their enterprise knows each."""

    answers: Annotated[list[RestoreAnswer], Field(max_length=ITEMS_MAX)]
    """In the order asked."""


class Report(Message):
    """One communication that took place or was refused, under edi_id. Idempotent by carrier and report_id."""

    report_id: Ref
    """The carrier's, one for each communication."""
    edi_id: EdiId
    """With whom."""
    enterprise: PartyId
    """Whose."""
    channel: Channel
    """How."""
    access_number: AccessNumber
    """The enterprise's end."""
    direction: Literal["mt", "mo", "call", "callback"]
    """mt: text to the person. mo: text from the person. call: to the person. callback: from the
    person."""
    result: Reason
    """What became of it."""
    started_at: Millis
    """When it began."""
    ended_at: Millis
    """When it was over."""
    content_digest: Sm3Hex | None = None
    """HMAC-SM3 of the content under a salt that both ends can make; never the content. Absent when there
    is none."""


class ReportRequest(Message):
    """Communications that are over."""

    reports: Annotated[list[Report], Field(min_length=1, max_length=ITEMS_MAX)]
    """In any order."""


class Accepted(Message):
    """How many were taken; says nothing of what will become of each."""

    accepted: Count
    """Items taken."""


# --- what routes share ------------------------------------------------------------------------------


class Problem(Message):
    """A refusal (RFC 9457), application/problem+json. It repeats no value that was sent."""

    type: Literal["about:blank"]
    """The status says what kind of problem it is."""
    title: str
    """The status's phrase."""
    status: Annotated[int, Field(ge=400, le=599)]
    """The HTTP status."""
    detail: str | None = None
    """The cause, for people: which field by its place, which rule. Do not parse it."""


class HealthBody(Message):
    """That the party is there and can work."""

    status: Literal["ok"]
    """Anything else is a 503."""


class AidPath(Message):
    """Names one AID."""

    aid: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    """18 digits. What is none of the asker's AIDs, or no AID at all, is not found, all alike."""


class InclusionQuery(Message):
    """Names an entry and the size of the log in which it is to be proved."""

    index: QueryCount
    """From 0, below size."""
    size: QueryCount
    """Entries of the log, at most those it has now: that of a checkpoint one holds."""


class ConsistencyQuery(Message):
    """Names two sizes of the log."""

    first: QueryCount
    """Entries of the earlier log, at least 1."""
    second: QueryCount
    """Entries of the later log, at least first and at most those it has now."""
