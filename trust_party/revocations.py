"""What carriers are told is over: each revocation once, numbered, signed, pushed, and to be asked for again.

A revocation is written in the commit that revokes. From that commit on every heartbeat names it, so that a carrier
which has not got it knows that it lacks something, and uses no cached grant until it has it.
"""

import asyncio
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from foundation.logs import get_logger
from foundation.store import Store, StoreBusy, StoreUnavailable
from foundation.tasks import end
from gm.keystore import KeyProvider
from interparty import statements
from interparty.messages import ITEMS_MAX
from interparty.verify_messages import (
    Heartbeat,
    HeartbeatBody,
    Revocation,
    RevocationsResponse,
    Revoked,
    SignedRevocation,
)
from trust_party.keys import sign_key

PUSHED_MAX: Final = 100
"""Revocations in one message."""
SIGNED_MAX: Final = 10_000
"""Signed revocations kept, so that each is signed once for all who ask; more than any one page."""
AGAIN_SECONDS: Final = 0.5
"""Wait before a store that was busy is read again."""

Push = Callable[[str, bytes], None]
"""Takes (carrier, the JSON of a Revoked); must neither block nor raise."""

_log = get_logger(__name__)


class Over(NamedTuple):
    """An AID that is over, for the carrier that could be granted it; or what became of an enterprise."""

    carrier: str
    enterprise: str
    aid: int | None
    edi_id: bytes | None
    cause: str
    """REVOKED or ROTATED; of an enterprise, without AID and EDI, SUSPENDED or RESUMED."""


class Told(NamedTuple):
    """A carrier and the newest sequence of it."""

    carrier: str
    sequence: int


def put(conn: sqlite3.Connection, over: Iterable[Over], now_ms: int) -> list[Told]:
    """Write what is over, in the commit that makes it so; give the result to `RevocationFeed.committed`."""
    told: dict[str, int] = {}
    for each in over:
        sequence = told.get(each.carrier) or _newest(conn, each.carrier)
        told[each.carrier] = sequence + 1
        conn.execute(
            "INSERT INTO revocations (carrier, sequence, enterprise, aid, edi_id, cause, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (each.carrier, sequence + 1, each.enterprise, each.aid, each.edi_id, each.cause, now_ms),
        )
    return [Told(carrier, sequence) for carrier, sequence in told.items()]


def over_of(conn: sqlite3.Connection, aid: int, cause: str) -> list[Over]:
    """The carrier that confirmed an AID, if one did."""
    row = conn.execute(
        "SELECT confirmed_carrier, enterprise, confirmed_edi_id FROM authorizations WHERE aid = ?", (aid,)
    ).fetchone()
    return [] if row is None or row[0] is None else [Over(row[0], row[1], aid, bytes(row[2]), cause)]


def _newest(conn: sqlite3.Connection, carrier: str) -> int:
    row = conn.execute("SELECT MAX(sequence) FROM revocations WHERE carrier = ?", (carrier,)).fetchone()
    return int(row[0] or 0)


class RevocationFeed:
    """Pushes to whoever subscribed, and answers who asks. `load` it before anything is served."""

    def __init__(self, store: Store, keys: KeyProvider) -> None:
        self._store = store
        self._keys = keys
        self._epoch = ""
        self._newest: dict[str, int] = {}
        """Committed, by carrier."""
        self._pushed: dict[str, int] = {}
        self._subscribers: dict[str, dict[object, Push]] = {}
        self._signed: dict[tuple[str, int], SignedRevocation] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def epoch(self) -> str:
        return self._epoch

    async def load(self) -> None:
        """Read where each carrier is; a new database begins an epoch. Raises StoreBusy, StoreUnavailable."""
        self._epoch = await self._store.write(_epoch_of)
        rows = await self._store.read("SELECT carrier, MAX(sequence) FROM revocations GROUP BY carrier")
        self._newest = {row[0]: row[1] for row in rows}
        self._pushed = dict(self._newest)

    async def refresh(self) -> None:
        """Take in what was written beside this process (trust_party.admission). Raises StoreBusy, StoreUnavailable."""
        rows = await self._store.read("SELECT carrier, MAX(sequence) FROM revocations GROUP BY carrier")
        self.committed([Told(row[0], row[1]) for row in rows if row[1] > self._newest.get(row[0], 0)])

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="revocations")

    async def stop(self) -> None:
        await end(self._task)

    def committed(self, told: Sequence[Told]) -> None:
        """What `put` wrote is committed: from now on heartbeats name it."""
        for carrier, sequence in told:
            self._newest[carrier] = max(sequence, self._newest.get(carrier, 0))
        if told:
            self._wake.set()

    def subscribe(self, carrier: str, subscriber: object, push: Push) -> None:
        """Push this carrier's revocations from now on; of earlier ones a heartbeat tells."""
        if not self._subscribers.get(carrier):
            # While nobody listened nothing was pushed: what was missed is asked for.
            self._pushed[carrier] = self._newest.get(carrier, 0)
        self._subscribers.setdefault(carrier, {})[subscriber] = push

    def unsubscribe(self, carrier: str, subscriber: object) -> None:
        self._subscribers.get(carrier, {}).pop(subscriber, None)

    def heartbeat(self, carrier: str, nonce: str) -> bytes:
        """The JSON of the Heartbeat that echoes a nonce."""
        body = HeartbeatBody(epoch=self._epoch, sequence=self._newest.get(carrier, 0), nonce=nonce)
        return Heartbeat(heartbeat=body).model_dump_json().encode()

    async def after(self, carrier: str, epoch: str, after: int) -> RevocationsResponse:
        """The answer to a RevocationsRequest. Raises StoreBusy, StoreUnavailable."""
        # Before the read: what is newer than this is pushed, or asked for again.
        newest = self._newest.get(carrier, 0)
        revoked = await self._read(carrier, after, ITEMS_MAX) if epoch == self._epoch else []
        return RevocationsResponse(epoch=self._epoch, newest=newest, revoked=revoked)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            for carrier, newest in list(self._newest.items()):
                try:
                    while self._pushed.get(carrier, 0) < newest:
                        await self._push(carrier)
                except (StoreBusy, StoreUnavailable) as error:
                    _log.warning("revocations wait", party=carrier, error=str(error))
                    await asyncio.sleep(AGAIN_SECONDS)
                    self._wake.set()
                except Exception:  # the others must be told all the same; heartbeats make this carrier ask
                    _log.exception("revocations not pushed", party=carrier)

    async def _push(self, carrier: str) -> None:
        pushed = self._pushed.get(carrier, 0)
        subscribers = self._subscribers.get(carrier)
        if not subscribers:
            self._pushed[carrier] = self._newest[carrier]
            return
        revoked = await self._read(carrier, pushed, PUSHED_MAX)
        if not revoked:
            raise LookupError("a revocation that was committed is not there")
        payload = Revoked(revoked=revoked).model_dump_json(exclude_none=True).encode()
        self._pushed[carrier] = revoked[-1].statement.sequence
        for push in list(subscribers.values()):
            push(carrier, payload)

    async def _read(self, carrier: str, after: int, limit: int) -> list[SignedRevocation]:
        rows = await self._store.read(
            "SELECT sequence, enterprise, aid, edi_id, cause, at FROM revocations"
            " WHERE carrier = ? AND sequence > ? ORDER BY sequence LIMIT ?",
            (carrier, after, limit),
        )
        found = [
            Revocation(
                carrier=carrier,
                epoch=self._epoch,
                sequence=row[0],
                enterprise=row[1],
                aid=None if row[2] is None else str(row[2]),
                edi_id=None if row[3] is None else row[3].hex(),
                cause=row[4],
                at=row[5],
            )
            for row in rows
        ]
        unsigned = [each for each in found if (carrier, each.sequence) not in self._signed]
        if unsigned:
            key = sign_key(self._keys)
            signed = await asyncio.to_thread(
                lambda: [
                    SignedRevocation(statement=each, signature=statements.sign(key, statements.REVOKE, each))
                    for each in unsigned
                ]
            )
            for one in signed:
                if len(self._signed) >= SIGNED_MAX:
                    del self._signed[next(iter(self._signed))]
                self._signed[(carrier, one.statement.sequence)] = one
        return [self._signed[(carrier, each.sequence)] for each in found]


def _epoch_of(conn: sqlite3.Connection) -> str:
    conn.execute(
        "INSERT INTO revocation_epoch (id, epoch) VALUES (1, ?) ON CONFLICT (id) DO NOTHING",
        (secrets.token_hex(16),),
    )
    return str(conn.execute("SELECT epoch FROM revocation_epoch WHERE id = 1").fetchone()[0])
