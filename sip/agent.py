"""A SIP user agent without I/O: transactions, dialogs and calls behind one door (RFC 3261 clause 8)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from sip.agent_config import AgentConfig
from sip.bodies import take_description
from sip.call import Call
from sip.call_caller import CHALLENGES_MAX
from sip.dialog import Dialog, DialogError, DialogKey, target_of
from sip.digest import Credentials, authorize
from sip.events import Event, IncomingCall, RequestFailed, RequestReceived, ResponseReceived
from sip.flow import Flow, local_address
from sip.headers import CSeq, NameAddr
from sip.inspection import Refusal, inspect
from sip.message import DEFAULT_MAX_FORWARDS, HeaderItems, Message, Request, Response, make_response
from sip.sdp import SDP_TYPE
from sip.session_timer import request_headers
from sip.timers import TimerHeap
from sip.tokens import token
from sip.transaction import (
    AckArrived,
    CancelArrived,
    ClientFailed,
    RequestArrived,
    ResponseArrived,
    StrayAnswer,
    TransactionEvent,
    TransactionLayer,
)
from sip.transaction_client import ClientTransaction
from sip.transaction_server import ServerTransaction
from sip.uri import SipUri, Uri, host_reference

__all__ = ["AgentConfig", "UserAgent"]

M = TypeVar("M", Request, Response)

_DESCRIBED = frozenset(("INVITE", "UPDATE", "PRACK", "ACK"))
Challenge = Callable[[Request, Flow, float], HeaderItems | None]
"""Request, where it came from, now."""

_DIALOG_METHODS = frozenset(("BYE", "PRACK", "UPDATE"))

RELEASED_MAX = 10_000
"""Dialogs of an earlier run remembered as ended, so that each is sent one BYE."""
CONTACTS_MAX = 10_000
"""Contacts of ours remembered ready made."""


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

    ``on_output`` is called when something is to be sent or told where nothing was, or a timer is due before all
    others, so that a shell can flush soon.
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
        self._released: dict[DialogKey, None] = {}
        self._events: list[Event] = []
        self._contacts: dict[tuple[str, str, bool], NameAddr] = {}
        self.challenge: Challenge | None = None
        """Asked about each INVITE that would begin a call: the headers of the 401 that it gets, None where it gets
        none. Such a refusal leaves nothing behind (8.2.7): who shows no password takes no memory."""
        self.layer.refuse = self._challenged
        self._tag_key = secrets.token_bytes(16)
        self._allow = ", ".join(config.allow)
        self._supported = ", ".join(config.option_tags)

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
        self.layer.set_addresses(addresses)

    # -- input and output -------------------------------------------------------------------------------

    def receive_datagram(self, data: bytes, flow: Flow, now: float) -> None:
        self.layer.receive_datagram(data, flow, now)
        if self.layer.has_events:
            self._pump(now)

    def receive(self, message: Message, flow: Flow, now: float) -> None:
        self.layer.receive(message, flow, now)
        self._pump(now)

    def next_timer(self) -> float | None:
        return self.timers.next()

    def handle_timer(self, now: float) -> None:
        self.timers.run(now)
        if self.layer.has_events:
            self._pump(now)

    def transport_failed(self, flow: Flow, now: float) -> None:
        """What was sent to this flow cannot arrive."""
        self.layer.transport_failed(flow)
        self._pump(now)

    def events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    @property
    def has_output(self) -> bool:
        """Whether there is something to tell or to send."""
        return bool(self._events) or self.layer.has_datagrams

    def datagrams(self) -> list[tuple[bytes, Flow]]:
        return self.layer.datagrams()

    def emit(self, event: Event) -> None:
        self._events.append(event)
        if len(self._events) == 1 and self.layer.on_output is not None:
            self.layer.on_output()

    def _pump(self, now: float) -> None:
        for event in self.layer.events():
            self._handle(event, now)

    def _handle(self, event: TransactionEvent, now: float) -> None:
        if isinstance(event, ResponseArrived):
            transaction, response = event
            if response.body and transaction.request.method in _DESCRIBED:
                _take_answer(response)
            owner = transaction.owner
            if isinstance(owner, Call | _Exchange):
                owner.on_response(transaction, response, now)
        elif isinstance(event, RequestArrived):
            self._handle_request(event.transaction, event.request, event.flow, now)
        elif isinstance(event, AckArrived):
            found = self._find(event.request)
            if found is not None:
                _take_answer(event.request)
                found[0].acknowledged(event.request, now)
        elif isinstance(event, CancelArrived):
            invite = event.transaction
            if isinstance(invite.owner, Call):
                invite.owner.cancelled(invite, event.request, now)
        elif isinstance(event, ClientFailed):
            owner = event.transaction.owner
            if isinstance(owner, Call | _Exchange):
                owner.on_failure(event.transaction, event.cause, now)
        elif isinstance(event, StrayAnswer):
            self._stray_answer(event.response, event.flow, now)
        # AckMissing: the call was refused long ago; the layer has counted it.

    def _stray_answer(self, response: Response, flow: Flow, now: float) -> None:
        """13.2.2.4: a 2xx that nobody wants is acknowledged and ended all the same. All goes back to where it came
        from, so that nobody is sent anywhere by it."""
        if not self.config.releases_strays or response.to.tag is None:
            return
        found = self._dialogs.get((response.call_id, response.from_.tag or "", response.to.tag))
        if found is not None:
            found[0].answered_again(response)
            return
        items = [(name, response.get(name) or "") for name in ("From", "To", "Call-ID")]
        try:
            request = Request("INVITE", response.to.uri, [*items, ("CSeq", f"{response.cseq.number} INVITE")])
            dialog = Dialog.as_client(request, response, flow, pinned=True)
        except DialogError:
            return
        self.layer.send_stateless(self.signed(dialog.build("ACK", cseq=response.cseq.number)), flow)
        if dialog.key not in self._released:
            self._released[dialog.key] = None
            if len(self._released) > RELEASED_MAX:
                del self._released[next(iter(self._released))]
            self.layer.counters["strays_released"] += 1
            self.end_dialog(dialog, now)

    # -- requests ---------------------------------------------------------------------------------------

    def _find(self, request: Request) -> tuple[Call, Dialog] | None:
        # 12.2.2: Call-ID, our tag in To, theirs in From.
        return self._dialogs.get((request.call_id, request.to.tag or "", request.from_.tag or ""))

    def _handle_request(
        self, transaction: ServerTransaction, request: Request, flow: Flow, now: float
    ) -> None:
        refusal = self._refusal(request)
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
        elif request.method in _DIALOG_METHODS:
            self.respond(transaction, 481, now=now)  # 15.1.2; RFC 3262 3, RFC 3311 5.2
        else:
            self.emit(RequestReceived(transaction, request, flow))

    def _refusal(self, request: Request) -> Refusal | None:
        """Of a request that is refused for what it is, whoever sent it."""
        if request.method in _DESCRIBED:
            take_description(request)
        refusal = inspect(request, self.config)
        if refusal is None and len(request.vias) > 1 and self._came_round(request):
            return 482, []
        return refusal

    def _came_round(self, request: Request) -> bool:
        """RFC 5393 4.2: a request of ours that waits for its answer comes in again, and with the Request-URI
        that it went out with. With another one it is a spiral: somebody else's routing, to be let through."""
        for via in request.vias[1:]:
            sent = self.layer.waiting_request(via, request.method)
            if sent is not None and sent.uri == request.uri:
                return True
        return False

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

    def _challenged(self, request: Request, flow: Flow, now: float) -> Response | None:
        """The 401 to an INVITE that would begin a call; None where it gets none, or is to be refused for what it is."""
        if self.challenge is None or request.method != "INVITE" or request.to.tag is not None:
            return None
        headers = self.challenge(request, flow, now)
        if headers is None or self._refusal(request) is not None:
            return None
        try:
            target_of(request)
        except DialogError:
            return None
        self.layer.counters["challenged"] += 1
        response = make_response(request, 401, to_tag=self._lasting_tag(request), headers=headers)
        return self.signed(response)

    def _lasting_tag(self, request: Request) -> str:
        """8.2.7: who keeps no state has the same tag for the same request all the same."""
        words = (request.call_id, request.from_.tag or "", str(request.cseq), request.top_via.branch or "")
        text = "\0".join(words).encode("utf-8", "surrogateescape")
        return hashlib.blake2b(text, key=self._tag_key, digest_size=8).hexdigest()

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
        reliability: str | None = None,
    ) -> Call:
        """Call somebody. From gets a tag of its own. ``reliability``: another than the configuration's.

        :raises OverflowError: ``calls_max`` or the transaction cap is reached.
        """
        if len(self.calls) >= self.config.calls_max:
            raise OverflowError("call table is full")
        user = self.config.user if contact_user is None else contact_user
        own_headers: list[tuple[str, object]] = [("Contact", self.contact(user, flow)), *headers]
        request = self._request("INVITE", uri, to, from_, own_headers, body, content_type, call_id, 1)
        config = self.config
        reliability = reliability or config.reliable_provisional
        self.add_capabilities(request, reliability)
        if reliability == "required":
            request.add("Require", "100rel")
        if config.session_expires:
            for name, value in request_headers(config.session_expires, config.min_se):
                request.add(name, value)
        call = Call(self, "uac", request, flow, user)
        call.credentials = credentials
        call.reliability = reliability
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
            from_ = from_.with_tag(token(8))
        call_id = call_id or token(16)
        items: list[tuple[str, object]] = [
            ("Max-Forwards", DEFAULT_MAX_FORWARDS),
            ("From", from_),
            ("To", to),
            ("Call-ID", call_id),
            ("CSeq", f"{cseq} {method}"),
        ]
        if body and content_type is not None:
            items.append(("Content-Type", content_type))
        for item in headers:
            if item[0] == "Max-Forwards":
                items[0] = item
            else:
                items.append(item)
        request = Request(method, uri, items, body)
        request.know(from_, to, call_id, CSeq(cseq, method))
        return self.signed(request)

    def close(self, now: float) -> None:
        """End all calls: CANCEL, 480 or BYE as their states need. The shell flushes once more."""
        for call in list(self.calls):
            call.hangup(now)

    def end_dialog(self, dialog: Dialog, now: float, headers: HeaderItems = ()) -> None:
        """Send the BYE of a dialog that no call here has: one that an earlier run left (sip.dialog_state). Its
        answer is nobody's.

        :raises OverflowError: the transaction cap is reached.
        """
        bye = dialog.build("BYE")
        for name, value in headers:
            bye.add(name, value)
        self.layer.send_request(self.signed(bye), dialog.flow, now)

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

    def add_capabilities(self, message: Message, reliability: str | None = None) -> None:
        """Allow and Supported (13.2.1, 13.3.1.4), unless they are there. ``reliability``: that of a call whose is
        another than the configuration's."""
        if message.get("Allow") is None:
            message.add("Allow", self._allow)
        supported = self._supported
        if reliability not in (None, self.config.reliable_provisional):
            tags = replace(self.config, reliable_provisional=reliability).option_tags
            supported = ", ".join(tags)
        if supported and message.get("Supported") is None:
            message.add("Supported", supported)

    def add_dialog(self, dialog: Dialog, call: Call) -> None:
        self._dialogs[dialog.key] = (call, dialog)

    def drop_dialog(self, dialog: Dialog) -> None:
        self._dialogs.pop(dialog.key, None)

    def drop_call(self, call: Call) -> None:
        self.calls.pop(call, None)


def _take_answer(message: Message) -> None:
    """A body that holds no description is none: nobody can be told that it was not understood."""
    take_description(message)
    if message.body and message.content_type not in (None, SDP_TYPE):
        message.body = b""
