"""The stream of verifications: questions of one carrier come and their answers go, without a request for each batch;
and with them go its revocations and the heartbeats of its lease.

Answers go out at once, under the stream's HMAC. SM2 signs the root over many of them, some moments later and off the
loop: it takes longer than a thousand answers from memory.
"""

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from pydantic import ValidationError

from evidence.merkle import root
from foundation.store import StoreBusy, StoreUnavailable
from interparty import websocket
from interparty.bodies import describe
from interparty.hot_messages import read_ask
from interparty.signed_http import SignatureError, VerifiedRequest
from interparty.stream import Channel
from interparty.verify_messages import LeaseNonce
from trust_party.directory import Directory
from trust_party.revocations import RevocationFeed
from trust_party.verification import Batch, Verification

PATH: Final = "/v1/verifications/stream"
STREAMS_MAX: Final = 64
"""Streams of one carrier: one or two for each of its gateway's processes."""
LOOKING_UP_MAX: Final = 32
"""Batches of one stream that wait for the store; one more is answered 503."""
BATCH_SECONDS: Final = 1.0
"""Longest time from an answer to the signature over it."""
BATCH_ANSWERS: Final = 512
"""Answers that are signed together, as soon as there are so many; a busy signer takes more."""
UNSIGNED_MAX: Final = 50_000
"""Answers of one stream that wait for their signature; more, and the stream ends."""

_log = logging.getLogger(__name__)


class VerifyStreams:
    """All streams of verifications that carriers hold open."""

    def __init__(
        self,
        directory: Directory,
        verification: Verification,
        feed: RevocationFeed,
        now_ms: Callable[[], int],
    ) -> None:
        self._directory = directory
        self.feed = feed
        self._verification = verification
        self._now_ms = now_ms
        self._open: dict[str, int] = {}
        """Streams by carrier."""

    def accept(self, channel: Channel, request: VerifiedRequest) -> "CarrierStream":
        """The owner of a new stream; see interparty.server.StreamOpener. Raises SignatureError."""
        if request.party not in self._directory.carriers:
            raise SignatureError("this stream is for carriers", HTTPStatus.FORBIDDEN)
        count = self._open.get(request.party, 0)
        if count >= STREAMS_MAX:
            raise SignatureError("too many streams", HTTPStatus.SERVICE_UNAVAILABLE)
        self._open[request.party] = count + 1
        return CarrierStream(self, channel, request)

    def closed(self, carrier: str) -> None:
        """A stream of this carrier is over."""
        self._open[carrier] -= 1

    def is_valid(self, request: VerifiedRequest) -> bool:
        """Whether the key under which a stream was opened may still be used, by who opened it."""
        return (
            request.party in self._directory.carriers and self._directory.lookup(request.keyid) == request.key
        )

    @property
    def verification(self) -> Verification:
        return self._verification

    def now_ms(self) -> int:
        return self._now_ms()


class CarrierStream:
    """One stream of one carrier."""

    def __init__(self, streams: VerifyStreams, channel: Channel, request: VerifiedRequest) -> None:
        self._streams = streams
        self._channel = channel
        self._request = request
        self._verification = streams.verification
        self._loop = asyncio.get_running_loop()
        self._looking_up: set[asyncio.Task[None]] = set()
        self._leaves: list[bytes] = []
        """Of the answers that are not signed yet, in the order sent."""
        self._signing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        streams.feed.subscribe(request.party, self, self._push)

    # What the channel tells.

    def received(self, payload: bytes) -> None:
        if not self._streams.is_valid(self._request):
            _log.warning("verify stream closed: its key is no longer valid, party=%s", self._request.party)
            self._channel.close(websocket.POLICY)
            return
        if payload.startswith(b'{"lease"'):
            self._lease(payload)
            return
        try:
            number, asked = read_ask(payload)
        except ValidationError as error:
            _log.warning("verify stream closed: %s, party=%s", describe(error), self._request.party)
            self._channel.close(websocket.POLICY)
            return
        try:
            batch = self._verification.decide(self._request.party, asked, self._streams.now_ms())
        except StoreUnavailable:
            self._fail(number)
            return
        if not batch.open:
            self._answer(number, batch)
        elif len(self._looking_up) >= LOOKING_UP_MAX:
            self._fail(number)
        else:
            task = self._loop.create_task(self._look_up(number, batch))
            self._looking_up.add(task)
            task.add_done_callback(self._looking_up.discard)

    def _lease(self, payload: bytes) -> None:
        try:
            nonce = LeaseNonce.model_validate_json(payload).lease
        except ValidationError:
            self._channel.close(websocket.POLICY)
            return
        self._channel.send(self._streams.feed.heartbeat(self._request.party, nonce))

    def _push(self, _carrier: str, payload: bytes) -> None:
        if self._channel.is_open:
            self._channel.send(payload)

    def closing(self) -> None:
        """Sign what was answered, on the loop: it is the last that is done here."""
        if self._leaves and self._signing is None:
            self._send_head(self._head(self._leaves))

    def lost(self, reason: str) -> None:
        _log.info("verify stream over: %s, party=%s", reason, self._request.party)
        self._streams.closed(self._request.party)
        self._streams.feed.unsubscribe(self._request.party, self)
        if self._timer is not None:
            self._timer.cancel()
        for task in (*self._looking_up, self._signing):
            if task is not None:
                task.cancel()

    async def _look_up(self, number: int, batch: Batch) -> None:
        try:
            await self._verification.look_up(batch)
        except (StoreBusy, StoreUnavailable):
            self._fail(number)
        except Exception:
            _log.exception("verification failed")
            self._fail(number)
        else:
            self._answer(number, batch)

    def _fail(self, number: int) -> None:
        self._channel.send(b'{"failed":%d,"status":503}' % number)

    def _answer(self, number: int, batch: Batch) -> None:
        if not self._channel.is_open:
            return
        self._channel.send(f'{{"answer":{number},{batch.answers_json}}}'.encode())
        self._leaves += batch.leaves
        if len(self._leaves) > UNSIGNED_MAX:
            self._channel.give_up("answers cannot be signed in time")
        elif self._signing is not None:
            pass
        elif len(self._leaves) >= BATCH_ANSWERS:
            self._begin_signing()
        elif self._timer is None:
            self._timer = self._loop.call_later(BATCH_SECONDS, self._begin_signing)

    def _begin_signing(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        leaves, self._leaves = self._leaves, []
        self._signing = self._loop.create_task(self._sign(leaves))

    async def _sign(self, leaves: list[bytes]) -> None:
        try:
            head = await asyncio.to_thread(self._head, leaves)
        except Exception:
            _log.exception("answers could not be signed")
            self._channel.give_up("answers could not be signed")
            return
        finally:
            self._signing = None
        self._send_head(head)
        if len(self._leaves) >= BATCH_ANSWERS:
            self._begin_signing()
        elif self._leaves and self._timer is None:
            self._timer = self._loop.call_later(BATCH_SECONDS, self._begin_signing)

    def _head(self, leaves: list[bytes]) -> str:
        return self._verification.head(self._request.party, root(leaves), len(leaves), self._streams.now_ms())

    def _send_head(self, head: str) -> None:
        self._channel.send(f'{{"batch":{head}}}'.encode())
