"""The messages of every route between the parties, as strict pydantic models.

Unknown fields, other types and values out of bounds are refused. Strictness also makes a message equal
to its own dump, so that a statement's signature is over what was received. Encodings: times are integer
milliseconds since the epoch, hashes and ids of hashes are lower-case hex, EDIs and signatures base64url
without padding, AIDs 18 digits. See docs/formats.md, "Messages".
"""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

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

_HEX = r"^[0-9a-f]+$"
Aid = Annotated[str, StringConstraints(min_length=18, max_length=18, pattern=r"^[0-9]+$")]
EdiText = Annotated[str, StringConstraints(min_length=279, max_length=279, pattern=r"^[A-Za-z0-9_-]+$")]
EdiId = Annotated[str, StringConstraints(min_length=32, max_length=32, pattern=_HEX)]
Nonce = Annotated[str, StringConstraints(min_length=32, max_length=32, pattern=_HEX)]
Sm3Hex = Annotated[str, StringConstraints(min_length=64, max_length=64, pattern=_HEX)]
SignatureText = Annotated[str, StringConstraints(min_length=86, max_length=86, pattern=r"^[A-Za-z0-9_-]+$")]
PartyId = Annotated[
    str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
]
Ref = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")]
"""An opaque id that one party gives and others echo."""
Reason = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Z0-9_]+$")]
AccessNumber = Annotated[str, StringConstraints(min_length=3, max_length=20, pattern=r"^[0-9]+$")]
Msisdn = Annotated[str, StringConstraints(min_length=5, max_length=15, pattern=r"^[1-9][0-9]+$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""A name that people read."""
Millis = Annotated[int, Field(ge=0, le=2**53 - 1)]
Count = Annotated[int, Field(ge=0, le=2**53 - 1)]
Hours = Annotated[
    str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")
]
"""Hours of contact, Asia/Shanghai: "08:00-21:00"; "00:00-24:00" is always."""
Frequency = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,4}/(hour|day|week|month)$")]
"""At most so many contacts in a period: "20/day"."""
Channel = Literal["sms", "voice"]
Status = Literal["PENDING", "ACTIVE", "EXPIRED", "REVOKED", "ROTATED", "UNKNOWN"]


class Message(BaseModel):
    """What all messages have in common: nothing unknown, nothing converted, nothing changed later."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    def fields(self) -> dict[str, Any]:
        """The JSON object as it goes over the wire and as it is signed: absent fields left out."""
        return self.model_dump(mode="json", exclude_none=True)


# --- statements that are signed ---------------------------------------------------------------------


class Consent(Message):
    """ASCS-CONSENT1: what a person agreed to, as the enterprise states it."""

    enterprise: PartyId
    service: Label
    channels: Annotated[list[Channel], Field(min_length=1, max_length=2)]
    access_numbers: Annotated[list[AccessNumber], Field(min_length=1, max_length=ACCESS_NUMBERS_MAX)]
    hours: Hours
    frequency: Frequency
    term_from: Millis
    term_to: Millis
    """End of the term, not included in it."""
    agreement_version: Ref
    agreement_sm3: Sm3Hex
    page_version_sm3: Sm3Hex
    confirmed_by: Literal["page", "app", "code", "signature", "recording", "paper"]
    """How the person confirmed towards the enterprise."""
    proof_sm3: Sm3Hex
    """Of the proof of that, which the enterprise keeps, or hands in with the deposit."""
    edi_ids: Annotated[list[EdiId], Field(min_length=1, max_length=EDIS_MAX)]
    nonce: Nonce
    collected_at: Millis


class Confirmation(Message):
    """ASCS-CONFIRM1: the carrier states that the one subscriber behind an EDI confirmed a consent."""

    carrier: PartyId
    enterprise: PartyId
    consent_sm3: Sm3Hex
    edi_id: EdiId
    method: Literal["sms-code", "network"]
    confirmed_at: Millis


class Cancellation(Message):
    """ASCS-CANCEL1: an authorization ends. An enterprise names it by AID, a carrier by edi_id."""

    enterprise: PartyId
    aid: Aid | None = None
    edi_id: EdiId | None = None
    cause: Literal["USER", "OPT_OUT", "ENTERPRISE", "TRUST_PARTY", "REGULATOR", "SUBSCRIBER_CHANGED"]
    order: Ref | None = None
    """Number of the order, where trust party or regulator orders it; there alone."""
    at: Millis

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
    aid: Aid
    at: Millis


class Revocation(Message):
    """ASCS-REVOKE1: an AID that this carrier could be granted is over; or an enterprise is suspended, or resumed, and
    then `aid` and `edi_id` are absent. `sequence` counts one carrier's revocations of one `epoch` from 1, without a
    gap."""

    carrier: PartyId
    epoch: Nonce
    sequence: Count
    enterprise: PartyId
    aid: Aid | None = None
    edi_id: EdiId | None = None
    cause: Literal["REVOKED", "ROTATED", "SUSPENDED", "RESUMED"]
    at: Millis

    @model_validator(mode="after")
    def _names_what_it_is_about(self) -> Self:
        is_one = self.cause in ("REVOKED", "ROTATED")
        if (self.aid is not None) is not is_one or (self.edi_id is not None) is not is_one:
            raise ValueError("aid and edi_id of what is over, neither of an enterprise")
        return self


class SignedRevocation(Message):
    statement: Revocation
    signature: SignatureText


class SignedConfirmation(Message):
    statement: Confirmation
    signature: SignatureText


class SignedCancellation(Message):
    statement: Cancellation
    signature: SignatureText


class SignedRotation(Message):
    statement: Rotation
    signature: SignatureText


# --- evidence log -----------------------------------------------------------------------------------


class CheckpointBody(Message):
    """A signed head of the evidence log; GET /v1/log/checkpoint answers one."""

    log_id: Sm3Hex
    size: Count
    time_ms: Millis
    root: Sm3Hex
    signature: SignatureText


class InclusionBody(Message):
    """Proof that entry `index` is in the log of `size` entries; GET /v1/log/inclusion."""

    index: Count
    size: Count
    leaf: Sm3Hex
    proof: Annotated[list[Sm3Hex], Field(max_length=PROOF_NODES_MAX)]
    root: Sm3Hex
    checkpoint: CheckpointBody | None = None
    """Present where a signed head of exactly this size exists."""


class ConsistencyBody(Message):
    """Proof that the log of `second` entries only appended to that of `first`; GET /v1/log/consistency."""

    first: Count
    second: Count
    proof: Annotated[list[Sm3Hex], Field(max_length=PROOF_NODES_MAX)]


# --- POST /v1/deposits, /v1/aids --------------------------------------------------------------------


class Deposit(Message):
    consent: Consent
    edis: Annotated[list[EdiText], Field(min_length=1, max_length=EDIS_MAX)]
    """In the order of the consent's edi_ids."""
    agreement: Annotated[str, StringConstraints(max_length=AGREEMENT_TEXT_MAX)] | None = None
    """The agreement text as an SM2 envelope to the trust party, base64url."""
    proof: Annotated[str, StringConstraints(max_length=PROOF_TEXT_MAX)] | None = None
    """What the consent's proof_sm3 is over, likewise."""


class DepositRequest(Message):
    deposits: Annotated[list[Deposit], Field(min_length=1, max_length=DEPOSITS_MAX)]
    signature: SignatureText
    """The enterprise's, over ASCS-CONSENT1 and the list of the consents' SM3s."""


class DepositResult(Message):
    """Either an AID with its evidence, or `error` alone."""

    aid: Aid | None = None
    evidence_id: Ref | None = None
    status: Status | None = None
    inclusion: InclusionBody | None = None
    error: Reason | None = None


class DepositResponse(Message):
    results: Annotated[list[DepositResult], Field(max_length=DEPOSITS_MAX)]


class AidStatus(Message):
    """Status of an own AID; an AID that is not the caller's is UNKNOWN and carries nothing more."""

    aid: Aid
    status: Status
    not_before: Millis | None = None
    not_after: Millis | None = None
    evidence_id: Ref | None = None


class StatusRequest(Message):
    aids: Annotated[list[Aid], Field(min_length=1, max_length=ITEMS_MAX)]


class StatusResponse(Message):
    statuses: Annotated[list[AidStatus], Field(max_length=ITEMS_MAX)]


# --- POST /v1/cancellations, /v1/confirmations ------------------------------------------------------


class CancellationRequest(Message):
    cancellations: Annotated[list[SignedCancellation], Field(min_length=1, max_length=ITEMS_MAX)]


class CancellationResult(Message):
    status: Literal["REVOKED", "UNKNOWN"]


class CancellationResponse(Message):
    results: Annotated[list[CancellationResult], Field(max_length=ITEMS_MAX)]


class RotationRequest(Message):
    """POST /v1/rotations, from the enterprise."""

    rotations: Annotated[list[SignedRotation], Field(min_length=1, max_length=ITEMS_MAX)]


class RotationResult(Message):
    """The AID that replaces the one asked about, and its status now; or neither, where it is not replaced."""

    status: Status | Literal["EXHAUSTED"]
    """UNKNOWN: not an active AID of the caller's. EXHAUSTED: a consent has at most 256 AIDs under one key."""
    aid: Aid | None = None
    evidence_id: Ref | None = None


class RotationResponse(Message):
    results: Annotated[list[RotationResult], Field(max_length=ITEMS_MAX)]


class ConfirmationSubmission(Message):
    """POST /v1/confirmations, from the carrier."""

    confirmations: Annotated[list[SignedConfirmation], Field(min_length=1, max_length=ITEMS_MAX)]


class ConfirmationResult(Message):
    status: Literal["ACTIVE", "EXPIRED", "UNKNOWN", "REVOKED"]


class ConfirmationResponse(Message):
    results: Annotated[list[ConfirmationResult], Field(max_length=ITEMS_MAX)]


# --- POST /v1/verifications -------------------------------------------------------------------------


class VerifyItem(Message):
    """May this enterprise contact this AID now, on this channel, from this access number?

    What is to be said is offered as a digest, and as the template that the carrier matched it to; both are put on
    record with the answer, and decide nothing.
    """

    aid: Aid
    enterprise: PartyId
    channel: Channel
    access_number: AccessNumber
    content_digest: Sm3Hex | None = None
    template_id: Ref | None = None
    template_digest: Sm3Hex | None = None

    @model_validator(mode="after")
    def _names_a_whole_template(self) -> Self:
        if (self.template_id is None) != (self.template_digest is None):
            raise ValueError("a template has an id and a digest")
        return self


class VerifyRequest(Message):
    items: Annotated[list[VerifyItem], Field(min_length=1, max_length=ITEMS_MAX)]


class GrantTerms(Message):
    """The consent's terms that the carrier enforces."""

    hours: Hours
    frequency: Frequency
    access_numbers: Annotated[list[AccessNumber], Field(max_length=ACCESS_NUMBERS_MAX)]
    not_after: Millis


class GrantBody(Message):
    edi: EdiText
    edi_id: EdiId
    consent: GrantTerms


class RefusalBody(Message):
    reason: Reason
    """The precise reason, which the carrier keeps inside."""


class VerifyAnswer(Message):
    """Exactly one of `grant` and `refusal`."""

    grant: GrantBody | None = None
    refusal: RefusalBody | None = None

    @model_validator(mode="after")
    def _holds_one(self) -> Self:
        if (self.grant is None) == (self.refusal is None):
            raise ValueError("either grant or refusal")
        return self


class BatchHead(Message):
    """ASCS-BATCH1 over the answers of one request: root, count and at are what is signed."""

    root: Sm3Hex
    count: Count
    at: Millis
    signature: SignatureText


class VerifyResponse(Message):
    answers: Annotated[list[VerifyAnswer], Field(max_length=ITEMS_MAX)]
    batch: BatchHead


# --- the stream of verifications: GET /v1/verifications/stream ----------------------------------------


class StreamAsk(Message):
    """From the carrier: questions, under a number that is new on this stream."""

    ask: Count
    items: Annotated[list[VerifyItem], Field(min_length=1, max_length=ITEMS_MAX)]


class StreamAnswer(Message):
    """From the trust party: the answers to one StreamAsk, in order."""

    answer: Count
    answers: Annotated[list[VerifyAnswer], Field(max_length=ITEMS_MAX)]


class StreamFailure(Message):
    """From the trust party: this StreamAsk gets no answer; nobody may be contacted."""

    failed: Count
    status: Literal[503]


class StreamBatch(Message):
    """From the trust party: ASCS-BATCH1 over the answers sent since the last one, in the order sent."""

    batch: BatchHead


# --- revocations and the lease: on the stream, over MQTT, and POST /v1/revocations --------------------


class LeaseNonce(Message):
    """From the carrier: to be echoed by the next heartbeat."""

    lease: Nonce


class HeartbeatBody(Message):
    """What the trust party has revoked for this carrier so far, and the last nonce that it got."""

    epoch: Nonce
    sequence: Count
    nonce: Nonce


class Heartbeat(Message):
    """From the trust party, in answer to a LeaseNonce."""

    heartbeat: HeartbeatBody


class Revoked(Message):
    """From the trust party, unasked: revocations in their order."""

    revoked: Annotated[list[SignedRevocation], Field(min_length=1, max_length=ITEMS_MAX)]


class RevocationsRequest(Message):
    """POST /v1/revocations: those of this epoch after a sequence; of another epoch than the current one, none."""

    epoch: Nonce
    after: Count


class RevocationsResponse(Message):
    """The next of them, at most ITEMS_MAX, and the newest there is."""

    epoch: Nonce
    newest: Count
    revoked: Annotated[list[SignedRevocation], Field(max_length=ITEMS_MAX)]


# --- POST /v1/conversions, /v1/restorations, /v1/reports --------------------------------------------


class ConversionRequest(Message):
    aid: Aid
    enterprise: PartyId


class ConversionResponse(Message):
    edi: EdiText


class RestoreItem(Message):
    """Under which AID does this enterprise know the subscriber behind an EDI?"""

    edi_id: EdiId
    enterprise: PartyId
    access_number: AccessNumber


class RestoreRequest(Message):
    items: Annotated[list[RestoreItem], Field(min_length=1, max_length=ITEMS_MAX)]


class RestoreAnswer(Message):
    """Exactly one of `aid` and `refusal`."""

    aid: Aid | None = None
    refusal: RefusalBody | None = None

    @model_validator(mode="after")
    def _holds_one(self) -> Self:
        if (self.aid is None) == (self.refusal is None):
            raise ValueError("either aid or refusal")
        return self


class RestoreResponse(Message):
    answers: Annotated[list[RestoreAnswer], Field(max_length=ITEMS_MAX)]


class Report(Message):
    """One communication that took place or was refused, under edi_id. Idempotent by carrier and report_id."""

    report_id: Ref
    edi_id: EdiId
    enterprise: PartyId
    channel: Channel
    access_number: AccessNumber
    direction: Literal["mt", "mo", "call", "callback"]
    result: Reason
    started_at: Millis
    ended_at: Millis
    content_digest: Sm3Hex | None = None


class ReportRequest(Message):
    reports: Annotated[list[Report], Field(min_length=1, max_length=ITEMS_MAX)]


class Accepted(Message):
    """How many were taken; says nothing of what will become of each."""

    accepted: Count


# --- routes of the carrier --------------------------------------------------------------------------


class ConfirmationRequest(Message):
    """One deposit whose subscriber the carrier is asked to find and to have confirm."""

    deposit_id: Ref
    consent: Consent
    enterprise_name: Label
    edis: Annotated[list[EdiText], Field(min_length=1, max_length=EDIS_MAX)]


class ConfirmationRequests(Message):
    """POST /v1/confirmation-requests, from the trust party. Idempotent by deposit_id."""

    requests: Annotated[list[ConfirmationRequest], Field(min_length=1, max_length=ITEMS_MAX)]


class Assertion(Message):
    """The network authenticated this subscriber in the session in which the EDI was made."""

    edi_id: EdiId
    msisdn: Msisdn
    at: Millis


class AssertionRequest(Message):
    """POST /v1/assertions, from a configured network peer."""

    assertions: Annotated[list[Assertion], Field(min_length=1, max_length=ITEMS_MAX)]
