"""From the outbox to the enterprise: receipts and replies, over any bind of the account, done on its response."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import deque
from dataclasses import dataclass, field
from functools import partial

from foundation.store import StoreBusy, StoreUnavailable
from gateway.records import metrics
from gateway.sms.final import SEAL_OUTBOX, Delivery
from gateway.store import outbox
from gateway.store.domain import Domain
from smpp.aio.connection import Connection, RequestFailed
from smpp.constants import CommandStatus
from smpp.pdu import Pdu
from smpp.session import LocalProtocolError, WindowFull

HELD_MAX = 1_000
"""Deliveries of one account in memory; the rest wait in the store."""
RETRY_S = 2.0
SWEEP_S = 30.0

REFUSED_FOR_GOOD = frozenset({CommandStatus.ESME_RX_P_APPN, CommandStatus.ESME_RX_R_APPN})
"""The enterprise says it will never take this one (SMPP 5.0, 4.7.6); anything else is tried again."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Account:
    """What one account has bound and what waits for it."""

    connections: list[Connection] = field(default_factory=list)
    ready: deque[Delivery] = field(default_factory=deque)
    held: set[int] = field(default_factory=set)
    next: int = 0
    more_in_store: bool = True
    loading: bool = False
    retry: asyncio.TimerHandle | None = None


class Deliveries:
    """Holds the binds that take deliver_sm. An account with none gets everything when it returns."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._accounts: dict[str, _Account] = {}
        self._sweeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._sweeper = asyncio.create_task(self._sweep(), name="outbox-sweeper")

    async def stop(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        for account in self._accounts.values():
            if account.retry is not None:
                account.retry.cancel()

    def bound(self, system_id: str, connection: Connection) -> None:
        """A receiver or transceiver of the account is there."""
        account = self._accounts.setdefault(system_id, _Account())
        account.connections.append(connection)
        account.more_in_store = True
        self.pump(system_id)

    def unbound(self, system_id: str, connection: Connection) -> None:
        account = self._accounts.get(system_id)
        if account is not None and connection in account.connections:
            account.connections.remove(connection)

    def offer(self, delivery: Delivery) -> None:
        """A delivery that was just committed."""
        account = self._accounts.get(delivery.account)
        if account is None or not account.connections or delivery.id in account.held:
            return
        if len(account.held) >= HELD_MAX or account.more_in_store:
            account.more_in_store = True
        else:
            account.held.add(delivery.id)
            account.ready.append(delivery)
        self.pump(delivery.account)

    def pump(self, system_id: str) -> None:
        account = self._accounts.get(system_id)
        if account is None:
            return
        while account.ready:
            connection = self._with_room(account)
            if connection is None:
                break
            self._send(system_id, account, connection, account.ready.popleft())
        if not account.ready and account.more_in_store and account.connections and account.retry is None:
            self._load(system_id, account)

    def _with_room(self, account: _Account) -> Connection | None:
        for turn in range(len(account.connections)):
            connection = account.connections[(account.next + turn) % len(account.connections)]
            if connection.can_send and connection.window_free > 0:
                account.next = (account.next + turn + 1) % len(account.connections)
                return connection
        return None

    def _send(self, system_id: str, account: _Account, connection: Connection, delivery: Delivery) -> None:
        def done(answer: Pdu | RequestFailed) -> None:
            if isinstance(answer, RequestFailed):
                metrics.DELIVERED.labels(system_id, answer.reason).inc()
                self._retry_later(system_id, account, delivery)
                return
            metrics.DELIVERED.labels(system_id, str(int(answer.command_status))).inc()
            if answer.command_status == CommandStatus.ESME_ROK:
                self._forget(system_id, account, delivery)
            elif answer.command_status in REFUSED_FOR_GOOD:
                _log.warning("account %s refused delivery %016x for good", system_id, delivery.id)
                self._forget(system_id, account, delivery)
            else:
                self._retry_later(system_id, account, delivery)

        try:
            connection.request_frame(delivery.frame, done)
        except (LocalProtocolError, WindowFull):
            self._retry_later(system_id, account, delivery)

    def _forget(self, system_id: str, account: _Account, delivery: Delivery) -> None:
        """Done: the row goes, and only when it is gone may the store be read for more."""

        def gone(_result: None, error: BaseException | None) -> None:
            account.held.discard(delivery.id)
            if error is not None:
                _log.error("delivery %016x stays in the outbox: %s", delivery.id, error)
            self.pump(system_id)

        try:
            self._domain.store.submit(lambda conn: outbox.done_enterprise(conn, delivery.id), gone)
        except (StoreBusy, StoreUnavailable) as error:
            gone(None, error)

    def _retry_later(self, system_id: str, account: _Account, delivery: Delivery) -> None:
        # The row is still in the store; it comes back in order when the account is read again.
        account.held.discard(delivery.id)
        account.more_in_store = True
        if account.retry is None:

            def again() -> None:
                account.retry = None
                self.pump(system_id)

            account.retry = asyncio.get_running_loop().call_later(RETRY_S, again)

    def _load(self, system_id: str, account: _Account) -> None:
        if account.loading:
            return
        account.loading = True
        held = frozenset(account.held)

        def load(conn: sqlite3.Connection) -> list[Delivery]:
            return [
                Delivery(
                    row.id, row.account, row.expires_at, self._domain.vault.open(SEAL_OUTBOX, row.sealed)
                )
                for row in outbox.for_account(conn, system_id, 0, HELD_MAX + len(held))
                if row.id not in held
            ]

        def loaded(rows: list[Delivery] | None, error: BaseException | None) -> None:
            account.loading = False
            if error is not None or rows is None:
                _log.warning("outbox of %s not read: %s", system_id, error)
                return
            account.more_in_store = len(rows) >= HELD_MAX
            for row in rows:
                if row.id not in account.held:
                    account.held.add(row.id)
                    account.ready.append(row)
            if account.ready:
                self.pump(system_id)

        try:
            self._domain.store.submit(load, loaded)
        except (StoreBusy, StoreUnavailable) as error:
            loaded(None, error)

    async def _sweep(self) -> None:
        """Drop what waited beyond its validity; look again at accounts whose read failed."""
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                now = self._domain.now_ms()
                dropped = await self._domain.store.write(partial(outbox.expire_enterprise, now_ms=now))
                if dropped:
                    _log.warning("%d receipts and replies expired before their enterprise came back", dropped)
            except (StoreBusy, StoreUnavailable) as error:
                _log.warning("outbox sweep waits: %s", error)
            for system_id, account in self._accounts.items():
                account.more_in_store = True
                if account.connections:
                    self.pump(system_id)
