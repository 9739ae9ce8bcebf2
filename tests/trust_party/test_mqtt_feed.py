"""The trust party's end of the feed over a real broker: the carrier's is tests/trust_client/test_mqtt_feed.py, which
runs both; here is what only a stranger at the broker does."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from foundation import pki, tasks
from interparty import mqtt
from interparty.verify_messages import Revoked
from tests.deaf_broker import DeafBroker
from tests.mosquitto import Mosquitto, make_folder
from tests.ports import free_port
from tests.trust_party.served import context, make_pki
from tests.trust_party.world import CARRIER, HMAC_KEY, OTHER_CARRIER, Party
from trust_party.mqtt_feed import MqttFeed

pytestmark = pytest.mark.peer("mosquitto")

NONCE = "ab" * 16


def client(folder: Path, port: int, party: str, session_s: int = 0) -> aiomqtt.Client:
    session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    session.SessionExpiryInterval = session_s
    return aiomqtt.Client(
        "127.0.0.1",
        port,
        identifier=f"test-{party}",
        protocol=aiomqtt.ProtocolVersion.V5,
        tls_context=context(folder, party, pki.client_context),
        clean_start=not session_s,
        properties=session,
        timeout=5,
    )


@pytest.fixture
async def world(party: Party, tmp_path: Path) -> AsyncIterator[tuple[Path, Mosquitto]]:
    """Certificates, and a broker to which the trust party pushes."""
    folder = make_pki(tmp_path / "pki")
    broker = Mosquitto(make_folder(tmp_path / "broker", folder / "ca"), free_port())
    await broker.start()
    await party.feed.load()
    party.feed.start()
    feed = MqttFeed(
        "127.0.0.1",
        broker.port,
        context(folder, "ttp", pki.client_context),
        party.feed,
        party.directory.shared_keys,
        lambda: party.directory.carriers,
    )
    feed.start()
    try:
        yield folder, broker
    finally:
        await feed.stop()
        await party.feed.stop()
        await broker.stop()


async def revoke(party: Party) -> str:
    aid, _ = await party.active()
    await party.cancel("ent-a", party.people.cancellation(party.people.enterprises["ent-a"], aid=aid))
    return aid


async def pushed(messages: AsyncIterator[aiomqtt.Message]) -> list[str | None]:
    """The AIDs of the next message of revocations."""
    async with asyncio.timeout(10):
        message = await anext(messages)
    topic = str(message.topic)
    assert isinstance(message.payload, bytes)
    payload = mqtt.open_sealed([HMAC_KEY], topic, message.payload)
    assert payload is not None
    return [each.statement.aid for each in Revoked.model_validate_json(payload).revoked]


async def test_only_authentic_nonces_are_echoed_and_each_reads_its_own(
    party: Party, world: tuple[Path, Mosquitto]
) -> None:
    folder, broker = world
    lease, beat = mqtt.topic_of(CARRIER, "lease"), mqtt.topic_of(CARRIER, "heartbeat")
    async with (
        client(folder, broker.port, CARRIER) as carrier,
        client(folder, broker.port, "ent-a") as other,
    ):
        await carrier.subscribe(beat)
        # The ACL: another party is not told, and what it says does not arrive.
        await other.subscribe(beat)
        payload = f'{{"lease":"{NONCE}"}}'.encode()
        got = asyncio.create_task(anext(aiter(carrier.messages)))
        async with asyncio.timeout(10):
            while not got.done():
                await other.publish(lease, mqtt.seal(HMAC_KEY, lease, payload.replace(b"ab", b"cd")))
                await carrier.publish(lease, mqtt.seal(bytes(32), lease, payload.replace(b"ab", b"ef")))
                await carrier.publish(lease, mqtt.seal(HMAC_KEY, lease, payload))
                await asyncio.wait([got], timeout=0.1)
        message = mqtt.open_sealed([HMAC_KEY], beat, got.result().payload)
        assert message == party.feed.heartbeat(CARRIER, NONCE)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(aiter(other.messages)), 0.2)


async def test_a_carrier_reads_and_writes_no_other_carriers_topics(
    party: Party, world: tuple[Path, Mosquitto]
) -> None:
    folder, broker = world
    await revoke(party)  # while nobody listens
    async with (
        client(folder, broker.port, CARRIER) as ours,
        client(folder, broker.port, OTHER_CARRIER) as other,
    ):
        await ours.subscribe(mqtt.topic_of(CARRIER, "revocations"), qos=1)
        await ours.subscribe(mqtt.topic_of(CARRIER, "heartbeat"), qos=1)
        for topic in (mqtt.topic_of(CARRIER, "revocations"), "ascs/#", "ascs/+/revocations", "#", "$SYS/#"):
            await other.subscribe(topic, qos=1)
        # What another carrier writes there does not arrive, whatever it is.
        for kind in ("revocations", "heartbeat"):
            topic = mqtt.topic_of(CARRIER, kind)  # type: ignore[arg-type]
            await other.publish(topic, mqtt.seal(HMAC_KEY, topic, b"{}"), qos=1)
        found: list[str | None] = []
        while not found:
            # Until the trust party has connected.
            aid = await revoke(party)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    found = await pushed(aiter(ours.messages))
        assert found[-1] == aid
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(aiter(other.messages)), 0.2)


async def test_what_a_carrier_missed_is_kept_for_its_session(
    party: Party, world: tuple[Path, Mosquitto]
) -> None:
    folder, broker = world
    topic = mqtt.topic_of(CARRIER, "revocations")
    async with client(folder, broker.port, CARRIER, mqtt.SESSION_SECONDS) as ours:
        await ours.subscribe(topic, qos=1)
        found: list[str | None] = []
        while not found:
            await revoke(party)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    found = await pushed(aiter(ours.messages))
    missed = [await revoke(party) for _ in range(3)]
    async with client(folder, broker.port, CARRIER, mqtt.SESSION_SECONDS) as again:
        got: list[str | None] = []
        while len(got) < len(missed):
            got += await pushed(aiter(again.messages))
    assert got == missed


@contextlib.asynccontextmanager
async def pushing(
    party: Party, broker: DeafBroker, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[MqttFeed]:
    """The trust party at that broker, with something to send."""
    monkeypatch.setattr(aiomqtt, "Client", broker.client)
    monkeypatch.setattr(tasks, "AGAIN_SECONDS", 0.05)
    await party.feed.load()
    party.feed.start()
    tls = ssl.create_default_context()
    feed = MqttFeed("127.0.0.1", 1, tls, party.feed, party.directory.shared_keys, lambda: [CARRIER])
    feed.start()
    async with asyncio.timeout(10):
        await asyncio.sleep(0)
        await revoke(party)
        await broker.published.wait()
        yield feed
        await feed.stop()
    await party.feed.stop()


async def test_it_stops_although_a_cancellation_is_lost_in_the_library(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with pushing(party, DeafBroker(), monkeypatch):
        pass


async def test_what_cannot_be_sent_makes_a_new_connection(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = DeafBroker(times_out=True)
    async with pushing(party, broker, monkeypatch):
        while broker.connections < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
