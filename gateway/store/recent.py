"""What the SMSC took lately, by the name under which its receipt will come: saves most receipts a search.

Only operations of the store touch it. Whatever ends a message removes it here; what was rolled back is
forgotten with everything else, and the store is asked again.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from gateway.store.messages import MessageRow

RECENT_MAX: Final = 50_000
"""Messages remembered; the one remembered first goes first."""


class RecentMessages:
    """What the SMSC calls a message, to the message. Bounded by RECENT_MAX."""

    def __init__(self) -> None:
        self._rows: dict[str, MessageRow] = {}
        """By SMSC and the id just as it gave it."""
        self._ids: dict[str, int] = {}
        """Message by upstream key, so that two under one key are noticed."""
        # Ordered: to find the first entry of a plain dict is slow once many before it are gone.
        self._names: OrderedDict[int, tuple[str, str]] = OrderedDict()
        self.may_be_parked = True
        """Whether receipts may wait for the response that names their message: while none does, no response needs
        to look for one."""

    def put(self, key: str, name: str, row: MessageRow) -> None:
        """`key`: what the store indexes; `name`: SMSC and the id just as it gave it."""
        if row.id in self._names:
            # Taken twice: what ends it must find all of it here, and the store knows the id that counts.
            self.remove(row.id)
            return
        if key in self._ids:
            # Two messages under one key: the store decides between them.
            self.remove(self._ids[key])
            return
        if len(self._names) >= RECENT_MAX:
            self.remove(next(iter(self._names)))
        self._rows[name] = row
        self._ids[key] = row.id
        self._names[row.id] = (key, name)

    def get(self, name: str) -> MessageRow | None:
        """The message that the SMSC calls just this; None when the store has to be asked."""
        return self._rows.get(name)

    def remove(self, message_id: int) -> None:
        names = self._names.pop(message_id, None)
        if names is not None:
            key, name = names
            del self._ids[key]
            del self._rows[name]

    def clear(self) -> None:
        self._rows.clear()
        self._ids.clear()
        self._names.clear()
        self.may_be_parked = True
