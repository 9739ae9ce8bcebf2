"""The message center: what is submitted is stored, delivered, and its end reported.

MT: an ESME's message is committed, acknowledged, delivered (to the fleet of handsets that is bound, or to
phones that this center plays itself), and its receipt kept until the ESME answers it. MO: a handset's message
is committed, acknowledged, and kept until the ESME whose route matches has answered it. A restart goes on where
the store says. Time is injected; nothing here does I/O but through the ledger and the connections.
"""

import time
from collections.abc import Callable, Iterable

from foundation.store import Store
from simulators.smsc.counters import Counters
from simulators.smsc.dialect import write_id
from simulators.smsc.expiry import Expiry
from simulators.smsc.ledger import DiskLedger, Ledger, MemoryLedger, Updated
from simulators.smsc.lifetimes import BadTime, lifetime
from simulators.smsc.messages import RECEIPT_ANSWERED, RECEIPT_OWED, Message, Reply, delivery
from simulators.smsc.outcomes import DELIVERED, EXPIRED, FINAL_OF_STATUS, Final, OutcomeDraw
from simulators.smsc.peers import Peer
from simulators.smsc.phones import Phones
from simulators.smsc.queues import PeerQueue, is_ok
from simulators.smsc.receipts import owes_receipt
from simulators.smsc.settings import Account, Behaviour, SmscSettings, behaviour_of
from simulators.smsc.throttle import congestion
from simulators.smsc.timers import Timers
from smpp.aio.connection import Connection
from smpp.codec import encode_body
from smpp.constants import CommandStatus, MessageState, RegisteredDelivery
from smpp.pdu import Pdu, SubmitMultiResp, SubmitSm, SubmitSmResp

ADMITTED_BACKLOG_MAX = 20_000
"""Messages that wait for the disk, above which submit_sm is answered ESME_RTHROTTLED."""
RECEIPT_FIRST_MS = 1_000
"""How long a response is held back for the receipt that shall go before it."""

_STATES = {int(state): state for state in MessageState}


def wall_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class Center:
    """All messages of one SMSC. Lives on the event loop; the server shell hands it PDUs and ticks.

    After a batch of calls the shell calls `settle`, which sends what has come of them.
    """

    def __init__(
        self, settings: SmscSettings, store: Store | None, clock: Callable[[], int] = wall_ms
    ) -> None:
        self.settings = settings
        self._clock = clock
        self.now = clock()
        """Milliseconds since the epoch, as of the last `refresh`: one look at the clock serves a batch."""
        self.counters = Counters()
        self.timers = Timers()
        self.open: dict[int, Message] = {}
        self.ledger: Ledger = (
            DiskLedger(store, settings.history, self._stored_later)
            if store is not None
            else MemoryLedger(settings.history, self._stored)
        )
        self.validity_ms = int(settings.validity_hours * 3_600_000)
        self._retry_ms = int(settings.retry_seconds * 1000)
        self._fleet = settings.has_handsets
        self._last_id = 0
        self._dirty: set[PeerQueue] = set()
        self._expiry = Expiry()
        self.handsets = PeerQueue(_delivery_frame, self._handset_answered)
        self.peers = {account.system_id: self._peer(account) for account in settings.accounts}
        self._routes = sorted(
            ((prefix, account.system_id) for account in settings.accounts for prefix in account.routes),
            key=lambda route: -len(route[0]),
        )
        self.behaviour: Behaviour
        self.behave(behaviour_of(settings))

    def behave(self, behaviour: Behaviour) -> None:
        """From now on: what was decided for a message before stays decided."""
        self.behaviour = behaviour
        self._draw = OutcomeDraw(
            behaviour.outcomes,
            behaviour.seed,
            by=behaviour.draw_by,
            response_delay=behaviour.response_delay,
            delivery_delay=behaviour.delivery_delay,
        )
        self.phones = Phones(behaviour.replies)
        now = self.now
        for peer in self.peers.values():
            peer.set_rate(behaviour, now)

    def _peer(self, account: Account) -> Peer:
        dialect = self.settings.dialect_of(account)
        peer = Peer(account, dialect)
        if account.kind == "handsets":
            peer.queue = self.handsets
        else:
            peer.queue = PeerQueue(
                lambda message: (
                    _delivery_frame(message) if message.mobile_originated else peer.writer.receipt(message)
                ),
                self._esme_answered,
                copies=dialect.copies,
                bind=dialect.bind,
                sent=self._sent_to_esme,
            )
        return peer

    def refresh(self) -> None:
        """Look at the clock. The shell does before each batch of calls; the center by itself where it is
        called from a timer or the store."""
        self.now = self._clock()

    @property
    def open_messages(self) -> int:
        """Messages that are not final or owe a receipt."""
        return len(self.open)

    async def load(self) -> int:
        """Take up what an earlier run left open; returns how many messages' accounts are gone."""
        self.refresh()
        self._last_id, messages = await self.ledger.load()
        orphans = 0
        for message in messages:
            if message.account not in self.peers:
                orphans += 1
                continue
            message.peer = self.peers[message.account]
            self.open[message.id] = message
            self._offer(message)
        self.settle()
        return orphans

    # What peers submit.

    def submit(self, connection: Connection, account: Account, pdu: Pdu, frame: bytes = b"") -> None:
        """Answer a submit_sm: after the commit when it is taken, at once when it is not."""
        body = pdu.body
        assert isinstance(body, SubmitSm)
        self.take(connection, account, pdu, body, SubmitSmResp, frame)

    def take(
        self, connection: Connection, account: Account, pdu: Pdu, body: SubmitSm, response: type, frame: bytes
    ) -> None:
        """Take one message, whichever PDU brought it."""
        now = self.now
        if account.kind == "handsets":
            owner = self.route(body.destination_addr)
            if owner is None:
                return self.refuse(connection, pdu, CommandStatus.ESME_RINVDSTADR)
            if len(self.open) >= self.settings.open_max:
                return self.refuse(connection, pdu, CommandStatus.ESME_RMSGQFUL)
            message = self.new_message(owner, body, now, mobile_originated=True, frame=frame)
            self.counters.mo_accepted += 1
        else:
            status = self.admit(account, now)
            if status:
                return self.refuse(connection, pdu, status)
            drawn, wait_ms = self.message_of(account, body, now, frame)
            if not isinstance(drawn, Message):
                return self.refuse(connection, pdu, drawn, wait_ms)
            message = drawn
            message.connection = connection
            message.respond_at = now + wait_ms if wait_ms else 0
        message.reply = Reply(connection, pdu.sequence_number, response)
        self.ledger.insert(message)

    def admit(self, account: Account, now: int, count: int = 1) -> int:
        """0, or the command_status that refuses `count` more messages of this account now."""
        self.counters.submits += 1
        bucket = self.peers[account.system_id].bucket
        if bucket is not None and not bucket.take(now):
            self.counters.throttled += 1
            return self.behaviour.rate_status
        if len(self.open) + count > self.settings.open_max:
            return CommandStatus.ESME_RMSGQFUL
        if self.ledger.waiting >= ADMITTED_BACKLOG_MAX:
            self.counters.throttled += 1
            return CommandStatus.ESME_RTHROTTLED
        return 0

    def message_of(
        self, account: Account, body: SubmitSm, now: int, frame: bytes = b"", public_id: int = 0
    ) -> tuple[Message | int, int]:
        """An open message, or the command_status that refuses it; and how long its response takes in ms."""
        if not body.destination_addr:
            return CommandStatus.ESME_RINVDSTADR, 0
        try:
            due_at, expires_at = lifetime(body, now, self.validity_ms)
        except BadTime as error:
            return error.status, 0
        # A refusal uses up a serial as well: the next message's draw is another one.
        self._last_id = serial = self._last_id + 1
        refused, plan, response_ms, delivery_ms = self._draw.draw(serial, body.destination_addr)
        if refused:
            return refused, response_ms
        if delivery_ms:
            due_at = max(due_at, now + delivery_ms)
        message = Message(serial, account.system_id, False, body, now, due_at, expires_at)
        message.public_id = public_id or serial
        message.plan = plan
        message.frame = frame
        message.peer = self.peers[account.system_id]
        self.open[serial] = message
        self.counters.accepted += 1
        return message, response_ms

    def new_message(
        self,
        owner: str,
        body: SubmitSm,
        now: int,
        *,
        mobile_originated: bool,
        after_ms: int = 0,
        frame: bytes = b"",
    ) -> Message:
        """An open message without chance on it: an MO."""
        self._last_id += 1
        message = Message(
            self._last_id, owner, mobile_originated, body, now, now + after_ms, now + self.validity_ms
        )
        message.public_id = message.id
        message.frame = frame
        message.peer = self.peers[owner]
        self.open[message.id] = message
        return message

    def phone_sends(self, bodies: Iterable[SubmitSm], default: str | None, after_ms: int = 0) -> list[int]:
        """MOs of phones, kept like any other; returns their serials. One that nobody owns is dropped."""
        now, serials = self.now, []
        for body in bodies:
            owner = self.route(body.destination_addr) or default
            if owner is None:
                continue
            message = self.new_message(owner, body, now, mobile_originated=True, after_ms=after_ms)
            self.counters.mo_accepted += 1
            serials.append(message.id)
            self.ledger.insert(message)
        return serials

    def refuse(self, connection: Connection, pdu: Pdu, status: int, wait_ms: int = 0) -> None:
        """Answer with an error, after `wait_ms`."""
        self.counters.refused += 1
        if wait_ms:
            self.timers.push(self.now + wait_ms, lambda _: connection.reject(pdu, status), None)
        else:
            connection.reject(pdu, status)

    def answer(self, message: Message) -> None:
        """Answer whoever submitted it, once."""
        reply = message.reply
        if reply is None:
            return
        message.reply = None
        if not message.plan.respond:
            return
        message_id = write_id(message.public_id, message.peer.dialect.response_id)
        if reply.unsuccess is None:
            reply.connection.respond_message(reply.sequence_number, message_id, reply.response.COMMAND_ID)
        else:
            reply.connection.respond(
                reply.sequence_number, SubmitMultiResp(message_id, unsuccess=reply.unsuccess)
            )

    def congestion_of(self, account: Account) -> int | None:
        """5.0 4.8.4.18: what responses tell this account; None: nothing."""
        level = self.behaviour.congestion_state
        if level == "off":
            return None
        if level != "auto":
            return level
        bucket = self.peers[account.system_id].bucket
        return congestion(
            len(self.open) / self.settings.open_max,
            self.ledger.waiting / ADMITTED_BACKLOG_MAX,
            bucket.used(self.now) if bucket is not None else 0,
        )

    # Time.

    def tick(self) -> None:
        """Do what is due."""
        self.refresh()
        self.timers.run(self.now)
        self.settle()

    def settle(self) -> None:
        """Send what has come of the calls before."""
        while self._dirty:
            self._dirty.pop().pump()

    def sweep(self) -> None:
        """End what has outlived its validity, a slice at a time. Call several times a second."""
        self.refresh()
        for message in self._expiry.over(self.open, self.now):
            self._outlived(message, self.now)
        self.settle()

    def _outlived(self, message: Message, now: int) -> None:
        if message.state == MessageState.ENROUTE:
            PeerQueue.discard(message)
            self.finish(message, EXPIRED)
        elif message.final_at + self.validity_ms <= now:
            # A receipt is kept as long as a message would be; its ESME never came back for it.
            PeerQueue.discard(message)
            self.counters.receipts_given_up += 1
            self._receipt_done(message)

    # Inside.

    def route(self, destination_addr: bytes) -> str | None:
        """The ESME with the longest route that the MO's destination begins with."""
        digits = destination_addr.decode("latin-1")
        return next((owner for prefix, owner in self._routes if digits.startswith(prefix)), None)

    def _stored_later(self, messages: list[Message], safe: bool) -> None:
        self.refresh()
        self._stored(messages, safe)
        self.settle()

    def _stored(self, messages: list[Message], safe: bool) -> None:
        """New messages are safe, or cannot be kept."""
        for message in messages:
            if not safe:
                self.open.pop(message.id, None)
                reply = message.reply
                if reply is not None:
                    reply.connection.respond(
                        reply.sequence_number, reply.response(), CommandStatus.ESME_RSYSERR
                    )
                continue
            if message.reply is not None:
                self._answer_in_time(message)
            if message.state == MessageState.ENROUTE:  # its validity may have ended before
                self._offer(message)

    def _answer_in_time(self, message: Message) -> None:
        if message.respond_at:
            self.timers.push(message.respond_at, self.answer, message)
        elif self._receipt_goes_first(message):
            self.timers.push(self.now + RECEIPT_FIRST_MS, self.answer, message)
        else:
            self.answer(message)

    def _receipt_goes_first(self, message: Message) -> bool:
        return (
            message.peer.is_receipt_first
            and not message.mobile_originated
            and message.plan.receipt
            and bool(message.body.registered_delivery & RegisteredDelivery.RECEIPT_MASK)
        )

    def _offer(self, message: Message) -> None:
        """Put an open message where its next step is: a peer's queue, or the heap until it is due."""
        if message.due_at > self.now:
            self.timers.push(message.due_at, self._due, (message, message.due_at))
        elif message.state == MessageState.ENROUTE and not message.mobile_originated:
            self._attempt(message)
        else:
            self._push(message.peer.queue, message)

    def _due(self, entry: tuple[Message, int]) -> None:
        message, due_at = entry
        # One whose due_at was changed meanwhile has another place in the heap, or none.
        if message.due_at == due_at and message.is_open and not message.in_flight:
            self._offer(message)

    def requeue(self, message: Message) -> None:
        """Offer it anew after its times have changed."""
        PeerQueue.discard(message)
        self._offer(message)

    def _push(self, queue: PeerQueue, message: Message) -> None:
        queue.push(message)
        self._dirty.add(queue)

    def _attempt(self, message: Message) -> None:
        """Deliver an MT whose time has come."""
        plan = message.plan
        if message.expires_at <= self.now:
            self.finish(message, EXPIRED)
        elif message.attempts < plan.failures:
            self._failed_for_now(message)
        elif plan.state:
            self.finish(message, Final(_STATES[plan.state], plan.error), seeded=True)
        elif self._fleet:
            self._push(self.handsets, message)
        else:
            self.finish(message, DELIVERED, seeded=True)

    def _failed_for_now(self, message: Message) -> None:
        message.attempts += 1
        wanted = message.body.registered_delivery & RegisteredDelivery.INTERMEDIATE_NOTIFICATION
        if message.attempts == 1 and wanted and not message.mobile_originated:
            # 3.4 5.2.17, bit 4: the ESME asked to hear of what is not final.
            peer = message.peer
            peer.queue.push_extra(peer.writer.notice(message, self.now))
            self.counters.notices += 1
            self._dirty.add(peer.queue)
        self._later_again(message)

    def _handset_answered(self, message: Message, status: int | None) -> None:
        final = FINAL_OF_STATUS.get(status) if status is not None else None
        if final is not None:
            self.finish(message, final)
        else:
            self._failed_for_now(message)

    def _sent_to_esme(self, message: Message) -> None:
        if not message.mobile_originated:
            self.counters.receipts_sent += 1
            if message.reply is not None and not message.respond_at:
                self.answer(message)

    def _esme_answered(self, message: Message, status: int | None) -> None:
        final = FINAL_OF_STATUS.get(status) if status is not None else None
        if final is None:
            return self._later_again(message)
        if message.mobile_originated:
            self.counters.mo_answered += 1
            return self.finish(message, final)
        if is_ok(status):
            self.counters.receipts_answered += 1
        else:
            self.counters.receipts_refused += 1
        self._receipt_done(message)

    def _receipt_done(self, message: Message) -> None:
        message.receipt = RECEIPT_ANSWERED
        self._close(message)
        self.ledger.update(message)

    def _later_again(self, message: Message) -> None:
        self.counters.retries += 1
        message.due_at = self.now + self._retry_ms
        self.timers.push(message.due_at, self._due, (message, message.due_at))

    def _close(self, message: Message) -> None:
        self.open.pop(message.id, None)
        message.connection = None

    def finish(
        self, message: Message, final: Final, done: Updated | None = None, *, seeded: bool = False
    ) -> None:
        """Store a message's end; only then is its receipt sent.

        An end that the seed decides (`seeded`) is told at once and stored with the receipt's answer: after a
        crash it is decided again, and the same.
        """
        message.state, message.error = final
        message.final_at = self.now
        self.counters.finals[final.state] += 1
        if message.mobile_originated:
            self._close(message)
            return self.ledger.update(message, done)
        if final.state == MessageState.DELIVERED and self.phones.reacts(message):
            seeded = False
            chance = (message.id * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF) / 2.0**64
            for sent in self.phones.on_delivered(message, chance):
                self.phone_sends((sent.body,), message.account, sent.after_ms)
        if not (message.plan.receipt and owes_receipt(message.body.registered_delivery, final.state)):
            self._close(message)
            return self.ledger.update(message, done)
        message.receipt = RECEIPT_OWED
        message.due_at = 0
        queue = message.peer.queue
        if seeded:
            return self._push(queue, message)

        def stored(safe: bool) -> None:
            # Not safe: the next start finds the message as it was and delivers it again.
            if safe:
                queue.push(message)
                queue.pump()
            if done is not None:
                done(safe)

        return self.ledger.update(message, stored)

    def recent(self, messages: Iterable[Message]) -> list[Message]:
        """The same messages as they are now, where that is not stored yet."""
        return [self.open.get(message.id, message) for message in messages]


def _delivery_frame(message: Message) -> bytes:
    return encode_body(delivery(message), 0)
