"""What the SMSC took lately, by the key under which its receipt will come: saves most receipts a search.

Only operations of the store touch it. Whatever ends a message removes it here; what was rolled back is
forgotten with everything else, and the store is asked again.
"""

from __future__ import annotations

from typing import Final

from gateway.store.messages import MessageRow

RECENT_MAX: Final = 50_000
"""Messages remembered; the one remembered first goes first."""


class RecentMessages:
    """Upstream key to message. Bounded by RECENT_MAX."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[MessageRow, str]] = {}
        self._keys: dict[int, str] = {}

    def put(self, key: str, row: MessageRow, upstream_id: str) -> None:
        if row.id in self._keys:
            # Taken twice: what ends it must find all of it here, and the store knows the id that counts.
            self.remove(row.id)
            return
        if key in self._rows:
            # Two messages under one key: the store decides between them.
            self.remove(self._rows[key][0].id)
            return
        if len(self._rows) >= RECENT_MAX:
            self.remove(next(iter(self._keys)))
        self._rows[key] = (row, upstream_id)
        self._keys[row.id] = key

    def get(self, key: str, upstream_id: str) -> MessageRow | None:
        """The message under `key` whose id at the SMSC is just this; None when the store has to be asked."""
        found = self._rows.get(key)
        return found[0] if found is not None and found[1] == upstream_id else None

    def remove(self, message_id: int) -> None:
        key = self._keys.pop(message_id, None)
        if key is not None:
            del self._rows[key]

    def clear(self) -> None:
        self._rows.clear()
        self._keys.clear()
