"""Messages whose validity is over and whose receipt has not come: the SMSC is asked once what became of them.

A receipt can be lost with a session, or never have been sent. Without this every such message would be told
EXPIRED, the delivered ones too. What the SMSC does not know, or says is still under way, keeps waiting for its
receipt, and is EXPIRED in the end (`gateway.sms.dispatch`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

from foundation.store import StoreBusy, StoreUnavailable
from foundation.tasks import end
from gateway.sms.final import FINAL_STATES, Delivery, End, finish_one
from gateway.sms_settings import SmsSettings
from gateway.store import messages
from gateway.store.domain import Domain
from gateway.store.messages import Stored
from smpp.aio.connection import Done, RequestFailed
from smpp.pdu import Pdu, QuerySmResp
from smpp.receipts import MessageState

ASK_AFTER_S: Final = 30
"""After the end of validity: the SMSC's own EXPIRED has that long."""
LOOK_S = 5.0
ASKED_AT_ONCE: Final = 200
"""Messages asked about in one look: the windows of the links are for messages."""
ASKED_MAX: Final = 50_000
"""Messages remembered as asked about; beyond it some are asked about again."""

_log = logging.getLogger(__name__)


class Upstream(Protocol):
    """The SMSC side: SmscLinks."""

    def query(self, name: str, upstream_id: str, source: str, done: Done) -> bool: ...


class LostReceipts:
    """Asks in a task of its own."""

    def __init__(
        self,
        domain: Domain,
        upstream: Upstream,
        settings: SmsSettings,
        on_deliveries: Callable[[Sequence[Delivery]], None],
        on_trust_rows: Callable[[], None],
    ) -> None:
        self._domain = domain
        self._upstream = upstream
        self._settings = settings
        self._on_deliveries = on_deliveries
        self._on_trust_rows = on_trust_rows
        self._asked: set[int] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._look_on(), name="lost-receipts")

    async def stop(self) -> None:
        await end(self._task)

    async def look(self) -> None:
        """Ask about those whose time has come. Raises StoreBusy, StoreUnavailable."""
        if len(self._asked) >= ASKED_MAX:
            self._asked.clear()
        now = self._domain.now_ms()
        late = (now - self._settings.receipt_wait_s * 1000, now - ASK_AFTER_S * 1000)
        asked = frozenset(self._asked)
        found = await self._domain.store.write(
            lambda conn: messages.unreceipted(conn, *late, asked, ASKED_AT_ONCE)
        )
        for stored in found:
            assert stored.upstream is not None
            assert stored.upstream_id is not None
            smsc, source = stored.upstream.partition("/")[0], stored.row.access_number
            if self._upstream.query(smsc, stored.upstream_id, source, partial(self._answered, stored)):
                self._asked.add(stored.row.id)

    def _answered(self, stored: Stored, answer: Pdu | RequestFailed) -> None:
        if isinstance(answer, RequestFailed):
            self._asked.discard(stored.row.id)
            return
        if answer.command_status or not isinstance(answer.body, QuerySmResp):
            return
        try:
            state = MessageState(answer.body.message_state)
        except ValueError:
            return
        if state not in FINAL_STATES:
            return
        _log.info("message %016x had no receipt; its SMSC says %s", stored.row.id, state.name)
        end = End(stored.row, state)
        try:
            self._domain.store.submit(
                lambda conn: finish_one(conn, self._domain, end, self._settings.outbox_validity_s),
                self._ended,
            )
        except (StoreBusy, StoreUnavailable):
            self._asked.discard(stored.row.id)

    def _ended(self, deliveries: list[Delivery] | None, error: BaseException | None) -> None:
        if deliveries is None:
            _log.warning("an outcome that the SMSC told is not recorded: %s", error)
            return
        self._on_deliveries(deliveries)
        self._on_trust_rows()

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except (StoreBusy, StoreUnavailable) as error:
                _log.warning("no SMSC is asked about receipts now: %s", error)
