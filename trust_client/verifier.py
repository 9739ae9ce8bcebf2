"""Verification of each message and call, gathered into few requests: the gateway's hot path.

A question is sent at once when none is under way; while some are, questions gather and go together, at
most BATCH_MAX in a request. So a lone message waits for nothing, and a busy gateway asks in large
batches without a timer that costs every message its linger.
"""

import asyncio
import functools
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from interparty import edi
from interparty.client import PeerProblem, PeerUnavailable
from interparty.messages import ITEMS_MAX, GrantBody, VerifyAnswer, VerifyItem
from trust_client.carrier import CarrierClient

BATCH_MAX: Final = ITEMS_MAX
"""Questions in one request."""
IN_FLIGHT_MAX: Final = 4
"""Requests under way at the same time."""
QUEUE_MAX: Final = 20_000
"""Questions that wait to be sent; when full, a question is Unavailable at once."""
GATHER_SECONDS: Final = 0.005
"""How long questions gather behind requests under way, as long as another request may be begun: so one
request that hangs does not hold up those behind it."""
DEADLINE_SECONDS: Final = 2.0
"""Default time from a question to its answer, else it is Unavailable."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Grant:
    """This contact is authorized now, under the consent's terms."""

    edi_text: str
    """The EDI as it came over the wire."""
    edi_id: bytes
    """16 bytes under which the carrier keeps the subscriber."""
    hours: str
    """Hours of contact in Asia/Shanghai, "08:00-21:00"."""
    frequency: str
    """At most so many contacts, "20/day"."""
    access_numbers: tuple[str, ...]
    """The numbers from which the consent allows contact."""
    not_after_ms: int
    """End of the term, milliseconds since the epoch, not included in it."""

    @property
    def edi(self) -> bytes:
        """The 209 bytes of the EDI. Raises interparty.edi.EdiError if the text is not canonical."""
        return edi.from_text(self.edi_text)


@dataclass(frozen=True, slots=True)
class Refused:
    """The trust party refused; `reason` is precise and stays inside the carrier."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """No answer: nothing is known of this AID, and nothing may be sent."""

    reason: str


Outcome = Grant | Refused | Unavailable
Done = Callable[[Outcome], None]

_QUEUE_FULL: Final = Unavailable("too many verifications wait")
_TOO_LATE: Final = Unavailable("no answer in time")
_STOPPED: Final = Unavailable("verification stopped")


class Verifier:
    """Verifies through one CarrierClient. Belongs to one event loop; `close` it at the end."""

    def __init__(self, client: CarrierClient, *, deadline: float = DEADLINE_SECONDS) -> None:
        self._client = client
        self._deadline = deadline
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[VerifyItem, Done, float]] = deque()
        self._in_flight: set[asyncio.Task[None]] = set()
        self._pump_due = False
        self._gather: asyncio.TimerHandle | None = None
        self._closed = False
        self.batches = 0
        """Requests sent so far."""
        self.verified = 0
        """Questions answered so far, with a grant or a refusal."""

    @property
    def waiting(self) -> int:
        """Questions not yet sent."""
        return len(self._queue)

    def submit(self, item: VerifyItem, done: Done) -> None:
        """Ask, and have `done` called once with the outcome, within the deadline, on the loop; at once when
        the queue is full. `done` must neither block nor raise."""
        if self._closed:
            done(_STOPPED)
            return
        if len(self._queue) >= QUEUE_MAX:
            done(_QUEUE_FULL)
            return
        self._queue.append((item, done, self._loop.time() + self._deadline))
        if not self._pump_due:
            # Once an iteration of the loop: what one read of a socket brought goes in one request.
            self._pump_due = True
            self._loop.call_soon(self._pump)

    async def verify(self, item: VerifyItem) -> Outcome:
        """Ask one question and wait for its outcome."""
        outcome: asyncio.Future[Outcome] = self._loop.create_future()
        self.submit(item, lambda result: None if outcome.done() else outcome.set_result(result))
        return await outcome

    async def close(self) -> None:
        """Stop: what waits or is under way becomes Unavailable."""
        self._closed = True
        self._drop_gather()
        while self._queue:
            _call(self._queue.popleft()[1], _STOPPED)
        for task in list(self._in_flight):
            task.cancel()
        await asyncio.gather(*self._in_flight, return_exceptions=True)

    def _pump(self) -> None:
        """Send what may be sent: everything if nothing is under way, else only full batches."""
        self._pump_due = False
        self._expire()
        while self._queue and len(self._in_flight) < IN_FLIGHT_MAX:
            if self._in_flight and len(self._queue) < BATCH_MAX:
                break
            self._send()
        if self._queue and self._gather is None and len(self._in_flight) < IN_FLIGHT_MAX:
            self._gather = self._loop.call_later(GATHER_SECONDS, self._gathered)

    def _gathered(self) -> None:
        self._gather = None
        self._expire()
        if self._queue and len(self._in_flight) < IN_FLIGHT_MAX:
            self._send()
        self._pump()

    def _expire(self) -> None:
        now = self._loop.time()
        while self._queue and self._queue[0][2] <= now:
            _call(self._queue.popleft()[1], _TOO_LATE)

    def _send(self) -> None:
        batch = [self._queue.popleft() for _ in range(min(BATCH_MAX, len(self._queue)))]
        self.batches += 1
        task = self._loop.create_task(self._ask(batch))
        self._in_flight.add(task)
        task.add_done_callback(functools.partial(self._finished, batch))

    def _finished(self, batch: list[tuple[VerifyItem, Done, float]], task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        # Stopped, or a defect, before any question was answered: each gets its answer all the same.
        if task.cancelled() or task.exception() is not None:
            if not task.cancelled():
                _log.error("verification failed", exc_info=task.exception())
            for _, done, _ in batch:
                _call(done, _STOPPED)
        self._drop_gather()
        if not self._closed:
            self._pump()

    def _drop_gather(self) -> None:
        if self._gather is not None:
            self._gather.cancel()
            self._gather = None

    async def _ask(self, batch: list[tuple[VerifyItem, Done, float]]) -> None:
        # The oldest is first, so its deadline holds for all.
        timeout = batch[0][2] - self._loop.time()
        try:
            response = await self._client.verify([item for item, _, _ in batch], timeout=timeout)
        except (PeerUnavailable, PeerProblem) as error:
            _log.warning("verification failed: %s, count=%d", error, len(batch))
            failed = Unavailable(str(error))
            for _, done, _ in batch:
                _call(done, failed)
            return
        self.verified += len(batch)
        for (_, done, _), answer in zip(batch, response.answers, strict=True):
            _call(done, _outcome(answer))


def _outcome(answer: VerifyAnswer) -> Grant | Refused:
    if answer.grant is not None:
        return _grant(answer.grant)
    if answer.refusal is not None:
        return Refused(answer.refusal.reason)
    raise AssertionError("an answer holds a grant or a refusal")


def _grant(body: GrantBody) -> Grant:
    terms = body.consent
    return Grant(
        body.edi,
        bytes.fromhex(body.edi_id),
        terms.hours,
        terms.frequency,
        tuple(terms.access_numbers),
        terms.not_after,
    )


def _call(done: Done, outcome: Outcome) -> None:
    try:
        done(outcome)
    except Exception:
        # One caller's defect must not take the answers of the others.
        _log.exception("a verification's callback failed")
