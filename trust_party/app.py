"""Composition: reads the configuration, builds the parts, serves, drains, stops."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from evidence.anchor import FileAnchor
from foundation import pki
from foundation.capture import Capture
from foundation.logs import get_logger
from foundation.seal import Sealer
from foundation.store import Store
from foundation.tasks import end
from gm import selftest
from gm.keystore import Key, KeyProvider
from interparty import key_ledger
from interparty.client import Peer
from interparty.key_ledger import Author, operator
from interparty.server import Running, serve
from trust_party import metrics, verify_stream
from trust_party.admission import transaction
from trust_party.anchoring import Anchoring
from trust_party.answered import AnsweredBatches
from trust_party.bundles import Bundles
from trust_party.cancellations import Cancellations
from trust_party.clock import now_ms
from trust_party.confirmations import Confirmations
from trust_party.data_keys import DataKeys
from trust_party.deposits import Deposits
from trust_party.directory import Carrier, Directory
from trust_party.erasure import Erasure
from trust_party.evidence_log import Evidence
from trust_party.evidence_queries import EvidenceQueries
from trust_party.forwarding import Forwarder
from trust_party.guesses import Guesses
from trust_party.key_events import KeyEvents
from trust_party.key_exchange import KeyExchange
from trust_party.key_records import settle
from trust_party.keys import LogKeys, create_missing, open_store, signer
from trust_party.mqtt_feed import MqttFeed
from trust_party.number_queries import NumberQueries
from trust_party.orders import Orders
from trust_party.reports import Reports
from trust_party.restoration import Restoration
from trust_party.revocations import RevocationFeed
from trust_party.rotations import Rotations
from trust_party.routes import Routes
from trust_party.sequencer import Sequencer
from trust_party.settings import TrustSettings
from trust_party.sign_keys import SignKeys
from trust_party.store import MIGRATIONS
from trust_party.sweeper import Sweeper
from trust_party.verification import LiveIndex, Verification
from trust_party.verify_stream import VerifyStreams
from trust_party.witnesses import Witnesses

CAPTURE_CHANNEL = "http"
"""Under which what was received is recorded for leak searches."""

_log = get_logger(__name__)


def init(settings: TrustSettings) -> None:
    """Make what a new trust party needs and does not have: data folder, passphrase, keys, database.

    May be called again; what is there stays. The public keys for other parties are put into
    `settings.public_folder` as sign-1.pem, log-1.pem and agreement-1.pem. Raises SelfTestError,
    KeyStoreError, MigrationError, OSError.
    """
    selftest.run()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    keys, made = create_missing(settings)
    settings.database.touch(mode=0o600)
    _settle(settings, keys, made)


def _settle(settings: TrustSettings, keys: KeyProvider, made: Sequence[Key] = ()) -> None:
    """Put on record the keys just made, and what a crash kept from being recorded."""
    author = Author(settings.party, operator(), now_ms())
    with transaction(settings) as conn:
        settle(conn, keys, author, found=True, made=[(key.purpose, key.version) for key in made])


@dataclass(frozen=True, slots=True)
class TrustParty:
    """A trust party that serves."""

    server: Running
    keys: KeyProvider
    directory: Directory
    forwarder: Forwarder
    live: LiveIndex
    sweeper: Sweeper

    @property
    def port(self) -> int:
        return self.server.port


async def run(
    settings: TrustSettings, stop: asyncio.Event, ready: Callable[[int], None] | None = None
) -> None:
    """Serve until `stop` is set, then finish what is under way. `ready` is called with the port when it
    listens. Raises SelfTestError, KeyStoreError, MigrationError, PkiError, OSError."""
    async with started(settings) as party:
        if ready is not None:
            ready(party.port)
        await stop.wait()


@contextlib.asynccontextmanager
async def started(settings: TrustSettings) -> AsyncIterator[TrustParty]:
    """A trust party for the time of the `async with`."""
    library = selftest.run()
    keys = open_store(settings)
    _settle(settings, keys)
    async with contextlib.AsyncExitStack() as stack:
        store = Store.open(settings.database, MIGRATIONS, secure_delete=True)
        stack.push_async_callback(store.close)
        capture: Capture | None = None
        if settings.capture_file is not None:
            capture = Capture(settings.capture_file)
            stack.callback(capture.close)
        sealer = Sealer(keys)
        data_keys = DataKeys(sealer)
        evidence = Evidence(LogKeys(keys), sealer, data_keys)
        live = LiveIndex(settings.live_max)
        await live.load(store)
        directory = Directory(store, keys)
        await directory.refresh()
        connect = _connector(settings, keys, directory, capture)
        forwarder = Forwarder(store, data_keys, directory, connect)
        forwarder.start()
        stack.push_async_callback(forwarder.stop)
        sequencer = Sequencer(store, evidence, settings.evidence_seconds, now_ms)
        stack.push_async_callback(sequencer.close)
        witnesses = Witnesses(store, evidence, sequencer, int(settings.witness_seconds * 1000))
        await witnesses.load()
        sweeper = Sweeper(store, evidence, sequencer, live)
        await sweeper.sweep(now_ms())
        guesses = Guesses(store, directory, settings.unknown_aids_per_minute, settings.unknown_aids_burst)
        answered = AnsweredBatches(store, evidence)
        verification = Verification(store, live, keys, directory, guesses, answered.add)
        if settings.operations is not None:
            figures = metrics.Figures(store, live, verification, guesses, sequencer, witnesses)
            stack.enter_context(metrics.served(settings.operations, figures))
        feed = RevocationFeed(store, keys)
        await feed.load()
        feed.start()
        stack.push_async_callback(feed.stop)
        if settings.mqtt is not None:
            own, given = settings.tls, settings.mqtt
            tls = pki.client_context(given.ca or own.ca, given.cert or own.cert, given.key or own.key)
            broker = MqttFeed(
                settings.mqtt.host,
                settings.mqtt.port,
                tls,
                feed,
                directory.shared_keys,
                lambda: directory.carriers,
            )
            broker.start()
            stack.push_async_callback(broker.stop)
        cancellations = Cancellations(store, evidence, live, feed, guesses)
        erasure = Erasure(
            store, evidence, data_keys, party=settings.party, retention_days=settings.retention_days
        )
        orders = Orders(store, keys, cancellations, erasure, settings.party)
        key_exchange = KeyExchange(settings.party, store, keys, evidence, directory, now_ms)
        bundles = Bundles(
            store,
            evidence,
            sequencer,
            witnesses,
            SignKeys(store, keys, settings.party),
            key_exchange.log_keys,
        )
        routes = Routes(
            store=store,
            directory=directory,
            sequencer=sequencer,
            witnesses=witnesses,
            deposits=Deposits(
                settings, store, keys, sealer, data_keys, evidence, sequencer, forwarder.deposited
            ),
            verification=verification,
            restoration=Restoration(store, live, directory),
            confirmations=Confirmations(store, evidence, live),
            cancellations=cancellations,
            rotations=Rotations(
                store, keys, data_keys, evidence, sequencer, live, feed, guesses, settings.aid_prefix
            ),
            reports=Reports(store, evidence, data_keys),
            feed=feed,
            key_exchange=key_exchange,
            key_events=KeyEvents(store, evidence, bundles),
            guesses=guesses,
            evidence_queries=EvidenceQueries(store, evidence, bundles, settings.queries_per_minute),
            number_queries=NumberQueries(store, evidence, sequencer, directory, connect),
        )
        server = await serve(
            routes.app(),
            settings.host,
            settings.port,
            pki.server_context(settings.tls.ca, settings.tls.cert, settings.tls.key),
            keys=directory,
            signer=lambda: signer(settings, keys),
            streams={verify_stream.PATH: VerifyStreams(directory, verification, feed, now_ms).accept},
            capture=_recorder(capture),
        )
        stack.push_async_callback(server.stop)

        async def admitted() -> None:
            forwarder.start()
            data_keys.forget()  # a key may have been destroyed
            await feed.refresh()

        on_record = key_ledger.states(keys)  # _settle saw to it

        async def settle_keys() -> None:
            nonlocal on_record
            states = key_ledger.states(keys)
            if states != on_record:
                # The command that is still at it holds the database until it has recorded what it does.
                author = Author(settings.party, operator(), now_ms())
                await store.write(lambda conn: settle(conn, keys, author, found=True, evidence=evidence))
                on_record = states

        if settings.anchor_file is not None:
            anchoring = Anchoring(FileAnchor(settings.anchor_file), sequencer)
            following = asyncio.create_task(anchoring.run(settings.anchor_seconds), name="anchor")
            stack.push_async_callback(end, following)
        for task in (
            asyncio.create_task(directory.follow(admitted, settle_keys), name="admissions"),
            asyncio.create_task(orders.run(), name="orders"),
            asyncio.create_task(answered.run(), name="answered"),
            asyncio.create_task(sweeper.run(settings.sweep_seconds), name="sweeper"),
            asyncio.create_task(erasure.run(), name="erasure"),
            asyncio.create_task(witnesses.run(), name="checkpoints"),
        ):
            stack.push_async_callback(end, task)
        _log.info("trust party listens", port=server.port, live=len(live), libcrypto=library)
        yield TrustParty(server, keys, directory, forwarder, live, sweeper)
        _log.info("trust party stops")


def _recorder(capture: Capture | None) -> Callable[[bytes], None] | None:
    if capture is None:
        return None
    return lambda data: capture.record(CAPTURE_CHANNEL, data)


def _connector(
    settings: TrustSettings, keys: KeyProvider, directory: Directory, capture: Capture | None
) -> Callable[[Carrier], Peer]:
    context = pki.client_context(settings.tls.ca, settings.tls.cert, settings.tls.key)

    def connect(carrier: Carrier) -> Peer:
        return Peer(
            carrier.url,
            context,
            lambda: signer(settings, keys),
            directory,
            party=carrier.id,
            capture=_recorder(capture),
            refresh_keys=keys.refresh,
        )

    return connect
