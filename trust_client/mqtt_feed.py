"""The revocation feed over MQTT 5: keeps a connection to the broker and hands what comes to the feed."""

import asyncio
import logging
import random
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from foundation.tasks import end, first
from interparty import mqtt
from trust_client.verify_stream import Feed

BACKOFF_SECONDS: Final = (0.1, 2.0)
"""First and longest wait before a lost connection is made again."""
UNSENT_MAX: Final = 16
"""Nonces that wait to be sent; older ones are of no use."""
UNREAD_MAX: Final = 10_000
"""Messages that wait to be read; one more is dropped, and its gap is asked for."""
CONNECT_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)


class MqttFeed:
    """One gateway process at the broker. `name` tells it from the carrier's others."""

    def __init__(
        self,
        host: str,
        port: int,
        tls: ssl.SSLContext,
        carrier: str,
        name: str,
        keys: Callable[[], Sequence[bytes]],
        feed: Feed,
    ) -> None:
        """`keys`: the HMAC keys shared with the trust party, the one to seal under first."""
        self._host, self._port, self._tls = host, port, tls
        self._carrier = carrier
        self._name = name
        self._keys = keys
        self._feed = feed
        self._unsent: asyncio.Queue[bytes] = asyncio.Queue(UNSENT_MAX)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="mqtt-feed")

    async def stop(self) -> None:
        await end(self._task)

    async def _run(self) -> None:
        wait, longest = BACKOFF_SECONDS
        while True:
            try:
                async with self._client() as client:
                    await client.subscribe(mqtt.topic_of(self._carrier, "revocations"), qos=1)
                    await client.subscribe(mqtt.topic_of(self._carrier, "heartbeat"), qos=0)
                    _log.info("revocations come over MQTT")
                    wait = BACKOFF_SECONDS[0]
                    await self._serve(client)
            except (aiomqtt.MqttError, OSError, TimeoutError) as error:
                _log.warning("MQTT broker lost: %s", error)
            finally:
                self._feed.disconnected()
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))
            wait = min(2 * wait, longest)

    def _client(self) -> aiomqtt.Client:
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        session.SessionExpiryInterval = mqtt.SESSION_SECONDS
        return aiomqtt.Client(
            self._host,
            self._port,
            identifier=f"{self._carrier}-{self._name}",
            protocol=aiomqtt.ProtocolVersion.V5,
            tls_context=self._tls,
            clean_start=False,
            properties=session,
            keepalive=mqtt.KEEPALIVE_SECONDS,
            timeout=CONNECT_SECONDS,
            max_queued_incoming_messages=UNREAD_MAX,
        )

    async def _serve(self, client: aiomqtt.Client) -> None:
        while not self._unsent.empty():
            self._unsent.get_nowait()
        self._feed.connected(self._put)
        await first(self._read(client), self._send(client))

    async def _read(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            self._received(str(message.topic), message.payload)

    def _received(self, topic: str, message: Any) -> None:
        named = mqtt.parse_topic(topic)
        payload = mqtt.open_sealed(self._keys(), topic, message) if isinstance(message, bytes) else None
        if named is None or payload is None or not self._feed.received(payload):
            _log.warning("MQTT message dropped: it is not the trust party's")

    def _put(self, payload: bytes) -> None:
        if self._unsent.full():
            self._unsent.get_nowait()
        self._unsent.put_nowait(payload)

    async def _send(self, client: aiomqtt.Client) -> None:
        topic = mqtt.topic_of(self._carrier, "lease")
        while True:
            payload = await self._unsent.get()
            await client.publish(topic, mqtt.seal(self._keys()[0], topic, payload), qos=0)
