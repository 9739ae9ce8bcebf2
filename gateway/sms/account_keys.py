"""The keys that the gateway shares with accounts, ready for the digests of their messages' content."""

from __future__ import annotations

from collections.abc import Callable

from gm.sm3 import HmacSm3

ACCOUNTS_CACHED = 4_096
"""Account keys kept expanded; then all are expanded anew."""


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
