"""Many rows in few statements.

Most of what a statement of one row costs is the way to SQLite and back, and not the row. Rows go in groups
of a few fixed sizes, so that the prepared statements are few and stay in the connection's cache; what is left over
of a large group, and every small one, runs one prepared statement over and over. The SQL is what SQLite and
PostgreSQL share.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Final, TypeVar

T = TypeVar("T")

GROUP: Final = 32
"""Rows in one statement. More gain nothing, and fewer lose to a statement of one row that is run again and again."""
KEYS_MAX: Final = 128
"""Keys in one statement."""


def groups(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """`items` in order, cut into pieces of `size` and a last one that may be smaller."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


@lru_cache(maxsize=512)
def _with_values(sql: str, columns: int, count: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return sql.replace("@rows", ", ".join([row] * count))


@lru_cache(maxsize=512)
def _with_keys(sql: str, count: int) -> str:
    return sql.replace("@keys", ", ".join("?" * count))


def _filled(keys: Sequence[Any]) -> Sequence[Any]:
    """The keys, the last one repeated up to a power of two: naming a key twice changes nothing."""
    missing = (1 << (len(keys) - 1).bit_length()) - len(keys)
    return [*keys, *[keys[-1]] * missing] if missing else keys


def execute_rows(conn: sqlite3.Connection, sql: str, rows: Sequence[Sequence[Any]]) -> int:
    """Run `sql` with all `rows` (of equal length, at least one column) where it says "@rows":
    "INSERT INTO t (a, b) VALUES @rows". Gives the rows changed in all."""
    changed = 0
    for group in groups(rows, GROUP):
        if len(group) == GROUP:
            statement = _with_values(sql, len(group[0]), GROUP)
            changed += conn.execute(statement, tuple(chain.from_iterable(group))).rowcount
        else:
            changed += conn.executemany(_with_values(sql, len(group[0]), 1), group).rowcount
    return changed


def execute_keys(
    conn: sqlite3.Connection, sql: str, keys: Sequence[Any], before: tuple[Any, ...] = ()
) -> int:
    """Run `sql` with all `keys` where it says "@keys": "DELETE FROM t WHERE id IN (@keys)". `before` are the
    parameters of the placeholders in front of them. Gives the rows changed in all."""
    changed = 0
    for group in groups(keys, KEYS_MAX):
        filled = _filled(group)
        changed += conn.execute(_with_keys(sql, len(filled)), (*before, *filled)).rowcount
    return changed


def select_keys(conn: sqlite3.Connection, sql: str, keys: Sequence[Any]) -> list[Any]:
    """All rows of `sql` for `keys` where it says "@keys": "SELECT a FROM t WHERE id IN (@keys)"."""
    found: list[Any] = []
    for group in groups(keys, KEYS_MAX):
        filled = _filled(group)
        found += conn.execute(_with_keys(sql, len(filled)), tuple(filled)).fetchall()
    return found


def select_rows(conn: sqlite3.Connection, sql: str, rows: Sequence[Sequence[Any]]) -> list[Any]:
    """All rows of `sql` for `rows` (of equal length) where it says "@rows", a row that is given twice counting
    once or twice as the groups fall:
    "WITH v (a, b) AS (VALUES @rows) SELECT DISTINCT t.c FROM v JOIN t ON ..."."""
    found: list[Any] = []
    for group in groups(rows, KEYS_MAX):
        filled = _filled(group)
        statement = _with_values(sql, len(group[0]), len(filled))
        found += conn.execute(statement, tuple(chain.from_iterable(filled))).fetchall()
    return found
