"""Where accepted messages are kept: on the disk before they are acknowledged, or in memory for speed.

The disk's ledger gathers what changes while a commit is under way and hands it over in one operation of
multi-row statements: a row costs a few microseconds, a commit one fsync, and nothing waits on purpose.
"""

import asyncio
import logging
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from foundation.store import Store, StoreBusy, StoreUnavailable
from simulators.smsc.messages import (
    COLUMN_COUNT,
    COLUMNS,
    STATE_COLUMN_COUNT,
    Message,
    from_row,
    row_of,
    state_of,
)

_log = logging.getLogger(__name__)

PRUNE_EVERY = 5_000
"""New messages between two looks at what may be forgotten."""
CHUNKS = (128, 16, 1)
"""Rows of one statement: a longer batch is cut into these, so that few statements are prepared."""

Stored = Callable[[list[Message], bool], None]
"""Told which messages are stored, or that they could not be."""
Updated = Callable[[bool], None]


class Ledger(Protocol):
    """What the message centre needs of a ledger."""

    @property
    def waiting(self) -> int:
        """Messages handed over that are not yet safe."""
        ...

    def insert(self, message: Message) -> None:
        """Keep a new message; `stored` is told when it is safe."""
        ...

    def update(self, message: Message, done: Updated | None = None) -> None:
        """Keep the state that `message` has now."""
        ...

    def replace(self, message: Message, done: Updated | None = None) -> None:
        """Keep the content that `message` has now."""
        ...

    async def load(self) -> tuple[int, list[Message]]:
        """(highest serial used, open messages in order) of an earlier run."""
        ...

    async def find(self, serial: int) -> Message | None:
        """The message with that serial, finished or not, while it is remembered."""
        ...

    async def accepted(self, after: int, limit: int) -> list[Message]:
        """Messages with serials above `after`, in order."""
        ...

    async def flush(self) -> None:
        """Return when all that was handed over is safe."""
        ...

    async def close(self) -> None:
        """Finish and close."""
        ...


class MemoryLedger:
    """Remembers the last `history` messages and loses all when the process ends."""

    def __init__(self, history: int, stored: Stored) -> None:
        self._history = history
        self._stored = stored
        self._messages: OrderedDict[int, Message] = OrderedDict()

    waiting = 0

    def insert(self, message: Message) -> None:
        messages = self._messages
        messages[message.id] = message
        if len(messages) > self._history:
            messages.popitem(last=False)
        self._stored([message], True)

    def update(self, message: Message, done: Updated | None = None) -> None:
        if done is not None:
            done(True)

    replace = update

    async def load(self) -> tuple[int, list[Message]]:
        return 0, []

    async def find(self, serial: int) -> Message | None:
        return self._messages.get(serial)

    async def accepted(self, after: int, limit: int) -> list[Message]:
        found = (message for serial, message in self._messages.items() if serial > after)
        return [message for message, _ in zip(found, range(limit), strict=False)]

    async def flush(self) -> None:
        """Nothing is on its way."""

    async def close(self) -> None:
        """Nothing to close."""


class DiskLedger:
    """Keeps messages in a Store; all finished ones but the last `history` are forgotten."""

    def __init__(self, store: Store, history: int, stored: Stored) -> None:
        self._store = store
        self._history = history
        self._stored = stored
        self._new: list[Message] = []
        self._rows: list[tuple[object, ...]] = []
        self._states: dict[int, tuple[int, ...]] = {}
        self._done: list[Updated] = []
        self._under_way = 0
        self._scheduled = False
        self._since_prune = 0

    @property
    def waiting(self) -> int:
        return len(self._new) + self._under_way

    def insert(self, message: Message) -> None:
        self._new.append(message)
        self._rows.append(row_of(message))
        self._wake()

    def update(self, message: Message, done: Updated | None = None) -> None:
        self._states[message.id] = state_of(message)
        if done is not None:
            self._done.append(done)
        self._wake()

    def replace(self, message: Message, done: Updated | None = None) -> None:
        self._rows.append(row_of(message))
        if done is not None:
            self._done.append(done)
        self._wake()

    async def load(self) -> tuple[int, list[Message]]:
        last = (await self._store.read("SELECT COALESCE(MAX(id), 0) FROM message"))[0][0]
        rows = await self._store.read(
            f"SELECT {COLUMNS} FROM message WHERE state = 1 OR receipt = 1 ORDER BY id"  # noqa: S608
        )
        return last, [from_row(row) for row in rows]

    async def find(self, serial: int) -> Message | None:
        rows = await self._store.read(f"SELECT {COLUMNS} FROM message WHERE id = ?", (serial,))  # noqa: S608
        return from_row(rows[0]) if rows else None

    async def accepted(self, after: int, limit: int) -> list[Message]:
        rows = await self._store.read(
            f"SELECT {COLUMNS} FROM message WHERE id > ? ORDER BY id LIMIT ?",  # noqa: S608
            (after, limit),
        )
        return [from_row(row) for row in rows]

    async def flush(self) -> None:
        while self._rows or self._states or self._under_way or self._scheduled:
            await self._store.write(lambda _database: None)
            await asyncio.sleep(0)

    async def close(self) -> None:
        if not self._store.failed:
            await self.flush()
        await self._store.close()

    # Inside.

    def _wake(self) -> None:
        """Hand over once this turn of the loop is done; while a commit is under way, when it has ended."""
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._hand_over)

    def _hand_over(self) -> None:
        new, rows, states, dones = self._new, self._rows, list(self._states.values()), self._done
        self._new, self._rows, self._states, self._done = [], [], {}, []
        self._since_prune += len(new)
        forget_below = 0
        if self._since_prune >= PRUNE_EVERY and new:
            self._since_prune = 0
            forget_below = new[-1].id - self._history

        def op(database: sqlite3.Connection) -> None:
            for chunk in _chunks(rows):
                database.execute(_UPSERTS[len(chunk)], [value for row in chunk for value in row])
            for chunk in _chunks(states):
                database.execute(_UPDATES[len(chunk)], [value for state in chunk for value in state])
            if forget_below > 0:
                database.execute(
                    "DELETE FROM message WHERE id < ? AND state <> 1 AND receipt <> 1", (forget_below,)
                )

        def done(_result: object, error: BaseException | None) -> None:
            self._under_way -= len(new)
            if self._new or self._rows or self._states:
                self._hand_over()
            else:
                self._scheduled = False
            if error is not None:
                # The next start takes these messages up from the rows as they were.
                _log.error("%d messages could not be stored: %s", len(rows) + len(states), error)
            if new:
                self._stored(new, error is None)
            for each in dones:
                each(error is None)

        self._under_way += len(new)
        try:
            self._store.submit(op, done)
        except (StoreBusy, StoreUnavailable) as error:
            done(None, error)


def _chunks(rows: Sequence[tuple[object, ...]]) -> Iterator[Sequence[tuple[object, ...]]]:
    start = 0
    for size in CHUNKS:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size


def _upsert(count: int) -> str:
    one = f"({','.join('?' * COLUMN_COUNT)})"
    return f"INSERT OR REPLACE INTO message ({COLUMNS}) VALUES {','.join([one] * count)}"  # noqa: S608


_UPSERTS = {count: _upsert(count) for count in CHUNKS}


def _update(count: int) -> str:
    one = f"({','.join('?' * STATE_COLUMN_COUNT)})"
    return (
        "UPDATE message SET state = v.column2, error = v.column3, final_at = v.column4, receipt = v.column5"  # noqa: S608
        f" FROM (VALUES {','.join([one] * count)}) AS v WHERE message.id = v.column1"
    )


_UPDATES = {count: _update(count) for count in CHUNKS}
