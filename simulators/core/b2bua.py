"""The core's calls: a back-to-back user agent that leaves the SDP alone, so that RTP goes straight.

From the gateway, a call to a "+" number goes to the handset fleet with the asserted identity kept (RFC
3325 section 5: a trusted peer). From the fleet, a call goes to the gateway with an asserted identity that
the core adds; what the handset claimed to be is removed.
"""

import logging
from collections import Counter

from simulators.core.settings import CoreSettings, Peer
from sip.agent import AgentConfig
from sip.aio.endpoint import Listener, SipEndpoint
from sip.call import Call
from sip.dialog import DialogError
from sip.events import (
    CallAnswered,
    CallCancelled,
    CallEnded,
    CallEstablished,
    CallFailed,
    CallProgress,
    CallRequest,
    Event,
    IncomingCall,
    ModificationAnswered,
    ModificationFailed,
    ModificationReceived,
    RequestFailed,
    RequestReceived,
    ResponseReceived,
)
from sip.flow import Flow
from sip.headers import NameAddr
from sip.message import Request
from sip.transaction_server import ServerTransaction
from sip.uri import SipUri, TelUri, Uri

_log = logging.getLogger(__name__)

PASSED_FROM_GATEWAY = ("P-Asserted-Identity", "Privacy")
"""Headers of a trusted peer's INVITE that reach the handset."""
PASSED_FROM_HANDSET = ("Privacy",)
"""Headers of a handset's INVITE that reach the gateway."""


class Core:
    """One running core."""

    def __init__(self, settings: CoreSettings) -> None:
        self._settings = settings
        self._gateway = _flow(settings.gateway)
        self._handsets = _flow(settings.handsets)
        self._endpoint: SipEndpoint
        self._counts: Counter[str] = Counter()

    @classmethod
    async def start(cls, settings: CoreSettings) -> "Core":
        """Bind the SIP address and serve."""
        core = cls(settings)
        config = AgentConfig(user_agent="core", calls_max=settings.calls_max)
        core._endpoint = await SipEndpoint.open(
            [Listener("UDP", settings.host, settings.port)], core._on_event, config
        )
        _log.info("SIP core listens on port %d", core.port)
        return core

    @property
    def port(self) -> int:
        """The UDP port it listens on."""
        port: int = self._endpoint.local[1]
        return port

    @property
    def legs(self) -> int:
        """Legs of calls that are up or being set up."""
        return len(self._endpoint.agent.calls)

    def describe(self) -> str:
        """What it is doing, in a line."""
        counts = self._counts
        return (
            f"{self.legs} legs, {counts['routed']} calls routed, {counts['answered']} answered,"
            f" {counts['refused']} refused here"
        )

    async def stop(self) -> None:
        """Release every call and close the socket."""
        self._endpoint.agent.close(self._endpoint.now())
        self._endpoint.close()

    def _on_event(self, event: Event) -> None:
        now = self._endpoint.now()
        match event:
            case IncomingCall():
                self._connect(event.call, event.request, event.flow, now)
            case RequestReceived():
                self._outside_dialog(event, now)
            case ResponseReceived() | RequestFailed():
                self._relayed_answer(event, now)
            case _:
                self._on_leg(event, now)

    def _on_leg(self, event: Event, now: float) -> None:
        """What happens on one leg happens on the other."""
        other = getattr(getattr(event, "call", None), "context", None)
        if not isinstance(other, Call):
            return
        match event:
            case CallProgress(response=response):
                other.ring(now, response.status, body=response.body)
            case CallAnswered(response=response):
                self._counts["answered"] += 1
                other.answer(response.body, now)
            case CallEstablished(ack=ack):
                # RFC 3264 section 5: the INVITE had no offer, so the ACK carries the answer.
                if ack.body and not other.request.body:
                    other.acknowledge(ack.body, now)
            case CallFailed(status=status, response=response):
                other.reject(status, now, reason=response.reason if response is not None else None)
            case CallCancelled() | CallEnded():
                other.hangup(now)
            case ModificationReceived(call=call, request=request):
                # Without an offer there is nothing to pass on; with glare on the other leg: RFC 3261 14.2.
                if not request.body:
                    call.reject_modification(488, now)
                elif not other.reinvite(request.body, now):
                    call.reject_modification(491, now)
            case ModificationAnswered(response=response):
                other.accept_modification(response.body, now)
            case ModificationFailed(status=status):
                other.reject_modification(status, now)
            case CallRequest(transaction=transaction, request=request):
                try:
                    other.request_in_dialog(
                        request.method,
                        now,
                        body=request.body,
                        content_type=request.get("Content-Type"),
                        context=transaction,
                    )
                except DialogError:
                    self._endpoint.agent.respond(transaction, 481, now=now)

    def _connect(self, call: Call, request: Request, flow: Flow, now: float) -> None:
        """Route an INVITE by the neighbour it came from."""
        if _is_from(flow, self._gateway):
            number = _dialled(request.uri)
            if number is None or not number.startswith("+"):
                return self._refuse(call, 404, now)
            target, headers, caller = self._handsets, _passed(request, PASSED_FROM_GATEWAY), request.from_
        elif _is_from(flow, self._handsets):
            number = _dialled(request.uri)
            identity = _registered_identity(request)
            if number is None or identity is None:
                return self._refuse(call, 403 if identity is None else 404, now)
            asserted = SipUri(identity, self._settings.domain, params=(("user", "phone"),))
            target = self._gateway
            headers = [*_passed(request, PASSED_FROM_HANDSET), ("P-Asserted-Identity", f"<{asserted}>")]
            caller = request.from_
        else:
            _log.warning("a call from an unknown address was refused")
            return self._refuse(call, 403, now)
        params = (("user", "phone"),) if number.startswith("+") else ()
        uri = SipUri(number, target.host, target.port, params=params)
        called = NameAddr(SipUri(number, self._settings.domain, params=params))
        try:
            call.context = self._endpoint.agent.invite(
                uri,
                to=called,
                from_=NameAddr(caller.uri, caller.display),
                flow=target,
                now=now,
                body=request.body,
                headers=headers,
                context=call,
            )
        except OverflowError:
            self._refuse(call, 503, now)
        else:
            self._counts["routed"] += 1

    def _refuse(self, call: Call, status: int, now: float) -> None:
        self._counts["refused"] += 1
        call.reject(status, now)

    def _outside_dialog(self, event: RequestReceived, now: float) -> None:
        status = 200 if event.request.method == "OPTIONS" else 405
        self._endpoint.agent.respond(event.transaction, status, now=now)

    def _relayed_answer(self, event: ResponseReceived | RequestFailed, now: float) -> None:
        origin = event.transaction.context
        if not isinstance(origin, ServerTransaction):
            return
        if isinstance(event, RequestFailed):
            self._endpoint.agent.respond(origin, 408, now=now)
        elif event.response.status >= 200:
            response = event.response
            self._endpoint.agent.respond(
                origin,
                response.status,
                now=now,
                body=response.body,
                content_type=response.get("Content-Type"),
            )


def _flow(peer: Peer) -> Flow:
    return Flow("UDP", peer.host, peer.port)


def _is_from(flow: Flow, peer: Flow) -> bool:
    return (flow.host, flow.port) == (peer.host, peer.port)


def _dialled(uri: Uri) -> str | None:
    """The number that a Request-URI asks for."""
    if isinstance(uri, TelUri):
        return uri.number
    return uri.user if isinstance(uri, SipUri) else None


def _registered_identity(request: Request) -> str | None:
    """Which handset calls, as "+" and digits.

    The fleet stands for the access network, which knows each phone by its registered contact; From and
    any identity header are the phone's own words and are not looked at.
    """
    contacts = request.contacts
    if len(contacts) != 1 or not isinstance(contacts[0].uri, SipUri):
        return None
    user = contacts[0].uri.user or ""
    return user if user.startswith("+") and user[1:].isdigit() else None


def _passed(request: Request, names: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(name, value) for name in names for value in request.get_all(name)]
