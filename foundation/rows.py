"""Many rows in one statement.

Most of what a statement of one row costs is the way to SQLite and back, and not the row. Rows go in groups
of a few fixed sizes, so that the prepared statements are few and stay in the connection's cache. The SQL is
what SQLite and PostgreSQL share.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Final, TypeVar

T = TypeVar("T")

SIZES: Final = (128, 32, 8, 2, 1)
"""Rows in one statement, the largest that fit first."""


def groups(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """`items` in order, cut into pieces of SIZES."""
    start, left = 0, len(items)
    for size in SIZES:
        while left >= size:
            yield items[start : start + size]
            start += size
            left -= size


@lru_cache(maxsize=512)
def _with_values(sql: str, columns: int, count: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return sql.replace("@rows", ", ".join([row] * count))


@lru_cache(maxsize=512)
def _with_keys(sql: str, count: int) -> str:
    return sql.replace("@keys", ", ".join("?" * count))


def execute_rows(conn: sqlite3.Connection, sql: str, rows: Sequence[Sequence[Any]]) -> int:
    """Run `sql` with all `rows` (of equal length, at least one column) where it says "@rows":
    "INSERT INTO t (a, b) VALUES @rows", "WITH v (id, a) AS (VALUES @rows) UPDATE ...". Gives the rows
    changed in all."""
    changed = 0
    for group in groups(rows):
        statement = _with_values(sql, len(group[0]), len(group))
        changed += conn.execute(statement, tuple(chain.from_iterable(group))).rowcount
    return changed


def execute_keys(
    conn: sqlite3.Connection, sql: str, keys: Sequence[Any], before: tuple[Any, ...] = ()
) -> int:
    """Run `sql` with all `keys` where it says "@keys": "DELETE FROM t WHERE id IN (@keys)". `before` are the
    parameters of the placeholders in front of them. Gives the rows changed in all."""
    changed = 0
    for group in groups(keys):
        changed += conn.execute(_with_keys(sql, len(group)), (*before, *group)).rowcount
    return changed


def select_keys(conn: sqlite3.Connection, sql: str, keys: Sequence[Any]) -> list[Any]:
    """All rows of `sql` for `keys` where it says "@keys": "SELECT a FROM t WHERE id IN (@keys)"."""
    found: list[Any] = []
    for group in groups(keys):
        found += conn.execute(_with_keys(sql, len(group)), tuple(group)).fetchall()
    return found


def select_rows(conn: sqlite3.Connection, sql: str, rows: Sequence[Sequence[Any]]) -> list[Any]:
    """All rows of `sql` for `rows` (of equal length) where it says "@rows":
    "WITH v (a, b) AS (VALUES @rows) SELECT t.c FROM v JOIN t ON ..."."""
    found: list[Any] = []
    for group in groups(rows):
        statement = _with_values(sql, len(group[0]), len(group))
        found += conn.execute(statement, tuple(chain.from_iterable(group))).fetchall()
    return found
