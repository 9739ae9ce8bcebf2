"""A text in one piece (message_payload) is no longer than a text in parts may be."""

from __future__ import annotations

from typing import Final

from gateway.policy.refusal import Case, Cause, Refusal
from gateway.policy.text import Text
from smpp.constants import CommandStatus

PARTS_MAX: Final = 10
"""Parts of one long message."""
SEPTETS_MAX: Final = PARTS_MAX * 153
OCTETS_MAX: Final = PARTS_MAX * 134
"""3GPP TS 23.040, 9.2.3.24.1: what a part holds beside a header of 6 octets."""

_TOO_LONG: Final = Refusal(Case.CONTENT, Cause.TEXT_TOO_LONG, CommandStatus.ESME_RINVMSGLEN)


def is_short_enough(text: Text) -> Refusal | None:
    return _TOO_LONG if text.octets > (SEPTETS_MAX if text.is_septets else OCTETS_MAX) else None
