"""Carries rows that wait for another party: read a batch, hand it over, delete it; durable and in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from foundation.store import Store, StoreBusy, StoreUnavailable
from foundation.tasks import end

Row = TypeVar("Row")

BATCH_MAX = 500
BACKOFF_MIN_S = 0.2
BACKOFF_MAX_S = 15.0
POLL_S = 5.0
"""How long a row that nobody announced may wait (another process wrote it)."""

_log = logging.getLogger(__name__)


class NotNow(Exception):
    """The other party did not answer; the rows stay and are tried again."""


class Courier(Generic[Row]):
    """One kind of rows, one at a time: `send` returns only when the rows it got are done with.

    `send` raises NotNow when they are not; it settles them in the store itself.
    """

    def __init__(
        self,
        name: str,
        store: Store,
        load: Callable[[sqlite3.Connection, int], list[Row]],
        send: Callable[[Sequence[Row]], Awaitable[None]],
        *,
        batch_max: int = BATCH_MAX,
        gather_s: float = 0.0,
    ) -> None:
        """`batch_max`: rows carried at once. `gather_s`: how long rows may wait for others, to be carried in few
        batches; the fuller a batch was, the less the next one waits, so that many rows go evenly and not in lumps."""
        self._name = name
        self._store = store
        self._load = load
        self._send = send
        self._batch_max = batch_max
        self._gather_s = gather_s
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"courier-{self._name}")
        self._wake.set()

    def wake(self) -> None:
        """New rows are there."""
        self._wake.set()

    async def stop(self) -> None:
        await end(self._task)
        self._task = None

    async def _run(self) -> None:
        backoff = BACKOFF_MIN_S
        while True:
            self._wake.clear()
            try:
                rows = await self._store.write(lambda conn: self._load(conn, self._batch_max))
                if rows:
                    await self._send(rows)
                    backoff = BACKOFF_MIN_S
                    await asyncio.sleep(self._gather_s * (1 - len(rows) / self._batch_max))
                    continue
            except (NotNow, StoreBusy, StoreUnavailable) as error:
                _log.warning("%s waits %.1f s: %s", self._name, backoff, error)
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, BACKOFF_MAX_S)
                continue
            except Exception:
                # A courier that died would leave rows waiting for ever: say so loudly and go on.
                _log.exception("%s failed on a batch", self._name)
                await asyncio.sleep(BACKOFF_MAX_S)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._wake.wait()
