"""A call of an enterprise to an AID: admitted, authorized, resolved, recorded; only then the subscriber is called."""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass

from foundation.store import StoreBusy, StoreUnavailable
from gateway.policy.decision import Ask, decide_contacts
from gateway.policy.refusal import Case, Refusal
from gateway.records import metrics
from gateway.store import records
from gateway.store.domain import Domain
from gateway.voice import call_record
from gateway.voice.admission import Admission, Admitted, Rejection, rejection
from gateway.voice.bridge import Bridge
from gateway.voice.bridges import Bridges
from gateway.voice.call_record import CallRecord, Direction
from gateway.voice.core_peers import CorePeer, CorePeers
from gateway.voice.egress import ANONYMOUS, CORE_SIDE, ENTERPRISE_SIDE, Headers, crossing_headers
from gateway.voice.leg import Invitation
from gateway.voice.peer_policy import judge, policy_of_peer, policy_of_trunk
from sip.events import IncomingCall
from sip.headers import NameAddr
from sip.loops import next_max_forwards
from sip.message import Request
from sip.uri import SipUri, host_reference
from trust_client.verifier import Grant, Question, Refused, Unavailable, Verifier

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Authorized:
    record: CallRecord
    msisdn: str


class Outbound:
    """Takes the enterprises' INVITEs. `core` is where subscribers are called."""

    def __init__(
        self, domain: Domain, admission: Admission, verifier: Verifier, bridges: Bridges, core: CorePeers
    ) -> None:
        self._domain = domain
        self._admission = admission
        self._verifier = verifier
        self._bridges = bridges
        self._core = core

    def receive(self, event: IncomingCall, now: float) -> None:
        """Refuse at once what needs nobody's answer; ask about the rest."""
        endpoint = self._bridges.endpoints[ENTERPRISE_SIDE]
        certificate = endpoint.peer_certificate(event.flow) if event.flow.transport == "TLS" else None
        admitted = self._admission.admit(event.request, event.flow, certificate, now)
        if isinstance(admitted, Admitted):
            policy = policy_of_trunk(admitted.trunk, self._bridges.settings)
            admitted = judge(event.request, policy) or admitted
        if isinstance(admitted, Admitted) and not self._bridges.caps.take(admitted.of, now):
            admitted = rejection(Case.CALLS)
        if isinstance(admitted, Rejection):
            if admitted.status != 401:
                metrics.REFUSALS.add("voice")
            event.call.reject(admitted.status, now, headers=admitted.headers)
            return
        call = admitted
        bridge = self._bridges.open(call.of, ENTERPRISE_SIDE, event.call, policy)
        self._verifier.submit(
            Question(call.aid, call.trunk.enterprise_id, "voice", call.number.number),
            lambda answer: self._verified(bridge, call, answer),
            # Calls are few: each is asked about, whatever was granted before.
            fresh=True,
        )

    def _verified(self, bridge: Bridge, call: Admitted, answer: Grant | Refused | Unavailable) -> None:
        if isinstance(answer, Unavailable):
            _refuse(bridge, Case.NOT_AVAILABLE)
            return
        grant = answer if isinstance(answer, Grant) else None
        reason = answer.reason if isinstance(answer, Refused) else None

        def op(conn: sqlite3.Connection) -> _Authorized | Refusal:
            return self._commit(conn, call, grant, reason)

        def done(outcome: _Authorized | Refusal | None, error: BaseException | None) -> None:
            if error is not None or outcome is None:
                if not isinstance(error, StoreBusy | StoreUnavailable):
                    _log.error("call not recorded", exc_info=error)
                _refuse(bridge, Case.NOT_AVAILABLE)
            elif isinstance(outcome, Refusal):
                _refuse(bridge, outcome.case)
            else:
                request, now = bridge.caller.call.request, bridge.caller.endpoint.now()
                invitations = [self._invitation(request, outcome, peer) for peer in self._core.order(now)]
                bridge.connect(outcome.record, outcome.msisdn, invitations)

        # A refusal by the trust party takes the same way through the store as one decided here:
        # from outside, nothing tells which it was.
        try:
            self._domain.store.submit(op, done)
        except (StoreBusy, StoreUnavailable):
            _refuse(bridge, Case.NOT_AVAILABLE)

    def _commit(
        self, conn: sqlite3.Connection, call: Admitted, grant: Grant | None, reason: str | None
    ) -> _Authorized | Refusal:
        domain, enterprise_id, now = self._domain, call.trunk.enterprise_id, self._domain.now_ms()
        ask = Ask(grant, enterprise_id, call.number.number)
        found = decide_contacts(conn, domain, [ask], now)[0]
        if isinstance(found, Refusal):
            refusal = records.RefusalRow(
                domain.ids.next(), now, enterprise_id, "voice", call.number.number, call.aid,
                reason or found.cause,
            )  # fmt: skip
            records.put_refusals(conn, [refusal])
            return found
        record = CallRecord(
            id=domain.ids.next(),
            direction=Direction.CALL,
            enterprise_id=enterprise_id,
            access_number=call.number.number,
            aid=call.aid,
            edi_id=found.edi_id,
            started_at=now,
        )
        call_record.insert(conn, domain, record, found.msisdn)
        return _Authorized(record, found.msisdn)

    def _invitation(self, request: Request, authorized: _Authorized, peer: CorePeer) -> Invitation:
        """The core leg: the number in the Request-URI, the access number as who calls (RFC 3325)."""
        flow = peer.flow
        host = host_reference(flow.host)
        number = SipUri("+" + authorized.msisdn, host, params=(("user", "phone"),))
        caller = NameAddr(SipUri(authorized.record.access_number, host))
        crossing = crossing_headers(CORE_SIDE, request, None)
        headers: Headers = [
            ("Max-Forwards", next_max_forwards(request)),
            *crossing,
            ("P-Asserted-Identity", caller),
        ]
        return Invitation(
            uri=number.replace(port=flow.port),
            to=NameAddr(number),
            # RFC 3323 4.1, RFC 3325 8: who is not to be shown to the person is asserted to the core alone.
            from_=ANONYMOUS if ("Privacy", "id") in crossing else caller,
            flow=flow,
            headers=headers,
            policy=policy_of_peer(peer.settings, self._bridges.settings),
            peer=peer,
        )


def _refuse(bridge: Bridge, case: Case) -> None:
    metrics.REFUSALS.add("voice")
    answer = rejection(case)
    bridge.refuse(answer.status, answer.headers)
