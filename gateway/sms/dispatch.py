"""From the store to the SMSC: committed messages, sent by priority and in order, retried until their validity ends."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final, Protocol

from foundation.store import Stage, StoreBusy, StoreUnavailable
from foundation.tasks import end
from gateway.policy.decision import find_subscribers
from gateway.policy.hours import opens_in
from gateway.policy.refusal import Refusal
from gateway.records import metrics
from gateway.sms import upstream_ids
from gateway.sms.accepted import Accepted, record
from gateway.sms.final import Delivery, End, finish_messages, finish_one
from gateway.sms.long_messages import KEPT_S, give_up
from gateway.sms.outgoing import Outgoing, open_outgoing
from gateway.sms.smsc_errors import Action, SmscErrors
from gateway.sms_settings import SmsSettings
from gateway.store import long_messages, messages, records
from gateway.store.domain import Domain
from gateway.store.messages import MessageRow
from masking.smpp_rules import PRIORITY_MAX
from smpp.aio.connection import RequestFailed
from smpp.constants import CommandStatus
from smpp.pdu import Pdu, SubmitSmResp
from smpp.receipts import MessageState
from trust_client.verifier import Grant, Question, Refused, Unavailable, Verifier

HELD_MAX = 20_000
"""Messages held in memory, waiting or sent; the rest wait in the store."""
BACKLOG_MAX = 100_000
"""Messages that wait for the SMSC in memory and store together; at as many nothing more is accepted."""
LOAD_MAX = 1_000
REVERIFY_AFTER_MS = 1_000
"""A message that waited longer is asked for again before it is sent: consent may have ended meanwhile."""
RETRY_MIN_MS = 1_000
RETRY_MAX_MS = 60_000
LINK_RETRY_MS = 10
"""After a fault of the link: another link, or this one once it is well again."""
SWEEP_S = 1.0
SWEEPS_A_COUNT = 5
"""The backlog is counted so often."""
SWEEPS_A_TRIM = 60
"""What is kept only so long is looked through so rarely."""

DISPATCH_ORDER = 20
PATIENCE_S = 0.02
"""How long what the SMSC took may wait for a commit that others need. Lost before it, it is sent again."""

_log = logging.getLogger(__name__)


class Sender(Protocol):
    """The SMSC side of the dispatcher: SmscLinks."""

    def free(self) -> int: ...

    def send(self, messages: Sequence[tuple[bytes, MessageRow]]) -> int: ...


class Dispatcher:
    """Holds what may be sent now. `pump` is called by the links when a window opens."""

    def __init__(
        self,
        domain: Domain,
        verifier: Verifier,
        sender: Sender,
        settings: SmsSettings,
        dialects: Mapping[str, upstream_ids.Dialect],
        errors: SmscErrors,
        on_deliveries: Callable[[Sequence[Delivery]], None],
        on_trust_rows: Callable[[], None],
        access_number_of: Callable[[str], str],
    ) -> None:
        """`dialects`: how each SMSC, by name, writes the ids of messages. `access_number_of`: the access number
        that a message's source begins with."""
        self._domain = domain
        self._verifier = verifier
        self._sender = sender
        self._settings = settings
        self._dialects = dialects
        self._errors = errors
        self._on_deliveries = on_deliveries
        self._on_trust_rows = on_trust_rows
        self._access_number_of = access_number_of
        self._ready: tuple[deque[Outgoing], ...] = tuple(deque() for _ in range(PRIORITY_MAX + 1))
        self._held: dict[int, Outgoing | None] = {}
        """What memory holds: the message while it waits, None once it is on its way."""
        self._failures: dict[int, int] = {}
        self._left: set[int] | None = None
        """While the store is read: what went from memory since. What the read says of them is old."""
        self._loading: frozenset[int] = frozenset()
        self._loaded: set[int] = set()
        """Held messages that came from the store, and not from their own commit."""
        self._sweeper: asyncio.Task[None] | None = None
        self._sweeps = 0
        self._backlog = 0
        """As it was counted last."""
        self._stopping = False
        self._accepting: Stage[Accepted, list[Delivery]] = Stage(
            self._accept, self._accept_done, order=DISPATCH_ORDER, patience_s=PATIENCE_S
        )

    def start(self) -> None:
        self._sweeper = asyncio.create_task(self._sweep(), name="dispatch-sweeper")

    async def stop(self) -> None:
        """Send nothing more; what is unsent stays QUEUED in the store."""
        self._stopping = True
        for queue in self._ready:
            queue.clear()
        await end(self._sweeper)

    @property
    def held(self) -> int:
        return len(self._held)

    @property
    def load(self) -> float:
        """How full the way to the SMSC is, from 0 to 1: memory, and what the store has besides: what was left
        by an earlier process, or waits after errors that pass."""
        return max(len(self._held) / HELD_MAX, self._backlog / BACKLOG_MAX)

    def is_held(self, message_id: int) -> bool:
        """Whether memory has the message, or is about to."""
        return message_id in self._held or message_id in self._loading

    def offer(self, committed: Sequence[Outgoing]) -> None:
        """Messages that were just committed; `pump` sends them. When memory is full they wait in the store."""
        if self._stopping:
            return
        now, held, ready = self._domain.now_ms(), self._held, self._ready
        for outgoing in committed:
            row = outgoing.row
            if len(held) < HELD_MAX and row.not_before <= now:
                held[row.id] = outgoing
                ready[row.priority].append(outgoing)

    def send(self, outgoing: Outgoing) -> None:
        """A message that was just committed, alone."""
        self.offer((outgoing,))
        self.pump()

    def withdraw(self, message_id: int) -> bool:
        """Send this message no more; False when it is on its way already. What the store says is the caller's."""
        if message_id in self._held and self._held[message_id] is None:
            return False
        self._drop(message_id)
        return True

    def take_back(self, message_id: int) -> bool:
        """As `withdraw`, for a caller within a commit: False also when the store has just been read for it.

        When the commit is undone, the message comes from the store again.
        """
        return message_id not in self._loading and self.withdraw(message_id)

    def revoke(self, edi_ids: Iterable[bytes]) -> None:
        """Send nothing more to whom these EDIs mean. What waits here ends now; what waits in the store is
        asked for again before it is sent."""
        revoked = frozenset(edi_ids)
        self._reject_held(lambda row: row.edi_id in revoked)

    def suspend(self, enterprise_id: str) -> None:
        """As `revoke`, of all that an enterprise sent."""
        self._reject_held(lambda row: row.enterprise_id == enterprise_id and row.edi_id is not None)

    def _reject_held(self, is_meant: Callable[[MessageRow], bool]) -> None:
        waiting = [each.row for each in self._held.values() if each is not None and is_meant(each.row)]
        for row in waiting:
            self._finish(row, MessageState.REJECTED, 0)

    def pump(self) -> None:
        """Send while a link has room, the highest priority first."""
        for queue in reversed(self._ready):
            while queue:
                room = self._sender.free()
                if room <= 0:
                    return
                batch = self._next(queue, room)
                sent = self._sender.send([(outgoing.frame, outgoing.row) for outgoing in batch])
                for outgoing in batch[:sent]:
                    self._held[outgoing.row.id] = None
                if sent < len(batch):
                    queue.extendleft(reversed(batch[sent:]))
                    return

    def _next(self, queue: deque[Outgoing], room: int) -> list[Outgoing]:
        """What goes next, at most `room`. What has waited too long ends, or is asked for again, instead."""
        batch: list[Outgoing] = []
        now = self._domain.now_ms()
        while queue and len(batch) < room:
            outgoing = queue.popleft()
            row = outgoing.row
            if self._held.get(row.id) is not outgoing:
                continue  # withdrawn
            if row.expires_at <= now:
                self._finish(row, MessageState.EXPIRED, 0)
            elif row.kind == messages.ENTERPRISE and (
                row.id in self._loaded or now - row.accepted_at > REVERIFY_AFTER_MS
            ):
                room -= 1
                self._verify_again(outgoing)
            else:
                batch.append(outgoing)
        return batch

    def _send_verified(self, outgoing: Outgoing) -> None:
        row = outgoing.row
        if self._held.get(row.id) is not outgoing:
            return
        if self._sender.send(((outgoing.frame, row),)):
            self._held[row.id] = None
        else:
            # It is asked for once more when there is room: consent may end while it waits.
            self._ready[row.priority].appendleft(outgoing)

    def accepted(self, smsc: str, answers: Sequence[tuple[MessageRow, bytes]]) -> None:
        """An SMSC took messages, each under the message_id that it gave: as `answered`, for many."""
        metrics.SENT.add(smsc, "0", n=len(answers))
        try:
            self._domain.store.put_all(
                self._accepting, [Accepted(row, smsc, given.decode("latin-1")) for row, given in answers]
            )
        except (StoreBusy, StoreUnavailable) as error:
            # They stay QUEUED and are sent again: twice rather than never.
            _log.error("the SMSC's answers are not recorded: %s", error)
            for row, _ in answers:
                self._drop(row.id)

    def answered(self, smsc: str, row: MessageRow, answer: Pdu | RequestFailed) -> None:
        """What came back for a message that `send` took: from the links, with the SMSC's name."""
        if isinstance(answer, RequestFailed):
            # Nobody knows whether the SMSC has it. At least once: it is sent again.
            metrics.SENT.add(smsc, answer.reason)
            self._again(row, None)
        elif answer.command_status == CommandStatus.ESME_ROK and isinstance(answer.body, SubmitSmResp):
            self.accepted(smsc, ((row, answer.body.message_id),))
        else:
            metrics.SENT.add(smsc, str(int(answer.command_status)))
            self._refused(row, smsc, answer.command_status)

    def _refused(self, row: MessageRow, smsc: str, status: int) -> None:
        verdict = self._errors.classify(smsc, status)
        if verdict.action is Action.PERMANENT:
            _log.info(
                "message %016x refused by %s with status 0x%x: %s", row.id, smsc, status, verdict.reason
            )
            self._finish(row, MessageState.REJECTED, 0)
        elif verdict.action is Action.TRANSIENT:
            self._again(row, None if verdict.retry_after_s is None else int(verdict.retry_after_s * 1000))
        else:
            # The link has slowed down or was given up already: it is no failure of the message.
            self._again(row, LINK_RETRY_MS)

    # --- accepted by the SMSC -------------------------------------------------------------------------

    def _accept(self, conn: sqlite3.Connection, accepted: list[Accepted]) -> list[list[Delivery]]:
        deliveries = record(conn, self._domain, self._dialects, accepted, self._settings.outbox_validity_s)
        return [deliveries.get(each.row.id, _NONE) for each in accepted]

    def _accept_done(
        self, accepted: list[Accepted], results: list[list[Delivery]] | None, error: BaseException | None
    ) -> None:
        for each in accepted:
            self._drop(each.row.id)
        if results is None:
            _log.error("the SMSC's answers are not recorded, the messages will be sent again: %s", error)
            return
        for deliveries in results:
            if deliveries:
                self._on_deliveries(deliveries)

    # --- not accepted ---------------------------------------------------------------------------------

    def _drop(self, message_id: int) -> None:
        self._held.pop(message_id, None)
        self._loaded.discard(message_id)
        if self._left is not None:
            self._left.add(message_id)
        self._failures.pop(message_id, None)

    def _again(self, row: MessageRow, delay_ms: int | None) -> None:
        """Later: after `delay_ms`, or after a pause that doubles with each failure."""
        failures = self._failures.get(row.id, 0)
        delay = min(RETRY_MIN_MS << min(failures, 10), RETRY_MAX_MS) if delay_ms is None else delay_ms
        self._drop(row.id)
        if delay_ms is None:
            failures += 1
        if failures and len(self._failures) < HELD_MAX:
            self._failures[row.id] = failures
        not_before = self._domain.now_ms() + delay
        self._write(partial(_postpone, message_id=row.id, not_before=not_before))

    def _finish(self, row: MessageRow, state: MessageState, error: int) -> None:
        self._drop(row.id)
        self._write(
            lambda conn: finish_one(
                conn, self._domain, End(row, state, error), self._settings.outbox_validity_s
            )
        )

    def _write(self, op: Callable[[sqlite3.Connection], list[Delivery]]) -> None:
        def done(deliveries: list[Delivery] | None, error: BaseException | None) -> None:
            if deliveries is None:
                _log.error("outcome not recorded, the message stays as it was: %s", error)
                return
            self._on_deliveries(deliveries)
            self._on_trust_rows()

        try:
            self._domain.store.submit(op, done)
        except (StoreBusy, StoreUnavailable) as error:
            _log.error("outcome not recorded, the message stays as it was: %s", error)

    def _verify_again(self, outgoing: Outgoing) -> None:
        row = outgoing.row
        item = Question(row.aid, row.enterprise_id, "sms", self._access_number_of(row.access_number))

        def answered(answer: Grant | Refused | Unavailable) -> None:
            if isinstance(answer, Unavailable):
                self._again(row, None)
                return
            closed_ms = opens_in(answer.hours, self._domain.now_ms()) if isinstance(answer, Grant) else 0
            if closed_ms:
                # It waited past the hours that the person agreed to: it waits on, until its validity ends.
                self._again(row, closed_ms)
                return
            edi_id = answer.edi_id if isinstance(answer, Grant) else None
            reason = None if isinstance(answer, Grant) else answer.reason

            def look(conn: sqlite3.Connection) -> list[Delivery] | None:
                now = self._domain.now_ms()
                found = find_subscribers(conn, self._domain, [(edi_id, row.enterprise_id)], now)[0]
                if reason is None and not isinstance(found, Refusal):
                    return None
                cause = reason or (found.cause if isinstance(found, Refusal) else "")
                refusal = records.RefusalRow(
                    self._domain.ids.next(), now, row.enterprise_id, "sms", row.access_number, row.aid, cause
                )
                records.put_refusals(conn, [refusal])
                end = End(row, MessageState.REJECTED)
                return finish_one(conn, self._domain, end, self._settings.outbox_validity_s)

            def looked(refused: list[Delivery] | None, error: BaseException | None) -> None:
                if error is not None:
                    self._again(row, None)
                elif refused is None:
                    self._send_verified(outgoing)
                else:
                    self._drop(row.id)
                    metrics.REFUSALS.add("sms")
                    self._on_deliveries(refused)
                    self._on_trust_rows()

            try:
                self._domain.store.submit(look, looked)
            except (StoreBusy, StoreUnavailable):
                self._again(row, None)

        self._verifier.submit(item, answered)

    # --- what the store has ---------------------------------------------------------------------------

    async def _sweep(self) -> None:
        """Bring due messages from the store, and end those whose time is over."""
        while True:
            try:
                if self._sweeps % SWEEPS_A_COUNT == 0:
                    await self._count()
                await self._load()
                await self._expire()
            except (StoreBusy, StoreUnavailable) as error:
                _log.warning("sweep waits: %s", error)
            await asyncio.sleep(SWEEP_S)

    async def _count(self) -> None:
        until = self._domain.now_ms() + RETRY_MAX_MS
        self._backlog = await self._domain.store.write(
            lambda conn: messages.backlog(conn, until, BACKLOG_MAX)
        )

    async def _load(self) -> None:
        room = min(LOAD_MAX, HELD_MAX - len(self._held))
        if room <= 0 or self._sender.free() <= 0:
            return
        now, held = self._domain.now_ms(), list(self._held)

        def load(conn: sqlite3.Connection) -> list[Outgoing]:
            # Freshly accepted rows are offered by their commit; only what that missed is loaded here.
            loaded = [open_outgoing(self._domain, stored) for stored in messages.due(conn, now, held, room)]
            self._loading = frozenset(each.row.id for each in loaded)
            return loaded

        left = self._left = set()
        try:
            loaded = await self._domain.store.write(load)
            for outgoing in loaded:
                if outgoing.row.id not in self._held and outgoing.row.id not in left:
                    self._loaded.add(outgoing.row.id)
                    self._held[outgoing.row.id] = outgoing
                    self._ready[outgoing.row.priority].append(outgoing)
        finally:
            self._left = None
            self._loading = frozenset()
        self.pump()

    async def _expire(self) -> None:
        now = self._domain.now_ms()
        sent = [message_id for message_id, outgoing in self._held.items() if outgoing is None]

        def expire(conn: sqlite3.Connection) -> tuple[Iterable[int], list[Delivery]]:
            wait_ms = self._settings.receipt_wait_s * 1000
            # What is on its way is the SMSC's to answer for.
            late = [
                End(row, MessageState.EXPIRED)
                for row in messages.overdue(conn, now, wait_ms, LOAD_MAX + len(sent))
                if row.id not in on_their_way
            ]
            late += (End(each.row, each.state, each.error) for each in give_up(conn, now, LOAD_MAX))
            self._domain.recent.may_be_parked = messages.any_parked(conn)
            unique = {end.row.id: end for end in late}
            deliveries = finish_messages(
                conn, self._domain, list(unique.values()), self._settings.outbox_validity_s
            )
            if is_time_to_trim:
                long_messages.forget(conn, now - KEPT_S * 1000, LOAD_MAX)
                messages.trim_parked(conn, now - wait_ms)
                records.trim_refusals(conn)
            return unique, deliveries

        on_their_way = frozenset(sent)
        is_time_to_trim = self._sweeps % SWEEPS_A_TRIM == 0
        self._sweeps += 1
        ended, deliveries = await self._domain.store.write(expire)
        for message_id in ended:
            self._failures.pop(message_id, None)
        self._on_deliveries(deliveries)
        self._on_trust_rows()


_NONE: Final[list[Delivery]] = []


def _postpone(conn: sqlite3.Connection, *, message_id: int, not_before: int) -> list[Delivery]:
    messages.postpone(conn, message_id, not_before)
    return []
