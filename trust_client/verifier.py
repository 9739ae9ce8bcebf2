"""Verification of each message and call, gathered into few requests: the gateway's hot path.

A question is sent at once when none is under way; while some are, questions gather and go together, at
most BATCH_MAX in a request. So a lone message waits for nothing, and a busy gateway asks in large
batches without a timer that costs every message its linger.
"""

import asyncio
import functools
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from foundation.tasks import end
from interparty.client import PeerProblem, PeerUnavailable
from interparty.hot_messages import Question, QuestionLike, question_text, questions_body, read_batch_head
from interparty.messages import ITEMS_MAX
from trust_client.answers import AnswerReader, Grant, Refused
from trust_client.batch_check import BatchCheck
from trust_client.carrier import CarrierClient
from trust_client.grant_cache import GrantCache
from trust_client.guesses import TOO_MANY_UNKNOWN, Guesses

__all__ = ["Done", "Grant", "Outcome", "Question", "Refused", "Stream", "Unavailable", "Verifier"]

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
class Unavailable:
    """No answer: nothing is known of this AID, and nothing may be sent."""

    reason: str


Outcome = Grant | Refused | Unavailable
Done = Callable[[Outcome], None]
Asker = TypeVar("Asker")
Answers = list[tuple[Asker, Outcome]]
"""Outcomes, each with what was given beside its question."""


class _Ask(NamedTuple):
    """A question on its way."""

    text: str
    question: QuestionLike
    asker: Any
    done: Callable[[Answers[Any]], None]
    deadline: float
    under_lease: bool


_Batch = list[_Ask]
"""The oldest first."""


class Stream(Protocol):
    """Another way to ask, used while it is open: trust_client.verify_stream."""

    def start(self) -> None:
        """Begin to keep it open."""

    def ask(
        self,
        texts: list[str],
        seconds: float,
        answered: Callable[[list[Grant | Refused] | PeerUnavailable | None], None],
    ) -> bool:
        """Ask questions from question_text; False if it is not open. Else `answered` is called once, later: with an
        outcome for each, with PeerUnavailable when there is none to be had, or with None when nothing came within
        `seconds`."""

    async def close(self) -> None:
        """End it; what was asked is answered with None."""


_QUEUE_FULL: Final = Unavailable("too many verifications wait")
_TOO_LATE: Final = Unavailable("no answer in time")
_STOPPED: Final = Unavailable("verification stopped")
_GUESSING: Final = Unavailable("too many unknown AIDs")
_REVOKED: Final = Refused("REVOKED")


class Verifier:
    """Verifies through one CarrierClient, and through a stream while that is open. Belongs to one event loop;
    `close` it at the end, which closes the stream too."""

    def __init__(
        self,
        client: CarrierClient,
        *,
        deadline: float = DEADLINE_SECONDS,
        stream: Stream | None = None,
        cache: GrantCache | None = None,
        guesses: Guesses | None = None,
        check: BatchCheck | None = None,
        lease_holds: Callable[[], bool] = lambda: False,
        now_ms: Callable[[], int] = lambda: int(time.time() * 1000),
    ) -> None:
        """`cache`: grants that are used again while `lease_holds`. `guesses`: for an enterprise that names too many
        unknown AIDs nothing is asked, and everything is Unavailable. `check`: who checks what the trust party signed
        of the answers in a response, before any of them counts; None: nobody."""
        self._client = client
        self._stream = stream
        self._cache = cache
        self._guesses = guesses
        self._check = check
        self._lease_holds = lease_holds
        self._now_ms = now_ms
        self._deadline = deadline
        self._reader = AnswerReader()
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Ask] = deque()
        self._requests: set[asyncio.Task[None]] = set()
        self._streamed = 0
        self._pump_due = False
        self._gather: asyncio.TimerHandle | None = None
        self._closed = False
        self.batches = 0
        """Batches sent so far, on the stream or in a request."""
        self.verified = 0
        """Questions answered so far by the trust party, with a grant or a refusal."""
        self.cached = 0
        """Questions answered so far with an earlier grant."""
        if stream is not None:
            stream.start()

    @property
    def waiting(self) -> int:
        """Questions not yet sent."""
        return len(self._queue)

    def submit(self, question: QuestionLike, done: Done, *, fresh: bool = False) -> None:
        """Ask, and have `done` called once with the outcome, within the deadline, on the loop; at once when
        the queue is full, or when a cached grant answers, unless it is to be `fresh`. `done` must neither block nor
        raise. Raises ValueError for a malformed question."""
        self.submit_all([(question, None)], lambda answers: done(answers[0][1]), fresh=fresh)

    def submit_all(
        self,
        questions: Sequence[tuple[QuestionLike, Asker]],
        done: Callable[[Answers[Asker]], None],
        *,
        fresh: bool = False,
    ) -> None:
        """As `submit` for many: `done` is called with whatever is answered together, each outcome with what was
        given beside its question, until all are answered."""
        cache = self._cache
        # Kept only if asked under the lease: then whatever revokes it from now on is heard of.
        holds = cache is not None and self._lease_holds()
        now, deadline = self._now_ms(), self._loop.time() + self._deadline
        queue = self._queue
        at_once: Answers[Asker] = []
        guesses = self._guesses if self._guesses is not None and self._guesses.anybody else None
        for question, asker in questions:
            if guesses is not None and guesses.is_over(question.enterprise):
                at_once.append((asker, _GUESSING))
                continue
            grant = cache.get(question, now) if cache is not None and holds and not fresh else None
            if grant is not None:
                # Before the text is made: what is to be said need not be digested for it.
                self.cached += 1
                at_once.append((asker, grant))
            elif self._closed:
                at_once.append((asker, _STOPPED))
            elif len(queue) >= QUEUE_MAX:
                at_once.append((asker, _QUEUE_FULL))
            else:
                queue.append(_Ask(question_text(question), question, asker, done, deadline, holds))
        if queue and not self._pump_due:
            # Once an iteration of the loop: what one read of a socket brought goes in one request.
            self._pump_due = True
            self._loop.call_soon(self._pump)
        if at_once:
            done(at_once)

    async def verify(self, question: QuestionLike) -> Outcome:
        """Ask one question and wait for its outcome."""
        outcome: asyncio.Future[Outcome] = self._loop.create_future()
        self.submit(question, lambda result: None if outcome.done() else outcome.set_result(result))
        return await outcome

    async def close(self) -> None:
        """Stop: what waits or is under way becomes Unavailable."""
        self._closed = True
        self._drop_gather()
        _answer_all(list(self._queue), _STOPPED)
        self._queue.clear()
        if self._stream is not None:
            await self._stream.close()
        await end(*self._requests)

    @property
    def _in_flight(self) -> int:
        return len(self._requests) + self._streamed

    def _pump(self) -> None:
        """Send what may be sent: everything if nothing is under way, else only full batches."""
        self._pump_due = False
        self._expire()
        while self._queue and self._in_flight < IN_FLIGHT_MAX:
            if self._in_flight and len(self._queue) < BATCH_MAX:
                break
            self._send()
        if self._queue and self._gather is None and self._in_flight < IN_FLIGHT_MAX:
            self._gather = self._loop.call_later(GATHER_SECONDS, self._gathered)

    def _gathered(self) -> None:
        self._gather = None
        self._expire()
        if self._queue and self._in_flight < IN_FLIGHT_MAX:
            self._send()
        self._pump()

    def _expire(self) -> None:
        now = self._loop.time()
        late: _Batch = []
        while self._queue and self._queue[0].deadline <= now:
            late.append(self._queue.popleft())
        if late:
            _answer_all(late, _TOO_LATE)

    def _send(self) -> None:
        take = self._queue.popleft
        batch = [take() for _ in range(min(BATCH_MAX, len(self._queue)))]
        self.batches += 1
        if self._stream is not None:
            # Half of the time, so that enough is left for a request if the stream does not answer.
            seconds = (batch[0].deadline - self._loop.time()) / 2
            texts = [ask[0] for ask in batch]
            if self._stream.ask(texts, seconds, functools.partial(self._on_stream, batch)):
                self._streamed += 1
                return
        self._request(batch)

    def _on_stream(self, batch: _Batch, answer: list[Grant | Refused] | PeerUnavailable | None) -> None:
        self._streamed -= 1
        if isinstance(answer, list):
            self._answer(batch, answer)
        elif answer is not None:
            self._failed(batch, answer)
        elif self._closed:
            _answer_all(batch, _STOPPED)
        else:
            self._request(batch)
            return
        self._go_on()

    def _request(self, batch: _Batch) -> None:
        task = self._loop.create_task(self._ask(batch))
        self._requests.add(task)
        task.add_done_callback(functools.partial(self._finished, batch))

    def _finished(self, batch: _Batch, task: asyncio.Task[None]) -> None:
        self._requests.discard(task)
        # Stopped, or a defect, before any question was answered: each gets its answer all the same.
        if task.cancelled() or task.exception() is not None:
            if not task.cancelled():
                _log.error("verification failed", exc_info=task.exception())
            _answer_all(batch, _STOPPED)
        self._go_on()

    def _go_on(self) -> None:
        self._drop_gather()
        if not self._closed:
            self._pump()

    def _drop_gather(self) -> None:
        if self._gather is not None:
            self._gather.cancel()
            self._gather = None

    async def _ask(self, batch: _Batch) -> None:
        # The oldest is first, so its deadline holds for all.
        timeout = batch[0].deadline - self._loop.time()
        try:
            body = await self._client.verifications(
                questions_body([ask.text for ask in batch]), timeout=timeout
            )
            outcomes = self._reader.read(body, len(batch))
            if self._check is not None:
                await self._stand_by(self._check, batch, outcomes, body)
        except (PeerUnavailable, PeerProblem) as error:
            self._failed(batch, error)
        else:
            self._answer(batch, outcomes)

    async def _stand_by(
        self, check: BatchCheck, batch: _Batch, outcomes: list[Grant | Refused], body: bytes
    ) -> None:
        """Raises PeerUnavailable for answers that the trust party did not sign."""
        count = len(outcomes)
        answered = [([ask.text for ask in batch], outcomes)] if check.is_recomputed(count) else None
        try:
            async with asyncio.timeout_at(batch[0].deadline):
                holds = await check.holds(read_batch_head(body), count, answered)
        except TimeoutError:
            raise PeerUnavailable("no answer in time") from None
        if not holds:
            raise PeerUnavailable("answers that the trust party does not stand by")

    def _answer(self, batch: _Batch, outcomes: list[Grant | Refused]) -> None:
        self.verified += len(batch)
        final: list[Outcome] = (
            list(outcomes) if self._cache is None else self._keep(self._cache, batch, outcomes)
        )
        if self._guesses is not None:
            self._count_guesses(self._guesses, batch, final)
        _tell(batch, final)

    @staticmethod
    def _count_guesses(guesses: Guesses, batch: _Batch, outcomes: list[Outcome]) -> None:
        for at, outcome in enumerate(outcomes):
            if isinstance(outcome, Refused):
                guesses.refused(batch[at].question.enterprise, outcome.reason)
                if outcome.reason == TOO_MANY_UNKNOWN:
                    outcomes[at] = _GUESSING

    @staticmethod
    def _keep(cache: GrantCache, batch: _Batch, outcomes: list[Grant | Refused]) -> list[Outcome]:
        """Keep what may be used again; what was revoked since it was asked is no grant any more."""
        kept: list[Outcome] = []
        for ask, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Grant):
                if cache.is_revoked(ask.question.aid):
                    outcome = _REVOKED
                elif ask.under_lease:
                    cache.put(ask.question, outcome)
            kept.append(outcome)
        return kept

    def _failed(self, batch: _Batch, error: PeerUnavailable | PeerProblem) -> None:
        _log.warning("verification failed: %s, count=%d", error, len(batch))
        _answer_all(batch, Unavailable(str(error)))


def _answer_all(batch: _Batch, outcome: Outcome) -> None:
    _tell(batch, [outcome] * len(batch))


def _tell(batch: _Batch, outcomes: Sequence[Outcome]) -> None:
    """Give those who asked together their answers together."""
    answers: Answers[Any] = []
    asked = batch[0].done if batch else None
    for ask, outcome in zip(batch, outcomes, strict=True):
        if ask.done != asked:
            _call(asked, answers)
            asked, answers = ask.done, []
        answers.append((ask.asker, outcome))
    _call(asked, answers)


def _call(done: Callable[[Answers[Any]], None] | None, answers: Answers[Any]) -> None:
    if done is None:
        return
    try:
        done(answers)
    except Exception:
        # One caller's defect must not take the answers of the others.
        _log.exception("a verification's callback failed")
