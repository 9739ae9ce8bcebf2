"""The write-ahead log stays short under commits that never pause, and no commit carries much of it."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from foundation import checkpoints as module
from foundation.checkpoints import CARRY_OVER, Checkpoints
from tests.foundation.disks import until

PAGE = b"x" * 3000


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    made.execute("PRAGMA journal_mode=WAL")
    made.execute("PRAGMA wal_autocheckpoint=0")
    made.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a BLOB)")
    yield made
    made.close()


def logged(writer: sqlite3.Connection) -> tuple[int, int]:
    """Pages in the log, and pages of them carried over."""
    _, pages, carried = writer.execute(CARRY_OVER).fetchone()
    return pages, carried


async def test_a_log_that_is_long_is_finished_by_a_commit_and_begun_anew(
    tmp_path: Path, writer: sqlite3.Connection
) -> None:
    checkpoints = Checkpoints(tmp_path / "a.db", pages=10, interval_s=0.001)

    def finished() -> bool:
        writer.execute("INSERT INTO t (a) VALUES (?)", (PAGE,))
        return checkpoints.committed()

    await until(finished)
    checkpoints.close()
    pages, carried = logged(writer)
    assert pages == carried
    writer.execute("INSERT INTO t (a) VALUES (?)", (PAGE,))
    assert logged(writer)[0] < 10


async def test_a_short_log_is_carried_over_without_any_commits_help(
    tmp_path: Path, writer: sqlite3.Connection
) -> None:
    checkpoints = Checkpoints(tmp_path / "a.db", pages=1000, interval_s=0.001)
    writer.execute("INSERT INTO t (a) VALUES (?)", (PAGE,))
    assert not checkpoints.committed()
    await until(lambda: (tmp_path / "a.db").stat().st_size > len(PAGE))
    checkpoints.close()


async def test_a_failure_is_logged_and_the_next_look_tries_again(
    tmp_path: Path,
    writer: sqlite3.Connection,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CARRY_OVER", "SELECT * FROM nothing")
    checkpoints = Checkpoints(tmp_path / "a.db", interval_s=0.001)
    writer.execute("INSERT INTO t (a) VALUES (?)", (PAGE,))
    checkpoints.committed()
    await until(lambda: "log of a.db not carried over" in caplog.text)
    monkeypatch.undo()
    await until(lambda: (tmp_path / "a.db").stat().st_size > len(PAGE))
    checkpoints.close()
