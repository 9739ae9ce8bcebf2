"""A call of an enterprise to an AID: admitted, authorized, resolved, recorded; only then the subscriber is called."""

from __future__ import annotations

from gateway.policy.refusal import Case
from gateway.records import metrics
from gateway.voice.admission import Admission, Admitted, Rejection, rejection
from gateway.voice.authorization import Authorization, Authorized
from gateway.voice.bridge import Bridge
from gateway.voice.bridges import Bridges
from gateway.voice.core_peers import CorePeer, CorePeers
from gateway.voice.egress import ANONYMOUS, CORE_SIDE, ENTERPRISE_SIDE, Headers, crossing_headers
from gateway.voice.leg import Invitation
from gateway.voice.peer_policy import judge, policy_of_peer, policy_of_trunk
from sip.events import IncomingCall
from sip.flow import Flow
from sip.headers import NameAddr
from sip.loops import next_max_forwards
from sip.message import Request
from sip.uri import SipUri, host_reference

_PHONE = (("user", "phone"),)


class Outbound:
    """Takes the enterprises' INVITEs. `core` is where subscribers are called."""

    def __init__(
        self, admission: Admission, authorization: Authorization, bridges: Bridges, core: CorePeers
    ) -> None:
        self._admission = admission
        self._authorization = authorization
        self._bridges = bridges
        self._core = core

    def challenge(self, request: Request, flow: Flow, now: float) -> Headers | None:
        """The headers of the 401 to an INVITE that shows nothing of who sent it."""
        return self._admission.challenge(request, flow, self._certificate(flow), now)

    def _certificate(self, flow: Flow) -> bytes | None:
        endpoint = self._bridges.endpoints[ENTERPRISE_SIDE]
        return endpoint.peer_certificate(flow) if flow.transport == "TLS" else None

    def receive(self, event: IncomingCall, now: float) -> None:
        """Refuse at once what needs nobody's answer; ask about the rest."""
        admitted = self._admission.admit(event.request, event.flow, self._certificate(event.flow), now)
        if isinstance(admitted, Admitted):
            policy = policy_of_trunk(admitted.trunk, self._bridges.settings)
            admitted = judge(event.request, policy) or admitted
        if isinstance(admitted, Admitted) and not self._bridges.caps.take(admitted.of, now):
            admitted = rejection(Case.CALLS)
        if isinstance(admitted, Rejection):
            if admitted.status != 401:
                metrics.REFUSALS.add("voice")
            event.call.reject(admitted.status, now, headers=admitted.headers, body=admitted.body)
            return
        bridge = self._bridges.open(admitted.of, ENTERPRISE_SIDE, event.call, policy)
        self._authorization.ask(admitted.of, lambda answer: self._answered(bridge, answer))

    def _answered(self, bridge: Bridge, answer: Authorized | Case) -> None:
        if isinstance(answer, Authorized):
            invitations = self.invitations(bridge.caller.call.request, answer, bridge.caller.endpoint.now())
            bridge.connect(answer.record, answer.msisdn, invitations)
            return
        metrics.REFUSALS.add("voice")
        refusal = rejection(answer)
        bridge.refuse(refusal.status, refusal.headers)

    def invitations(self, request: Request, authorized: Authorized, now: float) -> list[Invitation]:
        """How the subscriber is called through each peer of the core, the one to try first before the others.
        `request`: the enterprise's, of which some headers cross."""
        return [self._invitation(request, authorized, peer) for peer in self._core.order(now)]

    def _invitation(self, request: Request, authorized: Authorized, peer: CorePeer) -> Invitation:
        """The core leg: the number in the Request-URI, the access number as who calls (RFC 3325)."""
        flow = peer.flow
        host = host_reference(flow.host)
        number = SipUri("+" + authorized.msisdn, host, params=_PHONE)
        caller = NameAddr(SipUri(authorized.record.access_number, host))
        crossing = crossing_headers(CORE_SIDE, request, None)
        headers: Headers = [
            ("Max-Forwards", next_max_forwards(request)),
            *crossing,
            ("P-Asserted-Identity", caller),
        ]
        return Invitation(
            uri=SipUri(number.user, host, flow.port, _PHONE),
            to=NameAddr(number),
            # RFC 3323 4.1, RFC 3325 8: who is not to be shown to the person is asserted to the core alone.
            from_=ANONYMOUS if ("Privacy", "id") in crossing else caller,
            flow=flow,
            headers=headers,
            policy=policy_of_peer(peer.settings, self._bridges.settings),
            peer=peer,
        )
