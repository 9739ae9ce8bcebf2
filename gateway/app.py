"""Composition: reads what was configured, builds the parts in the order of the rooms, starts, drains, stops."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import signal
import ssl
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from foundation import beside
from foundation.config import ConfigError
from foundation.migrate import upgrade
from foundation.pki import client_context, server_context
from foundation.seal import Sealer
from foundation.store import QUEUE_MAX, Store, StoreBusy, StoreUnavailable
from foundation.tasks import end
from gateway import keys as own_keys
from gateway.accounts.directory import Directory, snapshot
from gateway.accounts.rates import Rates
from gateway.alerts import AnswerAlert, GuessAlert
from gateway.carrier_api.number_queries import NumberQueries
from gateway.carrier_api.routes import carrier_api
from gateway.confirm.confirmations import Confirmations
from gateway.key_exchange import KeyExchange
from gateway.key_records import settle
from gateway.operations import Health, Operations
from gateway.policy.text_rules import TextRules
from gateway.policy.text_words import load_words
from gateway.records import metrics
from gateway.records.reindexing import Reindexing
from gateway.records.retention import Retention
from gateway.records.trust_rows import TrustRows
from gateway.revoked import RevokedByTrust
from gateway.settings import GatewaySettings
from gateway.sms.congestion import Congestion
from gateway.sms.deliver import Deliveries
from gateway.sms.dispatch import Dispatcher
from gateway.sms.esme_outbind import EsmeOutbinds
from gateway.sms.esme_session import EsmeSessions, OnEvents
from gateway.sms.front import SmppFront
from gateway.sms.inbound import Inbound
from gateway.sms.intake import Intake
from gateway.sms.links import SmscLinks
from gateway.sms.lost_receipts import LostReceipts
from gateway.sms.receipts import Asked, Receipts
from gateway.sms.revocations import Revocations
from gateway.sms.services import Services
from gateway.sms.smsc_errors import load_errors
from gateway.store import accounts, ids
from gateway.store.domain import Domain, wall_ms
from gateway.store.vault import Vault
from gateway.trust_watch import TrustWatch
from gateway.voice.service import VoiceService
from gateway.workers.pool import WorkerPool, spawn_process
from gm import selftest
from gm.errors import GmError
from gm.keystore import KeyProvider
from interparty import key_ledger
from interparty.client import Peer
from interparty.key_ledger import Author, operator
from interparty.server import Running, serve
from smpp.aio.connection import Connection
from smpp.aio.link import LinkState
from smpp.pdu import Body, DataSm, DeliverSm, Pdu
from smpp.receipts import outcome_of
from trust_client.batch_check import BatchCheck
from trust_client.carrier import CarrierClient
from trust_client.grant_cache import GrantCache
from trust_client.guesses import Guesses
from trust_client.mqtt_feed import MqttFeed
from trust_client.revocation_feed import RevocationFeed
from trust_client.verifier import Verifier
from trust_client.verify_stream import VerifyStream

MIGRATIONS = Path(__file__).parent / "store" / "migrations"
DIRECTORY_POLL_S = 1.0
"""How soon an account that a command added can bind."""

_log = logging.getLogger(__name__)


def open_domain(settings: GatewaySettings) -> tuple[Domain, KeyProvider]:
    """The store and what is sealed in it, with keys made where they are missing.

    Raises KeyStoreError, MigrationError, OSError, sqlite3.Error.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys, made = own_keys.create_missing(settings)
    settings.database.touch(mode=0o600)
    upgrade(settings.database, MIGRATIONS)
    with beside.transaction(settings.database) as conn:
        # The keys just made, and what a crash kept from being recorded.
        author = Author(settings.carrier.id, operator(), wall_ms())
        settle(conn, keys, author, found=True, made=[(key.purpose, key.version) for key in made])
    store = Store.open(settings.database, MIGRATIONS)
    return Domain(store, Vault(Sealer(keys))), keys


def _broker_context(settings: GatewaySettings) -> ssl.SSLContext:
    own, given = settings.tls, settings.trust.mqtt
    assert given is not None
    return client_context(given.ca or own.ca, given.cert or own.cert, given.key or own.key)


class Gateway:
    """One running gateway."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.settings = settings
        smsc_errors = load_errors(settings.smsc_errors, [each.name for each in settings.smsc])
        self.texts = TextRules(load_words(settings.sms.sensitive_words))
        self.domain, self.keys = open_domain(settings)
        self.directory = Directory()
        self._peer_keys = own_keys.PeerKeys(settings, self.keys)
        tls = settings.tls
        self._peer = Peer(
            settings.trust.url,
            client_context(tls.ca, tls.cert, tls.key),
            lambda: own_keys.request_signer(settings, self.keys),
            self._peer_keys,
            party=settings.trust.id,
            timeout=settings.trust.timeout_s,
            refresh_keys=self.keys.refresh,
        )
        self.trust = CarrierClient(self._peer, lambda: self.keys.current(own_keys.SIGN).sm2)
        cache = GrantCache(settings.trust.cached_grants)
        self.follower = RevokedByTrust(self.domain, [self])
        trust_keys = self._peer_keys.trust_keys
        self.key_exchange = KeyExchange(settings, self.domain.store, self.keys, trust_keys)
        learn = functools.partial(self.key_exchange.learn, self.trust.keys)
        self.feed = RevocationFeed(
            settings.carrier.id, trust_keys, self.trust.revocations, self.follower, cache, learn
        )
        alert = AnswerAlert(self.domain, settings.carrier.id, settings.trust.id)
        check = BatchCheck(trust_keys, alert, learn)
        self.verifier = Verifier(
            self.trust,
            deadline=settings.trust.timeout_s,
            stream=VerifyStream(self._peer, self.feed if settings.trust.mqtt is None else None, check),
            check=check,
            cache=cache,
            guesses=Guesses(
                settings.trust.unknown_aids_per_minute,
                settings.trust.unknown_aids_burst,
                GuessAlert(self.domain, settings.carrier.id),
            ),
            lease_holds=lambda: self.feed.lease_holds,
        )
        self.broker: MqttFeed | None = None
        if settings.trust.mqtt is not None:
            self.broker = MqttFeed(
                settings.trust.mqtt.host,
                settings.trust.mqtt.port,
                _broker_context(settings),
                settings.carrier.id,
                "gateway",
                lambda: own_keys.shared_keys(self.keys),
                self.feed,
            )
        self.trust_watch = TrustWatch(self.trust.ping)
        self.trust_rows = TrustRows(
            self.domain.store,
            self.trust,
            lambda: own_keys.key_id(settings, self.keys.current(own_keys.SIGN)),
        )
        self.reindexing = Reindexing(self.domain)
        self.retention = Retention(self.domain, settings.retention)
        dialects = {each.name: each.receipt_ids for each in settings.smsc}
        self.links = SmscLinks(
            settings.smsc,
            self._from_smsc,
            lambda: self.dispatcher.pump(),
            on_answer=lambda name, context, answer: self.dispatcher.answered(name, context, answer),
            on_accepted=lambda name, accepted: self.dispatcher.accepted(name, accepted),
            errors=smsc_errors,
            outbind=settings.smsc_outbind,
        )
        self.deliveries = Deliveries(self.domain)
        self.dispatcher = Dispatcher(
            self.domain,
            self.verifier,
            self.links,
            settings.sms,
            dialects,
            smsc_errors,
            self.deliveries.offer,
            self.trust_rows.wake_reports,
            self.directory.access_number_of,
        )
        self.receipts = Receipts(
            self.domain, settings.sms, dialects, self.deliveries.offer, self.trust_rows.wake_reports
        )
        self.revocations = Revocations(
            self.domain,
            self.dispatcher,
            self.links,
            settings.sms,
            self.deliveries.offer,
            self.trust_rows.wake_reports,
        )
        self.lost_receipts = LostReceipts(
            self.domain, self.links, settings.sms, self.deliveries.offer, self.trust_rows.wake_reports
        )
        self.confirmations = Confirmations(
            self.domain,
            settings.carrier,
            settings.confirm,
            lambda: own_keys.edi_keys(self.keys),
            self.dispatcher.send,
            self.trust_rows.wake,
        )
        self.number_queries = NumberQueries(
            self.domain,
            settings.carrier.id,
            settings.queries,
            lambda version: self.keys.get(own_keys.QUERY, version).sm2,
            lambda: self.keys.current(own_keys.SIGN).sm2,
        )
        self.inbound = Inbound(
            self.domain,
            self.directory,
            self.trust,
            settings.sms,
            country_code=settings.country_code,
            confirmation_number=settings.confirm.access_number,
            on_own_number=self.confirmations.reply,
            on_deliveries=self.deliveries.offer,
            on_outgoing=self.dispatcher.send,
            on_trust_rows=self.trust_rows.wake,
            on_revoked=self.revoked,
        )
        smpp = settings.smpp
        self.rates = Rates(
            account_rate=smpp.account_rate, access_number_rate=smpp.access_number_rate, burst_s=smpp.burst_s
        )
        intake = Intake(
            self.domain,
            self.directory,
            self.verifier,
            self.dispatcher,
            settings.sms,
            self.rates,
            self.texts,
            self.deliveries.offer,
        )
        services = Services(
            self.domain,
            self.directory,
            self.dispatcher,
            self.links,
            settings.sms,
            self.texts,
            self.deliveries.offer,
            self.trust_rows.wake_reports,
        )
        congestion = Congestion(lambda: self.domain.store.backlog / QUEUE_MAX, lambda: self.dispatcher.load)
        self.workers: WorkerPool | None = None
        self.front = SmppFront(
            smpp,
            self.directory,
            intake,
            services,
            self.deliveries,
            self.rates,
            congestion,
            sessions=self._in_workers if smpp.workers > 1 else None,
        )
        self.outbinds = EsmeOutbinds(
            self.domain,
            self.directory,
            self.front.call,
            lambda name: self.deliveries.has_receiver(name) or self.front.is_called(name),
        )
        self.voice = VoiceService(
            self.domain,
            self.directory,
            self.verifier,
            self.trust,
            settings.voice,
            aid_domain=settings.carrier.aid_domain,
            country_code=settings.country_code,
            logs_folder=settings.logs_folder,
            on_trust_rows=self.trust_rows.wake_reports,
        )
        self.operations = Operations(settings.operations, self.health)
        self._api: Running | None = None
        self._poller: asyncio.Task[None] | None = None
        self._key_states = key_ledger.states(self.keys)
        """As they are on record: `open_domain` saw to it."""
        self._poll_now = asyncio.Event()

    def _in_workers(self, on_events: OnEvents) -> EsmeSessions:
        """Who has the sessions where front processes have them."""
        settings = self.settings
        self.workers = WorkerPool(
            settings.smpp,
            settings.sms,
            self.directory,
            partial(spawn_process, settings.logs_folder, settings.log_level),
            on_events,
            SmppFront.throttled,
            lambda sessions: self.front.resumed(sessions),
        )
        return self.workers

    def revoked(self, edi_ids: Sequence[bytes]) -> None:
        """What these EDIs authorized ends; see gateway.revoked.Stops."""
        self.revocations.revoked(edi_ids)
        self.voice.revoked(edi_ids)

    def suspended(self, enterprise_id: str) -> None:
        """What an enterprise was authorized to ends, for now; see gateway.revoked.Stops."""
        self.revocations.suspended(enterprise_id)
        self.voice.suspended(enterprise_id)

    def health(self) -> Health:
        """What each part says of itself."""
        links = {peer.name: peer.state for peer in self.links.peers}
        whole = all(state == LinkState.BOUND.value for state in links.values())
        core = self.voice.core_states
        up = sum(state == "up" for state in core.values())
        able = any(peer.can_send for peer in self.links.peers)
        return Health(
            parts={
                "store": "failed" if self.domain.store.failed else "ok",
                "trust": self.trust_watch.state,
                "revocations": "ok" if self.feed.lease_holds else "down",
                "smpp": "ok" if self.workers is None else self.workers.state,
                "smsc": "ok" if whole else "degraded" if able else "down",
                "core": "ok" if up == len(core) else "degraded" if up else "down",
                "media": "ok" if self.voice.media_running else "down",
            },
            links=links,
            core=core,
        )

    async def start(self) -> None:
        """Listen only when everything behind the listeners is there. Raises OSError."""
        self.domain.ids.begin_after(await self.domain.store.write(ids.highest))
        await self._reload_directory()
        self._poller = asyncio.create_task(self._poll_directory(), name="directory-poll")
        self.trust_watch.start()
        self.trust_rows.start()
        self.retention.start()
        self.reindexing.start()
        self.deliveries.start()
        self.dispatcher.start()
        self.inbound.start()
        self.revocations.start()
        self.lost_receipts.start()
        self.feed.start()
        if self.broker is not None:
            self.broker.start()
        self.confirmations.start()
        await self.links.start()
        await self.voice.start()
        tls, api = self.settings.tls, self.settings.carrier_api
        self._api = await serve(
            carrier_api(
                self.settings,
                self.confirmations,
                self.number_queries,
                self.key_exchange,
            ),
            api.host,
            api.port,
            server_context(tls.ca, tls.cert, tls.key),
            keys=self._peer_keys,
            signer=lambda: own_keys.response_signer(self.settings, self.keys),
        )
        await self.front.start()
        self.outbinds.start()
        await self.operations.start()
        _log.info("gateway is up: SMPP %d, carrier API %d", self.front.port, self._api.port)

    async def stop(self) -> None:
        """Drain: no new work, answers for what was accepted, then close the store."""
        await self.outbinds.stop()
        await self.front.stop()
        await self.voice.stop()
        if self._api is not None:
            await self._api.stop()
        await self.confirmations.stop()
        await self.inbound.stop()
        await self.revocations.stop()
        await self.lost_receipts.stop()
        await self.dispatcher.stop()
        await self.links.stop()
        await self.deliveries.stop()
        if self.broker is not None:
            await self.broker.stop()
        await self.feed.stop()
        await self.retention.stop()
        await self.reindexing.stop()
        await self.trust_rows.stop()
        await self.trust_watch.stop()
        await self.verifier.close()
        await self._peer.close()
        await end(self._poller)
        await self.operations.stop()
        await self.domain.store.close()

    def reload(self) -> None:
        """Look for changed accounts now, and take the TLS certificates of SMPP and SIP and the list of words anew. No
        session is dropped but those that may no longer be bound."""
        self.front.reload()
        self.voice.reload_certificates()
        try:
            self.texts.words = load_words(self.settings.sms.sensitive_words)
        except ConfigError as error:
            _log.error("sensitive words not reloaded: %s", error)
        self._poll_now.set()

    def _from_smsc(
        self, link: str, connection: Connection, requests: Sequence[tuple[int, Body, bytes]]
    ) -> None:
        receipts: list[Asked] = []
        for sequence_number, body, frame in requests:
            # A message centre may ask for nothing else (3.4, 2.3), and the link drops alert_notification.
            if isinstance(body, DeliverSm | DataSm):
                outcome = outcome_of(body)
                if outcome is not None:
                    receipts.append((sequence_number, body.COMMAND_ID, outcome))
                else:
                    self.inbound.take(connection, Pdu(body, sequence_number), frame)
        if receipts:
            self.receipts.take(link, connection, receipts)

    async def _reload_directory(self) -> None:
        rows = await self.domain.store.write(accounts.load)
        self.directory.current = snapshot(rows, self.domain.vault)
        self.front.accounts_changed()
        metrics.DIRECTORY_VERSION.set(rows.version)

    async def _settle_keys(self) -> None:
        """Put on record what a command did with keys and did not live to record."""
        states = key_ledger.states(self.keys)
        if states == self._key_states:
            return
        author = Author(self.settings.carrier.id, operator(), self.domain.now_ms())
        # The command that is still at it holds the database until it has recorded what it does.
        await self.domain.store.write(lambda conn: settle(conn, self.keys, author, found=True))
        self._key_states = states

    async def _poll_directory(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DIRECTORY_POLL_S):
                    await self._poll_now.wait()
            self._poll_now.clear()
            metrics.STORE_BACKLOG.set(self.domain.store.backlog)
            try:
                await asyncio.to_thread(self.keys.refresh)
                await self._settle_keys()
                rows = await self.domain.store.read("SELECT version FROM directory_version WHERE id = 1")
                if rows[0][0] != self.directory.current.version:
                    await self._reload_directory()
            except (StoreBusy, StoreUnavailable, GmError) as error:
                _log.warning("directory not read: %s", error)


async def run(settings: GatewaySettings, stop: asyncio.Event) -> None:
    """Run until `stop` is set; SIGHUP reloads. Raises SelfTestError, ConfigError, KeyStoreError,
    PkiError, OSError when it cannot start."""
    _log.info("crypto self-test passed: %s", selftest.run())
    gateway = Gateway(settings)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, gateway.reload)
    try:
        await gateway.start()
        await stop.wait()
    finally:
        await gateway.stop()
        loop.remove_signal_handler(signal.SIGHUP)
