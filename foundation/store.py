"""The store engine: one SQLite file, one transaction at a time, group commit.

Every change is a function over the one connection that writes. What is queued, up to a cap, runs in one
transaction, which is committed once (WAL, `synchronous=FULL`: the commit is on the disk), and only then the
callers are told. So what is acknowledged is safe, and a hundred changes cost one fsync.

The statements run on the event loop, which they keep for microseconds each, and give back after a millisecond;
only what waits for the disk, the commit, runs in a thread, and while it does the next changes gather. With the
statements in a thread too, each of them would give the interpreter away and wait to get it back: measured in the
gateway at full load, that cost a tenth of the rate and most of the time that a receipt took.
"""

import asyncio
import contextlib
import logging
import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, TypeVar

import aiosqlite

from foundation.batches import (
    BROKEN_CODES,
    Batch,
    Done,
    Op,
    OpFailed,
    Outcome,
    Outcomes,
    Stage,
    Staged,
    primary_code,
    run_apart,
    run_plainly,
)
from foundation.checkpoints import CARRY_OVER, Checkpoints
from foundation.migrate import upgrade

__all__ = ["Done", "Op", "Stage", "Store", "StoreBusy", "StoreUnavailable"]

T = TypeVar("T")
Item = TypeVar("Item")

BATCH_MAX: Final = 500
"""Operations in one commit, and items of each stage."""
QUEUE_MAX: Final = 20_000
"""Operations handed over and not yet answered."""
READS_MAX: Final = 1_000
"""Reads that wait for the reader."""
TURN_S: Final = 0.001
"""Operations run on the loop for so long at a time: what else is to be done there waits no longer behind a long batch
of them than behind one operation."""
LOCK_WAIT_S: Final = 10.0
"""How long a commit waits for another process (a command beside a running platform) to end its own."""
LOCK_POLL_S: Final = 0.01
STATEMENTS_CACHED: Final = 512
CACHE_KIB: Final = 65_536
"""Memory for pages of the database. SQLite's own 2 MiB hold neither a hundred thousand subscribers nor the pages
that a busy second writes."""

_log = logging.getLogger(__name__)

# Of each parameter that is no number and no text, sqlite3 asks how it is to be bound; by an exception that is made and
# thrown away it learns that octets and NULL go as they are. This says so beforehand, at the speed of C: 3 of the 90 us
# that a message costs.
_NOTHING: Final[dict[None, None]] = {}
sqlite3.register_adapter(bytes, bytes.__bytes__)
sqlite3.register_adapter(type(None), _NOTHING.get)


class StoreBusy(Exception):
    """The queue is full. Nothing was taken over; answer with a throttle status."""


class StoreUnavailable(Exception):
    """The operation is not known to be on the disk: the disk failed, or the store is closed."""


class Store:
    """One database file. All methods belong to the thread of the event loop in which it is used.

    Operations run in the order in which they were handed over, and stages after the operations of the same
    commit. An operation touches nothing but its connection, since it may be run a second time when another
    of its batch failed, and it neither commits nor rolls back (`executescript` does). Rows are
    sqlite3.Row, by index or by name.
    """

    def __init__(self, path: Path, batch_max: int, queue_max: int, secure_delete: bool) -> None:
        self._path = path
        self._secure_delete = secure_delete
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._queue: deque[tuple[Op[Any], Done[Any]]] = deque()
        self._staged: dict[Stage[Any, Any], list[Any]] = {}
        """What waits for each stage, in the order in which stages run."""
        self._backlog = 0
        self._busy = False
        """A transaction runs, or will on the loop's next turn."""
        self._urgent = False
        """Something is queued that has no patience, or has had it."""
        self._patience: asyncio.TimerHandle | None = None
        """Ends the patience of what has the least."""
        self._due = 0.0
        """When `_patience` does."""
        self._began = float("-inf")
        """When the last transaction began, by the loop's clock."""
        self._reads = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reader: aiosqlite.Connection | None = None
        self._reader_lock = asyncio.Lock()
        self._closed = False
        self._idle: asyncio.Event | None = None
        self._failure: str | None = None
        self._undone: list[Callable[[], None]] = []
        self._writer = self._connect()
        self._checkpoints = Checkpoints(path)
        self._steps: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._disk = Thread(target=self._wait_for_disk, name=f"store:{path.name}", daemon=True)
        self._disk.start()

    @classmethod
    def open(
        cls,
        path: Path,
        migrations: Path,
        *,
        batch_max: int = BATCH_MAX,
        queue_max: int = QUEUE_MAX,
        secure_delete: bool = False,
    ) -> "Store":
        """Open the database at `path` after running the revisions in the folder `migrations`.

        The file is made if missing, for its owner alone. With `secure_delete` what is deleted or replaced is
        overwritten in the file, and `truncate_log` then takes it out of the write-ahead log. Blocks while the
        schema is brought up to date. Raises MigrationError, sqlite3.Error, OSError.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        # SQLite would use the umask; its log and shared memory files take after this one.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        upgrade(path, migrations)
        return cls(path, batch_max, queue_max, secure_delete)

    @property
    def backlog(self) -> int:
        """Operations handed over and not yet answered."""
        return self._backlog

    @property
    def failed(self) -> bool:
        """True after a disk failure that only a restart can mend; every operation is refused."""
        return self._failure is not None

    def on_undone(self, forget: Callable[[], None]) -> None:
        """Have `forget` called whenever operations that ran were rolled back, before any other runs: for
        what operations remember outside the database. Ask before the first operation."""
        self._undone.append(forget)

    def submit(self, op: Op[T], done: Done[T]) -> None:
        """Run `op` in a transaction; call `done(result, None)` on the loop after the commit is on the disk,
        or `done(None, error)` when it is not: `op`'s own exception, or StoreUnavailable.

        An operation that raises is undone alone; the rest of its batch stands. Raises StoreBusy and
        StoreUnavailable at once, without calling `done`, when it is not taken over.
        """
        self._admit()
        self._queue.append((op, done))
        self._wake()

    def put(self, stage: Stage[Item, Any], item: Item) -> None:
        """As `put_all`, of one item."""
        self.put_all(stage, (item,))

    def put_all(self, stage: Stage[Item, Any], items: Sequence[Item]) -> None:
        """Have `stage` run over `items` with the others that wait. Raises StoreBusy and StoreUnavailable at
        once when they are not taken over: all or none of them are."""
        self._admit(len(items))
        waiting = self._staged.get(stage)
        if waiting is None:
            self._staged[stage] = list(items)
            self._staged = dict(sorted(self._staged.items(), key=lambda entry: entry[0].order))
        else:
            waiting += items
        if not self._urgent:
            self._wait(stage)

    def _wait(self, stage: Stage[Any, Any]) -> None:
        """For a commit that others ask for, as long as the stage may."""
        loop = self._running()
        now = loop.time()
        due = now + stage.patience_s if stage.patience_s else self._began + stage.spacing_s
        if due <= now:
            self._wake()
        elif self._patience is None or due < self._due:
            if self._patience is not None:
                self._patience.cancel()
            self._due = due
            self._patience = loop.call_at(due, self._lose_patience)

    def _admit(self, count: int = 1) -> None:
        if self._failure is not None:
            raise StoreUnavailable(self._failure)
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if self._backlog + count > self._queue_max:
            raise StoreBusy(f"{self._backlog} operations wait")
        self._backlog += count

    def _wake(self) -> None:
        self._urgent = True
        if not self._busy:
            # On the next turn of the loop, with whatever else this one brings.
            self._busy = True
            self._running().call_soon(self._next)

    def _lose_patience(self) -> None:
        self._patience = None
        if self._backlog:
            self._wake()

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop

    async def write(self, op: Op[T]) -> T:
        """Run `op` in a transaction and return its result after the commit is on the disk.

        Raises what `op` raised, StoreBusy or StoreUnavailable. A caller that is cancelled does not take
        back what it handed over.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def done(result: T | None, error: BaseException | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]  # None only where T allows it

        self.submit(op, done)
        return await future

    async def read(self, sql: str, params: Sequence[Any] | dict[str, Any] = ()) -> list[sqlite3.Row]:
        """All rows of a query, on a connection of its own that sees what is committed and changes nothing.

        Bound the rows in the query. Raises sqlite3.Error, StoreBusy, StoreUnavailable when closed.
        """
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if self._reads >= READS_MAX:
            raise StoreBusy(f"{self._reads} reads wait")
        self._reads += 1
        try:
            reader = self._reader or await self._open_reader()
            return list(await reader.execute_fetchall(sql, params))
        finally:
            self._reads -= 1

    async def truncate_log(self) -> bool:
        """Carry the write-ahead log over to the database and cut it to nothing, so that no earlier state of a page
        is left in it; False if others held it for LOCK_WAIT_S. Raises sqlite3.Error, StoreUnavailable when closed.
        """
        if self._closed:
            raise StoreUnavailable("the store is closed")

        def work() -> bool:
            conn = sqlite3.connect(self._path, timeout=LOCK_WAIT_S, isolation_level=None)
            try:
                return bool(conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)
            finally:
                conn.close()

        return await asyncio.to_thread(work)

    async def close(self) -> None:
        """Refuse what is new, finish what was taken over, and close the file."""
        if self._closed:
            return
        self._closed = True
        if self._backlog:
            self._wake()
        if self._busy:
            self._idle = asyncio.Event()
            await self._idle.wait()
        if self._patience is not None:
            self._patience.cancel()
        self._steps.put(None)
        self._disk.join()
        self._checkpoints.close()
        self._writer.close()
        if self._reader is not None:
            await self._reader.close()

    async def _open_reader(self) -> aiosqlite.Connection:
        async with self._reader_lock:
            if self._reader is None:
                opening = aiosqlite.connect(self._path, isolation_level=None, timeout=LOCK_WAIT_S)
                # Else a process that ends without closing its store waits for this thread for ever.
                opening._thread.daemon = True
                reader = await opening
                reader.row_factory = sqlite3.Row
                await reader.execute("PRAGMA query_only=ON")
                self._reader = reader
            return self._reader

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            isolation_level=None,
            timeout=0,  # the loop must not wait for another process: the thread does
            check_same_thread=False,
            cached_statements=STATEMENTS_CACHED,
        )
        connection.row_factory = sqlite3.Row
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            "wal_autocheckpoint=0",
            f"cache_size=-{CACHE_KIB}",
            f"secure_delete={'ON' if self._secure_delete else 'OFF'}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    # One transaction after the other: statements on the loop, what waits in the thread.

    def _next(self) -> None:
        """Run what is queued, or rest."""
        batch = self._take() if self._urgent else None
        if batch is None:
            self._busy = False
            if self._idle is not None:
                self._idle.set()
            return
        if self._failure is not None:
            self._tell(_all_refused(batch, self._failure))
            return
        self._began = self._running().time()
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            if primary_code(error) == sqlite3.SQLITE_BUSY:
                # Another process writes (a command beside a running platform).
                self._in_thread(self._wait_for_lock, batch)
            else:
                self._tell(_all_refused(batch, self._not_committed(error)))
            return
        self._run(batch)

    def _take(self) -> Batch:
        queue, most = self._queue, self._batch_max
        single = [queue.popleft() for _ in range(min(len(queue), most))]
        staged: list[tuple[Stage[Any, Any], list[Any]]] = []
        for stage, items in self._staged.items():
            if items:
                staged.append((stage, items[:most]))
                del items[:most]
        self._urgent = bool(queue) or any(self._staged.values())
        return single, staged

    def _run(self, batch: Batch) -> None:
        """Run a batch in the open transaction and have it committed."""
        outcomes: Outcomes = [], []
        self._go_on(batch, outcomes, run_plainly(self._writer, batch, outcomes))

    def _go_on(self, batch: Batch, outcomes: Outcomes, steps: Iterator[None]) -> None:
        """Run the next operations of a batch, for TURN_S; the rest on the loop's next turns."""
        until = time.monotonic() + TURN_S
        try:
            try:
                for _ in steps:
                    if time.monotonic() >= until:
                        self._running().call_soon(self._go_on, batch, outcomes, steps)
                        return
            except OpFailed:
                self._roll_back()
                if self._failure is not None:
                    self._tell(_all_refused(batch, self._failure))
                    return
                self._writer.execute("BEGIN IMMEDIATE")
                outcomes = run_apart(self._writer, batch, self._forget)
        except Exception as error:  # whatever it was, the store lives on and everyone gets an answer
            self._roll_back()
            self._tell(_all_refused(batch, self._not_committed(error)))
            return
        self._in_thread(self._commit, batch, outcomes)

    def _tell(self, outcomes: Outcomes) -> None:
        """Give everyone an answer, then go on on the loop's next turn: with what its reads bring as well."""
        assert self._loop is not None
        self._deliver(*outcomes)
        self._loop.call_soon(self._next)

    def _roll_back(self) -> None:
        try:
            # SQLite itself has rolled back after some failures.
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
        except sqlite3.Error as error:
            # The transaction stays open, and must not be committed with what comes.
            _log.critical("store failed and stays closed until a restart: %s", error)
            self._failure = f"not rolled back: {error}"
        self._forget()

    def _in_thread(self, step: Callable[..., tuple[Callable[..., None], Any]], *args: Any) -> None:
        """Take a step that waits; what it gives is called on the loop."""

        def work() -> None:
            then, argument = step(*args)
            assert self._loop is not None
            try:
                self._loop.call_soon_threadsafe(then, argument)
            except RuntimeError:  # the loop is gone, and with it everyone who waits
                _log.warning("answers of the store found no loop")

        self._steps.put(work)

    def _wait_for_disk(self) -> None:
        """The thread that waits in the loop's place."""
        while (step := self._steps.get()) is not None:
            step()

    def _wait_for_lock(self, batch: Batch) -> tuple[Callable[..., None], Any]:
        deadline = time.monotonic() + LOCK_WAIT_S
        while True:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                if primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                    return self._tell, _all_refused(batch, self._not_committed(error))
                time.sleep(LOCK_POLL_S)
            else:
                return self._run, batch

    def _commit(self, batch: Batch, outcomes: Outcomes) -> tuple[Callable[..., None], Any]:
        try:
            self._writer.execute("COMMIT")
        except Exception as error:  # as above
            return self._undo, (batch, self._not_committed(error))
        if self._checkpoints.committed():
            with contextlib.suppress(sqlite3.Error):  # the commit stands, and the log is looked at again
                self._writer.execute(CARRY_OVER).fetchone()
        return self._tell, outcomes

    def _undo(self, refused: tuple[Batch, str]) -> None:
        batch, reason = refused
        self._roll_back()
        self._tell(_all_refused(batch, reason))

    def _forget(self) -> None:
        for forget in self._undone:
            forget()

    def _not_committed(self, error: Exception) -> str:
        reason = f"not committed: {error}"
        if isinstance(error, sqlite3.Error) and primary_code(error) in BROKEN_CODES:
            _log.critical("store failed and stays closed until a restart: %s", error)
            self._failure = reason
        else:
            _log.error("store could not commit: %s", error)
        return reason

    def _deliver(self, outcomes: list[Outcome], staged: list[Staged]) -> None:
        self._backlog -= len(outcomes) + sum(len(items) for _, items, _, _ in staged)
        for done, result, error in outcomes:
            try:
                done(result, error)
            except Exception:  # one caller's mistake must not cost the others their answer
                _log.exception("a callback of the store raised")
        for stage, items, results, error in staged:
            try:
                stage.done(items, results, error)
            except Exception:
                _log.exception("a callback of the store raised")


def _all_refused(batch: Batch, reason: str) -> Outcomes:
    single, staged = batch
    return (
        [(done, None, StoreUnavailable(reason)) for _op, done in single],
        [(stage, items, None, StoreUnavailable(reason)) for stage, items in staged],
    )
