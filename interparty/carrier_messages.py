"""What a carrier is told about its subscribers: deposits to be confirmed, and sessions that the network vouches for."""

from typing import Annotated

from pydantic import Field

from interparty.messages import EDIS_MAX, ITEMS_MAX, Consent, Message
from interparty.values import EdiId, EdiText, Label, Millis, Msisdn, Ref


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
