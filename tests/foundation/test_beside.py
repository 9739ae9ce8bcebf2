"""A command's transaction beside a running party: whole or not at all, one after the other."""

import sqlite3
from pathlib import Path

import pytest

from foundation import beside
from foundation.store import Store


def names(database: Path) -> list[str]:
    with sqlite3.connect(database) as conn:
        return [row[0] for row in conn.execute("SELECT name FROM person ORDER BY name")]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    with beside.transaction(tmp_path / "x.db") as conn:
        conn.execute("CREATE TABLE person (name TEXT)")
    return tmp_path / "x.db"


def test_what_ends_well_is_there_and_what_raises_is_undone(database: Path) -> None:
    def put(name: str) -> None:
        with beside.transaction(database) as conn:
            conn.execute("INSERT INTO person VALUES (?)", (name,))
            if name != "li":
                raise LookupError

    put("li")
    with pytest.raises(LookupError):
        put("wang")
    assert names(database) == ["li"]


def test_one_that_others_hold_for_too_long_is_an_error(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "LOCK_WAIT_S", 0.01)
    with beside.transaction(database), pytest.raises(sqlite3.OperationalError, match="locked"):
        beside.transaction(database).__enter__()


async def test_a_party_that_runs_waits_for_it(tmp_path: Path, store: Store) -> None:
    with beside.transaction(tmp_path / "data" / "a.db") as conn:
        conn.execute("CREATE TABLE person (name TEXT)")
    await store.write(lambda conn: conn.execute("INSERT INTO person VALUES ('zhao')"))
    assert names(tmp_path / "data" / "a.db") == ["zhao"]
