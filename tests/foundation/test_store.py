"""The store acknowledges what is on the disk and nothing else."""

import asyncio
import sqlite3
import sys
from pathlib import Path

import pytest

from foundation import store as engine
from foundation.migrate import MigrationError, upgrade
from foundation.store import Op, Store, StoreBusy, StoreUnavailable
from tests.foundation.disks import FailingWriter, SlowDisk, StuckWriter, disk_error, insert, texts, until

SECOND = """
from alembic import op
revision = "0002"
down_revision = "0001"
def upgrade():
    op.execute("ALTER TABLE message ADD COLUMN state TEXT")
    {more}
"""


async def test_a_write_returns_its_operations_result_and_readers_see_it(store: Store) -> None:
    assert await store.write(insert("a")) == 1
    assert await texts(store) == ["a"]


async def test_what_is_deleted_can_be_taken_out_of_the_files(tmp_path: Path, revisions: Path) -> None:
    path = tmp_path / "data" / "a.db"

    def in_files() -> bool:
        return any(b"the secret" in each.read_bytes() for each in path.parent.iterdir() if each.is_file())

    store = Store.open(path, revisions, secure_delete=True)
    await store.write(insert("the secret"))
    await store.write(lambda conn: conn.execute("DELETE FROM message"))
    assert in_files()
    assert await store.truncate_log()
    assert not in_files()
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.truncate_log()


async def test_operations_run_in_the_order_in_which_they_were_handed_over(store: Store) -> None:
    await asyncio.gather(*(store.write(insert(f"{n:04}")) for n in range(1200)))
    assert await texts(store) == [f"{n:04}" for n in range(1200)]
    assert store.backlog == 0


async def test_an_operation_that_raises_is_undone_alone(store: Store) -> None:
    def half_done(connection: sqlite3.Connection) -> None:
        insert("half")(connection)
        raise ValueError("mine")

    answers = await asyncio.gather(
        store.write(insert("a")),
        store.write(half_done),
        store.write(insert("a")),
        store.write(insert("b")),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [int, ValueError, sqlite3.IntegrityError, int]
    assert await texts(store) == ["a", "b"]


async def test_what_was_acknowledged_is_on_the_disk_for_another_connection(
    store: Store, tmp_path: Path
) -> None:
    await store.write(insert("a"))
    with sqlite3.connect(tmp_path / "data" / "a.db") as other:
        assert other.execute("SELECT text FROM message").fetchall() == [("a",)]
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert await store.write(lambda c: c.execute("PRAGMA synchronous").fetchone()[0]) == 2  # FULL


async def test_submit_calls_back_on_the_loop_and_a_raising_callback_hurts_nobody(store: Store) -> None:
    answered = asyncio.get_running_loop().create_future()

    def raises(_result: object, _error: BaseException | None) -> None:
        raise RuntimeError

    store.submit(insert("a"), raises)
    store.submit(insert("b"), lambda result, error: answered.set_result((result, error)))
    assert await answered == (2, None)


async def test_a_full_queue_is_refused_and_nothing_taken_over(tmp_path: Path, revisions: Path) -> None:
    store = Store.open(tmp_path / "a.db", revisions, queue_max=3)
    pending = [asyncio.ensure_future(store.write(insert(text))) for text in "abcd"]
    answers = await asyncio.gather(*pending, return_exceptions=True)
    assert answers[:3] == [1, 2, 3]
    assert isinstance(answers[3], StoreBusy)
    assert await store.write(insert("e")) == 4
    await store.close()


async def test_close_finishes_what_was_taken_over_and_refuses_what_is_new(
    tmp_path: Path, revisions: Path
) -> None:
    store = Store.open(tmp_path / "a.db", revisions, batch_max=2)
    pending = [asyncio.ensure_future(store.write(insert(str(n)))) for n in range(7)]
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.gather(*pending) == [1, 2, 3, 4, 5, 6, 7]
    with pytest.raises(StoreUnavailable):
        await store.write(insert("late"))
    with pytest.raises(StoreUnavailable):
        await store.read("SELECT 1")


async def test_a_disk_failure_acknowledges_nothing_ever_again(store: Store) -> None:
    store._writer = FailingWriter(store._writer, sqlite3.SQLITE_IOERR_FSYNC)  # type: ignore[assignment]
    answers = await asyncio.gather(*(store.write(insert(t)) for t in "ab"), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreUnavailable, StoreUnavailable]
    assert store.failed
    with pytest.raises(StoreUnavailable):
        await store.write(insert("c"))
    assert await texts(store) == []


async def test_a_full_disk_refuses_and_heals_when_there_is_room(store: Store) -> None:
    failing = FailingWriter(store._writer, sqlite3.SQLITE_FULL)
    store._writer = failing  # type: ignore[assignment]
    with pytest.raises(StoreUnavailable):
        await store.write(insert("a"))
    assert not store.failed
    failing.code = 0
    await store.write(insert("b"))
    assert await texts(store) == ["b"]


async def test_a_disk_failure_inside_an_operation_is_not_taken_for_its_mistake(store: Store) -> None:
    def meets_bad_sector(connection: sqlite3.Connection) -> None:
        raise disk_error(sqlite3.SQLITE_IOERR_READ)

    answers = await asyncio.gather(
        store.write(insert("a")), store.write(meets_bad_sector), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [StoreUnavailable, StoreUnavailable]
    assert store.failed


async def test_what_cannot_be_undone_is_never_committed(store: Store) -> None:
    store._writer = StuckWriter(store._writer)  # type: ignore[assignment]
    forgotten: list[int] = []
    store.on_undone(lambda: forgotten.append(1))
    async with asyncio.timeout(5):
        answers = await asyncio.gather(
            store.write(insert("a")), store.write(insert("a")), return_exceptions=True
        )
    assert [type(answer) for answer in answers] == [StoreUnavailable, StoreUnavailable]
    assert store.failed
    assert forgotten
    assert store.backlog == 0
    assert await texts(store) == []


async def test_while_a_commit_waits_for_the_disk_the_loop_goes_on_and_changes_gather(store: Store) -> None:
    disk = SlowDisk(store._writer)
    store._writer = disk  # type: ignore[assignment]
    answered: list[int | None] = []
    store.submit(insert("a"), lambda result, _: answered.append(result))
    await asyncio.sleep(0.01)
    for text in "bcd":
        store.submit(insert(text), lambda result, _: answered.append(result))
        await asyncio.sleep(0)
    assert answered == []
    disk.go_on.set()
    await until(lambda: answered == [1, 2, 3, 4])
    assert disk.commits == 2


async def test_a_long_batch_gives_the_loop_back_between_operations_and_is_one_commit(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "TURN_S", 0.0)
    seen: list[str] = []

    def op(text: str) -> Op[None]:
        def run(conn: sqlite3.Connection) -> None:
            insert(text)(conn)
            seen.append(text)
            asyncio.get_running_loop().call_soon(seen.append, "turn")

        return run

    disk = SlowDisk(store._writer)
    disk.go_on.set()
    store._writer = disk  # type: ignore[assignment]
    await asyncio.gather(*(store.write(op(text)) for text in "abc"))
    assert seen[:5] == ["a", "turn", "b", "turn", "c"]
    assert disk.commits == 1


async def test_what_fails_after_a_turn_of_the_loop_undoes_nothing_but_itself(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "TURN_S", 0.0)

    def fails(_: sqlite3.Connection) -> int:
        raise ValueError("mine")

    results = await asyncio.gather(
        store.write(insert("a")), store.write(fails), store.write(insert("b")), return_exceptions=True
    )
    assert [type(result) for result in results] == [int, ValueError, int]
    assert await texts(store) == ["a", "b"]


async def test_another_process_that_writes_is_waited_for(store: Store, tmp_path: Path) -> None:
    """A command beside a running platform. The loop goes on meanwhile."""
    other = sqlite3.connect(tmp_path / "data" / "a.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.ensure_future(store.write(insert("a")))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    other.execute("INSERT INTO message (text) VALUES ('theirs')")
    other.execute("COMMIT")
    other.close()
    assert await asyncio.wait_for(waiting, 5) == 2
    assert await texts(store) == ["theirs", "a"]


async def test_another_process_that_never_ends_is_not_waited_for_for_ever(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "LOCK_WAIT_S", 0.02)
    with sqlite3.connect(tmp_path / "data" / "a.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable):
            await store.write(insert("a"))
        other.execute("ROLLBACK")
    other.close()
    assert not store.failed
    assert await store.write(insert("b")) == 1


async def test_an_operation_that_ends_the_transaction_gets_no_acknowledgement(store: Store) -> None:
    with pytest.raises(StoreUnavailable):
        await store.write(lambda connection: connection.execute("COMMIT"))
    await store.write(insert("a"))


async def test_the_reader_changes_nothing(store: Store) -> None:
    with pytest.raises(sqlite3.OperationalError):
        await store.read("INSERT INTO message (text) VALUES ('x') RETURNING id")


def columns(database: Path) -> set[str]:
    with sqlite3.connect(database) as connection:
        return {row[1] for row in connection.execute("PRAGMA table_info(message)")}


def test_migrations_run_once_and_in_order(tmp_path: Path, revisions: Path) -> None:
    database = tmp_path / "a.db"
    upgrade(database, revisions)
    assert columns(database) == {"id", "text"}
    (revisions / "r0002_second.py").write_text(SECOND.format(more=""))
    upgrade(database, revisions)
    upgrade(database, revisions)
    assert columns(database) == {"id", "text", "state"}


def test_a_migration_that_fails_leaves_the_database_as_it_was(tmp_path: Path, revisions: Path) -> None:
    database = tmp_path / "a.db"
    upgrade(database, revisions)
    (revisions / "r0002_second.py").write_text(SECOND.format(more="op.execute('no such statement')"))
    with pytest.raises(MigrationError):
        upgrade(database, revisions)
    assert columns(database) == {"id", "text"}


def test_a_database_of_a_newer_product_is_refused(tmp_path: Path, revisions: Path) -> None:
    database = tmp_path / "a.db"
    (revisions / "r0002_second.py").write_text(SECOND.format(more=""))
    upgrade(database, revisions)
    (revisions / "r0002_second.py").unlink()
    with pytest.raises(MigrationError):
        upgrade(database, revisions)


async def test_the_file_is_its_owners_alone(store: Store, tmp_path: Path) -> None:
    await store.write(insert("a"))
    for file in (tmp_path / "data").iterdir():
        assert file.stat().st_mode & 0o077 == 0


ACKNOWLEDGE = """
import asyncio, sys
from pathlib import Path
from foundation.store import Store

async def main():
    store = Store.open(Path(sys.argv[1]), Path(sys.argv[2]))
    def acknowledge(result, error):
        assert error is None
        print(result, flush=True)
        store.submit(insert, acknowledge)
    def insert(connection):
        return connection.execute("INSERT INTO message (text) VALUES (hex(randomblob(16)))").lastrowid
    for _ in range(50):
        store.submit(insert, acknowledge)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_nothing_acknowledged_is_lost_when_the_process_is_killed(
    tmp_path: Path, revisions: Path
) -> None:
    database = tmp_path / "a.db"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ACKNOWLEDGE, str(database), str(revisions), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    acknowledged = [int(await process.stdout.readline()) for _ in range(500)]
    process.kill()
    acknowledged += [
        int(line) for line in (await process.stdout.read()).splitlines(keepends=True) if line[-1:] == b"\n"
    ]
    await process.wait()
    store = Store.open(database, revisions)
    kept = {row["id"] for row in await store.read("SELECT id FROM message")}
    assert set(acknowledged) <= kept
    await store.close()
