"""One contact as the rules of the consent see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gateway.policy.refusal import Refusal
from gateway.store.subscriber_cache import Resolved
from trust_client.verifier import Grant


class Contact(NamedTuple):
    """A person whom an enterprise may reach, unless a rule says no. Times in milliseconds."""

    person: Resolved
    grant: Grant
    blocked_at: int | None
    """When the person opted out of that enterprise."""
    now: int
    at: int
    """When the contact takes place: later than now for a scheduled message."""
    is_barred: bool = False
    """Whether the operator's list has the person."""


ContactRule = Callable[[Contact], Refusal | None]
"""The refusal, or None where the rule has nothing against it. Changes nothing."""
