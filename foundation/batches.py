"""What one transaction of the store does: operations and stages, run together, and apart where one of them fails."""

import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")
Item = TypeVar("Item")
Result = TypeVar("Result")
Op = Callable[[sqlite3.Connection], T]
"""A change, over the connection that writes."""
Done = Callable[[T | None, BaseException | None], None]
"""Told its result, or why there is none."""

# After these, what SQLite and the kernel hold can no longer be trusted to be what is on the disk: only
# a restart, which reads it again, may go on.
BROKEN_CODES: Final = frozenset(
    {
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
    }
)
# When an operation meets one of these it is not that operation's mistake: its whole batch is refused.
_DISK_CODES: Final = BROKEN_CODES | {sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_NOMEM}


class Stage(Generic[Item, Result]):
    """One kind of change that comes in great numbers, run over all of its items in a commit at once.

    What costs most in a busy store is not SQLite but the way there, once a statement. So `run(conn, items)`
    gets every item of the stage that the commit takes, works on them with few statements of many rows, and
    returns one result an item, in order;
    `done(items, results, error)` is called once on the loop, after the commit. `results` is None when
    `error` is not. When what `run` did was rolled back it may be called again with the same items, or with
    one at a time; what it remembers outside the database it forgets by `Store.on_undone`.
    """

    def __init__(
        self,
        run: Callable[[sqlite3.Connection, list[Item]], list[Result]],
        done: Callable[[list[Item], list[Result] | None, BaseException | None], None],
        *,
        order: int,
        patience_s: float = 0.0,
        spacing_s: float = 0.0,
    ) -> None:
        """Of the stages in one commit, the one with the least `order` runs first. `patience_s`: how long items may
        wait for a commit that others ask for, where nobody waits for them. `spacing_s`: how long after the beginning
        of the last commit they may wait for the next, so that a busy store commits for several at once; in an idle
        one they wait for nothing."""
        self.run = run
        self.done = done
        self.order = order
        self.patience_s = patience_s
        self.spacing_s = spacing_s


Batch = tuple[list[tuple[Op[Any], Done[Any]]], list[tuple[Stage[Any, Any], list[Any]]]]
"""Single operations, and stages with their items in the order in which they run."""
Outcome = tuple[Done[Any], Any, BaseException | None]
Staged = tuple[Stage[Any, Any], list[Any], list[Any] | None, BaseException | None]
Outcomes = tuple[list[Outcome], list[Staged]]


class OpFailed(Exception):
    """An operation of an optimistic batch raised: run the batch again, each apart."""


def run_plainly(writer: sqlite3.Connection, batch: Batch, outcomes: Outcomes) -> Iterator[None]:
    """Without savepoints, since nearly every batch has no failure in it. Fills `outcomes`, which are whole when it
    ends, and gives way after each operation. Raises OpFailed, and the error of a disk."""
    single, staged = batch
    for op, done in single:
        outcomes[0].append((done, _run_or_fail(op, writer), None))
        yield
    for stage, items in staged:
        outcomes[1].append((stage, items, _run_or_fail(stage.run, writer, items), None))


def _run_or_fail(run: Callable[..., Any], *args: Any) -> Any:
    try:
        return run(*args)
    except BaseException as error:
        _raise_if_disk(error)
        raise OpFailed from error


def run_apart(writer: sqlite3.Connection, batch: Batch, forget: Callable[[], None]) -> Outcomes:
    """Each operation, and each item of a stage, in a savepoint of its own; `forget` is called for each that fails.
    Raises the error of a disk."""
    single, staged = batch
    outcomes: list[Outcome] = []
    for op, done in single:
        result, error = _within_savepoint(writer, op, forget)
        outcomes.append((done, result, error))
    results: list[Staged] = []
    for stage, items in staged:
        for item in items:
            result, error = _within_savepoint(writer, partial(_run_one, stage, item), forget)
            results.append((stage, [item], result, error))
    return outcomes, results


def _within_savepoint(
    writer: sqlite3.Connection, op: Op[Any], forget: Callable[[], None]
) -> tuple[Any, BaseException | None]:
    writer.execute("SAVEPOINT op")
    result, failure = None, None
    try:
        result = op(writer)
    except BaseException as error:
        _raise_if_disk(error)
        writer.execute("ROLLBACK TO op")
        forget()
        failure = error
    writer.execute("RELEASE op")
    return result, failure


def _run_one(stage: Stage[Any, Any], item: Any, conn: sqlite3.Connection) -> list[Any]:
    return stage.run(conn, [item])


def _raise_if_disk(error: BaseException) -> None:
    if isinstance(error, sqlite3.Error) and primary_code(error) in _DISK_CODES:
        raise error


def primary_code(error: sqlite3.Error) -> int:
    """Its kind (sqlite.org/rescode.html, "Primary Result Codes")."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
