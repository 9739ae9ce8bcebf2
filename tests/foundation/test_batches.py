"""What one transaction does for many: all together, and each apart where one fails."""

import sqlite3
from typing import Any

import pytest

from foundation.batches import Batch, OpFailed, Outcomes, Stage, run_apart, run_plainly


@pytest.fixture
def conn() -> sqlite3.Connection:
    opened = sqlite3.connect(":memory:", isolation_level=None)
    opened.execute("CREATE TABLE person (name TEXT UNIQUE)")
    opened.execute("BEGIN")
    return opened


def told(*_: Any) -> None:
    """Nobody is, here."""


def put(name: str) -> Any:
    return lambda conn: conn.execute("INSERT INTO person VALUES (?)", (name,)).lastrowid


def put_all(conn: sqlite3.Connection, names: list[str]) -> list[str]:
    for name in names:
        put(name)(conn)
    return [name.upper() for name in names]


def names(conn: sqlite3.Connection) -> list[str]:
    return [row[0] for row in conn.execute("SELECT name FROM person ORDER BY rowid")]


STAGE = Stage(put_all, told, order=1)
WELL: Batch = ([(put("li"), told), (put("wang"), told)], [(STAGE, ["zhang", "zhao"])])
TWICE: Batch = ([(put("li"), told), (put("li"), told)], [(STAGE, ["zhang", "li", "zhao"])])


def plainly(conn: sqlite3.Connection, batch: Batch) -> Outcomes:
    outcomes: Outcomes = [], []
    for _ in run_plainly(conn, batch, outcomes):
        pass
    return outcomes


def test_operations_run_in_order_and_stages_over_all_of_their_items(conn: sqlite3.Connection) -> None:
    single, staged = plainly(conn, WELL)
    assert [result for _, result, _ in single] == [1, 2]
    assert [(items, results) for _, items, results, _ in staged] == [(["zhang", "zhao"], ["ZHANG", "ZHAO"])]
    assert names(conn) == ["li", "wang", "zhang", "zhao"]


def test_one_that_fails_is_no_ones_but_has_all_run_again(conn: sqlite3.Connection) -> None:
    with pytest.raises(OpFailed):
        plainly(conn, TWICE)


def test_it_gives_way_after_each_operation(conn: sqlite3.Connection) -> None:
    outcomes: Outcomes = [], []
    steps = run_plainly(conn, WELL, outcomes)
    next(steps)
    assert len(outcomes[0]) == 1
    next(steps)
    assert (len(outcomes[0]), len(outcomes[1])) == (2, 0)
    assert next(steps, "over") == "over"
    assert len(outcomes[1]) == 1


def test_apart_what_fails_is_undone_alone_and_told_why(conn: sqlite3.Connection) -> None:
    forgotten: list[None] = []
    single, staged = run_apart(conn, TWICE, lambda: forgotten.append(None))
    assert [error is None for _, _, error in single] == [True, False]
    assert [(items, error is None) for _, items, _, error in staged] == [
        (["zhang"], True), (["li"], False), (["zhao"], True),
    ]  # fmt: skip
    assert names(conn) == ["li", "zhang", "zhao"]
    assert len(forgotten) == 2


@pytest.mark.parametrize("run", [plainly, lambda conn, batch: run_apart(conn, batch, lambda: None)])
def test_a_disk_that_fails_is_no_operations_mistake(conn: sqlite3.Connection, run: Any) -> None:
    def fails(_: sqlite3.Connection) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    with pytest.raises(sqlite3.OperationalError):
        run(conn, ([(fails, told)], []))
