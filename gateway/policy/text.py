"""One text as the rules of its content see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gateway.access_number import AccessNumberRow
from gateway.policy.refusal import Refusal

TEXT_REFUSED_ERROR = 1
"""`err:` of the receipt where a whole text is refused after its parts were taken."""


class Text(NamedTuple):
    """What a message says, whole: of a long one all parts."""

    number: AccessNumberRow
    octets: int
    """Without user data headers."""
    is_septets: bool
    """Whether each octet is a character of the GSM alphabet."""
    characters: str
    """Empty for a binary text."""


TextRule = Callable[[Text], Refusal | None]
"""The refusal, or None where the rule has nothing against it."""
