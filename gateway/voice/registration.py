"""REGISTER of enterprise trunks (RFC 3261 clause 10): where a trunk's callbacks are sent."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from gateway.policy.refusal import Case
from gateway.store.accounts import TrunkRow
from gateway.voice.admission import Admission, Rejection, rejection
from gateway.voice.probes import Probed
from sip.agent import UserAgent
from sip.aio.resolver import Resolver, is_address
from sip.events import RequestReceived
from sip.flow import TRANSPORTS, Flow, default_port
from sip.registrar import Registrar
from sip.uri import SipUri, Uri, UriError, bare_host, host_reference, parse_uri

NAMES_MAX: Final = 2_000
"""Configured contacts that are looked up."""
PLACES_MAX: Final = 4
"""Of one configured contact, which a callback tries."""

_log = logging.getLogger(__name__)


class Registrations:
    """The trunks' contacts. A trunk registers under its own user name only."""

    def __init__(self, admission: Admission, resolver: Resolver) -> None:
        self._admission = admission
        self._resolver = resolver
        self._registrar = Registrar()
        self._places: dict[str, list[Flow]] = {}
        """Of configured contacts that have a name, as DNS had them last."""
        self._missing: frozenset[str] = frozenset()
        self._probed: dict[Flow, Probed] = {}

    async def locate(self, trunks: Iterable[TrunkRow]) -> None:
        """Look up where configured contacts with a name are (RFC 3263). What is not found stays where it was."""
        places: dict[str, list[Flow]] = {}
        missing: set[str] = set()
        for trunk in trunks:
            uri = _contact(trunk)
            if uri is None or trunk.contact is None or is_address(bare_host(uri.host)):
                continue
            if len(places) >= NAMES_MAX:
                break
            named = _transport(uri)
            secure = uri.scheme == "sips"
            try:
                found = await self._resolver.targets(uri.host, uri.port, named, secure=secure)
                places[trunk.contact] = [target.flow for target in found]
            except OSError as error:
                places[trunk.contact] = self._places.get(trunk.contact, [])
                missing.add(trunk.username)
                if trunk.username not in self._missing:
                    _log.warning("the contact of trunk %s is not found: %s", trunk.username, error)
        self._places = places
        self._missing = frozenset(missing)

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
        uri = _contact(trunk)
        if uri is None:
            return found
        # Those that answer no OPTIONS last: a probe may be wrong, and a call can but fail.
        places = sorted(self._places_of(trunk, uri), key=lambda place: not self._is_up(place))
        return found + [(uri, place) for place in places]

    def _places_of(self, trunk: TrunkRow, uri: SipUri) -> list[Flow]:
        host = bare_host(uri.host)
        if not is_address(host):
            return self._places.get(trunk.contact or "", [])[:PLACES_MAX]
        transport = "TLS" if uri.scheme == "sips" else _transport(uri) or "UDP"
        return [Flow(transport, host, uri.port or default_port(transport))]

    def _is_up(self, place: Flow) -> bool:
        probed = self._probed.get(place)
        return probed is None or probed.is_up

    def probed(self, trunks: Iterable[TrunkRow]) -> list[Probed]:
        """Where the configured contacts are, to be asked whether they are there."""
        found: dict[Flow, Probed] = {}
        for trunk in trunks:
            uri = _contact(trunk)
            for place in [] if uri is None else self._places_of(trunk, uri):
                name = f"the contact of trunk {trunk.username} at {host_reference(place.host)}:{place.port}"
                found.setdefault(place, self._probed.get(place) or Probed(name, place))
            if len(found) >= NAMES_MAX:
                break
        self._probed = found
        return list(found.values())

    def is_reachable(self, trunk: TrunkRow, now: float) -> bool:
        """It has a registered contact, or a configured one that answers or was not asked yet."""
        if self._registrar.contacts(trunk.username, now):
            return True
        uri = _contact(trunk)
        return uri is not None and any(self._is_up(place) for place in self._places_of(trunk, uri))

    def expire(self, now: float) -> None:
        """Forget contacts that were not refreshed."""
        self._registrar.expire(now)


def _contact(trunk: TrunkRow) -> SipUri | None:
    try:
        uri = parse_uri(trunk.contact or "")
    except UriError:
        return None
    return uri if isinstance(uri, SipUri) else None


def _transport(uri: SipUri) -> str | None:
    named = (uri.param("transport") or "").upper()
    return named if named in TRANSPORTS else None
