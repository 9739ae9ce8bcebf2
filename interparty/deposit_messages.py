"""Consents that are deposited, and what becomes of their AIDs: status, confirmation, rotation, cancellation.

See docs/formats.md, "Messages".
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from interparty.messages import (
    AGREEMENT_TEXT_MAX,
    DEPOSITS_MAX,
    EDIS_MAX,
    ITEMS_MAX,
    PROOF_TEXT_MAX,
    Consent,
    InclusionBody,
    Message,
    SignedCancellation,
    SignedConfirmation,
    SignedRotation,
)
from interparty.values import Aid, EdiText, Millis, Reason, Ref, SignatureText, Status


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
