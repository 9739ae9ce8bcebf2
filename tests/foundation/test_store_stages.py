"""Stages of the store: one run and one answer for all that came, and one that fails costs the others nothing."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from foundation.store import Stage, Store, StoreBusy, StoreUnavailable
from tests.foundation.disks import FailingWriter, insert, settled, texts, until


class Inserts:
    """A stage that writes texts: what it ran and what it was told, in order. A text "bad" fails it."""

    def __init__(self, order: int = 10, log: list[str] | None = None, name: str = "") -> None:
        self.stage: Stage[str, int] = Stage(self._run, self._done, order=order)
        self.runs: list[list[str]] = []
        self.told: list[tuple[list[str], list[int] | None, BaseException | None]] = []
        self._log = log
        self._name = name

    def _run(self, connection: sqlite3.Connection, items: list[str]) -> list[int]:
        self.runs.append(list(items))
        if self._log is not None:
            self._log.append(self._name)
        if "bad" in items:
            raise ValueError("mine")
        return [insert(text)(connection) for text in items]

    def _done(self, items: list[str], results: list[int] | None, error: BaseException | None) -> None:
        self.told.append((items, results, error))


class TestStage:
    """Changes that come in great numbers: one run and one answer for all of them in a commit.

    What one turn of the loop hands over is one commit; what is handed over meanwhile is the next.
    """

    async def test_all_items_of_a_commit_are_run_and_told_at_once_in_order(self, store: Store) -> None:
        inserts = Inserts()
        for text in "abc":
            store.put(inserts.stage, text)
        await settled(store)
        assert inserts.runs == [["a", "b", "c"]]
        assert inserts.told == [(["a", "b", "c"], [1, 2, 3], None)]
        assert await texts(store) == ["a", "b", "c"]

    async def test_nobody_is_told_before_the_commit(self, store: Store, tmp_path: Path) -> None:
        seen: list[int] = []

        def done(*_: object) -> None:
            with sqlite3.connect(tmp_path / "data" / "a.db") as other:
                seen.append(other.execute("SELECT COUNT(*) FROM message").fetchone()[0])

        stage: Stage[str, int] = Stage(lambda c, items: [insert(each)(c) for each in items], done, order=1)
        store.put(stage, "a")
        store.put(stage, "b")
        await settled(store)
        assert seen == [2]

    async def test_the_least_order_runs_first_and_single_operations_before_all(self, store: Store) -> None:
        ran: list[str] = []
        late, early = Inserts(30, ran, "late"), Inserts(20, ran, "early")
        store.put(late.stage, "a")
        store.put(early.stage, "b")
        store.put(late.stage, "c")
        store.submit(lambda _connection: ran.append("single"), lambda *_: None)
        await settled(store)
        assert ran == ["single", "early", "late"]
        assert await texts(store) == ["b", "a", "c"]

    async def test_an_item_that_fails_is_undone_alone(self, store: Store) -> None:
        inserts, others = Inserts(), Inserts(20)
        single: list[tuple[int | None, BaseException | None]] = []
        for text in ("a", "bad", "b"):
            store.put(inserts.stage, text)
        store.put(others.stage, "c")
        store.submit(insert("d"), lambda *answer: single.append(answer))
        await settled(store)
        assert [(items, results) for items, results, _ in inserts.told] == [
            (["a"], [2]),
            (["bad"], None),
            (["b"], [3]),
        ]
        assert isinstance(inserts.told[1][2], ValueError)
        assert others.told == [(["c"], [4], None)]
        assert single == [(1, None)]
        assert await texts(store) == ["d", "a", "b", "c"]

    async def test_a_single_operation_that_fails_costs_no_item(self, store: Store) -> None:
        inserts = Inserts()
        failed: list[BaseException | None] = []
        store.submit(lambda c: c.execute("no such statement"), lambda _, error: failed.append(error))
        store.put(inserts.stage, "a")
        store.put(inserts.stage, "b")
        await settled(store)
        assert isinstance(failed[0], sqlite3.OperationalError)
        assert [results for _, results, _ in inserts.told] == [[1], [2]]
        assert await texts(store) == ["a", "b"]

    async def test_a_disk_failure_refuses_all_items_in_one_answer(self, store: Store) -> None:
        store._writer = FailingWriter(store._writer, sqlite3.SQLITE_IOERR_FSYNC)  # type: ignore[assignment]
        inserts = Inserts()
        for text in "ab":
            store.put(inserts.stage, text)
        await until(lambda: bool(inserts.told))
        [(items, results, error)] = inserts.told
        assert (items, results) == (["a", "b"], None)
        assert isinstance(error, StoreUnavailable)
        with pytest.raises(StoreUnavailable):
            store.put(inserts.stage, "c")
        assert await texts(store) == []

    async def test_items_wait_in_the_same_queue_as_operations(self, tmp_path: Path, revisions: Path) -> None:
        store = Store.open(tmp_path / "a.db", revisions, queue_max=3)
        inserts = Inserts()
        for text in "abc":
            store.put(inserts.stage, text)
        assert store.backlog == 3
        with pytest.raises(StoreBusy):
            store.put(inserts.stage, "d")
        with pytest.raises(StoreBusy):
            store.submit(insert("d"), lambda *_: None)
        await until(lambda: store.backlog == 0)
        store.put(inserts.stage, "e")
        await settled(store)
        assert await texts(store) == ["a", "b", "c", "e"]
        await store.close()

    async def test_a_commit_takes_no_more_than_its_cap(self, tmp_path: Path, revisions: Path) -> None:
        store = Store.open(tmp_path / "a.db", revisions, batch_max=2)
        inserts = Inserts()
        for text in "abcde":
            store.put(inserts.stage, text)
        await settled(store)
        assert [text for run in inserts.runs for text in run] == list("abcde")
        assert max(len(run) for run in inserts.runs) == 2
        await store.close()

    async def test_close_finishes_the_items_that_were_taken_over(
        self, tmp_path: Path, revisions: Path
    ) -> None:
        store = Store.open(tmp_path / "a.db", revisions)
        inserts = Inserts()
        for text in "abc":
            store.put(inserts.stage, text)
        await store.close()
        assert [text for items, _, _ in inserts.told for text in items] == ["a", "b", "c"]
        with pytest.raises(StoreUnavailable):
            store.put(inserts.stage, "d")

    async def test_a_raising_callback_hurts_nobody(self, store: Store) -> None:
        def raises(*_: object) -> None:
            raise RuntimeError

        broken: Stage[str, None] = Stage(lambda _c, items: [None] * len(items), raises, order=1)
        inserts = Inserts(2)
        store.put(broken, "a")
        store.put(inserts.stage, "b")
        await settled(store)
        assert inserts.told == [(["b"], [1], None)]
        assert store.backlog == 0


class TestUndone:
    """What operations remember outside the database is forgotten when they were rolled back."""

    @pytest.fixture
    def forgotten(self, store: Store) -> list[int]:
        """One entry for each time."""
        asked: list[int] = []
        store.on_undone(lambda: asked.append(1))
        return asked

    async def test_not_when_all_went_well(self, store: Store, forgotten: list[int]) -> None:
        inserts = Inserts()
        store.put(inserts.stage, "a")
        await settled(store)
        assert forgotten == []

    async def test_when_an_operation_or_an_item_failed(self, store: Store, forgotten: list[int]) -> None:
        """Before the others run again, and once more when the one that failed is undone alone."""
        remembered: list[str] = []
        store.on_undone(remembered.clear)

        def run(_connection: sqlite3.Connection, items: list[str]) -> list[None]:
            remembered.extend(items)
            if "bad" in items:
                raise ValueError
            return [None] * len(items)

        stage: Stage[str, None] = Stage(run, lambda *_: None, order=1)
        for text in ("a", "bad", "b"):
            store.put(stage, text)
        await settled(store)
        assert len(forgotten) == 2
        assert remembered == ["b"]

    async def test_when_the_disk_failed(self, store: Store, forgotten: list[int]) -> None:
        store._writer = FailingWriter(store._writer, sqlite3.SQLITE_FULL)  # type: ignore[assignment]
        with pytest.raises(StoreUnavailable):
            await store.write(insert("a"))
        assert len(forgotten) == 1


class TestPatience:
    """Changes that nobody waits for: they go with a commit that others ask for, or soon by themselves."""

    async def test_it_goes_with_the_next_commit(self, store: Store) -> None:
        patient = Inserts()
        patient.stage.patience_s = 60.0
        store.put(patient.stage, "a")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert patient.runs == []
        await store.write(lambda _: None)
        await settled(store)
        assert patient.told == [(["a"], [1], None)]

    async def test_it_goes_alone_when_nothing_else_comes(self, store: Store) -> None:
        patient = Inserts()
        patient.stage.patience_s = 0.001
        store.put(patient.stage, "a")
        await until(lambda: bool(patient.told))
        assert await texts(store) == ["a"]

    async def test_the_least_patience_of_those_that_wait_counts(self, store: Store) -> None:
        patient, hasty = Inserts(order=1), Inserts(order=2)
        patient.stage.patience_s, hasty.stage.patience_s = 60.0, 0.001
        store.put(patient.stage, "a")
        store.put(hasty.stage, "b")
        await until(lambda: bool(hasty.told))
        assert patient.told == [(["a"], [1], None)]

    async def test_it_is_not_lost_when_the_store_is_closed(self, tmp_path: Path, revisions: Path) -> None:
        store = Store.open(tmp_path / "a.db", revisions)
        patient = Inserts()
        patient.stage.patience_s = 60.0
        store.put(patient.stage, "a")
        await store.close()
        assert patient.told == [(["a"], [1], None)]


class TestSpacing:
    """Changes that somebody waits for, but not to the millisecond: a busy store commits for several at once."""

    async def test_in_an_idle_store_it_goes_at_once(self, store: Store) -> None:
        spaced = Inserts()
        spaced.stage.spacing_s = 60.0
        store.put(spaced.stage, "a")
        await settled(store)
        assert spaced.told == [(["a"], [1], None)]

    async def test_soon_after_a_commit_it_waits_for_others(self, store: Store) -> None:
        spaced = Inserts()
        spaced.stage.spacing_s = 60.0
        await store.write(lambda _: None)
        for text in "ab":
            store.put(spaced.stage, text)
            await asyncio.sleep(0)
        assert spaced.runs == []
        await store.write(lambda _: None)
        await settled(store)
        assert spaced.runs == [["a", "b"]]

    async def test_it_waits_no_longer_than_it_may(self, store: Store) -> None:
        spaced = Inserts()
        spaced.stage.spacing_s = 0.001
        await store.write(lambda _: None)
        store.put(spaced.stage, "a")
        await until(lambda: bool(spaced.told))
