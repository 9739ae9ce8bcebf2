"""What the trust party is told: confirmations, cancellations, reports and what became of keys, from the store until it
has them."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from foundation.store import Store
from gateway.records import metrics
from gateway.records.reports import report_of
from gateway.store import outbox, records
from gateway.store.courier import Courier, NotNow
from interparty import key_ledger
from interparty.client import PeerProblem, PeerUnavailable
from interparty.key_messages import KeyEvent
from interparty.messages import Cancellation, Confirmation
from trust_client.carrier import CarrierClient

_log = logging.getLogger(__name__)

REPORT_GATHER_S = 0.2
"""Nobody waits for a report; a batch of one costs the trust party as much as one of hundreds."""
REPORTS_AT_ONCE = 250
"""While the trust party takes in reports, its answers to verifications take longer: at 5,000 messages a second batches
of twice as many, one after the other five times a second, were where responses to enterprises were slow."""

Rows = Sequence[tuple[int, str]]


class TrustRows:
    """One courier a kind, so that a flood of reports never delays a cancellation."""

    def __init__(self, store: Store, trust: CarrierClient, sign_keyid: Callable[[], str]) -> None:
        """`sign_keyid`: the name of the key under which `trust` signs at the moment."""
        self._store = store
        self._trust = trust
        self._sign_keyid = sign_keyid
        self._key_events = Courier("key event", store, key_ledger.untold, self._tell_key_events)
        self._reports = Courier(
            "report",
            store,
            records.unreported,
            self._report,
            batch_max=REPORTS_AT_ONCE,
            gather_s=REPORT_GATHER_S,
        )
        self._statements = [
            Courier(kind.name.lower(), store, _loader(kind), self._sender(send))
            for kind, send in (
                (outbox.TrustKind.CONFIRMATION, self._confirm),
                (outbox.TrustKind.CANCELLATION, self._cancel),
            )
        ]

    def start(self) -> None:
        self._reports.start()
        self._key_events.start()
        for courier in self._statements:
            courier.start()

    async def stop(self) -> None:
        await self._reports.stop()
        await self._key_events.stop()
        for courier in self._statements:
            await courier.stop()

    def wake(self) -> None:
        """Statements were committed, perhaps CDRs too."""
        self.wake_reports()
        for courier in self._statements:
            courier.wake()

    def wake_reports(self) -> None:
        """CDRs were committed, as at the end of each message and call: no statement is looked for."""
        self._reports.wake()

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

    async def _tell_key_events(self, events: Sequence[KeyEvent]) -> None:
        try:
            await self._trust.report_key_events(events, self._sign_keyid())
        except (PeerUnavailable, PeerProblem) as error:
            raise NotNow(str(error)) from error
        await self._store.write(lambda conn: key_ledger.tell(conn, events))

    async def _report(self, rows: Sequence[records.Unreported]) -> None:
        reports = [report_of(row) for row in rows if row.edi_id is not None]
        if reports:
            try:
                await self._trust.report_texts(reports)
            except (PeerUnavailable, PeerProblem) as error:
                raise NotNow(str(error)) from error
        position = rows[-1].position
        await self._store.write(lambda conn: records.set_reported(conn, position))


def _loader(kind: outbox.TrustKind) -> Callable[[sqlite3.Connection, int], list[tuple[int, str]]]:
    return lambda conn, limit: outbox.for_trust(conn, kind, limit)
