"""Why a contact does not take place, and what each protocol answers. docs/refusals.md shows this table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Case(StrEnum):
    """What the enterprise may learn. The first is one case, whatever the cause."""

    AID_REFUSED = "AID refused, whatever the cause"
    ACCESS_NUMBER = "access number not the account's"
    CONTENT = "content or parameter that a consent to a text does not cover"
    NOT_AVAILABLE = "trust party or store not available"
    CREDENTIALS = "wrong user or password"
    BINDS = "binds over the limit"
    CALLS = "calls over the limit"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a case looks like on the wire; None where the protocol has no such case."""

    smpp: int | None
    sip: int | None
    retry_after_s: int | None = None


ANSWERS: dict[Case, Answer] = {
    Case.AID_REFUSED: Answer(smpp=0x0B, sip=404),  # ESME_RINVDSTADR
    Case.ACCESS_NUMBER: Answer(smpp=0x0A, sip=403),  # ESME_RINVSRCADR
    Case.CONTENT: Answer(smpp=None, sip=488),  # SMPP: the status that names the parameter
    Case.NOT_AVAILABLE: Answer(smpp=0x58, sip=503, retry_after_s=2),  # ESME_RTHROTTLED
    Case.CREDENTIALS: Answer(smpp=0x0D, sip=403),  # ESME_RBINDFAIL; SIP: 401 first
    Case.BINDS: Answer(smpp=0x05, sip=None),  # ESME_RALYBND
    Case.CALLS: Answer(smpp=None, sip=503, retry_after_s=2),
}


class Cause(StrEnum):
    """The precise cause, kept inside the carrier; the trust party's own reasons are kept as they come."""

    BARRED = "BARRED"
    OPTED_OUT = "OPTED_OUT"
    EDI_UNKNOWN = "EDI_UNKNOWN"
    NOT_CONFIRMED_HERE = "NOT_CONFIRMED_HERE"
    SUBSCRIBER_CHANGED = "SUBSCRIBER_CHANGED"
    PORTED_OUT = "PORTED_OUT"
    AMBIGUOUS = "AMBIGUOUS"
    OUTSIDE_HOURS = "OUTSIDE_HOURS"
    OVER_FREQUENCY = "OVER_FREQUENCY"
    NO_CONTACT = "NO_CONTACT"
    UNKNOWN_ACCESS_NUMBER = "UNKNOWN_ACCESS_NUMBER"
    TEXT_TOO_LONG = "TEXT_TOO_LONG"
    NOT_SIGNED = "NOT_SIGNED"
    SENSITIVE_WORD = "SENSITIVE_WORD"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rule's no: the case that the enterprise sees and the cause that stays inside."""

    case: Case
    cause: str
    status: int | None = None
    """For Case.CONTENT over SMPP: the command_status that names the parameter."""
