"""Revocations as they come, in order and each once, and the lease that rests on having them all.

Whatever carries them (the verify stream, or MQTT) tells `connected`, `received` and `disconnected`. A gap, seen in a
sequence or in a heartbeat, is closed by asking the trust party; until then the lease is not prolonged. What is received
drops cached grants at once, and is then given to the follower, who makes it durable.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple, Protocol

from pydantic import ValidationError

from foundation.tasks import end
from gm.sm2 import PublicKey
from interparty import statements
from interparty.client import PeerProblem, PeerUnavailable
from interparty.verify_messages import (
    Heartbeat,
    HeartbeatBody,
    LeaseNonce,
    Revocation,
    RevocationsResponse,
    Revoked,
    SignedRevocation,
)
from trust_client.grant_cache import GrantCache
from trust_client.lease import NONCE_SECONDS, Lease

WAITING_MAX: Final = 10_000
"""Revocations that wait to be made durable; past it those that come are asked for again."""
AGAIN_SECONDS: Final = (0.2, 5.0)
"""First and longest wait before the trust party, or the follower, is asked again."""

_log = logging.getLogger(__name__)

Send = Callable[[bytes], None]


class Position(NamedTuple):
    """The last revocation that was made durable."""

    epoch: str
    sequence: int


class Follower(Protocol):
    """Who acts on revocations and remembers how far it is."""

    async def position(self) -> Position | None:
        """None when there was none yet."""

    async def apply(self, position: Position, revocations: Sequence[Revocation]) -> None:
        """Make them durable together with the position, which is that of the last. May be asked for what it has
        done already."""


Ask = Callable[[str, int], Awaitable[RevocationsResponse]]
"""Asks the trust party for what it revoked in an epoch after a sequence. Raises PeerUnavailable, PeerProblem."""


class RevocationFeed:
    """One carrier's side of the feed. Belongs to one event loop."""

    def __init__(
        self,
        carrier: str,
        keys: Callable[[], dict[str, PublicKey]],
        ask: Ask,
        follower: Follower,
        cache: GrantCache,
        learn: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        """`keys`: the trust party's SM2 keys for statements, the newest last; `learn`: see trust_client.batch_check."""
        self._learn = learn
        self._carrier = carrier
        self._keys = keys
        self._ask = ask
        self._follower = follower
        self._cache = cache
        self._lease = Lease()
        self._loop = asyncio.get_running_loop()
        self._seen: Position | None = None
        """The last that came, all before it having come; None until it is known where to begin."""
        self._send: Send | None = None
        self._nonces: asyncio.TimerHandle | None = None
        self._waiting: deque[SignedRevocation] = deque()
        self._wake = asyncio.Event()
        self._is_behind = True
        self._task: asyncio.Task[None] | None = None
        self.applied = 0
        """Revocations made durable since the start."""
        self.resyncs = 0
        """Times that the trust party was asked for what did not come by itself."""

    @property
    def lease_holds(self) -> bool:
        """Whether cached grants may be used now."""
        return self._lease.holds(self._loop.time())

    @property
    def is_connected(self) -> bool:
        return self._send is not None

    def start(self) -> None:
        self._task = self._loop.create_task(self._run(), name="revocation-feed")

    async def stop(self) -> None:
        self.disconnected()
        await end(self._task)

    # What the carrier of the messages tells.

    def connected(self, send: Send) -> None:
        """Messages come from now on; `send` takes the JSON of a LeaseNonce and does not block."""
        self._send = send
        self._next_nonce()

    def disconnected(self) -> None:
        """Nothing more comes. The lease ends by itself."""
        self._send = None
        if self._nonces is not None:
            self._nonces.cancel()
            self._nonces = None

    def received(self, payload: bytes) -> bool:
        """A Revoked or a Heartbeat; False for what is neither. It must be authentic."""
        try:
            if payload.startswith(b'{"revoked"'):
                self._revoked(Revoked.model_validate_json(payload).revoked)
            else:
                self._heard(Heartbeat.model_validate_json(payload).heartbeat)
        except ValidationError:
            return False
        return True

    # --- what comes -----------------------------------------------------------------------------------

    def _next_nonce(self) -> None:
        if self._send is None:
            return
        self._nonces = self._loop.call_later(NONCE_SECONDS, self._next_nonce)
        nonce = self._lease.nonce(self._loop.time())
        self._send(LeaseNonce(lease=nonce).model_dump_json().encode())

    def _heard(self, heartbeat: HeartbeatBody) -> None:
        seen = self._seen
        if seen is None or (heartbeat.epoch, heartbeat.sequence) != seen:
            # Something was revoked that did not come: until it has, nothing cached is to be relied on.
            if seen is None or heartbeat.epoch != seen.epoch or heartbeat.sequence > seen.sequence:
                self._fall_behind()
            elif heartbeat.sequence < seen.sequence:
                # The trust party was set back: what it revoked since may have other numbers.
                self._lease.end()
                self._seen = None
                self._fall_behind()
            return
        self._lease.echoed(heartbeat.nonce)

    def _revoked(self, revoked: Sequence[SignedRevocation]) -> None:
        for signed in revoked:
            statement = signed.statement
            # Whoever says so: at worst the trust party is asked directly.
            if statement.cause != "RESUMED":
                self._drop(statement)
            seen = self._seen
            if seen is None or statement.epoch != seen.epoch or statement.sequence > seen.sequence + 1:
                self._fall_behind()
            elif statement.sequence == seen.sequence + 1:
                if len(self._waiting) >= WAITING_MAX:
                    self._fall_behind()
                    continue
                self._seen = Position(statement.epoch, statement.sequence)
                if statement.cause == "RESUMED":
                    self._drop(statement)
                self._waiting.append(signed)
                self._wake.set()

    def _drop(self, statement: Revocation) -> None:
        """Drop from the cache what a statement ends."""
        if statement.cause == "SUSPENDED":
            self._cache.suspend(statement.enterprise)
        elif statement.cause == "RESUMED":
            self._cache.resume(statement.enterprise)
        elif statement.aid is not None:
            self._cache.revoke(statement.aid)

    def _fall_behind(self) -> None:
        self._is_behind = True
        self._wake.set()

    # --- making it durable ----------------------------------------------------------------------------

    async def _run(self) -> None:
        wait, longest = AGAIN_SECONDS
        while True:
            try:
                if self._waiting:
                    await self._apply_waiting()
                elif self._is_behind:
                    await self._catch_up()
                else:
                    self._wake.clear()
                    await self._wake.wait()
            except (PeerUnavailable, PeerProblem) as error:
                _log.warning("revocations not asked for: %s", error)
            except Exception:
                _log.exception("revocations wait")
            else:
                wait = AGAIN_SECONDS[0]
                continue
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))
            wait = min(2 * wait, longest)

    async def _apply_waiting(self) -> None:
        batch = list(self._waiting)
        if not await self._are_genuine(batch):
            # What the numbers mean is not known any more: ask from what was made durable.
            self._waiting.clear()
            self._lease.end()
            self._seen = None
            self._fall_behind()
            return
        await self._apply([each.statement for each in batch])
        for _ in batch:
            self._waiting.popleft()

    async def _catch_up(self) -> None:
        """Ask for what is missing, page by page."""
        self.resyncs += 1
        seen = self._seen or await self._follower.position()
        if seen is None:
            # The first time: nothing was ever granted to this carrier's gateway that could be revoked now.
            head = await self._ask("0" * 32, 0)
            position = Position(head.epoch, head.newest)
            await self._follower.apply(position, [])
            self._cache.clear()
            self._seen = position
            self._is_behind = False
            return
        while True:
            page = await self._ask(seen.epoch, seen.sequence)
            if page.epoch != seen.epoch or page.newest < seen.sequence:
                _log.warning("the trust party counts its revocations anew; all of them are read")
                self._lease.end()
                self._cache.clear()
                seen = Position(page.epoch, 0)
                if not page.newest:
                    await self._follower.apply(seen, [])
                    break
                continue
            if not page.revoked:
                break
            numbers = [each.statement.sequence for each in page.revoked]
            begin = seen.sequence + 1
            if numbers != list(range(begin, begin + len(numbers))) or not await self._are_genuine(
                page.revoked
            ):
                raise PeerUnavailable("revocations that are not the next, or not signed")
            for each in page.revoked:
                self._drop(each.statement)
            await self._apply([each.statement for each in page.revoked])
            seen = Position(page.epoch, numbers[-1])
        # What came meanwhile is asked for by the next heartbeat, if it was not among these.
        self._seen = seen
        self._is_behind = False

    async def _are_genuine(self, revoked: Sequence[SignedRevocation]) -> bool:
        if await asyncio.to_thread(self._are_signed, revoked):
            return True
        learned = self._learn is not None and await self._learn()
        if learned and await asyncio.to_thread(self._are_signed, revoked):
            return True
        _log.error("a revocation is not signed by the trust party for this carrier")
        return False

    def _are_signed(self, revoked: Sequence[SignedRevocation]) -> bool:
        keys = list(self._keys().values())[::-1]  # the newest first: it is the one as a rule
        return all(
            each.statement.carrier == self._carrier
            and any(statements.verify(key, statements.REVOKE, each.statement, each.signature) for key in keys)
            for each in revoked
        )

    async def _apply(self, statements_: Sequence[Revocation]) -> None:
        last = statements_[-1]
        await self._follower.apply(Position(last.epoch, last.sequence), statements_)
        self.applied += len(statements_)
