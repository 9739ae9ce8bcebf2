"""A text that no rule is against, with what a test changes."""

from typing import Any

from gateway.access_number import AccessNumberRow
from gateway.policy.text import Text
from tests.gateway.carrier import ENTERPRISE, NUMBER


def number(signature: str | None = None) -> AccessNumberRow:
    return AccessNumberRow(NUMBER, ENTERPRISE, "sms-a", None, signature=signature)


def text(characters: str = "hello", signature: str | None = None, **fields: Any) -> Text:
    return Text(number(signature), fields.get("octets", 5), fields.get("is_septets", True), characters)
