"""The consent's rules, in the order in which they are asked. The first refusal counts."""

from __future__ import annotations

from typing import Final

from gateway.policy.barred import not_barred
from gateway.policy.contact import Contact, ContactRule
from gateway.policy.frequency import within_frequency
from gateway.policy.hours import within_hours
from gateway.policy.opt_out import not_opted_out
from gateway.policy.refusal import Refusal

CONTACT_RULES: Final[tuple[ContactRule, ...]] = (
    not_barred,
    # What the person said here and now goes before what the consent says.
    not_opted_out,
    within_hours,
    within_frequency,
)


def refusal_of(contact: Contact) -> Refusal | None:
    """Why the contact does not take place; None when no rule is against it."""
    for rule in CONTACT_RULES:
        refusal = rule(contact)
        if refusal is not None:
            return refusal
    return None
