"""REGISTER of enterprise trunks (RFC 3261 clause 10): where a trunk's callbacks are sent."""

from __future__ import annotations

from gateway.policy.refusal import Case
from gateway.store.accounts import TrunkRow
from gateway.voice.admission import Admission, Rejection, rejection
from sip.agent import UserAgent
from sip.events import RequestReceived
from sip.flow import TRANSPORTS, Flow, default_port
from sip.registrar import Registrar
from sip.uri import SipUri, Uri, UriError, bare_host, parse_uri


class Registrations:
    """The trunks' contacts. A trunk registers under its own user name only."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._registrar = Registrar()

    def receive(self, agent: UserAgent, event: RequestReceived, now: float) -> None:
        """Answer a REGISTER."""
        request = event.request
        trunk = self._admission.authenticate(request, now)
        if isinstance(trunk, Rejection):
            agent.respond(event.transaction, trunk.status, now=now, headers=trunk.headers)
            return
        aor = request.to.uri
        if not isinstance(aor, SipUri) or aor.user != trunk.username:
            refused = rejection(Case.CREDENTIALS)
            agent.respond(event.transaction, refused.status, now=now, headers=refused.headers)
            return
        result = self._registrar.register(trunk.username, request, event.flow, now)
        agent.respond(event.transaction, result.status, now=now, headers=result.headers)

    def targets(self, trunk: TrunkRow, now: float) -> list[tuple[Uri, Flow]]:
        """Where to call the trunk, one after the other: its registered contacts by their q, then the configured
        one."""
        found: list[tuple[Uri, Flow]] = [
            (binding.uri, binding.flow) for binding in self._registrar.contacts(trunk.username, now)
        ]
        if trunk.contact is None:
            return found
        try:
            uri = parse_uri(trunk.contact)
        except UriError:
            return found
        if isinstance(uri, SipUri):
            named = (uri.param("transport") or "").upper()
            transport = named if named in TRANSPORTS else "UDP"
            found.append((uri, Flow(transport, bare_host(uri.host), uri.port or default_port(transport))))
        return found

    def expire(self, now: float) -> None:
        """Forget contacts that were not refreshed."""
        self._registrar.expire(now)
