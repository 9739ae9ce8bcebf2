"""No contact under a consent that was confirmed before its person opted out."""

from __future__ import annotations

from typing import Final

from gateway.policy.contact import Contact
from gateway.policy.refusal import Case, Cause, Refusal
from gateway.store.subscriber_cache import Resolved

_OPTED_OUT: Final = Refusal(Case.AID_REFUSED, Cause.OPTED_OUT)


def not_opted_out(contact: Contact) -> Refusal | None:
    return opted_out(contact.person, contact.blocked_at)


def opted_out(person: Resolved, blocked_at: int | None) -> Refusal | None:
    """Opt-out covers every consent confirmed before it; a consent given afterwards stands."""
    return _OPTED_OUT if blocked_at is not None and person.confirmed_at <= blocked_at else None
