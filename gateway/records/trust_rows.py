"""What the trust party is told: confirmations, cancellations and reports, from the store until it has them."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from foundation.store import Store
from gateway.records import metrics
from gateway.store import outbox
from gateway.store.courier import Courier, NotNow
from interparty.client import PeerProblem, PeerUnavailable
from interparty.messages import Cancellation, Confirmation, Report
from trust_client.carrier import CarrierClient

_log = logging.getLogger(__name__)

Rows = Sequence[tuple[int, str]]


class TrustRows:
    """One courier a kind, so that a flood of reports never delays a cancellation."""

    def __init__(self, store: Store, trust: CarrierClient) -> None:
        self._store = store
        self._trust = trust
        self._couriers = [
            Courier(kind.name.lower(), store, _loader(kind), self._sender(send))
            for kind, send in (
                (outbox.TrustKind.CONFIRMATION, self._confirm),
                (outbox.TrustKind.CANCELLATION, self._cancel),
                (outbox.TrustKind.REPORT, self._report),
            )
        ]

    def start(self) -> None:
        for courier in self._couriers:
            courier.start()

    async def stop(self) -> None:
        for courier in self._couriers:
            await courier.stop()

    def wake(self) -> None:
        for courier in self._couriers:
            courier.wake()

    def _sender(
        self, send: Callable[[list[dict[str, Any]]], Awaitable[None]]
    ) -> Callable[[Rows], Awaitable[None]]:
        async def carry(rows: Rows) -> None:
            try:
                await send([json.loads(body) for _, body in rows])
            except (PeerUnavailable, PeerProblem) as error:
                raise NotNow(str(error)) from error
            ids = [row_id for row_id, _ in rows]
            await self._store.write(lambda conn: outbox.done_trust(conn, ids))

        return carry

    async def _confirm(self, bodies: list[dict[str, Any]]) -> None:
        for result in await self._trust.confirm([Confirmation.model_validate(body) for body in bodies]):
            metrics.CONFIRMATIONS.labels(result.status).inc()
            if result.status != "ACTIVE":
                _log.warning("a confirmed consent is %s at the trust party", result.status)

    async def _cancel(self, bodies: list[dict[str, Any]]) -> None:
        await self._trust.cancel([Cancellation.model_validate(body) for body in bodies])

    async def _report(self, bodies: list[dict[str, Any]]) -> None:
        await self._trust.report([Report.model_validate(body) for body in bodies])


def _loader(kind: outbox.TrustKind) -> Callable[[sqlite3.Connection, int], list[tuple[int, str]]]:
    return lambda conn, limit: outbox.for_trust(conn, kind, limit)
