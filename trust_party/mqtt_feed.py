"""Revocations and heartbeats over MQTT 5, for the carriers that follow them there."""

import asyncio
import logging
import random
import ssl
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import aiomqtt
from pydantic import ValidationError

from foundation.tasks import end, first
from interparty import mqtt
from interparty.verify_messages import LeaseNonce
from trust_party.revocations import RevocationFeed

BACKOFF_SECONDS: Final = (0.1, 2.0)
"""First and longest wait before a lost connection is made again."""
UNSENT_MAX: Final = 10_000
"""Messages that wait to be sent; one more is dropped, and the carrier asks for what it lacks."""
UNREAD_MAX: Final = 10_000
CONNECT_SECONDS: Final = 5.0
IDENTIFIER: Final = "ascs-trust-party"

_log = logging.getLogger(__name__)


class MqttFeed:
    """The trust party at the broker."""

    def __init__(
        self,
        host: str,
        port: int,
        tls: ssl.SSLContext,
        feed: RevocationFeed,
        keys_of: Callable[[str], Sequence[bytes]],
        carriers: Callable[[], Iterable[str]],
    ) -> None:
        """`keys_of`: the HMAC keys shared with a carrier, the one to seal under first; none for one that is not
        admitted."""
        self._host, self._port, self._tls = host, port, tls
        self._feed = feed
        self._keys_of = keys_of
        self._carriers = carriers
        self._following: set[str] = set()
        self._unsent: asyncio.Queue[tuple[str, bytes, int]] = asyncio.Queue(UNSENT_MAX)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="mqtt-feed")

    async def stop(self) -> None:
        await end(self._task)

    async def _run(self) -> None:
        wait, longest = BACKOFF_SECONDS
        while True:
            try:
                async with aiomqtt.Client(
                    self._host,
                    self._port,
                    identifier=IDENTIFIER,
                    protocol=aiomqtt.ProtocolVersion.V5,
                    tls_context=self._tls,
                    clean_start=True,
                    keepalive=mqtt.KEEPALIVE_SECONDS,
                    timeout=CONNECT_SECONDS,
                    max_queued_incoming_messages=UNREAD_MAX,
                ) as client:
                    await client.subscribe(mqtt.topic_of("+", "lease"), qos=0)
                    _log.info("revocations go over MQTT")
                    wait = BACKOFF_SECONDS[0]
                    await self._serve(client)
            except (aiomqtt.MqttError, OSError, TimeoutError) as error:
                _log.warning("MQTT broker lost: %s", error)
            finally:
                for carrier in self._following:
                    self._feed.unsubscribe(carrier, self)
                self._following.clear()
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))
            wait = min(2 * wait, longest)

    async def _serve(self, client: aiomqtt.Client) -> None:
        for carrier in self._carriers():
            self._follow(carrier)
        await first(self._read(client), self._send(client))

    async def _read(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            self._received(str(message.topic), message.payload)

    def _received(self, topic: str, message: Any) -> None:
        named = mqtt.parse_topic(topic)
        keys = () if named is None else self._keys_of(named[0])
        if named is None or not keys or not isinstance(message, bytes):
            return
        payload = mqtt.open_sealed(keys, topic, message)
        if payload is None:
            _log.warning("MQTT message dropped: not authentic")
            return
        try:
            nonce = LeaseNonce.model_validate_json(payload).lease
        except ValidationError:
            return
        carrier = named[0]
        self._follow(carrier)
        self._put(carrier, "heartbeat", self._feed.heartbeat(carrier, nonce), 0)

    def _follow(self, carrier: str) -> None:
        if carrier not in self._following:
            self._following.add(carrier)
            self._feed.subscribe(carrier, self, lambda to, payload: self._put(to, "revocations", payload, 1))

    def _put(self, carrier: str, kind: mqtt.Kind, payload: bytes, qos: int) -> None:
        keys = self._keys_of(carrier)
        if not keys:
            return
        topic = mqtt.topic_of(carrier, kind)
        try:
            self._unsent.put_nowait((topic, mqtt.seal(keys[0], topic, payload), qos))
        except asyncio.QueueFull:
            _log.warning("MQTT message dropped: the broker is too slow")

    async def _send(self, client: aiomqtt.Client) -> None:
        while True:
            topic, message, qos = await self._unsent.get()
            await client.publish(topic, message, qos=qos)
