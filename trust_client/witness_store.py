"""What a witness remembers: the checkpoints that it cosigned, on the disk before it signs, and what it caught."""

import json
import sqlite3
from pathlib import Path
from typing import Any, Final, Self

from evidence.checkpoint import Checkpoint
from evidence.log import SignedCheckpoint
from foundation.atomic import write_atomic

KEPT_MAX: Final = 100_000
"""Checkpoints remembered, the newest; some days' worth."""
CAUGHT: Final = "misbehaviour.json"
"""Beside the database: what a log did that no honest log does. While it is there the witness does not run."""

_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY CHECK (id = 1), log_id BLOB NOT NULL)",
    """CREATE TABLE IF NOT EXISTS cosigned (
        number INTEGER PRIMARY KEY, log_id BLOB NOT NULL, size INTEGER NOT NULL,
        time_ms INTEGER NOT NULL, root BLOB NOT NULL, signature BLOB NOT NULL,
        cosigned_at INTEGER NOT NULL, posted INTEGER NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS cosigned_by_size ON cosigned (size)",
)


class OtherLog(ValueError):
    """The database is of another log."""


class WitnessStore:
    """One witness's memory of one log. Each change is on the disk when the call returns."""

    def __init__(self, conn: sqlite3.Connection, path: Path) -> None:
        self._conn = conn
        self._path = path

    @classmethod
    def open(cls, path: Path, log_id: bytes) -> Self:
        """Open or make the database; `log_id` is the log's name under the first key that is known here.

        Raises OtherLog, sqlite3.Error, OSError.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        conn = sqlite3.connect(path, isolation_level=None)
        conn.execute("PRAGMA journal_mode=WAL")
        conn.execute("PRAGMA synchronous=FULL")
        for statement in _SCHEMA:
            conn.execute(statement)
        conn.execute("INSERT INTO log (id, log_id) VALUES (1, ?) ON CONFLICT (id) DO NOTHING", (log_id,))
        if conn.execute("SELECT log_id FROM log").fetchone()[0] != log_id:
            conn.close()
            raise OtherLog(f"{path} is about another log")
        return cls(conn, path)

    def close(self) -> None:
        self._conn.close()

    @property
    def caught_file(self) -> Path:
        """Where misbehaviour is written down."""
        return self._path.with_name(CAUGHT)

    def last(self) -> tuple[SignedCheckpoint, int, bool] | None:
        """The newest cosigned checkpoint, when, and whether the trust party has the cosignature; None before any."""
        row = self._conn.execute(
            "SELECT log_id, size, time_ms, root, signature, cosigned_at, posted FROM cosigned"
            " ORDER BY number DESC LIMIT 1"
        ).fetchone()
        return None if row is None else (self._signed(row), row[5], bool(row[6]))

    def of_size(self, size: int) -> SignedCheckpoint | None:
        """A cosigned checkpoint of this size, if one is remembered."""
        row = self._conn.execute(
            "SELECT log_id, size, time_ms, root, signature FROM cosigned WHERE size = ? LIMIT 1", (size,)
        ).fetchone()
        return None if row is None else self._signed(row)

    def put(self, signed: SignedCheckpoint, now_ms: int) -> None:
        """Remember a checkpoint that is about to be cosigned."""
        state = signed.checkpoint
        with self._conn:
            self._conn.execute("BEGIN IMMEDIATE")
            number = self._conn.execute(
                "INSERT INTO cosigned (log_id, size, time_ms, root, signature, cosigned_at, posted)"
                " VALUES (?, ?, ?, ?, ?, ?, 0) RETURNING number",
                (state.log_id, state.size, state.time_ms, state.root, signed.signature, now_ms),
            ).fetchone()[0]
            self._conn.execute("DELETE FROM cosigned WHERE number <= ?", (number - KEPT_MAX,))

    def posted(self) -> None:
        """The trust party has the newest cosignature."""
        self._conn.execute("UPDATE cosigned SET posted = 1 WHERE number = (SELECT max(number) FROM cosigned)")

    def caught(self, proof: dict[str, Any]) -> None:
        """Write down what the log did; an earlier finding stays. Raises OSError."""
        if not self.caught_file.exists():
            write_atomic(self.caught_file, json.dumps(proof, ensure_ascii=False, indent=1).encode() + b"\n")

    def _signed(self, row: tuple[Any, ...]) -> SignedCheckpoint:
        return SignedCheckpoint(Checkpoint(row[0], row[1], row[2], row[3]), row[4])
