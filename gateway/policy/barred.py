"""No contact with whom the operator's list names, whoever asks and whatever was consented to."""

from __future__ import annotations

from typing import Final

from gateway.policy.contact import Contact
from gateway.policy.refusal import Case, Cause, Refusal

BARRED: Final = Refusal(Case.AID_REFUSED, Cause.BARRED)


def not_barred(contact: Contact) -> Refusal | None:
    return BARRED if contact.is_barred else None
