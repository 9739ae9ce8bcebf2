"""The transaction layer: matching, timers and retransmission for all transactions of one transport address
(RFC 3261 clause 17, RFC 6026, RFC 3581). No I/O: bytes and time in, events and bytes out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from sip.flow import Flow, default_port, local_address
from sip.headers import BRANCH_MAGIC, Via
from sip.message import Message, Request, Response, make_error_response, make_response
from sip.parser import SipParseError, parse
from sip.timers import TimerHeap, TimerValues
from sip.tokens import token
from sip.transaction_client import ClientTransaction, InviteClient, NonInviteClient, TransactionKey
from sip.transaction_server import InviteServer, NonInviteServer, ServerTransaction
from sip.uri import bare_host, host_reference

TRANSACTIONS_MAX = 50_000
"""Transactions kept, client and server together; a new request over it is answered 503."""

_KEEPALIVE_STARTS = (b"", b"\r", b"\n", b"\0", b" ")

OVERLOAD_RETRY_AFTER = 5
"""Seconds in Retry-After of that 503."""


class RequestArrived(NamedTuple):
    """A request that is no retransmission; never an ACK or a CANCEL."""

    transaction: ServerTransaction
    request: Request
    flow: Flow


class AckArrived(NamedTuple):
    """An ACK for a 2xx: the user's to match to its dialog."""

    request: Request
    flow: Flow


class CancelArrived(NamedTuple):
    """A CANCEL; its 200 is sent. ``transaction`` is the INVITE that it means, perhaps answered already."""

    transaction: InviteServer
    request: Request


class ResponseArrived(NamedTuple):
    """A response that is no retransmission (2xx to an INVITE are all passed)."""

    transaction: ClientTransaction
    response: Response


class ClientFailed(NamedTuple):
    """No final answer: ``cause`` is timeout or transport."""

    transaction: ClientTransaction
    cause: str


class AckMissing(NamedTuple):
    """A refusal of an INVITE was never acknowledged (timer H)."""

    transaction: ServerTransaction


class StrayAnswer(NamedTuple):
    """A 2xx to an INVITE of which nothing is known here, though it has our Via: who sent it waits for an ACK."""

    response: Response
    flow: Flow


TransactionEvent = (
    RequestArrived | AckArrived | CancelArrived | ResponseArrived | ClientFailed | AckMissing | StrayAnswer
)


class TransactionLayer:
    """All transactions of one user agent. ``addresses`` are what others reach it by, one for each transport and
    address family; they stand in Via.

    Give it what comes (:meth:`receive_datagram`, :meth:`receive`) and the time (:meth:`handle_timer` at
    :meth:`next_timer`); afterwards take :meth:`events` and :meth:`datagrams`. ``on_output`` is called when
    there is something to send where nothing was, so that a shell can flush soon.
    """

    def __init__(
        self,
        addresses: tuple[Flow, ...],
        *,
        values: TimerValues | None = None,
        timers: TimerHeap | None = None,
        transactions_max: int = TRANSACTIONS_MAX,
    ) -> None:
        self._sent_by: dict[tuple[str, bool], tuple[str, int]] = {}
        """Host and port in our Via, by transport and whether it is IPv6."""
        self.addresses = addresses
        self.values = values or TimerValues()
        self.timers = TimerHeap() if timers is None else timers
        self.transactions_max = transactions_max
        self.counters: Counter[str] = Counter()
        self.on_output: Callable[[], None] | None = None
        self.refuse: Callable[[Request, Flow, float], Response | None] | None = None
        """Asked about each request that would make a transaction: a refusal after which nothing is kept (8.2.7). What
        comes again is a new request then, and the ACK nobody's."""
        self._clients: dict[TransactionKey, ClientTransaction] = {}
        self._servers: dict[TransactionKey, ServerTransaction] = {}
        self._merged: dict[TransactionKey, ServerTransaction] = {}
        self._events: list[TransactionEvent] = []
        self._datagrams: list[tuple[bytes, Flow]] = []

    def set_addresses(self, addresses: tuple[Flow, ...]) -> None:
        """What others reach it by from now on."""
        self.addresses = addresses
        self._sent_by.clear()

    def __len__(self) -> int:
        return len(self._clients) + len(self._servers)

    @property
    def has_events(self) -> bool:
        return bool(self._events)

    @property
    def has_datagrams(self) -> bool:
        return bool(self._datagrams)

    def events(self) -> list[TransactionEvent]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    def datagrams(self) -> list[tuple[bytes, Flow]]:
        """What to send since the last call, in order."""
        datagrams, self._datagrams = self._datagrams, []
        return datagrams

    def next_timer(self) -> float | None:
        return self.timers.next()

    def handle_timer(self, now: float) -> None:
        self.timers.run(now)

    def send(self, data: bytes, flow: Flow) -> None:
        """Queue bytes for a flow."""
        waiting = self._datagrams
        waiting.append((data, flow))
        if len(waiting) == 1 and self.on_output is not None:
            self.on_output()

    def receive_datagram(self, data: bytes, flow: Flow, now: float) -> None:
        """One datagram, or one framed piece of a stream. Keep-alives (RFC 5626 3.5.1) and rubbish are counted
        and dropped; a request that does not parse is answered without state, as RFC 4475 3.1.2 has it."""
        if data[:1] in _KEEPALIVE_STARTS and not data.strip(b"\r\n\0 "):
            self.counters["keepalive"] += 1
            return
        try:
            message = parse(data, stream=flow.reliable)
        except SipParseError as error:
            self.counters["malformed"] += 1
            if error.request is not None:
                self.send(make_error_response(error.request, error.status, error.reason).to_bytes(), flow)
            return
        self.receive(message, flow, now)

    def receive(self, message: Message, flow: Flow, now: float) -> None:
        """One parsed message from a flow."""
        if isinstance(message, Request):
            self._receive_request(message, flow, now)
        elif isinstance(message, Response):
            # 17.1.3: the branch of the top Via and the method of the CSeq.
            transaction = self._clients.get((message.top_via.branch or "", message.cseq.method))
            if transaction is None or len(message.vias) != 1:
                # 8.1.3.3: more than one Via means that it is not for us.
                self.counters["stray_response"] += 1
                if transaction is None and self._is_answer_to_us(message):
                    self._emit(StrayAnswer(message, flow))
                return
            transaction.receive(message, now)

    def _is_answer_to_us(self, response: Response) -> bool:
        if not 200 <= response.status < 300 or response.cseq.method != "INVITE" or len(response.vias) != 1:
            return False
        via = response.top_via
        sent_by = (bare_host(via.host), via.port or default_port(via.transport))
        return any((bare_host(own.host), own.port) == sent_by for own in self.addresses)

    def _receive_request(self, request: Request, flow: Flow, now: float) -> None:
        # 18.2.1 and RFC 3581 4: note where it really came from.
        sent_via = request.top_via
        key = self._server_key(request, sent_via)
        via = sent_via.with_source(flow.host, flow.port)
        if via is not sent_via:
            request.replace_top_via(via)
        transaction = self._servers.get(key)
        if request.method == "ACK":
            if isinstance(transaction, InviteServer) and not transaction.acknowledge(request, now):
                return
            self._emit(AckArrived(request, flow))
            return
        if transaction is not None:
            transaction.retransmitted()
            return
        reply_flow = self._reply_flow(via, flow)
        if len(self) >= self.transactions_max:
            self.counters["overload"] += 1
            response = make_response(request, 503, headers=[("Retry-After", OVERLOAD_RETRY_AFTER)])
            self.send(response.to_bytes(), reply_flow)
            return
        if self.refuse is not None:
            refused = self.refuse(request, flow, now)
            if refused is not None:
                self.send(refused.to_bytes(), reply_flow)
                return
        kind = InviteServer if request.method == "INVITE" else NonInviteServer
        transaction = kind(self, request, reply_flow, key)
        self._servers[key] = transaction
        transaction.start(now)
        if request.method == "CANCEL":
            self._receive_cancel(transaction, now)
            return
        if request.to.tag is None:
            # 8.2.2.2: the same request by another path.
            cseq = request.cseq
            merge_key = (request.from_.tag or "", request.call_id, str(cseq.number), cseq.method)
            if merge_key in self._merged:
                self.counters["merged"] += 1
                transaction.respond(make_response(request, 482, to_tag=transaction.local_tag), now)
                return
            transaction.merge_key = merge_key
            self._merged[merge_key] = transaction
        self._emit(RequestArrived(transaction, request, flow))

    def _receive_cancel(self, cancel: ServerTransaction, now: float) -> None:
        # 9.2: 481 where there is no INVITE; else 200, whatever state the INVITE is in.
        target = self._servers.get((*cancel.key[:-1], "INVITE"))
        if not isinstance(target, InviteServer):
            cancel.respond(make_response(cancel.request, 481, to_tag=cancel.local_tag), now)
            return
        cancel.respond(make_response(cancel.request, 200, to_tag=target.local_tag), now)
        self._emit(CancelArrived(target, cancel.request))

    @staticmethod
    def _server_key(request: Request, via: Via) -> TransactionKey:
        method = "INVITE" if request.method == "ACK" else request.method
        branch = via.branch
        if branch is not None and branch.startswith(BRANCH_MAGIC):
            # 17.2.3: branch, sent-by and method.
            return branch, via.sent_by, method
        # 17.2.3, for RFC 2543 peers. The To tag is left out: the INVITE has none, its ACK has ours.
        return (
            str(request.uri),
            request.from_.tag or "",
            request.call_id,
            str(request.cseq.number),
            str(via),
            method,
        )

    @staticmethod
    def _reply_flow(via: Via, flow: Flow) -> Flow:
        if flow.reliable:
            return flow
        if via.rport is not None:
            return flow  # RFC 3581 4: back to the very source
        # 18.2.2: to received with the port of sent-by.
        return Flow(flow.transport, bare_host(via.received or via.host), via.port or 5060)

    def send_request(self, request: Request, flow: Flow, now: float) -> ClientTransaction:
        """Start a client transaction. A request without Via gets one with a new branch; one that has a Via (a
        CANCEL) keeps it. An ACK for a 2xx is no transaction: use :meth:`send_stateless`.

        :raises OverflowError: ``transactions_max`` is reached.
        """
        # What ends a call is never held back: it frees more than it takes.
        if len(self) >= self.transactions_max and request.to.tag is None and request.method != "CANCEL":
            raise OverflowError("transaction table is full")
        if not request.get("Via"):
            request.push_via(self.new_via(flow))
        via = request.top_via
        kind = InviteClient if request.method == "INVITE" else NonInviteClient
        transaction = kind(self, request, flow, (via.branch or "", request.method))
        self._clients[transaction.key] = transaction
        transaction.start(now)
        return transaction

    def waiting_request(self, via: Via, method: str) -> Request | None:
        """The request of ours that this Via stood on, while its transaction lives."""
        transaction = self._clients.get((via.branch or "", method))
        return None if transaction is None else transaction.request

    def send_stateless(self, request: Request, flow: Flow) -> bytes:
        """Send a request that no transaction repeats (the ACK for a 2xx); gives its bytes for repeats."""
        if not request.get("Via"):
            request.push_via(self.new_via(flow))
        data = request.to_bytes()
        self.send(data, flow)
        return data

    def new_via(self, flow: Flow) -> Via:
        """Our Via towards a flow with a branch of its own; rport is asked (RFC 3581 3)."""
        branch = BRANCH_MAGIC + token(12)
        own = self._sent_by.get((flow.transport, flow.is_ipv6))
        if own is None:
            local = local_address(self.addresses, flow)
            own = self._sent_by[flow.transport, flow.is_ipv6] = (host_reference(local.host), local.port)
        return Via(flow.transport, *own, (("branch", branch), ("rport", None)))

    def respond(self, transaction: ServerTransaction, response: Response, now: float) -> None:
        transaction.respond(response, now)

    def transport_failed(self, flow: Flow) -> None:
        """What was sent to this flow cannot arrive: unanswered requests there fail (17.1.4)."""
        for transaction in [item for item in self._clients.values() if item.flow == flow]:
            transaction.fail("transport")

    def _emit(self, event: TransactionEvent) -> None:
        self._events.append(event)

    def client_response(self, transaction: ClientTransaction, response: Response) -> None:
        self._emit(ResponseArrived(transaction, response))

    def client_failed(self, transaction: ClientTransaction, cause: str) -> None:
        self.counters[f"client_{cause}"] += 1
        self._emit(ClientFailed(transaction, cause))

    def server_unacknowledged(self, transaction: ServerTransaction) -> None:
        self.counters["ack_missing"] += 1
        self._emit(AckMissing(transaction))

    def forget_client(self, transaction: ClientTransaction) -> None:
        if self._clients.get(transaction.key) is transaction:
            del self._clients[transaction.key]

    def forget_server(self, transaction: ServerTransaction) -> None:
        if self._servers.get(transaction.key) is transaction:
            del self._servers[transaction.key]
        if transaction.merge_key is not None and self._merged.get(transaction.merge_key) is transaction:
            del self._merged[transaction.merge_key]
