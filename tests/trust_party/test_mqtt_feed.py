"""The trust party's end of the feed over a real broker: the carrier's is tests/trust_client/test_mqtt_feed.py, which
runs both; here is what only a stranger at the broker does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiomqtt
import pytest

from foundation import pki
from interparty import mqtt
from tests.mosquitto import Mosquitto, free_port, make_folder
from tests.trust_party.served import context, make_pki
from tests.trust_party.world import CARRIER, HMAC_KEY, Party
from trust_party.mqtt_feed import MqttFeed

pytestmark = pytest.mark.peer("mosquitto")

NONCE = "ab" * 16


def client(folder: Path, port: int, party: str) -> aiomqtt.Client:
    return aiomqtt.Client(
        "127.0.0.1",
        port,
        identifier=f"test-{party}",
        protocol=aiomqtt.ProtocolVersion.V5,
        tls_context=context(folder, party, pki.client_context),
        timeout=5,
    )


async def test_only_authentic_nonces_are_echoed_and_each_reads_its_own(party: Party, tmp_path: Path) -> None:
    folder = make_pki(tmp_path / "pki")
    broker = Mosquitto(make_folder(tmp_path / "broker", folder / "ca"), free_port())
    await broker.start()
    await party.feed.load()
    feed = MqttFeed(
        "127.0.0.1",
        broker.port,
        context(folder, "ttp", pki.client_context),
        party.feed,
        party.directory.shared_key,
        lambda: party.directory.carriers,
    )
    feed.start()
    lease, beat = mqtt.topic_of(CARRIER, "lease"), mqtt.topic_of(CARRIER, "heartbeat")
    try:
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
            message = mqtt.open_sealed(HMAC_KEY, beat, got.result().payload)
            assert message == party.feed.heartbeat(CARRIER, NONCE)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(aiter(other.messages)), 0.2)
    finally:
        await feed.stop()
        await broker.stop()
