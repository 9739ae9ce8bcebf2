"""The stream between two parties: a WebSocket on which each message is authenticated.

It is opened by a signed request over mutual TLS, under the HMAC key that both share, and answered by a signed 101. Each
binary message is ``payload | HMAC-SM3[32] over (u8 direction | u64 counter | payload)`` under a key of this stream
alone, so that a message can neither be left out, repeated, reordered, turned back, nor moved to another stream.
See docs/formats.md, "Streams".
"""

import asyncio
import hmac
import logging
from collections.abc import Callable
from typing import Final, Protocol

from gm.sm3 import HmacSm3, hmac_sm3
from interparty import websocket
from interparty.websocket import Close, Frames, Message, Ping, WebSocketError

SUBPROTOCOL: Final = "ascs.stream.1"
STREAM_TAG: Final = b"ASCS-STREAM1\x00"
OPENER: Final = 1
"""Direction byte of what the party that opened the stream sends."""
ANSWERER: Final = 2
TAG_BYTES: Final = 32
MESSAGE_MAX: Final = 2 * 1024 * 1024
"""Bytes of one message."""
BUFFER_MAX: Final = 16 * 1024 * 1024
"""Bytes that wait for a peer that does not read; more, and the stream is given up."""
PING_SECONDS: Final = 5.0
"""How long a stream is silent before it is pinged."""
CLOSE_SECONDS: Final = 3.0
"""How long what was sent before the end may take to reach the peer."""
SILENCE_MAX: Final = 3
"""Intervals of PING_SECONDS without any sign of the peer, after which the stream is given up."""

_log = logging.getLogger(__name__)


class Authenticator:
    """HMAC-SM3 over the messages of one direction of one stream."""

    def __init__(self, stream_key: bytes, direction: int) -> None:
        self._hmac = HmacSm3(stream_key)
        self._direction = direction.to_bytes(1, "big")
        self._counter = 0

    def seal(self, payload: bytes) -> bytes:
        """The message of a payload."""
        return payload + self._tag(payload)

    def open(self, message: bytes) -> bytes | None:
        """The payload of the next message; None unless it is authentic and the next."""
        if len(message) < TAG_BYTES:
            return None
        payload = message[:-TAG_BYTES]
        return payload if hmac.compare_digest(self._tag(payload), message[-TAG_BYTES:]) else None

    def _tag(self, payload: bytes) -> bytes:
        counter = self._counter.to_bytes(8, "big")
        self._counter += 1
        return self._hmac.digest(b"".join((self._direction, counter, payload)))


def stream_key(shared_key: bytes, request_signature: str) -> bytes:
    """The key of the stream that was opened by the request with this Signature field. Its nonce was never used
    before, so no two streams have the same key."""
    return hmac_sm3(shared_key, STREAM_TAG + request_signature.encode("ascii"))


class Receiver(Protocol):
    """Who owns a channel."""

    def received(self, payload: bytes) -> None:
        """An authentic message, in the order in which they were sent."""

    def closing(self) -> None:
        """The server stops: what still has to be said is said now."""

    def lost(self, reason: str) -> None:
        """The stream is over; called once."""


class Channel(asyncio.Protocol):
    """An open stream."""

    def __init__(
        self,
        transport: asyncio.Transport,
        key: bytes,
        *,
        opener: bool,
        capture: Callable[[bytes], None] | None = None,
        forget: Callable[["Channel"], None] | None = None,
    ) -> None:
        """`key` is the stream's; `capture` gets every payload received; `forget` is called when it is over."""
        self._transport = transport
        self._frames = Frames(client=opener, message_max=MESSAGE_MAX)
        self._outgoing = Authenticator(key, OPENER if opener else ANSWERER)
        self._incoming = Authenticator(key, ANSWERER if opener else OPENER)
        self._capture = capture
        self._forget = forget
        self._receiver: Receiver | None = None
        self._over = False
        self._heard = True
        self._silent = 0
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, receiver: Receiver, data: bytes = b"") -> None:
        """Give the stream to its owner; `data` is what came behind the opening handshake."""
        self._receiver = receiver
        self._timer = self._loop.call_later(PING_SECONDS, self._tick)
        if data:
            self.data_received(data)

    @property
    def is_open(self) -> bool:
        return not self._over

    def send(self, payload: bytes) -> None:
        """Send a message; nothing happens when the stream is over."""
        if self._over:
            return
        self._transport.write(self._frames.message(self._outgoing.seal(payload)))
        if self._transport.get_write_buffer_size() > BUFFER_MAX:
            self.give_up("the peer does not read")

    def close(self, code: int = websocket.NORMAL) -> None:
        """End the stream in order."""
        if not self._over:
            self._transport.write(self._frames.close(code))
            self._end(f"closed with {code}")
            self._transport.close()
            self._loop.call_later(CLOSE_SECONDS, self._transport.abort)

    def give_up(self, reason: str) -> None:
        """End the stream at once."""
        if not self._over:
            self._end(reason)
            self._transport.abort()

    def shutdown(self) -> None:
        """Called by the server when it stops."""
        if self._receiver is not None and not self._over:
            self._receiver.closing()
        self.close(websocket.GOING_AWAY)

    # asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        self._heard = True
        try:
            events = self._frames.receive(data)
        except WebSocketError as error:
            _log.warning("stream closed: %s", error)
            self.close(error.code)
            return
        for event in events:
            if self._over:
                return
            if isinstance(event, Message):
                self._message(event.payload)
            elif isinstance(event, Ping):
                self._transport.write(self._frames.pong(event.payload))
            elif isinstance(event, Close):
                self.close(event.code)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end("connection lost")
        if self._forget is not None:
            self._forget(self)

    def _message(self, message: bytes) -> None:
        payload = self._incoming.open(message)
        if payload is None:
            _log.warning("stream closed: a message is not authentic or not the next")
            self.close(websocket.POLICY)
            return
        if self._capture is not None:
            self._capture(payload)
        if self._receiver is not None:
            self._receiver.received(payload)

    def _tick(self) -> None:
        self._silent = 0 if self._heard else self._silent + 1
        self._heard = False
        if self._silent >= SILENCE_MAX:
            self.give_up("no sign of the peer")
            return
        if self._silent:
            self._transport.write(self._frames.ping())
        self._timer = self._loop.call_later(PING_SECONDS, self._tick)

    def _end(self, reason: str) -> None:
        if self._over:
            return
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        if self._receiver is not None:
            self._receiver.lost(reason)
