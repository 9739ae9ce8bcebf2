"""The digest of a message's content that goes into evidence, in place of the content.

A bare digest of a six-digit code is no secret: a million guesses find it. So it is keyed. The salt is
HMAC-SM3(account key, message id), which enterprise and carrier can both make and nobody else; the digest is
HMAC-SM3(salt, content). The content of a message is its data_coding octet followed by its text as octets,
without user data headers; of a long message, the texts of all parts in order. The message id is the 16
characters that the submit_sm_resp gave, of a long message those of the part that came first.
"""

from __future__ import annotations

from collections.abc import Callable

from gm.sm3 import HmacSm3, hmac_sm3

ACCOUNTS_CACHED = 4_096
"""Account keys kept expanded; then all are expanded anew."""


def content_digest(key: HmacSm3, message_id: str, data_coding: int, text: bytes) -> bytes:
    """32 bytes; see above."""
    return hmac_sm3(key.digest(message_id.encode("ascii")), bytes((data_coding,)) + text)


class AccountKeys:
    """Account keys, expanded for use."""

    def __init__(self, key_of: Callable[[str], bytes | None]) -> None:
        """`key_of`: an account's key by its name; it may change at any time."""
        self._key_of = key_of
        self._expanded: dict[bytes, HmacSm3] = {}

    def get(self, account: str) -> HmacSm3 | None:
        """None for an account that has no key."""
        key = self._key_of(account)
        if key is None:
            return None
        expanded = self._expanded.get(key)
        if expanded is None:
            if len(self._expanded) >= ACCOUNTS_CACHED:
                self._expanded.clear()
            expanded = self._expanded[key] = HmacSm3(key)
        return expanded
