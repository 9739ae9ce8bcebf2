"""A witness's own copy of the log's leaves: the whole tree, held by whoever does not own it.

With it a witness does not take the log's proofs on trust even so far as they go: it makes each root itself. It can tell
whether any earlier checkpoint was of this log without asking the log, and can still prove what is in it when the log's
owner has lost it. A leaf is a salted commitment: holding all of them tells nobody anything.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from evidence import batches, merkle
from evidence.log import NODES_TABLE
from evidence.merkle import Appender, Plan

_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS mirror (id INTEGER PRIMARY KEY CHECK (id = 1), size INTEGER NOT NULL)",
    "INSERT INTO mirror (id, size) VALUES (1, 0) ON CONFLICT (id) DO NOTHING",
)


class Mirror:
    """Leaves 0 to `size` - 1 and all nodes above them, in a file. Each append is on the disk when it returns."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open or make the file. Raises sqlite3.Error, OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        conn = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        conn.execute("PRAGMA journal_mode=WAL")
        conn.execute("PRAGMA synchronous=FULL")
        for statement in (*_SCHEMA, NODES_TABLE.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS")):
            conn.execute(statement)
        return cls(conn)

    def close(self) -> None:
        self._conn.close()

    @property
    def size(self) -> int:
        """Leaves held."""
        return int(self._conn.execute("SELECT size FROM mirror").fetchone()[0])

    def append(self, leaves: Sequence[bytes]) -> None:
        """Add the leaves that follow, by their hashes."""
        size = self.size
        edge = batches.edge_positions(size)
        nodes = batches.nodes_at(self._conn, edge)
        made = Appender(size, [nodes[at] for at in edge]).append(leaves)
        with self._conn:
            self._conn.execute("BEGIN IMMEDIATE")
            batches.write_nodes(self._conn, merkle.nodes_made(size), made)
            self._conn.execute("UPDATE mirror SET size = ?", (size + len(leaves),))

    def root(self, size: int) -> bytes:
        """The root that the first `size` leaves have. Raises ValueError for more than are held."""
        return self._hashes(merkle.root_plan(size), size)[0] if size else merkle.EMPTY_ROOT

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Proof that a leaf is in the log of `size` leaves. Raises ValueError for what is not held."""
        return self._hashes(merkle.inclusion(index, size), size)

    def consistency(self, first: int, second: int) -> list[bytes]:
        """Proof that the log of `second` leaves extends that of `first`. Raises as `inclusion`."""
        return self._hashes(merkle.consistency(first, second), second)

    def _hashes(self, plan: Plan, size: int) -> list[bytes]:
        if not 0 <= size <= self.size:
            raise ValueError("more leaves than are held")
        return batches.hashes(self._conn, plan)
