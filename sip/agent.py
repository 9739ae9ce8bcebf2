"""A SIP user agent without I/O: transactions, dialogs and calls behind one door (RFC 3261 clause 8)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sip.call import Call
from sip.call_base import SDP_TYPE
from sip.call_caller import CHALLENGES_MAX
from sip.dialog import Dialog, DialogError, DialogKey
from sip.digest import Credentials, authorize
from sip.events import Event, IncomingCall, RequestFailed, RequestReceived, ResponseReceived
from sip.flow import Flow, local_address
from sip.headers import NameAddr
from sip.message import DEFAULT_MAX_FORWARDS, HeaderItems, Message, Request, Response, make_response
from sip.timers import TimerHeap, TimerValues
from sip.transaction import (
    TRANSACTIONS_MAX,
    AckArrived,
    AckMissing,
    CancelArrived,
    ClientFailed,
    RequestArrived,
    ResponseArrived,
    TransactionEvent,
    TransactionLayer,
)
from sip.transaction_client import ClientTransaction
from sip.transaction_server import ServerTransaction
from sip.uri import SipUri, Uri, host_reference

M = TypeVar("M", Request, Response)

CALLS_MAX = 10_000
"""Calls of one agent, all states; a further INVITE is answered 503."""
CONTACTS_MAX = 10_000
"""Contacts of ours remembered ready made."""
RING_MAX = 180.0
"""Seconds an INVITE may stay without final answer."""

DEFAULT_ALLOW = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO")
_KNOWN_METHODS = frozenset(
    (*DEFAULT_ALLOW, "REGISTER", "MESSAGE", "UPDATE", "PRACK", "REFER", "SUBSCRIBE", "NOTIFY", "PUBLISH")
)
_BODY_METHODS = frozenset(("INVITE", "UPDATE"))


@dataclass(slots=True, frozen=True)
class AgentConfig:
    """What an agent is. ``addresses`` stand in Via and Contact: what others reach it by, one for each transport
    and address family, the first for what has no better. An endpoint fills them in."""

    addresses: tuple[Flow, ...] = ()
    user: str = ""
    """User part of the Contact where a call states none."""
    user_agent: str | None = None
    """Value of User-Agent and Server; None sends neither."""
    allow: tuple[str, ...] = DEFAULT_ALLOW
    """Methods that are not answered 405; REGISTER outside a dialog always reaches the user."""
    supported: tuple[str, ...] = ()
    """Option tags; a request that requires another is answered 420."""
    values: TimerValues = field(default_factory=TimerValues)
    calls_max: int = CALLS_MAX
    transactions_max: int = TRANSACTIONS_MAX
    ring_max: float = RING_MAX
    symmetric: bool = False
    """Keep a dialog's requests on the flow that made it, whatever its Contact says: peers behind NAT."""


@dataclass(slots=True)
class _Exchange:
    """A request outside calls, through its challenges."""

    agent: UserAgent
    credentials: Credentials | None
    challenges: int = 0

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if response.status < 200:
            return
        if self.credentials is not None and self.challenges < CHALLENGES_MAX:
            request = transaction.request
            if authorize(response, request, self.credentials):
                self.challenges += 1
                request.set("CSeq", f"{request.cseq.number + 1} {request.method}")
                request.remove("Via")
                again = self.agent.layer.send_request(request, transaction.flow, now)
                again.owner, again.context = self, transaction.context
                return
        self.agent.emit(ResponseReceived(transaction, response))

    def on_failure(self, transaction: ClientTransaction, cause: str, now: float) -> None:
        self.agent.emit(RequestFailed(transaction, cause))


class UserAgent:
    """Give it datagrams and the time; take events and datagrams.

    ``on_output`` is called when something is to be sent or told, so that a shell can flush soon.
    """

    def __init__(self, config: AgentConfig) -> None:
        self.config = config
        self.timers = TimerHeap()
        self.layer = TransactionLayer(
            config.addresses,
            values=config.values,
            timers=self.timers,
            transactions_max=config.transactions_max,
        )
        self.calls: dict[Call, None] = {}
        self._dialogs: dict[DialogKey, tuple[Call, Dialog]] = {}
        self._events: list[Event] = []
        self._contacts: dict[tuple[str, str, bool], NameAddr] = {}

    @property
    def on_output(self) -> Callable[[], None] | None:
        return self.layer.on_output

    @on_output.setter
    def on_output(self, call: Callable[[], None] | None) -> None:
        self.layer.on_output = call
        self.timers.on_change = call

    def set_addresses(self, addresses: tuple[Flow, ...]) -> None:
        """What others reach us by, once the sockets are bound."""
        self.config = replace(self.config, addresses=addresses)
        self.layer.addresses = addresses

    # -- input and output -------------------------------------------------------------------------------

    def receive_datagram(self, data: bytes, flow: Flow, now: float) -> None:
        self.layer.receive_datagram(data, flow, now)
        self._pump(now)

    def receive(self, message: Message, flow: Flow, now: float) -> None:
        self.layer.receive(message, flow, now)
        self._pump(now)

    def next_timer(self) -> float | None:
        return self.timers.next()

    def handle_timer(self, now: float) -> None:
        self.timers.run(now)
        self._pump(now)

    def transport_failed(self, flow: Flow, now: float) -> None:
        """What was sent to this flow cannot arrive."""
        self.layer.transport_failed(flow)
        self._pump(now)

    def events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    @property
    def has_events(self) -> bool:
        return bool(self._events)

    def datagrams(self) -> list[tuple[bytes, Flow]]:
        return self.layer.datagrams()

    def emit(self, event: Event) -> None:
        self._events.append(event)
        if self.layer.on_output is not None:
            self.layer.on_output()

    def _pump(self, now: float) -> None:
        for event in self.layer.events():
            self._handle(event, now)

    def _handle(self, event: TransactionEvent, now: float) -> None:
        match event:
            case ResponseArrived(transaction, response):
                owner = transaction.owner
                if isinstance(owner, Call | _Exchange):
                    owner.on_response(transaction, response, now)
            case RequestArrived(server, request, flow):
                self._handle_request(server, request, flow, now)
            case AckArrived(request, _):
                found = self._find(request)
                if found is not None:
                    found[0].acknowledged(request, now)
            case CancelArrived(invite, request):
                if isinstance(invite.owner, Call):
                    invite.owner.cancelled(invite, request, now)
            case ClientFailed(transaction, cause):
                owner = transaction.owner
                if isinstance(owner, Call | _Exchange):
                    owner.on_failure(transaction, cause, now)
            case AckMissing():
                pass  # the call was refused long ago; the layer has counted it

    # -- requests ---------------------------------------------------------------------------------------

    def _find(self, request: Request) -> tuple[Call, Dialog] | None:
        # 12.2.2: Call-ID, our tag in To, theirs in From.
        return self._dialogs.get((request.call_id, request.to.tag or "", request.from_.tag or ""))

    def _handle_request(
        self, transaction: ServerTransaction, request: Request, flow: Flow, now: float
    ) -> None:
        refusal = self._inspect(request)
        if refusal is not None:
            status, headers = refusal
            self.respond(transaction, status, now=now, headers=headers)
            return
        if request.to.tag is not None:
            found = self._find(request)
            if found is None:
                self.respond(transaction, 481, now=now)  # 12.2.2
            else:
                found[0].received(transaction, request, found[1], now)
        elif request.method == "INVITE":
            self._handle_invite(transaction, request, flow, now)
        elif request.method == "BYE":
            self.respond(transaction, 481, now=now)  # 15.1.2
        else:
            self.emit(RequestReceived(transaction, request, flow))

    def _inspect(self, request: Request) -> tuple[int, list[tuple[str, object]]] | None:
        """8.2: method, scheme, extensions and content, in this order; None when the request may go on."""
        config = self.config
        if request.method not in config.allow and request.method != "REGISTER":
            status = 405 if request.method in _KNOWN_METHODS else 501
            return status, [("Allow", ", ".join(config.allow))]
        if request.uri.scheme not in ("sip", "sips", "tel"):
            return 416, []
        unknown = [tag for tag in request.get_all("Require") if tag.lower() not in config.supported]
        if unknown:
            return 420, [("Unsupported", ", ".join(unknown))]
        if request.method not in _BODY_METHODS:
            return None
        if request.body and (request.content_type or SDP_TYPE) != SDP_TYPE:
            # 8.2.3; 20.11: an optional body may be passed over.
            if "handling=optional" in (request.get("Content-Disposition") or "").lower():
                return None
            return 415, [("Accept", SDP_TYPE)]
        if request.get("Content-Encoding") not in (None, "identity"):
            return 415, [("Accept-Encoding", "identity")]
        accept = [value.partition(";")[0].strip().lower() for value in request.get_all("Accept")]
        if accept and not {SDP_TYPE, "application/*", "*/*"}.intersection(accept):
            return 406, []
        return None

    def _handle_invite(
        self, transaction: ServerTransaction, request: Request, flow: Flow, now: float
    ) -> None:
        if len(self.calls) >= self.config.calls_max:
            self.layer.counters["calls_refused"] += 1
            self.respond(transaction, 503, now=now, headers=[("Retry-After", 5)])
            return
        call = Call(self, "uas", request, flow, self.config.user)
        try:
            call.arrived(transaction, now)
        except DialogError as error:
            self.respond(transaction, 400, now=now, reason=str(error))
            return
        self.calls[call] = None
        self.emit(IncomingCall(call, request, flow))

    def respond(
        self,
        transaction: ServerTransaction,
        status: int,
        *,
        now: float,
        reason: str | None = None,
        headers: HeaderItems = (),
        body: bytes = b"",
        content_type: str | None = None,
    ) -> None:
        """Answer a request. Nothing happens once a final response went."""
        response = make_response(
            transaction.request,
            status,
            reason,
            to_tag=transaction.local_tag,
            headers=headers,
            body=body,
            content_type=content_type,
        )
        self.layer.respond(transaction, self.signed(response), now)

    def answer_options(self, transaction: ServerTransaction, now: float, status: int = 200) -> None:
        """Answer OPTIONS with what this agent can do (11.2)."""
        response = make_response(transaction.request, status, to_tag=transaction.local_tag)
        self.add_capabilities(response)
        response.add("Accept", SDP_TYPE)
        self.layer.respond(transaction, self.signed(response), now)

    # -- sending ----------------------------------------------------------------------------------------

    def invite(
        self,
        uri: Uri,
        *,
        to: NameAddr,
        from_: NameAddr,
        flow: Flow,
        now: float,
        body: bytes = b"",
        content_type: str = SDP_TYPE,
        headers: HeaderItems = (),
        credentials: Credentials | None = None,
        context: object = None,
        contact_user: str | None = None,
        call_id: str | None = None,
    ) -> Call:
        """Call somebody. From gets a tag of its own.

        :raises OverflowError: ``calls_max`` or the transaction cap is reached.
        """
        if len(self.calls) >= self.config.calls_max:
            raise OverflowError("call table is full")
        user = self.config.user if contact_user is None else contact_user
        own_headers: list[tuple[str, object]] = [("Contact", self.contact(user, flow)), *headers]
        request = self._request("INVITE", uri, to, from_, own_headers, body, content_type, call_id, 1)
        self.add_capabilities(request)
        call = Call(self, "uac", request, flow, user)
        call.credentials = credentials
        call.context = context
        call.start(now)
        self.calls[call] = None
        return call

    def send_request(
        self,
        method: str,
        uri: Uri,
        *,
        to: NameAddr,
        from_: NameAddr,
        flow: Flow,
        now: float,
        headers: HeaderItems = (),
        body: bytes = b"",
        content_type: str | None = None,
        credentials: Credentials | None = None,
        context: object = None,
        call_id: str | None = None,
        cseq: int = 1,
    ) -> ClientTransaction:
        """Send a request outside any dialog; ends in ResponseReceived or RequestFailed.

        A challenge is answered with ``credentials`` on a transaction of its own with the same ``context``.

        :raises OverflowError: the transaction cap is reached.
        """
        request = self._request(method, uri, to, from_, headers, body, content_type, call_id, cseq)
        transaction = self.layer.send_request(request, flow, now)
        transaction.owner = _Exchange(self, credentials)
        transaction.context = context
        return transaction

    def _request(
        self,
        method: str,
        uri: Uri,
        to: NameAddr,
        from_: NameAddr,
        headers: HeaderItems,
        body: bytes,
        content_type: str | None,
        call_id: str | None,
        cseq: int,
    ) -> Request:
        if from_.tag is None:
            from_ = from_.with_tag(secrets.token_hex(8))
        request = Request(
            method,
            uri,
            [
                ("Max-Forwards", DEFAULT_MAX_FORWARDS),
                ("From", from_),
                ("To", to),
                ("Call-ID", call_id or secrets.token_hex(16)),
                ("CSeq", f"{cseq} {method}"),
            ],
            body,
        )
        if body and content_type is not None:
            request.add("Content-Type", content_type)
        for name, value in headers:
            if name == "Max-Forwards":
                request.set(name, value)
            else:
                request.add(name, value)
        self.signed(request)
        return request

    def close(self, now: float) -> None:
        """End all calls: CANCEL, 480 or BYE as their states need. The shell flushes once more."""
        for call in list(self.calls):
            call.hangup(now)

    # -- what calls use ---------------------------------------------------------------------------------

    def contact(self, user: str, flow: Flow) -> NameAddr:
        """Our Contact for a user part, as the peer at ``flow`` reaches us."""
        found = self._contacts.get((user, flow.transport, flow.is_ipv6))
        if found is None:
            local = local_address(self.config.addresses, flow)
            params = () if local.transport == "UDP" else (("transport", local.transport.lower()),)
            found = NameAddr(SipUri(user or None, host_reference(local.host), local.port, params))
            if len(self._contacts) < CONTACTS_MAX:
                self._contacts[(user, flow.transport, flow.is_ipv6)] = found
        return found

    def signed(self, message: M) -> M:
        """The message with User-Agent or Server, where the configuration names one."""
        if self.config.user_agent is not None:
            message.set("User-Agent" if isinstance(message, Request) else "Server", self.config.user_agent)
        return message

    def add_capabilities(self, message: Message) -> None:
        """Allow and Supported (13.2.1, 13.3.1.4), unless they are there."""
        if message.get("Allow") is None:
            message.add("Allow", ", ".join(self.config.allow))
        if self.config.supported and message.get("Supported") is None:
            message.add("Supported", ", ".join(self.config.supported))

    def add_dialog(self, dialog: Dialog, call: Call) -> None:
        self._dialogs[dialog.key] = (call, dialog)

    def drop_dialog(self, dialog: Dialog) -> None:
        self._dialogs.pop(dialog.key, None)

    def drop_call(self, call: Call) -> None:
        self.calls.pop(call, None)
