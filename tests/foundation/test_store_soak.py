"""The store under a steady load keeps its memory, files and answers. Run by `make soak`."""

import asyncio
import os
import sqlite3
import time
from pathlib import Path

import pytest

from foundation.store import Store

SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
IN_FLIGHT = 200
GROWTH_MAX = 16 << 20
REVISION = """
from alembic import op
revision = "0001"
down_revision = None
def upgrade():
    op.execute("CREATE TABLE message (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
"""


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def put_and_forget(connection: sqlite3.Connection) -> int:
    connection.execute("INSERT INTO message (text) VALUES ('a message of some length')")
    row = connection.execute("SELECT max(id) FROM message").fetchone()[0]
    connection.execute("DELETE FROM message WHERE id <= ?", (row - 1000,))
    return int(row)


@pytest.mark.soak
@pytest.mark.timeout(SECONDS * 2 + 60)
async def test_nothing_grows_under_a_steady_load(tmp_path: Path) -> None:
    revisions = tmp_path / "revisions"
    revisions.mkdir()
    (revisions / "r0001.py").write_text(REVISION)
    store = Store.open(tmp_path / "a.db", revisions)
    done = 0

    async def load(until: float) -> None:
        nonlocal done
        while time.monotonic() < until:
            await store.write(put_and_forget)
            await store.read("SELECT count(*) FROM message")
            done += 1

    async def run_for(seconds: float) -> None:
        until = time.monotonic() + seconds
        await asyncio.gather(*(load(until) for _ in range(IN_FLIGHT)))

    await run_for(SECONDS / 6)
    memory, files = resident_bytes(), len(os.listdir("/proc/self/fd"))
    await run_for(SECONDS * 5 / 6)
    assert resident_bytes() - memory < GROWTH_MAX
    assert len(os.listdir("/proc/self/fd")) == files
    assert store.backlog == 0
    rows = await store.read("SELECT max(id), count(*) FROM message")
    assert tuple(rows[0]) == (done, 1000)
    await store.close()
    assert (tmp_path / "a.db").stat().st_size < GROWTH_MAX
