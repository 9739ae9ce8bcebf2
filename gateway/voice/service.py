"""Composition of the voice path: two SIP addresses, the relay beside them, and the calls between them."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from foundation.tasks import end
from gateway.accounts.account_options import RING_MAX_S
from gateway.accounts.directory import Directory
from gateway.records import metrics
from gateway.settings import SipSideSettings, VoiceSettings
from gateway.store.domain import Domain
from gateway.voice.admission import Admission
from gateway.voice.authorization import Authorization
from gateway.voice.bridges import Bridges
from gateway.voice.call_record import CallRecords, Left, Result
from gateway.voice.callback import Callbacks
from gateway.voice.core_peers import CorePeer, CorePeers, peers_of
from gateway.voice.egress import CORE_SIDE, ENTERPRISE_SIDE
from gateway.voice.listening import Certificates, timer_values
from gateway.voice.media_control import MediaClient, start_media
from gateway.voice.outbound import Outbound
from gateway.voice.peer_policy import JUDGED
from gateway.voice.probes import Probe, Probed, Probes
from gateway.voice.registration import Registrations
from gateway.voice.transfer import Transfers
from sip.agent import AgentConfig
from sip.agent_config import DEFAULT_ALLOW
from sip.aio.endpoint import SipEndpoint
from sip.aio.resolver import Resolver
from sip.events import Event, IncomingCall, ReferReceived, RequestFailed, RequestReceived, ResponseReceived
from sip.media.control import MediaError, Side
from sip.uri import bare_host
from trust_client.carrier import CarrierClient
from trust_client.verifier import Verifier

SWEEP_S = 1.0
"""How exact the longest talk and the longest silence are."""
RELAY_RESTART_S = 1.0
"""Wait before a relay that ended is started again."""
LOCATE_S = 5.0
"""How often it is seen to whether names lead elsewhere; DNS is asked when what it said is no longer valid."""
DRAIN_S = 3.0
"""How long a stop waits for the other ends' answers and for the records."""
CORE_PEERS_MAX = 64
"""Places that the names of the core's peers lead to."""
UNANSWERED_CALLS = 100
"""INVITEs beyond `calls_max` that may be under refusal at one time."""

_log = logging.getLogger(__name__)


class VoiceService:
    """SIP towards enterprises and towards the core."""

    def __init__(
        self,
        domain: Domain,
        directory: Directory,
        verifier: Verifier,
        trust: CarrierClient,
        settings: VoiceSettings,
        *,
        aid_domain: str,
        country_code: str,
        logs_folder: Path,
        on_trust_rows: Callable[[], None],
    ) -> None:
        self._domain = domain
        self._directory = directory
        self._verifier = verifier
        self._trust = trust
        self._settings = settings
        self._aid_domain = aid_domain
        self._country_code = country_code
        self._logs_folder = logs_folder
        self._records = CallRecords(domain, on_trust_rows)
        self._bridges = Bridges(settings, self._records)
        self._admission = Admission(directory, settings.realm, aid_domain, settings.digest)
        self._resolver = Resolver()
        self._registrations = Registrations(self._admission, self._resolver)
        self._outbound: Outbound
        self._transfers: Transfers
        self._callbacks: Callbacks
        self._relay: MediaClient | None = None
        self._core = CorePeers([])
        self._missing: set[str] = set()
        """Peers of the core whose name was not found when it was asked for last."""
        self._probes: list[Probes] = []
        self._certificates = Certificates()
        self._stopping = False
        self._sweeper: asyncio.Task[None] | None = None
        self._locator: asyncio.Task[None] | None = None
        self._restart: asyncio.Task[None] | None = None

    @property
    def media_running(self) -> bool:
        """Whether calls can have media."""
        return self._relay is not None and self._relay.running

    @property
    def _takes_calls(self) -> bool:
        return self.media_running and not self._stopping

    @property
    def enterprise_address(self) -> tuple[str, int]:
        """Host and port that enterprises reach, after `start`."""
        return self._bridges.endpoints[ENTERPRISE_SIDE].local

    @property
    def core_address(self) -> tuple[str, int]:
        """Host and port that the core reaches, after `start`."""
        return self._bridges.endpoints[CORE_SIDE].local

    @property
    def calls_up(self) -> int:
        """Calls in every state."""
        return len(self._bridges)

    @property
    def core_states(self) -> dict[str, str]:
        """ "up" or "down" of each peer of the core."""
        return self._core.states

    def revoked(self, edi_ids: Collection[bytes]) -> None:
        """Authorizations ended: so do their calls."""
        self._bridges.revoked(frozenset(edi_ids))

    def suspended(self, enterprise_id: str) -> None:
        """The trust party suspended an enterprise: its calls end."""
        self._bridges.suspended(enterprise_id)

    def reload_certificates(self) -> None:
        """Take SIP's TLS certificates anew, for connections from now on."""
        self._certificates.reload()

    async def start(self) -> None:
        """Start the relay, listen, and end what an earlier run left. Raises OSError, StoreUnavailable."""
        left = await self._records.left()
        core = self._core = CorePeers(await self._core_places())
        if not core.peers:
            raise OSError("voice.core: no peer is found")
        authorization = Authorization(self._domain, self._verifier)
        self._outbound = Outbound(self._admission, authorization, self._bridges, core)
        self._transfers = Transfers(self._admission, authorization, self._outbound, self._bridges)
        self._callbacks = Callbacks(
            self._domain,
            self._directory,
            self._trust,
            self._bridges,
            self._registrations,
            core,
            aid_domain=self._aid_domain,
            country_code=self._country_code,
        )
        try:
            await self._start_relay()
        except MediaError as error:
            raise OSError(f"voice: {error}") from error
        # Enterprises are often behind address translation: a call's requests stay on the flow that made it,
        # which also keeps an enterprise's Contact from sending the gateway anywhere else.
        await self._listen(ENTERPRISE_SIDE, self._settings.enterprise, symmetric=True)
        self._bridges.endpoints[ENTERPRISE_SIDE].agent.challenge = self._outbound.challenge
        await self._listen(CORE_SIDE, self._settings.core_side, symmetric=False)
        self._expect_names(core.peers)
        own = self._bridges.endpoints[ENTERPRISE_SIDE]
        named = (self._settings.enterprise.host, *self._settings.enterprise.further_hosts)
        told = (flow.host for flow in own.agent.config.addresses)
        self._admission.listens_on(*named, *told, *(flow.host for flow in own.bound))
        await self._release(left)
        self._start_probes()
        self._sweeper = asyncio.create_task(self._sweep(), name="voice-sweep")
        self._locator = asyncio.create_task(self._locate(), name="voice-locate")
        _log.info("SIP listens on port %d for enterprises", self.enterprise_address[1])
        _log.info("SIP listens on port %d for the core", self.core_address[1])

    async def _core_places(self) -> list[CorePeer]:
        """Where the core's peers are, those that are found."""
        peers: list[CorePeer] = []
        for each in self._settings.core:
            transport = None if each.transport == "ANY" else each.transport
            secure = transport is None and each.tls_ca is not None
            try:
                found = await self._resolver.targets(
                    bare_host(each.host), each.port or None, transport, secure=secure
                )
            except OSError as error:
                if each.host not in self._missing:
                    _log.error("the core's peer %s is not found: %s", each.host, error)
                self._missing.add(each.host)
                # Where it was last is better than nowhere.
                peers += [peer for peer in self._core.peers if peer.settings is each]
                continue
            self._missing.discard(each.host)
            peers += peers_of(each, found)
        return peers[:CORE_PEERS_MAX]

    def _expect_names(self, peers: Iterable[CorePeer]) -> None:
        """RFC 5922 7.3: a certificate proves the name that is configured, not the one that DNS gave."""
        for peer in peers:
            if peer.flow.transport == "TLS":
                self._bridges.endpoints[CORE_SIDE].expect_name(peer.flow, bare_host(peer.settings.host))

    async def _locate(self) -> None:
        while True:
            try:
                await self._registrations.locate(self._directory.current.trunks.values())
                await asyncio.sleep(LOCATE_S)
                places = await self._core_places()
                if places:
                    self._expect_names(self._core.replace(places))
            except Exception:
                _log.exception("names were not looked up")
                await asyncio.sleep(LOCATE_S)

    def _start_probes(self) -> None:
        settings, endpoints = self._settings, self._bridges.endpoints
        trunks, registrations = self._directory, self._registrations
        self._probes = [
            Probes(endpoints[CORE_SIDE], settings.core_probe_s, lambda: self._core.peers, self._judged),
            Probes(
                endpoints[ENTERPRISE_SIDE],
                settings.contact_probe_s,
                lambda: registrations.probed(trunks.current.trunks.values()),
                self._judged,
            ),
        ]
        for probes in self._probes:
            probes.start()

    @staticmethod
    def _judged(target: Probed) -> None:
        if isinstance(target, CorePeer):
            metrics.CORE_UP.labels(target.name).set(1 if target.is_up else 0)

    async def _release(self, left: Sequence[Left]) -> None:
        """No ghost calls: what an earlier run left is ended on both legs, and its records are closed."""
        for call in left:
            for side, dialog in call.dialogs:
                endpoint = self._bridges.endpoints[side]
                try:
                    endpoint.agent.end_dialog(dialog, endpoint.now())
                except OverflowError as error:
                    _log.error("a call that was up is not released: %s", error)
        await self._records.close_left(left)

    async def stop(self) -> None:
        """Release all calls on both legs, close their records, then the sockets and the relay."""
        self._stopping = True
        await _cancelled(self._sweeper, self._locator, self._restart)
        for probes in self._probes:
            probes.stop()
        self._bridges.release_all(Result.RELEASED)
        if self._bridges.endpoints:
            await self._callbacks.stop()
        await self._drain()
        for endpoint in self._bridges.endpoints.values():
            endpoint.close()
        if self._relay is not None:
            await self._relay.stop()
            self._relay = None

    async def _drain(self) -> None:
        """Until the other ends have answered what releases the calls, and the records are on the disk."""
        loop = asyncio.get_running_loop()
        until = loop.time() + DRAIN_S
        while loop.time() < until:
            legs = sum(len(endpoint.agent.calls) for endpoint in self._bridges.endpoints.values())
            if not legs and not len(self._bridges) and not self._records.open_ends:
                return
            await asyncio.sleep(0.02)
        _log.warning("calls or their records were still open at the stop: the next start closes the records")

    async def _listen(self, side: Side, address: SipSideSettings, *, symmetric: bool) -> None:
        settings = self._settings
        config = AgentConfig(
            # A call may be put through by an enterprise, and by nobody else.
            allow=(*DEFAULT_ALLOW, "REFER") if side == ENTERPRISE_SIDE else DEFAULT_ALLOW,
            calls_max=settings.calls_max + UNANSWERED_CALLS,
            values=timer_values(address.t1_ms),
            ring_max=RING_MAX_S,
            symmetric=symmetric,
            releases_strays=True,
            session_expires=settings.session_expires_s,
            # What a call requires of these is judged when it is known whose it is.
            tolerated=JUDGED,
            reliable_provisional="no" if settings.reliable_provisional == "no" else "supported",
        )
        if side == CORE_SIDE:
            authorities = [peer.tls_ca for peer in settings.core if peer.tls_ca]
        else:
            authorities = [address.tls.contact_ca] if address.tls and address.tls.contact_ca else []
        self._bridges.endpoints[side] = await SipEndpoint.open(
            self._certificates.listeners(address),
            functools.partial(self._on_event, side),
            config,
            client_tls=self._certificates.client(authorities, address.tls),
        )

    def _on_event(self, side: Side, event: Event) -> None:
        endpoint = self._bridges.endpoints[side]
        now = endpoint.now()
        match event:
            case IncomingCall(call=call) if not self._takes_calls:
                call.reject(503, now, headers=[("Retry-After", 2)])
            case IncomingCall():
                if side == ENTERPRISE_SIDE:
                    self._outbound.receive(event, now)
                else:
                    self._callbacks.receive(event, now)
            case ReferReceived():
                self._transfers.receive(event, now)
            case RequestReceived(transaction=transaction, request=request):
                if request.method == "OPTIONS":
                    # 11.2: as an INVITE would be answered, so that who probes goes elsewhere.
                    endpoint.agent.answer_options(transaction, now, 200 if self._takes_calls else 503)
                elif request.method == "REGISTER" and side == ENTERPRISE_SIDE:
                    self._registrations.receive(endpoint.agent, event, now)
                else:
                    allow = [("Allow", ", ".join(endpoint.agent.config.allow))]
                    endpoint.agent.respond(transaction, 405, now=now, headers=allow)
            case ResponseReceived(transaction=sent, response=response) if isinstance(sent.context, Probe):
                sent.context.over(sent, response.status)
            case RequestFailed(transaction=sent) if isinstance(sent.context, Probe):
                sent.context.over(sent, None)
            case _:
                self._bridges.handle(event)

    async def _start_relay(self) -> None:
        self._relay = await start_media(self._settings, self._logs_folder, self._relay_ended)
        self._bridges.media = self._relay

    def _relay_ended(self) -> None:
        """Calls have lost their media: release them, and have a relay for the next ones."""
        if self._bridges.media is None:
            return  # it never served: whoever started it is told
        _log.error("the relay is lost; calls are released")
        self._bridges.media = None
        self._bridges.release_all(Result.MEDIA_LOST)
        if not self._stopping:
            self._restart = asyncio.get_running_loop().create_task(self._relay_again(), name="relay-restart")

    async def _relay_again(self) -> None:
        while True:
            await asyncio.sleep(RELAY_RESTART_S)
            try:
                await self._start_relay()
            except (MediaError, OSError) as error:
                _log.error("the relay does not start: %s", error)
                continue
            _log.info("the relay is back")
            return

    def _tell_reachable(self, now: float) -> None:
        for trunk in self._directory.current.trunks.values():
            reachable = self._registrations.is_reachable(trunk, now)
            metrics.TRUNK_REACHABLE.labels(trunk.username).set(1 if reachable else 0)

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_S)
            self._bridges.sweep(loop.time())
            self._registrations.expire(loop.time())
            self._tell_reachable(loop.time())
            self._records.retry()
            try:
                await self._bridges.release_silent(loop.time())
            except MediaError as error:
                _log.warning("silence is not known: %s", error)


async def _cancelled(*tasks: asyncio.Task[None] | None) -> None:
    running = [task for task in tasks if task is not None]
    await end(*running)
