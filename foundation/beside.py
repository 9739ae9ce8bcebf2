"""What is done to a party's database beside its running process, or without one, by the operator's commands."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from foundation.store import LOCK_WAIT_S


@contextmanager
def transaction(database: Path) -> Iterator[sqlite3.Connection]:
    """One transaction: on the disk when the block ends, undone when it raises. Raises sqlite3.Error, also when others
    held the database for LOCK_WAIT_S."""
    conn = sqlite3.connect(database, timeout=LOCK_WAIT_S, isolation_level=None)
    try:
        conn.execute("PRAGMA journal_mode=WAL")
        conn.execute("PRAGMA synchronous=FULL")
        conn.execute("BEGIN IMMEDIATE")
        try:
            yield conn
            conn.execute("COMMIT")
        except BaseException:
            conn.execute("ROLLBACK")
            raise
    finally:
        conn.close()
