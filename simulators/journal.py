"""A bounded record of what happened, that a script can wait on without sleeping.

Every entry has an ``index`` that grows by one with each addition and each change. A reader
remembers the highest index it saw and asks for what is newer.
"""

import asyncio
from typing import Generic, Protocol, TypeVar

WAIT_MAX_SECONDS = 60.0
"""Longest a reader may wait in one request."""

WAITERS_MAX = 64
"""Readers that may wait on one journal at once; one more is answered at once with what there is."""


class Indexed(Protocol):
    """What a journal holds: the journal alone writes ``index``."""

    index: int


E = TypeVar("E", bound=Indexed)


class Journal(Generic[E]):
    """The newest ``entries_max`` entries; the least recently changed is dropped first."""

    __slots__ = ("_entries", "_entries_max", "_waiters", "last")

    def __init__(self, entries_max: int) -> None:
        self._entries: dict[int, E] = {}
        self._entries_max = entries_max
        self._waiters: list[asyncio.Future[None]] | None = None
        self.last = 0

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entry: E) -> None:
        """Add `entry`, or move it to the end when it has changed, and wake every reader."""
        self._entries.pop(entry.index, None)
        self.last += 1
        entry.index = self.last
        self._entries[self.last] = entry
        if len(self._entries) > self._entries_max:
            del self._entries[next(iter(self._entries))]
        if self._waiters:
            waiters, self._waiters = self._waiters, None
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def since(self, after: int = 0) -> list[E]:
        """Entries added or changed after index `after`, oldest change first."""
        return [entry for index, entry in self._entries.items() if index > after]

    async def wait(self, after: int, seconds: float) -> list[E]:
        """Entries after `after`; when there is none, the first that comes within `seconds` (capped)."""
        found = self.since(after)
        if self._waiters is None:
            self._waiters = []
        if found or seconds <= 0 or len(self._waiters) >= WAITERS_MAX:
            return found
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(min(seconds, WAIT_MAX_SECONDS)):
                await waiter
        except TimeoutError:
            return []
        finally:
            if self._waiters and waiter in self._waiters:
                self._waiters.remove(waiter)
        return self.since(after)
