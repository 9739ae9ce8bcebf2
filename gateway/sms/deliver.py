"""From the outbox to the enterprise: receipts and replies, over any bind of the account, done on its response."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from foundation.store import Stage, StoreBusy, StoreUnavailable
from foundation.tasks import end
from gateway.records import metrics
from gateway.sms.esme_session import EsmeSession
from gateway.sms.final import Delivery, open_delivery
from gateway.store import outbox
from gateway.store.domain import Domain
from smpp.aio.connection import FailureReason
from smpp.codec import EncodeError
from smpp.constants import CommandStatus
from smpp.session import LocalProtocolError

HELD_MAX = 5_000
"""Deliveries of one account in memory; the rest wait in the store."""
TURN = 20
"""Deliveries over one bind before the next has its turn."""
DONE_ORDER = 40
PATIENCE_S = 0.02
"""How long what the enterprise took may wait for a commit that others need. Lost before it, it is sent again."""
RETRY_S = 2.0
SWEEP_S = 30.0

REFUSED_FOR_GOOD = frozenset({CommandStatus.ESME_RX_P_APPN, CommandStatus.ESME_RX_R_APPN})
"""The enterprise says it will never take this one (SMPP 5.0, 4.7.6); anything else is tried again."""

_log = logging.getLogger(__name__)
_ROK: Final = int(CommandStatus.ESME_ROK)


@dataclass(slots=True)
class _Account:
    """What one account has bound and what waits for it."""

    connections: list[EsmeSession] = field(default_factory=list)
    ready: deque[Delivery] = field(default_factory=deque)
    held: set[int] = field(default_factory=set)
    unfit: list[Delivery] = field(default_factory=list)
    """What no bind that was tried can be sent: it waits, held, for another."""
    next: int = 0
    more_in_store: bool = True
    loading: bool = False
    passed_over: bool = False
    """Something was offered and left in the store since it was read last."""
    retry: asyncio.TimerHandle | None = None


class Deliveries:
    """Holds the binds that take deliver_sm. An account with none gets everything when it returns."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._accounts: dict[str, _Account] = {}
        self._stage: Stage[Delivery, None] = Stage(
            _done, self._forgotten, order=DONE_ORDER, patience_s=PATIENCE_S
        )
        self._sweeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._sweeper = asyncio.create_task(self._sweep(), name="outbox-sweeper")

    async def stop(self) -> None:
        await end(self._sweeper)
        for account in self._accounts.values():
            if account.retry is not None:
                account.retry.cancel()

    def bound(self, system_id: str, connection: EsmeSession) -> None:
        """A receiver or transceiver of the account is there."""
        account = self._accounts.setdefault(system_id, _Account())
        account.connections.append(connection)
        account.more_in_store = True
        account.ready.extendleft(reversed(account.unfit))
        account.unfit.clear()
        self.pump(system_id)

    def has_receiver(self, system_id: str) -> bool:
        """Whether the account has a bind that takes deliver_sm."""
        account = self._accounts.get(system_id)
        return account is not None and bool(account.connections)

    def unbound(self, system_id: str, connection: EsmeSession) -> None:
        account = self._accounts.get(system_id)
        if account is not None and connection in account.connections:
            account.connections.remove(connection)

    def offer(self, deliveries: Sequence[Delivery]) -> None:
        """Deliveries that were just committed."""
        touched: dict[str, None] = {}
        for delivery in deliveries:
            account = self._accounts.get(delivery.account)
            if account is None or not account.connections or delivery.id in account.held:
                continue
            touched[delivery.account] = None
            if len(account.held) >= HELD_MAX or account.more_in_store:
                account.more_in_store = account.passed_over = True
            else:
                account.held.add(delivery.id)
                account.ready.append(delivery)
        for system_id in touched:
            self.pump(system_id)

    def pump(self, system_id: str) -> None:
        """Send while a bind of the account has room, some over each in turn."""
        account = self._accounts.get(system_id)
        if account is None:
            return
        while account.ready:
            connection, room = _with_room(account)
            if connection is None:
                break
            take = account.ready.popleft
            self._send(account, connection, [take() for _ in range(min(room, TURN, len(account.ready)))])
        if not account.ready and account.more_in_store and account.connections and account.retry is None:
            self._load(system_id, account)

    def _send(self, account: _Account, connection: EsmeSession, deliveries: Sequence[Delivery]) -> None:
        left = list(deliveries)
        while left:
            try:
                sent = connection.request_messages([(each.frame, each) for each in left])
            except LocalProtocolError:  # it is unbinding
                break
            except EncodeError:
                # A text in a TLV, and a session of 3.3, which is sent none. The others do not wait behind it.
                self._send_elsewhere(account, connection, left.pop(0))
                continue
            if not sent:
                break
            del left[:sent]
        for delivery in left:
            self._retry_later(account, delivery)

    def _send_elsewhere(self, account: _Account, unfit: EsmeSession, delivery: Delivery) -> None:
        for connection in account.connections:
            if connection is unfit or not connection.can_send:
                continue
            with contextlib.suppress(LocalProtocolError, EncodeError):
                if not connection.request_messages([(delivery.frame, delivery)]):
                    self._retry_later(account, delivery)  # its window is full
                return
        _log.warning("delivery %016x waits for a session that takes TLVs", delivery.id)
        account.unfit.append(delivery)

    def answered(self, answers: Sequence[tuple[Delivery, int]]) -> None:
        """The enterprise answered deliveries: each with its command_status."""
        done: list[Delivery] = []
        for delivery, status in answers:
            if status == _ROK:
                done.append(delivery)
                continue
            metrics.DELIVERED.add(delivery.account, str(int(status)))
            if status in REFUSED_FOR_GOOD:
                _log.warning("account %s refused delivery %016x for good", delivery.account, delivery.id)
                self._forget([delivery])
            else:
                self._retry_later(self._accounts[delivery.account], delivery)
        if done:
            # One session, and so one account.
            metrics.DELIVERED.add(done[0].account, "0", n=len(done))
            self._forget(done)

    def failed(self, delivery: Delivery, reason: FailureReason) -> None:
        """Nobody knows whether the enterprise has it: it is sent again."""
        metrics.DELIVERED.add(delivery.account, reason)
        self._retry_later(self._accounts[delivery.account], delivery)

    def _forget(self, deliveries: list[Delivery]) -> None:
        """Done: the rows go, and only when they are gone may the store be read for more."""
        try:
            self._domain.store.put_all(self._stage, deliveries)
        except (StoreBusy, StoreUnavailable) as error:
            self._forgotten(deliveries, None, error)

    def _forgotten(
        self, deliveries: list[Delivery], _results: list[None] | None, error: BaseException | None
    ) -> None:
        if error is not None:
            _log.error("%d deliveries stay in the outbox: %s", len(deliveries), error)
        for delivery in deliveries:
            self._accounts[delivery.account].held.discard(delivery.id)
        for system_id in {delivery.account for delivery in deliveries}:
            self.pump(system_id)

    def _retry_later(self, account: _Account, delivery: Delivery) -> None:
        # The row is still in the store; it comes back in order when the account is read again.
        account.held.discard(delivery.id)
        account.more_in_store = True
        if account.retry is None:

            def again() -> None:
                account.retry = None
                self.pump(delivery.account)

            account.retry = asyncio.get_running_loop().call_later(RETRY_S, again)

    def _load(self, system_id: str, account: _Account) -> None:
        if account.loading:
            return
        account.loading = True
        account.passed_over = False
        held = frozenset(account.held)

        def load(conn: sqlite3.Connection) -> list[Delivery]:
            return [
                open_delivery(self._domain, row)
                for row in outbox.for_account(conn, system_id, 0, HELD_MAX + len(held))
                if row.id not in held
            ][: HELD_MAX - len(held)]

        def loaded(rows: list[Delivery] | None, error: BaseException | None) -> None:
            account.loading = False
            if error is not None or rows is None:
                _log.warning("outbox of %s not read: %s", system_id, error)
                return
            account.more_in_store = account.passed_over or len(rows) + len(held) >= HELD_MAX
            for row in rows:
                if row.id not in account.held:
                    account.held.add(row.id)
                    account.ready.append(row)
            if account.ready or account.passed_over:
                self.pump(system_id)

        try:
            self._domain.store.submit(load, loaded)
        except (StoreBusy, StoreUnavailable) as error:
            loaded(None, error)

    async def _sweep(self) -> None:
        """Drop what waited beyond its validity; look again at accounts whose read failed."""
        while True:
            await asyncio.sleep(SWEEP_S)
            now = self._domain.now_ms()
            try:
                dropped = await self._domain.store.write(partial(outbox.expire_enterprise, now_ms=now))
                if dropped:
                    _log.warning("%d receipts and replies expired before their enterprise came back", dropped)
            except (StoreBusy, StoreUnavailable) as error:
                _log.warning("outbox sweep waits: %s", error)
            for system_id, account in self._accounts.items():
                account.more_in_store = True
                for delivery in [each for each in account.unfit if each.expires_at < now]:
                    account.unfit.remove(delivery)
                    account.held.discard(delivery.id)
                if account.connections:
                    self.pump(system_id)


def _done(conn: sqlite3.Connection, deliveries: list[Delivery]) -> list[None]:
    outbox.done_enterprise(conn, [delivery.id for delivery in deliveries])
    return [None] * len(deliveries)


def _with_room(account: _Account) -> tuple[EsmeSession | None, int]:
    """The bind whose turn it is, and how many requests it takes now."""
    for turn in range(len(account.connections)):
        connection = account.connections[(account.next + turn) % len(account.connections)]
        room = connection.window_free if connection.can_send else 0
        if room > 0:
            account.next = (account.next + turn + 1) % len(account.connections)
            return connection, room
    return None, 0
