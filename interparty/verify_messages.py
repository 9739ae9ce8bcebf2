"""May this contact take place? Questions and answers, in requests and on the stream, and the revocations that end what
was granted.

See docs/formats.md, "Messages" and "Revocations".
"""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from interparty.messages import (
    ACCESS_NUMBERS_MAX,
    ITEMS_MAX,
    Message,
    RefusalBody,
    check_one,
    one_of,
    together,
)
from interparty.values import (
    AccessNumber,
    Aid,
    Channel,
    Count,
    EdiId,
    EdiText,
    Frequency,
    Hours,
    Millis,
    Nonce,
    PartyId,
    Ref,
    SignatureText,
    Sm3Hex,
)


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


class VerifyAnswer(Message):
    """Exactly one of `grant` and `refusal`."""

    model_config = ConfigDict(json_schema_extra=one_of("grant", "refusal"))

    grant: GrantBody | None = None
    """Contact is allowed within its terms."""
    refusal: RefusalBody | None = None
    """It is not."""

    @model_validator(mode="after")
    def _holds_one(self) -> Self:
        check_one(self, "grant", "refusal")
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
