"""The message center: what is submitted is stored, delivered, and its end reported.

MT: an ESME's submit_sm is committed, acknowledged, delivered to the fleet of handsets, and its receipt
kept until the ESME answers it. MO: a handset's submit_sm is committed, acknowledged, and kept until the
ESME whose route matches has answered it. A restart goes on where the store says.
"""

import dataclasses
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from foundation.store import Store, StoreBusy, StoreUnavailable
from simulators.smsc import messages
from simulators.smsc.dialect import read_id, write_id
from simulators.smsc.messages import OPEN_MAX, RECEIPT_ANSWERED, RECEIPT_OWED, Message
from simulators.smsc.outcomes import DELETED, EXPIRED, FINAL_OF_STATUS, Final, OutcomeDraw, final_of
from simulators.smsc.queues import DueHeap, PeerQueue, is_ok
from simulators.smsc.settings import Account, SmscSettings
from smpp.aio.connection import Connection
from smpp.constants import CommandStatus, MessageState, RegisteredDelivery
from smpp.pdu import (
    CancelSm,
    CancelSmResp,
    DeliverSm,
    Pdu,
    QuerySm,
    QuerySmResp,
    ReplaceSm,
    ReplaceSmResp,
    SubmitSm,
    SubmitSmResp,
)
from smpp.times import TimeFormatError, format_absolute, parse_time

_log = logging.getLogger(__name__)

ADMITTED_BACKLOG_MAX = 10_000
"""Operations that wait for the disk, above which submit_sm is answered ESME_RTHROTTLED; the rest of the
store's queue is kept for the ends of messages that were accepted."""

HANDSETS = "handsets"
"""Name of the queue towards the radio side, whatever the fleet's system_id."""


def wall_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class BadTime(ValueError):
    """A time field that cannot be read; `status` is the field's own."""

    def __init__(self, status: CommandStatus) -> None:
        super().__init__(status.name)
        self.status = status


def _parsed(raw: bytes, now: datetime, status: CommandStatus) -> datetime | None:
    try:
        return parse_time(raw, now)
    except TimeFormatError:
        raise BadTime(status) from None


class Center:
    """All messages of one SMSC. Lives on the event loop; the server shell hands it PDUs and ticks."""

    def __init__(self, settings: SmscSettings, store: Store, clock: Callable[[], int] = wall_ms) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._draw = OutcomeDraw(settings.outcomes, settings.seed)
        self._last_id = 0
        self._open: dict[int, Message] = {}
        self._later = DueHeap()
        self.queues: dict[str, PeerQueue] = {
            account.system_id: PeerQueue(self._towards_esme, self._esme_answered)
            for account in settings.accounts
            if account.kind == "esme"
        }
        self.queues[HANDSETS] = PeerQueue(messages.delivery, self._handset_answered)
        self._routes = sorted(
            ((prefix, account.system_id) for account in settings.accounts for prefix in account.routes),
            key=lambda route: -len(route[0]),
        )

    @property
    def open_messages(self) -> int:
        """Messages that are not final or owe a receipt."""
        return len(self._open)

    async def load(self) -> None:
        """Take up what an earlier run left open."""
        self._last_id = (await self._store.read(messages.LAST_ID_QUERY))[0][0]
        for row in await self._store.read(messages.OPEN_QUERY):
            message = messages.from_row(row)
            if message.account not in self.queues:
                _log.warning("message %d stays: its account is no longer configured", message.id)
                continue
            self._open[message.id] = message
            self._offer(message)

    def queue_of(self, account: Account) -> PeerQueue:
        """The queue that this account's binds drain."""
        return self.queues[HANDSETS if account.kind == "handsets" else account.system_id]

    # What peers ask.

    def submit(self, connection: Connection, account: Account, pdu: Pdu, body: SubmitSm) -> None:
        """Answer a submit_sm: after the commit when it is taken, at once when it is not."""
        now = self._clock()
        from_handset = account.kind == "handsets"
        owner = self._route(body.destination_addr) if from_handset else account.system_id
        if owner is None or not body.destination_addr:
            return connection.reject(pdu, CommandStatus.ESME_RINVDSTADR)
        if len(self._open) >= OPEN_MAX:
            return connection.reject(pdu, CommandStatus.ESME_RMSGQFUL)
        if self._store.backlog >= ADMITTED_BACKLOG_MAX:
            return connection.reject(pdu, CommandStatus.ESME_RTHROTTLED)
        try:
            due_at, expires_at = self._times(body, now)
        except BadTime as error:
            return connection.reject(pdu, error.status)
        final: Final | None = None
        if not from_handset:
            outcome, delay = self._draw.next()
            if outcome.result == "refuse":
                return connection.reject(pdu, outcome.status)
            final = final_of(outcome)
            due_at = max(due_at, now + int(delay * 1000))
        self._last_id += 1
        message = Message(self._last_id, owner, from_handset, body, now, due_at, expires_at)
        self._open[message.id] = message

        def stored(_result: object, error: BaseException | None) -> None:
            if error is not None:
                del self._open[message.id]
                return connection.reject(pdu, CommandStatus.ESME_RSYSERR)
            message_id = write_id(message.id, self._settings.response_id)
            connection.respond(pdu.sequence_number, SubmitSmResp(message_id=message_id))
            if message.state != MessageState.ENROUTE:
                return  # its validity ended before it was on the disk
            message.decided = final
            self._offer(message)

        try:
            self._store.submit(lambda database: messages.insert(database, message), stored)
        except StoreBusy:
            del self._open[message.id]
            connection.reject(pdu, CommandStatus.ESME_RTHROTTLED)
        except StoreUnavailable:
            del self._open[message.id]
            connection.reject(pdu, CommandStatus.ESME_RSYSERR)

    async def query(self, connection: Connection, account: Account, pdu: Pdu, body: QuerySm) -> None:
        """3.4 4.8: the state of a message that this account submitted."""
        message = await self._find(account, body.message_id)
        if message is None or message.body.source_addr != body.source_addr:
            return connection.reject(pdu, CommandStatus.ESME_RQUERYFAIL)
        final_date = b""
        if message.final_at:
            final_date = format_absolute(datetime.fromtimestamp(message.final_at / 1000, UTC))
        answer = QuerySmResp(
            message_id=body.message_id,
            final_date=final_date,
            message_state=message.state,
            error_code=min(message.error, 255),
        )
        connection.respond(pdu.sequence_number, answer)

    def cancel(self, connection: Connection, account: Account, pdu: Pdu, body: CancelSm) -> None:
        """3.4 4.9: delete a message that is still waiting."""
        message = self._waiting(account, body.message_id)
        if message is None or message.body.source_addr != body.source_addr:
            return connection.reject(pdu, CommandStatus.ESME_RCANCELFAIL)
        PeerQueue.discard(message)
        self._finish(
            message,
            DELETED,
            lambda committed: (
                connection.respond(pdu.sequence_number, CancelSmResp())
                if committed
                else connection.reject(pdu, CommandStatus.ESME_RSYSERR)
            ),
        )

    def replace(self, connection: Connection, account: Account, pdu: Pdu, body: ReplaceSm) -> None:
        """3.4 4.10: new text, schedule and validity for a message that is still waiting."""
        message = self._waiting(account, body.message_id)
        if message is None or message.body.source_addr != body.source_addr:
            return connection.reject(pdu, CommandStatus.ESME_RREPLACEFAIL)
        try:
            due_at, expires_at = self._times(body, self._clock())
        except BadTime as error:
            return connection.reject(pdu, error.status)
        # An empty time leaves the message's own as it is.
        message.due_at = due_at if body.schedule_delivery_time else message.due_at
        message.expires_at = expires_at if body.validity_period else message.expires_at
        message.body = dataclasses.replace(
            message.body,
            short_message=body.short_message,
            registered_delivery=body.registered_delivery,
            sm_default_msg_id=body.sm_default_msg_id,
        )
        PeerQueue.discard(message)
        self._offer(message)
        self._write(
            messages.replace(message), lambda: connection.respond(pdu.sequence_number, ReplaceSmResp())
        )

    # Time.

    def tick(self) -> None:
        """Offer what is due and end what has outlived its validity. Call about every 50 ms."""
        now = self._clock()
        for message in self._later.pop_due(now):
            if message.is_open and not message.in_flight:
                self._offer(message)

    def expire(self) -> None:
        """End every waiting message whose validity is over. Call about every second."""
        now = self._clock()
        for message in [one for one in self._open.values() if one.expires_at <= now and not one.in_flight]:
            if message.state == MessageState.ENROUTE:
                PeerQueue.discard(message)
                self._finish(message, EXPIRED)
            elif message.final_at + int(self._settings.validity_hours * 3_600_000) <= now:
                # A receipt is kept as long as a message would be; its ESME never came back for it.
                PeerQueue.discard(message)
                self._receipt_done(message)

    # Inside.

    def _times(self, body: SubmitSm | ReplaceSm, now: int) -> tuple[int, int]:
        """(due, expires) in milliseconds since the epoch. Raises BadTime."""
        moment = datetime.fromtimestamp(now / 1000, UTC)
        due = _parsed(body.schedule_delivery_time, moment, CommandStatus.ESME_RINVSCHED)
        expires = _parsed(body.validity_period, moment, CommandStatus.ESME_RINVEXPIRY)
        due_at = int(due.timestamp() * 1000) if due else now
        if expires is not None:
            return due_at, int(expires.timestamp() * 1000)
        return due_at, max(now, due_at) + int(self._settings.validity_hours * 3_600_000)

    def _route(self, destination_addr: bytes) -> str | None:
        """The ESME with the longest route that the MO's destination begins with."""
        digits = destination_addr.decode("ascii", "replace")
        return next((owner for prefix, owner in self._routes if digits.startswith(prefix)), None)

    async def _find(self, account: Account, message_id: bytes) -> Message | None:
        serial = read_id(message_id, self._settings.response_id)
        if serial is None:
            return None
        known = self._open.get(serial)
        if known is not None:
            return known if known.account == account.system_id and not known.mobile_originated else None
        rows = await self._store.read(messages.ONE_QUERY, (serial, account.system_id))
        return messages.from_row(rows[0]) if rows else None

    def _waiting(self, account: Account, message_id: bytes) -> Message | None:
        message = self._open.get(read_id(message_id, self._settings.response_id) or 0)
        if message is None or message.account != account.system_id or message.mobile_originated:
            return None
        return message if message.state == MessageState.ENROUTE and not message.in_flight else None

    def _queue(self, message: Message) -> PeerQueue:
        """Where an open message's next step waits: with the handsets, or with its ESME."""
        towards_handset = message.state == MessageState.ENROUTE and not message.mobile_originated
        return self.queues[HANDSETS if towards_handset else message.account]

    def _offer(self, message: Message) -> None:
        """Put an open message where its next step is: a peer's queue, or the heap until it is due."""
        if message.due_at > self._clock():
            return self._later.push(message)
        if message.decided is not None and message.state == MessageState.ENROUTE:
            return self._finish(message, message.decided)
        queue = self._queue(message)
        queue.push(message)
        queue.pump()

    def _towards_esme(self, message: Message) -> DeliverSm:
        if message.mobile_originated:
            return messages.delivery(message)
        return messages.receipt(message, write_id(message.id, self._settings.receipt_id))

    def _handset_answered(self, message: Message, status: int | None) -> None:
        final = FINAL_OF_STATUS.get(status) if status is not None else None
        if final is not None:
            self._finish(message, final)
        else:
            self._later_again(message)

    def _esme_answered(self, message: Message, status: int | None) -> None:
        if not is_ok(status):
            return self._later_again(message)
        if message.mobile_originated:
            return self._finish(message, Final(MessageState.DELIVERED, 0))
        self._receipt_done(message)

    def _receipt_done(self, message: Message) -> None:
        message.receipt = RECEIPT_ANSWERED
        self._open.pop(message.id, None)
        self._write(messages.update(message))

    def _later_again(self, message: Message) -> None:
        message.due_at = self._clock() + int(self._settings.retry_seconds * 1000)
        self._later.push(message)

    def _finish(
        self, message: Message, final: Final, committed: Callable[[bool], None] | None = None
    ) -> None:
        """Store a message's end; only then is its receipt sent."""
        message.state, message.error = final
        message.final_at = self._clock()
        asked = message.body.registered_delivery & RegisteredDelivery.RECEIPT_MASK
        if not message.mobile_originated and messages.owes_receipt(asked, message.state):
            message.receipt = RECEIPT_OWED
            message.due_at = 0

        def stored() -> None:
            if message.receipt == RECEIPT_OWED:
                self._offer(message)
            else:
                self._open.pop(message.id, None)
            if committed is not None:
                committed(True)

        self._write(messages.update(message), stored, lambda: committed and committed(False))

    def _write(
        self,
        op: messages.Op,
        stored: Callable[[], None] | None = None,
        failed: Callable[[], object] | None = None,
    ) -> None:
        """Run `op`; a failure is logged, and the next start takes the message up from the row as it was."""

        def done(_result: object, error: BaseException | None) -> None:
            if error is None:
                if stored is not None:
                    stored()
                return
            _log.error("a message's state could not be stored: %s", error)
            if failed is not None:
                failed()

        try:
            self._store.submit(op, done)
        except (StoreBusy, StoreUnavailable) as error:
            done(None, error)
