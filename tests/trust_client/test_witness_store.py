"""What a witness remembers when it is killed, and what it does not mix up."""

import json
import sqlite3
from pathlib import Path

import pytest

from evidence.checkpoint import Checkpoint
from evidence.log import SignedCheckpoint
from trust_client import witness_store
from trust_client.witness_store import OtherLog, WitnessStore

LOG = bytes(range(32))


def signed(size: int, time_ms: int = 1) -> SignedCheckpoint:
    return SignedCheckpoint(Checkpoint(LOG, size, time_ms, size.to_bytes(32, "big")), bytes(64))


def test_a_new_witness_remembers_nothing(tmp_path: Path) -> None:
    store = WitnessStore.open(tmp_path / "witness.db", LOG)
    assert store.last() is None
    assert store.of_size(0) is None
    assert (tmp_path / "witness.db").stat().st_mode & 0o777 == 0o600


def test_what_was_put_is_there_after_a_restart(tmp_path: Path) -> None:
    store = WitnessStore.open(tmp_path / "witness.db", LOG)
    store.put(signed(32), 5)
    store.posted()
    store.put(signed(64), 6)
    # Not closed: as after a kill.
    again = WitnessStore.open(tmp_path / "witness.db", LOG)
    assert again.last() == (signed(64), 6, False)
    assert again.of_size(32) == signed(32)
    again.posted()
    assert again.last() == (signed(64), 6, True)


def test_commits_wait_for_the_disk(tmp_path: Path) -> None:
    store = WitnessStore.open(tmp_path / "witness.db", LOG)
    assert store._conn.execute("PRAGMA synchronous").fetchone()[0] == 2


def test_a_database_is_of_one_log(tmp_path: Path) -> None:
    WitnessStore.open(tmp_path / "witness.db", LOG).close()
    with pytest.raises(OtherLog, match="another log"):
        WitnessStore.open(tmp_path / "witness.db", bytes(32))


def test_only_the_newest_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness_store, "KEPT_MAX", 3)
    store = WitnessStore.open(tmp_path / "witness.db", LOG)
    for size in range(5):
        store.put(signed(size), 1)
    rows = sqlite3.connect(tmp_path / "witness.db").execute("SELECT size FROM cosigned ORDER BY size")
    assert [row[0] for row in rows] == [2, 3, 4]


def test_the_first_finding_stays(tmp_path: Path) -> None:
    store = WitnessStore.open(tmp_path / "witness.db", LOG)
    store.caught({"what": "first"})
    store.caught({"what": "second"})
    assert json.loads(store.caught_file.read_text()) == {"what": "first"}
