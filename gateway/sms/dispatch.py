"""From the store to the SMSC: committed messages, sent in order, retried until their validity ends."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from foundation.store import StoreBusy, StoreUnavailable
from gateway.policy.decision import find_subscriber
from gateway.policy.refusal import Refusal
from gateway.records import metrics
from gateway.settings import SmsSettings
from gateway.sms.final import FINAL_STATES, Delivery, finish_message
from gateway.store import messages, records
from gateway.store.domain import Domain
from interparty.messages import VerifyItem
from smpp.aio.connection import RequestFailed
from smpp.constants import CommandStatus
from smpp.pdu import Pdu, SubmitSmResp
from smpp.receipts import MessageState
from trust_client.verifier import Grant, Refused, Unavailable, Verifier

SEAL_MESSAGE = "message"

HELD_MAX = 20_000
"""Messages held in memory, waiting or sent; the rest wait in the store."""
LOAD_MAX = 1_000
REVERIFY_AFTER_MS = 1_000
"""A message that waited longer is asked for again before it is sent: consent may have ended meanwhile."""
RETRY_MIN_MS = 1_000
RETRY_MAX_MS = 60_000
SWEEP_S = 1.0

TRANSIENT = frozenset(
    {
        CommandStatus.ESME_RSYSERR,
        CommandStatus.ESME_RMSGQFUL,
        CommandStatus.ESME_RTHROTTLED,
        CommandStatus.ESME_RX_T_APPN,
    }
)
"""Statuses of a submit_sm_resp after which the same message may yet be taken (SMPP 5.0, 4.7.6)."""

_log = logging.getLogger(__name__)


class Sender(Protocol):
    """The SMSC side of the dispatcher: SmscLinks."""

    def has_room(self) -> bool: ...

    def send(self, frame: bytes, done: Callable[[str, Pdu | RequestFailed], None]) -> bool: ...


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A committed message with its frame in clear: the submit_sm for the SMSC."""

    row: messages.MessageRow
    frame: bytes


class Dispatcher:
    """Holds what may be sent now. `room` is called by the links when a window opens."""

    def __init__(
        self,
        domain: Domain,
        verifier: Verifier,
        sender: Sender,
        settings: SmsSettings,
        on_delivery: Callable[[Delivery], None],
        on_trust_rows: Callable[[], None],
    ) -> None:
        self._domain = domain
        self._verifier = verifier
        self._sender = sender
        self._settings = settings
        self._on_delivery = on_delivery
        self._on_trust_rows = on_trust_rows
        self._ready: deque[Outgoing] = deque()
        self._held: set[int] = set()
        self._failures: dict[int, int] = {}
        self._left: set[int] | None = None
        """While the store is read: what went from memory since. What the read says of them is old."""
        self._sweeper: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        self._sweeper = asyncio.create_task(self._sweep(), name="dispatch-sweeper")

    async def stop(self) -> None:
        """Send nothing more; what is unsent stays QUEUED in the store."""
        self._stopping = True
        self._ready.clear()
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)

    @property
    def held(self) -> int:
        return len(self._held)

    def offer(self, outgoing: Outgoing) -> None:
        """A message that was just committed. When memory is full it waits in the store."""
        if self._stopping or len(self._held) >= HELD_MAX or outgoing.row.not_before > self._domain.now_ms():
            return
        self._held.add(outgoing.row.id)
        self._ready.append(outgoing)
        self.pump()

    def pump(self) -> None:
        """Send while a link has room."""
        while self._ready and self._sender.has_room():
            outgoing = self._ready.popleft()
            now = self._domain.now_ms()
            if outgoing.row.expires_at <= now:
                self._finish(outgoing.row, MessageState.EXPIRED, 0)
            elif (
                outgoing.row.kind == messages.Kind.ENTERPRISE
                and now - outgoing.row.accepted_at > REVERIFY_AFTER_MS
            ):
                self._verify_again(outgoing)
            else:
                self._send(outgoing)

    def _send(self, outgoing: Outgoing) -> None:
        if not self._sender.send(outgoing.frame, lambda link, answer: self._answered(outgoing, link, answer)):
            self._ready.appendleft(outgoing)

    def _answered(self, outgoing: Outgoing, link: str, answer: Pdu | RequestFailed) -> None:
        row = outgoing.row
        if isinstance(answer, RequestFailed):
            # Nobody knows whether the SMSC has it. At least once: it is sent again.
            metrics.SENT.labels(link, answer.reason).inc()
            self._again(row)
        elif answer.command_status == CommandStatus.ESME_ROK and isinstance(answer.body, SubmitSmResp):
            metrics.SENT.labels(link, "0").inc()
            upstream_id = answer.body.message_id.decode("latin-1")
            self._write(lambda conn: self._accept(conn, row, link, upstream_id))
            self._drop(row.id)
        elif answer.command_status in TRANSIENT:
            metrics.SENT.labels(link, str(answer.command_status)).inc()
            self._again(row)
        else:
            metrics.SENT.labels(link, str(answer.command_status)).inc()
            _log.info("message %016x refused by %s with status 0x%x", row.id, link, answer.command_status)
            self._finish(row, MessageState.REJECTED, answer.command_status & 0xFFFF)
        self.pump()

    def _accept(
        self, conn: sqlite3.Connection, row: messages.MessageRow, link: str, upstream_id: str
    ) -> Delivery | None:
        parked = messages.accept(conn, row.id, link, upstream_id)
        if parked is None or parked.message_state not in FINAL_STATES:
            return None
        error = int(parked.error_code) if parked.error_code.isdigit() else 0
        return finish_message(
            conn,
            self._domain,
            row,
            MessageState(parked.message_state),
            error,
            self._settings.outbox_validity_s,
        )

    def _drop(self, message_id: int) -> None:
        self._held.discard(message_id)
        if self._left is not None:
            self._left.add(message_id)
        self._failures.pop(message_id, None)

    def _again(self, row: messages.MessageRow) -> None:
        failures = self._failures.get(row.id, 0)
        delay = min(RETRY_MIN_MS << min(failures, 10), RETRY_MAX_MS)
        self._drop(row.id)
        if len(self._failures) < HELD_MAX:
            self._failures[row.id] = failures + 1
        not_before = self._domain.now_ms() + delay
        self._write(lambda conn: messages.postpone(conn, row.id, not_before))

    def _finish(self, row: messages.MessageRow, state: MessageState, error: int) -> None:
        self._drop(row.id)
        self._write(
            lambda conn: finish_message(
                conn, self._domain, row, state, error, self._settings.outbox_validity_s
            )
        )

    def _write(self, op: Callable[[sqlite3.Connection], Delivery | None]) -> None:
        def done(delivery: Delivery | None, error: BaseException | None) -> None:
            if error is not None:
                _log.error("outcome not recorded, the message stays as it was: %s", error)
                return
            if delivery is not None:
                self._on_delivery(delivery)
            self._on_trust_rows()

        try:
            self._domain.store.submit(op, done)
        except (StoreBusy, StoreUnavailable) as error:
            _log.error("outcome not recorded, the message stays as it was: %s", error)

    def _verify_again(self, outgoing: Outgoing) -> None:
        row = outgoing.row
        item = VerifyItem(
            aid=row.aid, enterprise=row.enterprise_id, channel="sms", access_number=row.access_number
        )

        def answered(answer: Grant | Refused | Unavailable) -> None:
            if isinstance(answer, Unavailable):
                self._again(row)
                return
            edi_id = answer.edi_id if isinstance(answer, Grant) else None
            reason = None if isinstance(answer, Grant) else answer.reason

            def look(conn: sqlite3.Connection) -> Delivery | bool | None:
                now = self._domain.now_ms()
                found = find_subscriber(conn, self._domain.vault, edi_id, row.enterprise_id, now)
                if reason is None and not isinstance(found, Refusal):
                    return True
                cause = reason or (found.cause if isinstance(found, Refusal) else "")
                records.put_refusal(
                    conn, self._domain.ids.next(), now, row.enterprise_id, "sms", row.access_number,
                    row.aid, cause,
                )  # fmt: skip
                return finish_message(
                    conn, self._domain, row, MessageState.REJECTED, 0, self._settings.outbox_validity_s
                )

            def looked(result: Delivery | bool | None, error: BaseException | None) -> None:
                if error is not None:
                    self._again(row)
                elif result is True:
                    self._send(outgoing)
                else:
                    self._drop(row.id)
                    metrics.REFUSALS.labels("sms").inc()
                    if isinstance(result, Delivery):
                        self._on_delivery(result)
                    self._on_trust_rows()

            try:
                self._domain.store.submit(look, looked)
            except (StoreBusy, StoreUnavailable):
                self._again(row)

        self._verifier.submit(item, answered)

    async def _sweep(self) -> None:
        """Bring due messages from the store, and end those whose time is over."""
        while True:
            try:
                await self._load()
                await self._expire()
            except (StoreBusy, StoreUnavailable) as error:
                _log.warning("sweep waits: %s", error)
            await asyncio.sleep(SWEEP_S)

    async def _load(self) -> None:
        room = min(LOAD_MAX, HELD_MAX - len(self._held))
        if room <= 0 or not self._sender.has_room():
            return
        now, held = self._domain.now_ms(), list(self._held)

        def load(conn: sqlite3.Connection) -> list[Outgoing]:
            # Freshly accepted rows are offered by their commit; only what that missed is loaded here.
            return [
                Outgoing(row, self._domain.vault.open(SEAL_MESSAGE, row.sealed))
                for row in messages.due(conn, now, held, room)
                if row.sealed is not None
            ]

        left = self._left = set()
        try:
            loaded = await self._domain.store.write(load)
        finally:
            self._left = None
        for outgoing in loaded:
            if outgoing.row.id not in self._held and outgoing.row.id not in left:
                self._held.add(outgoing.row.id)
                self._ready.append(outgoing)
        self.pump()

    async def _expire(self) -> None:
        now = self._domain.now_ms()

        def expire(conn: sqlite3.Connection) -> list[Delivery]:
            deliveries = []
            for row in messages.overdue(conn, now, now - self._settings.receipt_wait_s * 1000, LOAD_MAX):
                delivery = finish_message(
                    conn, self._domain, row, MessageState.EXPIRED, 0, self._settings.outbox_validity_s
                )
                if delivery is not None:
                    deliveries.append(delivery)
            messages.drop_parked(conn, now - self._settings.receipt_wait_s * 1000)
            records.trim_refusals(conn)
            return deliveries

        for delivery in await self._domain.store.write(expire):
            self._on_delivery(delivery)
