"""Keeps no row longer than was agreed: what ended long enough ago is deleted, a little at a time.

What is deleted is sealed, and its pages are used again by what comes; they are not overwritten at once.
Standard: T/ISC 0049-2024, 8.2.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from foundation.store import StoreBusy, StoreUnavailable
from foundation.tasks import end
from gateway.settings import RetentionSettings
from gateway.store import retention
from gateway.store.domain import Domain

ROWS_MAX = 500
"""Rows in one operation of the store, some milliseconds' work."""
PAUSE_S = 0.25
"""Between two such operations: two thousand rows a second, more than any gateway makes for long."""
EVERY_S = 600.0
DAY_MS = 86_400_000

_log = logging.getLogger(__name__)


class Retention:
    """Deletes what is due, for ever."""

    def __init__(
        self,
        domain: Domain,
        settings: RetentionSettings,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._domain = domain
        self._days = {
            "cdr": settings.cdr_days,
            "reply": settings.reply_days,
            "confirmation": settings.confirmation_days,
            "code": settings.confirmation_days,
            "refusal": settings.refusal_days,
        }
        self._sleep = sleep
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="retention")

    async def stop(self) -> None:
        await end(self._task)

    async def drop_due(self) -> dict[str, int]:
        """Delete all that is due now; how many rows of each kind. Raises StoreBusy, StoreUnavailable."""
        dropped: dict[str, int] = {}
        for kind, drop in retention.KINDS.items():
            before = self._domain.now_ms() - self._days[kind] * DAY_MS
            dropped[kind] = 0
            while True:
                count = await self._domain.store.write(
                    lambda conn, drop=drop, before=before: drop(conn, before, ROWS_MAX)  # type: ignore[misc]
                )
                dropped[kind] += count
                if count < ROWS_MAX:
                    break
                await self._sleep(PAUSE_S)
        return dropped

    async def _run(self) -> None:
        while True:
            try:
                dropped = await self.drop_due()
            except (StoreBusy, StoreUnavailable) as error:
                _log.warning("nothing dropped at the end of its retention now: %s", error)
            else:
                for kind, count in dropped.items():
                    if count:
                        _log.info("%d rows of kind %s dropped at the end of their retention", count, kind)
            await self._sleep(EVERY_S)
