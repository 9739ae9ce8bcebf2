"""The messages of every route between the parties, as strict pydantic models.

Unknown fields, other types and values out of bounds are refused. Strictness also makes a message equal
to its own dump, so that a statement's signature is over what was received. Their docstrings are what the OpenAPI
documents say of them (`interparty.openapi`); the values that they are made of are in `interparty.values`. See
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
    Msisdn,
    Nonce,
    PartyId,
    QueryCount,
    Reason,
    Ref,
    SignatureText,
    Sm3Hex,
    Status,
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
        if (self.aid is None) == (self.edi_id is None):
            raise ValueError("name either aid or edi_id")
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


class Revocation(Message):
    """ASCS-REVOKE1: an AID that this carrier could be granted is over; or an enterprise is suspended, or resumed, and
    then `aid` and `edi_id` are absent. `sequence` counts one carrier's revocations of one `epoch` from 1, without a
    gap."""

    carrier: PartyId
    """To whom it is told."""
    epoch: Nonce
    """Of the trust party's database."""
    sequence: Count
    """Counts this carrier's revocations of this epoch from 1, without a gap."""
    enterprise: PartyId
    """Whose AID it was, or who is suspended or resumed."""
    aid: Aid | None = None
    """What is over."""
    edi_id: EdiId | None = None
    """Of the EDI that the grant held."""
    cause: Literal["REVOKED", "ROTATED", "SUSPENDED", "RESUMED"]
    """ROTATED: another AID took its place. SUSPENDED, RESUMED: of the whole enterprise, until the other."""
    at: Millis
    """When it was revoked."""

    @model_validator(mode="after")
    def _names_what_it_is_about(self) -> Self:
        is_one = self.cause in ("REVOKED", "ROTATED")
        if (self.aid is not None) is not is_one or (self.edi_id is not None) is not is_one:
            raise ValueError("aid and edi_id of what is over, neither of an enterprise")
        return self


class SignedRevocation(Message):
    """A revocation that the trust party can be held to."""

    statement: Revocation
    """What is signed."""
    signature: SignatureText
    """The trust party's, over ASCS-REVOKE1 and the statement."""


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


# --- POST /v1/deposits, /v1/aids --------------------------------------------------------------------


class Deposit(Message):
    """One consent with the EDIs of the device on which it was given."""

    consent: Consent
    """What the person agreed to."""
    edis: Annotated[list[EdiText], Field(min_length=1, max_length=EDIS_MAX)]
    """In the order of the consent's edi_ids."""
    agreement: Annotated[str, StringConstraints(max_length=AGREEMENT_TEXT_MAX)] | None = None
    """The agreement text as an SM2 envelope to the trust party's `agreement` key, base64url."""
    proof: Annotated[str, StringConstraints(max_length=PROOF_TEXT_MAX)] | None = None
    """What the consent's proof_sm3 is over, likewise."""


class DepositRequest(Message):
    """One or many consents, signed together."""

    deposits: Annotated[list[Deposit], Field(min_length=1, max_length=DEPOSITS_MAX)]
    """Each is taken or refused on its own."""
    signature: SignatureText
    """The enterprise's, over ASCS-CONSENT1 and the list of the consents' SM3s."""


class DepositResult(Message):
    """Either an AID with its evidence, or `error` alone."""

    aid: Aid | None = None
    """The AID of this consent."""
    evidence_id: Ref | None = None
    """Index of its record in the evidence log, decimal."""
    status: Status | None = None
    """PENDING for a new one."""
    inclusion: InclusionBody | None = None
    """Proof that the record is in the log, with its `checkpoint`: enterprises may insist on both."""
    error: Reason | None = None
    """ENTERPRISE: the consent names another. STALE: collected too long ago, or in the future. TERM: term
    out of bounds. EDI_FORMAT, EDI_IDS, EDI_CARRIER, EDI_AS_OF: an EDI is malformed, not the one named,
    for no admitted carrier and key, or its date is out of bounds. EDI_REUSED: it was deposited before.
    NONCE_REUSED: with another consent. AGREEMENT, PROOF: what came does not open, or not to what the consent names."""


class DepositResponse(Message):
    """What became of each deposit."""

    results: Annotated[list[DepositResult], Field(max_length=DEPOSITS_MAX)]
    """One for each deposit, in order."""


class AidStatus(Message):
    """Status of an own AID; an AID that is not the caller's is UNKNOWN and carries nothing more."""

    aid: Aid
    """As asked."""
    status: Status
    """Now."""
    not_before: Millis | None = None
    """Start of its term."""
    not_after: Millis | None = None
    """End of its term, not included."""
    evidence_id: Ref | None = None
    """Index of the deposit's record in the evidence log."""


class StatusRequest(Message):
    """AIDs of the asking enterprise."""

    aids: Annotated[list[Aid], Field(min_length=1, max_length=ITEMS_MAX)]
    """Those to be told of."""


class StatusResponse(Message):
    """What they are now."""

    statuses: Annotated[list[AidStatus], Field(max_length=ITEMS_MAX)]
    """In the order asked."""


# --- POST /v1/cancellations, /v1/confirmations ------------------------------------------------------


class CancellationRequest(Message):
    """Authorizations that are to end."""

    cancellations: Annotated[list[SignedCancellation], Field(min_length=1, max_length=ITEMS_MAX)]
    """Each signed on its own."""


class CancellationResult(Message):
    """What became of one."""

    status: Literal["REVOKED", "UNKNOWN"]
    """REVOKED: it is over, now or since before. UNKNOWN: none that the asker may cancel, or the signature
    does not verify."""


class CancellationResponse(Message):
    """What became of each."""

    results: Annotated[list[CancellationResult], Field(max_length=ITEMS_MAX)]
    """In the order asked."""


class RotationRequest(Message):
    """POST /v1/rotations, from the enterprise."""

    rotations: Annotated[list[SignedRotation], Field(min_length=1, max_length=ITEMS_MAX)]
    """Each signed on its own."""


class RotationResult(Message):
    """The AID that replaces the one asked about, and its status now; or neither, where it is not replaced."""

    status: Status | Literal["EXHAUSTED"]
    """UNKNOWN: not an active AID of the caller's. EXHAUSTED: a consent has at most 256 AIDs under one key."""
    aid: Aid | None = None
    """The new one."""
    evidence_id: Ref | None = None
    """Of the record of this change, decimal."""


class RotationResponse(Message):
    """What became of each."""

    results: Annotated[list[RotationResult], Field(max_length=ITEMS_MAX)]
    """In the order asked."""


class ConfirmationSubmission(Message):
    """POST /v1/confirmations, from the carrier."""

    confirmations: Annotated[list[SignedConfirmation], Field(min_length=1, max_length=ITEMS_MAX)]
    """Each signed on its own."""


class ConfirmationResult(Message):
    """What became of one."""

    status: Literal["ACTIVE", "EXPIRED", "UNKNOWN", "REVOKED"]
    """What the AID is now; UNKNOWN: no such deposit for this carrier, or the signature does not
    verify."""


class ConfirmationResponse(Message):
    """What became of each."""

    results: Annotated[list[ConfirmationResult], Field(max_length=ITEMS_MAX)]
    """In the order asked."""


# --- POST /v1/verifications -------------------------------------------------------------------------


class VerifyItem(Message):
    """May this enterprise contact this AID now, on this channel, from this access number?

    What is to be said is offered as a digest, and as the template that the carrier matched it to; both are put on
    record with the answer, and decide nothing.
    """

    model_config = ConfigDict(json_schema_extra=together("template_id", "template_digest"))

    aid: Aid
    """Who."""
    enterprise: PartyId
    """On whose behalf the carrier asks."""
    channel: Channel
    """How."""
    access_number: AccessNumber
    """From where."""
    content_digest: Sm3Hex | None = None
    """Keyed digest of what is to be sent; absent for calls and where there is none."""
    template_id: Ref | None = None
    """The template that the carrier matched it to; with template_digest or not at all."""
    template_digest: Sm3Hex | None = None
    """SM3 over the text of the template, as it was approved."""

    @model_validator(mode="after")
    def _names_a_whole_template(self) -> Self:
        if (self.template_id is None) != (self.template_digest is None):
            raise ValueError("a template has an id and a digest")
        return self


class VerifyRequest(Message):
    """Questions of one carrier."""

    items: Annotated[list[VerifyItem], Field(min_length=1, max_length=ITEMS_MAX)]
    """The questions."""


class GrantTerms(Message):
    """The consent's terms that the carrier enforces."""

    hours: Hours
    """When."""
    frequency: Frequency
    """How often; the carrier counts."""
    access_numbers: Annotated[list[AccessNumber], Field(max_length=ACCESS_NUMBERS_MAX)]
    """All that the consent names."""
    not_after: Millis
    """End of the term, not included."""


class GrantBody(Message):
    """May be contacted."""

    edi: EdiText
    """Sealed to the asking carrier."""
    edi_id: EdiId
    """Its id, under which results are reported."""
    consent: GrantTerms
    """Terms to hold."""


class RefusalBody(Message):
    """May not be contacted, or there is nothing to give."""

    reason: Reason
    """The precise reason, which the carrier keeps inside: see info.description, The life of an AID."""


class VerifyAnswer(Message):
    """Exactly one of `grant` and `refusal`."""

    model_config = ConfigDict(json_schema_extra=one_of("grant", "refusal"))

    grant: GrantBody | None = None
    """Contact is allowed within its terms."""
    refusal: RefusalBody | None = None
    """It is not."""

    @model_validator(mode="after")
    def _holds_one(self) -> Self:
        if (self.grant is None) == (self.refusal is None):
            raise ValueError("either grant or refusal")
        return self


class BatchHead(Message):
    """ASCS-BATCH1 over the answers of one request: root, count and at are what is signed."""

    root: Sm3Hex
    """Root of the tree over one entry for each answer, in order."""
    count: Count
    """Answers."""
    at: Millis
    """When."""
    signature: SignatureText
    """The trust party's, over ASCS-BATCH1 and root, count, at."""


class VerifyResponse(Message):
    """Answers, signed together."""

    answers: Annotated[list[VerifyAnswer], Field(max_length=ITEMS_MAX)]
    """In the order asked."""
    batch: BatchHead
    """What the trust party can be held to."""


# --- the stream of verifications: GET /v1/verifications/stream ----------------------------------------


class StreamAsk(Message):
    """From the carrier: questions, under a number that is new on this stream."""

    ask: Count
    """New on this stream."""
    items: Annotated[list[VerifyItem], Field(min_length=1, max_length=ITEMS_MAX)]
    """The questions."""


class StreamAnswer(Message):
    """From the trust party: the answers to one StreamAsk, in order."""

    answer: Count
    """The number of the ask."""
    answers: Annotated[list[VerifyAnswer], Field(max_length=ITEMS_MAX)]
    """In its order."""


class StreamFailure(Message):
    """From the trust party: this StreamAsk gets no answer; nobody may be contacted."""

    failed: Count
    """The number of the ask."""
    status: Literal[503]
    """Always 503."""


class StreamBatch(Message):
    """From the trust party: ASCS-BATCH1 over the answers sent since the last one, in the order sent."""

    batch: BatchHead
    """Follows its answers within about a second."""


# --- revocations and the lease: on the stream, over MQTT, and POST /v1/revocations --------------------


class LeaseNonce(Message):
    """From the carrier: to be echoed by the next heartbeat."""

    lease: Nonce
    """Never used before."""


class HeartbeatBody(Message):
    """What the trust party has revoked for this carrier so far, and the last nonce that it got."""

    epoch: Nonce
    """Of the trust party's database."""
    sequence: Count
    """The newest revocation for this carrier that is committed; 0 for none."""
    nonce: Nonce
    """That of the LeaseNonce."""


class Heartbeat(Message):
    """From the trust party, in answer to a LeaseNonce."""

    heartbeat: HeartbeatBody
    """How far revocations are, and the nonce."""


class Revoked(Message):
    """From the trust party, unasked: revocations in their order."""

    revoked: Annotated[list[SignedRevocation], Field(min_length=1, max_length=ITEMS_MAX)]
    """In the order of their sequence."""


class RevocationsRequest(Message):
    """POST /v1/revocations: those of this epoch after a sequence; of another epoch than the current one, none."""

    epoch: Nonce
    """The one that the asker knows."""
    after: Count
    """The last sequence that the asker has; 0 for none."""


class RevocationsResponse(Message):
    """The next of them, at most 500, and the newest there is."""

    epoch: Nonce
    """The current one."""
    newest: Count
    """The newest sequence there is."""
    revoked: Annotated[list[SignedRevocation], Field(max_length=ITEMS_MAX)]
    """In order, without a gap, from after + 1; empty if the epochs differ."""


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
        if (self.aid is None) == (self.refusal is None):
            raise ValueError("either aid or refusal")
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


# --- routes of the carrier --------------------------------------------------------------------------


class ConfirmationRequest(Message):
    """One deposit whose subscriber the carrier is asked to find and to have confirm."""

    deposit_id: Ref
    """Known by it when it comes again."""
    consent: Consent
    """As the enterprise signed it."""
    enterprise_name: Label
    """As the subscriber is to read it."""
    edis: Annotated[list[EdiText], Field(min_length=1, max_length=EDIS_MAX)]
    """Those that are sealed to this carrier and no others, in the order of the consent's edi_ids."""


class ConfirmationRequests(Message):
    """POST /v1/confirmation-requests, from the trust party. Idempotent by deposit_id."""

    requests: Annotated[list[ConfirmationRequest], Field(min_length=1, max_length=ITEMS_MAX)]
    """Deposits with an EDI for this carrier."""


class Assertion(Message):
    """The network authenticated this subscriber in the session in which the EDI was made."""

    edi_id: EdiId
    """What was made in the session."""
    msisdn: Msisdn
    """Whose session it was."""
    at: Millis
    """When."""


class AssertionRequest(Message):
    """POST /v1/assertions, from a configured network peer."""

    assertions: Annotated[list[Assertion], Field(min_length=1, max_length=ITEMS_MAX)]
    """What the network saw."""


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
