"""What becomes of pending messages when consent ends: what waits here is REJECTED, what the SMSC holds is cancelled.

Whoever was blocked gets nothing new from the moment of the commit; this stops what was on its way. One pass
over the pending messages serves all revocations that wait. One whose messages are between here and an SMSC,
with an SMSC that is away, or asked for without an answer yet, is gone through again.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial

from foundation.store import StoreBusy, StoreUnavailable
from gateway.sms.dispatch import Dispatcher
from gateway.sms.final import Delivery, End, finish_messages, finish_one
from gateway.sms.services import Upstream, cancel_upstream
from gateway.sms_settings import SmsSettings
from gateway.store import messages, revocations
from gateway.store.courier import Courier, NotNow
from gateway.store.domain import Domain
from gateway.store.messages import State, Stored
from gateway.store.revocations import RevocationRow
from smpp.aio.connection import RequestFailed
from smpp.constants import CommandStatus, MessageState
from smpp.pdu import Pdu

ROWS_READ = 5_000
"""Pending messages looked through in one commit."""

ASKED_MAX = 100_000
"""Messages whose SMSC was asked to delete them, remembered until all are answered; past it some are asked
for again."""

_log = logging.getLogger(__name__)


class Revocations:
    """Works off what is revoked, durably: a restart goes on with it."""

    def __init__(
        self,
        domain: Domain,
        dispatcher: Dispatcher,
        upstream: Upstream,
        settings: SmsSettings,
        on_deliveries: Callable[[Sequence[Delivery]], None],
        on_trust_rows: Callable[[], None],
    ) -> None:
        self._domain = domain
        self._dispatcher = dispatcher
        self._upstream = upstream
        self._settings = settings
        self._on_deliveries = on_deliveries
        self._on_trust_rows = on_trust_rows
        self._asked: dict[int, bool] = {}
        """Messages that an SMSC was asked to delete, and whether it has answered."""
        self._courier: Courier[RevocationRow] = Courier(
            "revocation", domain.store, revocations.waiting, self._carry_out
        )

    def start(self) -> None:
        self._courier.start()

    async def stop(self) -> None:
        await self._courier.stop()

    def revoked(self, edi_ids: Sequence[bytes]) -> None:
        """Rows were committed."""
        self._dispatcher.revoke(edi_ids)
        self._courier.wake()

    def suspended(self, enterprise_id: str) -> None:
        """An enterprise's row was committed."""
        self._dispatcher.suspend(enterprise_id)
        self._courier.wake()

    async def _carry_out(self, rows: Sequence[RevocationRow]) -> None:
        edi_ids = frozenset(row.edi_id for row in rows if row.edi_id is not None)
        enterprises = frozenset(row.enterprise_id for row in rows if row.edi_id is None)
        left: set[bytes | str] = set()
        after: int | None = 0
        while after is not None:
            start = after
            found, after, deliveries = await self._domain.store.write(
                lambda conn, start=start: self._stop_waiting(conn, edi_ids, enterprises, start)  # type: ignore[misc]
            )
            self._on_deliveries(deliveries)
            for stored in found:
                if stored.row.edi_id is not None and not self._stopped(stored):
                    left |= {stored.row.edi_id, stored.row.enterprise_id}
        carried_out = [row.id for row in rows if (row.edi_id or row.enterprise_id) not in left]
        await self._domain.store.write(lambda conn: revocations.done(conn, carried_out))
        self._on_trust_rows()
        if left:
            raise NotNow("messages are on their way to an SMSC, or one that has some has not answered")
        self._asked.clear()

    def _stop_waiting(
        self, conn: sqlite3.Connection, edi_ids: frozenset[bytes], enterprises: frozenset[str], start: int
    ) -> tuple[list[Stored], int | None, list[Delivery]]:
        """REJECTED for what is here; gives what is on its way and what the SMSC has."""
        found, after = messages.under_edis(conn, edi_ids, enterprises, start, ROWS_READ)
        gone: list[Stored] = []
        ends: list[End] = []
        for each in found:
            if each.state == State.ACCEPTED or self._dispatcher.is_held(each.row.id):
                gone.append(each)
            else:
                ends.append(End(each.row, MessageState.REJECTED))
        deliveries = finish_messages(conn, self._domain, ends, self._settings.outbox_validity_s)
        return gone, after, deliveries

    def _stopped(self, stored: Stored) -> bool:
        """Whether nothing is left to do about a message that has gone out: its SMSC has said what it did."""
        message_id = stored.row.id
        if stored.state != State.ACCEPTED:
            return False
        if message_id in self._asked:
            return self._asked[message_id]
        if stored.upstream is None:
            _log.warning("message %016x cannot be cancelled: its SMSC gave it no id", message_id)
            return True
        if len(self._asked) >= ASKED_MAX:
            self._asked.clear()
        if cancel_upstream(self._domain, self._upstream, stored, partial(self._answered, stored)):
            self._asked[message_id] = False
        return False

    def _answered(self, stored: Stored, answer: Pdu | RequestFailed) -> None:
        if isinstance(answer, RequestFailed):
            # Lost with its link, or no answer in time: whether it was deleted is not known, so ask again.
            self._asked.pop(stored.row.id, None)
            return
        self._asked[stored.row.id] = True
        if answer.command_status != CommandStatus.ESME_ROK:
            # Delivered meanwhile, or the SMSC cancels nothing: its receipt will tell.
            return
        end = End(stored.row, MessageState.DELETED)
        try:
            self._domain.store.submit(
                lambda conn: finish_one(conn, self._domain, end, self._settings.outbox_validity_s),
                self._ended,
            )
        except (StoreBusy, StoreUnavailable) as error:  # the receipt or the end of its validity closes it
            _log.warning("a cancelled message is not closed yet: %s", error)

    def _ended(self, deliveries: list[Delivery] | None, error: BaseException | None) -> None:
        if deliveries is None:
            _log.warning("a cancelled message is not closed yet: %s", error)
            return
        self._on_deliveries(deliveries)
        self._on_trust_rows()
