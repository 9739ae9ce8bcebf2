"""Whether the trust party answers: asked again and again, so that a gateway without traffic knows it too."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from foundation.tasks import end
from gateway.records import metrics
from interparty.client import PeerProblem, PeerUnavailable

ASK_S = 5.0
"""From one answer to the next question."""
ASK_AGAIN_S = 0.5
"""The same, while there is no answer."""

OK = "ok"
DOWN = "down"
REFUSES = "refuses"
"""It answers, but not to this carrier: not admitted, another key, another clock."""

_log = logging.getLogger(__name__)


class TrustWatch:
    """Asks by `ask`, which raises PeerUnavailable or PeerProblem; DOWN until the first answer."""

    def __init__(self, ask: Callable[[], Awaitable[None]]) -> None:
        self.state = DOWN
        self._ask = ask
        self._task: asyncio.Task[None] | None = None
        metrics.TRUST_UP.set(0)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="trust-watch")

    async def stop(self) -> None:
        await end(self._task)

    async def look(self) -> float:
        """Ask once; gives the seconds until it is worth asking again."""
        state, said = OK, ""
        try:
            await self._ask()
        except PeerUnavailable as error:
            state, said = DOWN, f": {error}"
        except PeerProblem as error:
            state, said = REFUSES, f": {error}"
        if state != self.state:
            _log.log(logging.INFO if state == OK else logging.WARNING, "trust party: %s%s", state, said)
        self.state = state
        metrics.TRUST_UP.set(1 if state == OK else 0)
        return ASK_S if state == OK else ASK_AGAIN_S

    async def _run(self) -> None:
        while True:
            pause = await self.look()
            await asyncio.sleep(pause)
