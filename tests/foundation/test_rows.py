"""Many rows in few statements: nothing lost, nothing twice, in order."""

import sqlite3
from collections.abc import Iterator

import pytest

from foundation.rows import GROUP, KEYS_MAX, execute_keys, execute_rows, groups, select_keys, select_rows


@pytest.fixture
def conn() -> Iterator[sqlite3.Connection]:
    with sqlite3.connect(":memory:") as made:
        made.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, kept INTEGER DEFAULT 0)")
        yield made


COUNTS = [0, 1, 2, 3, 7, 8, GROUP - 1, GROUP, GROUP + 1, KEYS_MAX, KEYS_MAX + 1, 300]


@pytest.mark.parametrize("count", COUNTS)
def test_pieces_are_of_one_size_but_the_last_and_in_order(count: int) -> None:
    pieces = list(groups(range(count), GROUP))
    assert all(len(piece) == GROUP for piece in pieces[:-1])
    assert all(0 < len(piece) <= GROUP for piece in pieces)
    assert [item for piece in pieces for item in piece] == list(range(count))


@pytest.mark.parametrize("count", COUNTS)
def test_every_row_is_written_found_and_deleted(conn: sqlite3.Connection, count: int) -> None:
    rows = [(number, f"a{number}") for number in range(count)]
    assert execute_rows(conn, "INSERT INTO t (id, a) VALUES @rows", rows) == count
    keys = [number for number, _ in rows]
    found = select_keys(conn, "SELECT id, a FROM t WHERE id IN (@keys)", [*keys, count + 1])
    assert sorted(found) == rows
    joined = "WITH v (id, a) AS (VALUES @rows) SELECT t.id, t.a FROM v JOIN t ON t.id = v.id AND t.a = v.a"
    assert sorted(set(select_rows(conn, joined, [*rows, (0, "another")]))) == rows
    assert execute_keys(conn, "DELETE FROM t WHERE id IN (@keys)", keys) == count
    assert conn.execute("SELECT COUNT(*) FROM t").fetchone() == (0,)


def test_parameters_before_the_keys_are_of_every_statement(conn: sqlite3.Connection) -> None:
    execute_rows(conn, "INSERT INTO t (id, a) VALUES @rows", [(number, "a") for number in range(131)])
    changed = execute_keys(conn, "UPDATE t SET kept = ? WHERE id IN (@keys)", range(130), (9,))
    assert changed == 130
    assert conn.execute("SELECT COUNT(*) FROM t WHERE kept = 9").fetchone() == (130,)


def test_rows_that_are_there_are_not_counted(conn: sqlite3.Connection) -> None:
    sql = "INSERT INTO t (id, a) VALUES @rows ON CONFLICT DO NOTHING"
    assert execute_rows(conn, sql, [(1, "a"), (2, "b")]) == 2
    assert execute_rows(conn, sql, [(2, "c"), (3, "d")]) == 1
