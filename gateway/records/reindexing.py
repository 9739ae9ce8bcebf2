"""After a rotation of the index key: brings what people are found by under the new one, a few rows at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from foundation.store import StoreBusy, StoreUnavailable
from foundation.tasks import end
from gateway.store.domain import Domain
from gm.errors import GmError

ROWS_MAX = 100
"""Rows in one operation of the store: two milliseconds, of which a message may wait."""
PAUSE_S = 0.02
"""Between two such operations: messages go first."""
EVERY_S = 5.0
"""Between two looks for something to do."""

_log = logging.getLogger(__name__)


class Reindexing:
    """Looks for rows under an earlier index key, for ever. It may be ended at any time and goes on where it was."""

    def __init__(self, domain: Domain, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._domain = domain
        self._sleep = sleep
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="reindexing")

    async def stop(self) -> None:
        await end(self._task)

    async def renew_all(self) -> int:
        """Bring all rows under the current key; how many were not.

        Raises StoreBusy, StoreUnavailable, DecryptError, KeyStoreError.
        """
        vault = self._domain.vault
        renewed = 0
        while count := await self._domain.store.write(lambda conn: vault.renew_indexes(conn, ROWS_MAX)):
            renewed += count
            await self._sleep(PAUSE_S)
        return renewed

    async def _run(self) -> None:
        while True:
            try:
                if await self._domain.store.write(self._domain.vault.has_stale_indexes):
                    renewed = await self.renew_all()
                    _log.info("%d numbers and identifiers are indexed under the new key", renewed)
            except (StoreBusy, StoreUnavailable, GmError) as error:
                _log.warning("not indexed anew now: %s", error)
            await self._sleep(EVERY_S)
