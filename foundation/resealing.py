"""Seals anew under the current data key what earlier ones sealed, so that an earlier one can be destroyed.

Each owner of a database says which of its columns are sealed (`Column`). A table is gone through once, by its key and
in steps of one transaction each, beside the running party: what comes meanwhile is under the current key already, and
what a process sealed that had not seen it yet is counted (`sealed_under`) and done by the next run.
"""

import sqlite3
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from foundation.seal import Sealer, version_prefix

ROWS_MAX: Final = 500
"""Rows in one transaction."""


class Column(NamedTuple):
    """Values that a Sealer sealed."""

    table: str
    key: str
    """Column by which rows are told apart and gone through in order; unique."""
    sealed: str
    aad: Callable[[Any], bytes]
    """What a value is bound to, by its row's `bound_to`."""
    where: str = "1"
    """Which rows hold a sealed value."""
    bound_to: str = ""
    """Column that `aad` gets; empty: the key."""

    @property
    def name(self) -> str:
        return f"{self.table}.{self.sealed}"


# S608 below: names of tables and columns come from the parties' own lists of `Column`, never from outside; SQL takes no
# parameters in their place.


def sealed_under(conn: sqlite3.Connection, columns: Iterable[Column], version: int) -> int:
    """How many values are sealed under a version of the data key. Looks at every row."""
    prefix = version_prefix(version)
    return sum(
        conn.execute(
            f"SELECT COUNT(*) FROM {each.table} WHERE {each.where} AND substr({each.sealed}, 1, 4) = ?",  # noqa: S608
            (prefix,),
        ).fetchone()[0]
        for each in columns
    )


def reseal(conn: sqlite3.Connection, columns: Iterable[Column], sealer: Sealer) -> dict[str, int]:
    """Seal anew what is not under the current data key; how many values of each column, by `Column.name`.

    `conn` is in no transaction. Ended at any time and begun again it does what is left. Raises DecryptError,
    KeyStoreError, sqlite3.Error.
    """
    sealer.refresh()
    return {column.name: _reseal(conn, column, sealer) for column in columns}


def _reseal(conn: sqlite3.Connection, column: Column, sealer: Sealer) -> int:
    prefix = version_prefix(sealer.data_version)
    bound_to = column.bound_to or column.key
    begin = f"SELECT {column.key}, {bound_to}, {column.sealed} FROM {column.table} WHERE {column.where}"  # noqa: S608
    end = f" ORDER BY {column.key} LIMIT {ROWS_MAX}"
    update = f"UPDATE {column.table} SET {column.sealed} = ? WHERE {column.key} = ?"  # noqa: S608
    done, last = 0, None
    while True:
        conn.execute("BEGIN IMMEDIATE")
        try:
            if last is None:
                rows = conn.execute(begin + end).fetchall()
            else:
                rows = conn.execute(f"{begin} AND {column.key} > ?{end}", (last,)).fetchall()
            stale = [
                (key, column.aad(bound), bytes(sealed))
                for key, bound, sealed in rows
                if bytes(sealed[:4]) != prefix
            ]
            conn.executemany(
                update, [(sealer.seal(sealer.open(sealed, aad), aad), key) for key, aad, sealed in stale]
            )
            conn.execute("COMMIT")
        except BaseException:
            conn.execute("ROLLBACK")
            raise
        if not rows:
            return done
        done, last = done + len(stale), rows[-1][0]
