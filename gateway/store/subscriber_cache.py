"""Who is behind an EDI, as it was resolved last: what the store's operations remember between commits.

Only operations of the store touch it. An entry says what the table of holdings says until `until_ms`; with
each import of lines, by whatever process, all entries go (holding_version). Opt-out blocks are not here:
they are read in every decision. What was rolled back is forgotten with everything else.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

CACHED_MAX: Final = 131_072
"""EDIs remembered; the one remembered first goes first."""


@dataclass(slots=True)
class Resolved:
    """The one person behind an EDI. The MSISDN (E.164 digits) stays inside the carrier domain."""

    edi_id: bytes
    enterprise_id: str
    msisdn_index: bytes
    msisdn: str
    confirmed_at: int
    until_ms: int
    """From then on the holdings may say something else."""
    window_start: int = 0
    window_count: int = 0
    """Contacts in the running period of the consent's frequency."""
    access_numbers: set[str] = field(default_factory=set)
    """From which this EDI was the last by which the person was contacted."""


class SubscriberCache:
    """EDI to person. Bounded by CACHED_MAX."""

    def __init__(self) -> None:
        # Ordered: to find the first entry of a plain dict is slow once many before it are gone.
        self._entries: OrderedDict[bytes, Resolved] = OrderedDict()
        self._of_number: dict[bytes, set[bytes]] = {}
        self._version = 0

    def refresh(self, conn: sqlite3.Connection) -> None:
        """Forget everything if lines were imported since; once in a commit."""
        version = conn.execute("SELECT version FROM holding_version WHERE id = 1").fetchone()[0]
        if version != self._version:
            self.clear()
            self._version = version

    def get(self, edi_id: bytes, now_ms: int) -> Resolved | None:
        found = self._entries.get(edi_id)
        return found if found is not None and now_ms < found.until_ms else None

    def put(self, entry: Resolved) -> None:
        # Resolved anew it is the newest again: it must outlive the commit that counts on it.
        known = self._entries.pop(entry.edi_id, None)
        if known is None and len(self._entries) >= CACHED_MAX:
            self._drop(next(iter(self._entries)))
        self._entries[entry.edi_id] = entry
        self._of_number.setdefault(entry.msisdn_index, set()).add(entry.edi_id)

    def contacted(self, entry: Resolved, access_number: str) -> bool:
        """Note that the person was contacted under this EDI last; False when that was so already."""
        if access_number in entry.access_numbers:
            return False
        for other in self._of_number.get(entry.msisdn_index, ()):
            self._entries[other].access_numbers.discard(access_number)
        entry.access_numbers.add(access_number)
        return True

    def forget(self, edi_id: bytes) -> None:
        """The EDI was confirmed anew: since when counts against opt-outs."""
        if edi_id in self._entries:
            self._drop(edi_id)

    def clear(self) -> None:
        self._entries.clear()
        self._of_number.clear()

    def _drop(self, edi_id: bytes) -> None:
        entry = self._entries.pop(edi_id)
        others = self._of_number[entry.msisdn_index]
        others.discard(edi_id)
        if not others:
            del self._of_number[entry.msisdn_index]
