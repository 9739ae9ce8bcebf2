"""Outbind to enterprises: an account for which something waits, and which has no bind that receives, is asked to
bind (3.4, 2.2.1).

Only accounts that have an address for it are called. The connection is ours, the bind on it the enterprise's: it must
be the account's own, and what holds for its other binds holds for it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from foundation.store import StoreBusy, StoreUnavailable
from foundation.tasks import end
from gateway.accounts.directory import Directory
from gateway.store import outbox
from gateway.store.accounts import AccountRow
from gateway.store.domain import Domain
from smpp.aio.client import ConnectFailed

LOOK_S = 2.0
"""How often what waits is looked for."""
RETRY_MIN_S: Final = 5.0
RETRY_MAX_S: Final = 300.0
"""From one call of an account to the next: it doubles, until the account is bound."""

_log = logging.getLogger(__name__)


class EsmeOutbinds:
    """Calls accounts; at most one call of each at a time."""

    def __init__(
        self,
        domain: Domain,
        directory: Directory,
        call: Callable[[AccountRow, bytes], Awaitable[None]],
        is_reached: Callable[[str], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`call`: connect to the account's address and send outbind with that password; raises ConnectFailed.
        `is_reached`: whether it has a bind that receives, or a call of ours is open."""
        self._domain = domain
        self._directory = directory
        self._call = call
        self._is_reached = is_reached
        self._clock = clock
        self._next: dict[str, tuple[float, float]] = {}
        """Of accounts that were called: when again, and the pause after that."""
        self._calls: dict[str, asyncio.Task[None]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._look_on(), name="esme-outbind")

    async def stop(self) -> None:
        tasks = [*self._calls.values(), *([] if self._task is None else [self._task])]
        await end(*tasks)

    async def look(self) -> None:
        """Call those who are to be called now."""
        now = self._clock()
        wanted = {}
        for account in self._directory.outbind_accounts:
            name = account.system_id
            if self._is_reached(name):
                self._next.pop(name, None)
            elif name not in self._calls and self._next.get(name, (now, 0.0))[0] <= now:
                wanted[name] = account
        if not wanted:
            return
        waiting = await self._domain.store.write(
            lambda conn: [name for name in wanted if outbox.waits_for(conn, name)]
        )
        for name in waiting:
            _, pause = self._next.get(name, (0.0, RETRY_MIN_S))
            self._next[name] = (now + pause, min(2 * pause, RETRY_MAX_S))
            task = asyncio.create_task(self._try(wanted[name]))
            self._calls[name] = task
            task.add_done_callback(lambda _, name=name: self._calls.pop(name, None))  # type: ignore[misc]

    async def _try(self, account: AccountRow) -> None:
        password = self._directory.outbind_password(account.system_id)
        try:
            await self._call(account, password)
        except ConnectFailed as error:
            _log.warning("outbind to account %s: %s", account.system_id, error)
        else:
            _log.info("outbind sent to account %s", account.system_id)

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except (StoreBusy, StoreUnavailable) as error:
                _log.warning("outbind waits: %s", error)
