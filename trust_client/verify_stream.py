"""Verification on a stream that stays open: no request, no signature and no task for each batch.

It is opened again whenever it is lost; meanwhile the Verifier asks in requests. Questions that were under way on a
stream that is lost, or that gets no answer, are given back to be asked in a request.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from pydantic import ValidationError

from foundation.tasks import end
from interparty import websocket
from interparty.client import PeerUnavailable
from interparty.hot_messages import ask_message, stream_pieces
from interparty.stream import Channel
from interparty.verify_messages import BatchHead, StreamAnswer, StreamBatch, StreamFailure
from trust_client import batch_check
from trust_client.answers import AnswerReader, Grant, Refused, outcome_of
from trust_client.batch_check import BatchCheck

PATH: Final = "/v1/verifications/stream"
ASKS_MAX: Final = 16
"""Batches under way."""
BACKOFF_SECONDS: Final = (0.05, 5.0)
"""First and longest wait before a lost stream is opened again; doubled each time, drawn between half and whole."""
SETTLED_SECONDS: Final = 5.0
"""A stream that lived so long was a good one: the next wait is the first again."""
UNSIGNED_MAX: Final = 100_000
"""Answers without the batch head that is to sign them; more, and the stream is given up."""

HEADS_MAX: Final = 1024
"""Heads that wait to be checked; more, and the stream is given up: they come faster than anyone can check them."""
KEPT_MAX: Final = 64
"""Heads that wait with their answers; of those behind them the signature alone is checked."""

_log = logging.getLogger(__name__)

Answered = Callable[[list[Grant | Refused] | PeerUnavailable | None], None]


class StreamPeer(Protocol):
    """interparty.client.Peer, as far as it is needed here."""

    async def open_stream(self, path: str) -> tuple[Channel, bytes]: ...


class Feed(Protocol):
    """Who takes revocations and heartbeats: trust_client.revocation_feed."""

    def connected(self, send: Callable[[bytes], None]) -> None: ...
    def received(self, payload: bytes) -> bool: ...
    def disconnected(self) -> None: ...


class _Ask:
    __slots__ = ("answered", "texts", "timer")

    def __init__(self, texts: list[str], answered: Answered, timer: asyncio.TimerHandle) -> None:
        self.texts = texts
        self.answered = answered
        self.timer = timer


class VerifyStream:
    """The stream to one trust party; give it to a Verifier."""

    def __init__(
        self,
        peer: StreamPeer,
        feed: Feed | None = None,
        check: BatchCheck | None = None,
    ) -> None:
        """`feed`: who is told of revocations and heartbeats, where they come over this stream. `check`: who checks
        batch heads; None: they are only counted."""
        self._check = check
        self._peer = peer
        self._feed = feed
        self._reader = AnswerReader()
        self._loop = asyncio.get_running_loop()
        self._channel: Channel | None = None
        self._lost = asyncio.Event()
        self._asks: dict[int, _Ask] = {}
        self._number = 0
        self._unsigned = 0
        self._answered: deque[batch_check.Answered] = deque()
        """What no batch head has signed yet, in the order in which it came."""
        self._heads: deque[tuple[BatchHead, list[batch_check.Answered] | None]] = deque()
        """Heads to be checked, each with its answers where the root is recomputed."""
        self._checking: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self.opened = 0
        """Times that it was opened so far."""
        self.signed = 0
        """Answers so far that a batch head has signed."""

    @property
    def is_open(self) -> bool:
        return self._channel is not None

    def start(self) -> None:
        """Begin to keep it open."""
        self._task = self._loop.create_task(self._keep_open(), name="verify-stream")

    async def close(self) -> None:
        """End it; what was asked is answered with None."""
        self._closed = True
        await end(self._task)
        if self._checking is not None:
            await asyncio.gather(self._checking, return_exceptions=True)
        if self._channel is not None:
            self._channel.close()
            # What was asked is answered in the next turn of the loop.
            await asyncio.sleep(0)

    def ask(self, texts: list[str], seconds: float, answered: Answered) -> bool:
        """Ask questions from question_text; False if the stream is not open, or busy.

        Else `answered` is called once, later, with one outcome each in order, with PeerUnavailable when the trust
        party could not answer, or with None when nothing came within `seconds`.
        """
        if self._channel is None or len(self._asks) >= ASKS_MAX:
            return False
        self._number += 1
        timer = self._loop.call_later(seconds, self._late)
        self._asks[self._number] = _Ask(texts, answered, timer)
        self._channel.send(ask_message(self._number, texts))
        return True

    # What the channel tells.

    def received(self, payload: bytes) -> None:
        found = stream_pieces(payload)
        outcomes = None if found is None else self._reader.outcomes(found[1])
        if found is not None and outcomes is not None:
            self._answer(found[0], outcomes)
            return
        try:
            self._received_other(payload)
        except ValidationError:
            self._break("a message that is none of this stream")

    def closing(self) -> None:
        """Only servers are told."""

    def lost(self, reason: str) -> None:
        if not self._closed:
            _log.warning(
                "verify stream lost: %s; answers without the trust party's signature: %d",
                reason,
                self._unsigned,
            )
        self._channel = None
        if self._feed is not None:
            self._feed.disconnected()
        self._lost.set()
        asks, self._asks = self._asks, {}
        for ask in asks.values():
            ask.timer.cancel()
            # Later, not inside what called here: the next to be asked must find the stream gone.
            self._loop.call_soon(ask.answered, None)

    def _received_other(self, payload: bytes) -> None:
        """Raises ValidationError."""
        if payload.startswith(b'{"batch"'):
            self._sign(StreamBatch.model_validate_json(payload).batch)
        elif payload.startswith((b'{"heartbeat"', b'{"revoked"')):
            if self._feed is not None and not self._feed.received(payload):
                self._break("a message that is none of this stream")
        elif payload.startswith(b'{"failed"'):
            failed = StreamFailure.model_validate_json(payload)
            ask = self._take(failed.failed)
            if ask is not None:
                ask.answered(PeerUnavailable(f"peer answered {failed.status}"))
        else:
            answer = StreamAnswer.model_validate_json(payload)
            self._answer(answer.answer, [outcome_of(each) for each in answer.answers])

    def _answer(self, number: int, outcomes: list[Grant | Refused]) -> None:
        ask = self._take(number)
        if ask is None:
            return
        self._unsigned += len(outcomes)
        if len(outcomes) != len(ask.texts) or self._unsigned > UNSIGNED_MAX:
            self._break("not as many answers as questions, or answers that nothing signs")
            ask.answered(None)
            return
        if self._check is not None:
            self._answered.append((ask.texts, outcomes))
        ask.answered(outcomes)

    def _take(self, number: int) -> _Ask | None:
        ask = self._asks.pop(number, None)
        if ask is None:
            self._break("an answer to nothing that was asked")
        else:
            ask.timer.cancel()
        return ask

    def _sign(self, head: BatchHead) -> None:
        if not 0 < head.count <= self._unsigned:
            self._break("a batch head over no answer, or over more than there were")
            return
        self._unsigned -= head.count
        self.signed += head.count
        if self._check is None:
            return
        answered: list[batch_check.Answered] = []
        left = head.count
        while left > 0:
            answered.append(self._answered.popleft())
            left -= len(answered[-1][1])
        if left:
            self._break("a batch head over a part of an answer")
            return
        if len(self._heads) >= HEADS_MAX:
            self._break("batch heads faster than they can be checked")
            return
        is_kept = len(self._heads) < KEPT_MAX and self._check.is_recomputed(head.count)
        self._heads.append((head, answered if is_kept else None))
        if self._checking is None:
            self._checking = self._loop.create_task(self._check_heads(self._check), name="batch-heads")

    async def _check_heads(self, check: BatchCheck) -> None:
        try:
            while self._heads:
                head, answered = self._heads.popleft()
                if not await check.holds(head, head.count, answered):
                    self._break("answers that the trust party does not stand by")
        finally:
            self._checking = None

    def _late(self) -> None:
        # Whatever else waits would wait as long for an answer: the stream is as good as gone.
        if self._channel is not None:
            self._channel.give_up("no answer in time")

    def _break(self, reason: str) -> None:
        _log.warning("verify stream broken off: %s", reason)
        if self._channel is not None:
            self._channel.close(websocket.POLICY)

    async def _keep_open(self) -> None:
        wait, longest = BACKOFF_SECONDS
        while True:
            try:
                channel, data = await self._peer.open_stream(PATH)
            except PeerUnavailable as error:
                _log.info("verify stream not opened: %s", error)
            else:
                began = self._loop.time()
                self._lost.clear()
                self._unsigned = 0
                self._answered.clear()
                self._channel = channel
                self.opened += 1
                channel.begin(self, data)
                if self._feed is not None and self._channel is not None:
                    self._feed.connected(channel.send)
                await self._lost.wait()
                if self._loop.time() - began >= SETTLED_SECONDS:
                    wait = BACKOFF_SECONDS[0]
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))
            wait = min(2 * wait, longest)
