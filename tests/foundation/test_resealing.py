"""A table is gone through once, in steps, and what it was bound to it stays bound to."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from foundation import resealing
from foundation.resealing import Column, reseal, sealed_under
from foundation.seal import DATA_PURPOSE, Sealer, add_missing_keys
from gm.errors import DecryptError
from gm.keystore import ITERATIONS_MIN, KeyStore

BY_KEY = Column(
    "thing", "id", "sealed", lambda number: b"thing" + bytes([number]), where="sealed IS NOT NULL"
)
BY_NAME = Column("other", "id", "value", bytes, bound_to="name")
COLUMNS = (BY_KEY, BY_NAME)


@pytest.fixture
def keys(tmp_path: Path) -> KeyStore:
    made = KeyStore.create(tmp_path / "keys.store", "passphrase", iterations=ITERATIONS_MIN)
    add_missing_keys(made)
    return made


@pytest.fixture
def conn(keys: KeyStore) -> Iterator[sqlite3.Connection]:
    sealer = Sealer(keys)
    made = sqlite3.connect(":memory:", isolation_level=None)
    made.execute("CREATE TABLE thing (id INTEGER PRIMARY KEY, sealed BLOB)")
    made.execute("CREATE TABLE other (id TEXT PRIMARY KEY, name BLOB, value BLOB)")
    for number in range(7):
        made.execute(
            "INSERT INTO thing VALUES (?, ?)",
            (number, sealer.seal(b"%d" % number, b"thing" + bytes([number]))),
        )
        name = b"name%d" % number
        made.execute("INSERT INTO other VALUES (?, ?, ?)", (f"o{number}", name, sealer.seal(b"value", name)))
    made.execute("INSERT INTO thing VALUES (100, NULL)")
    yield made
    made.close()


def test_every_value_once_whatever_the_step(
    conn: sqlite3.Connection, keys: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for rows in (1, 2, 3, 7, 500):
        monkeypatch.setattr(resealing, "ROWS_MAX", rows)
        before = keys.current(DATA_PURPOSE).version
        keys.add(DATA_PURPOSE, "sm4")
        assert sealed_under(conn, COLUMNS, before) == 14
        assert reseal(conn, COLUMNS, Sealer(keys)) == {"thing.sealed": 7, "other.value": 7}
        assert sealed_under(conn, COLUMNS, before) == 0
    assert reseal(conn, COLUMNS, Sealer(keys)) == {"thing.sealed": 0, "other.value": 0}
    sealer = Sealer(keys)
    for number, sealed in conn.execute("SELECT id, sealed FROM thing WHERE sealed IS NOT NULL"):
        assert sealer.open(sealed, b"thing" + bytes([number])) == b"%d" % number
    for name, sealed in conn.execute("SELECT name, value FROM other"):
        assert sealer.open(sealed, name) == b"value"


def test_what_was_moved_to_another_row_ends_it_and_changes_nothing(
    conn: sqlite3.Connection, keys: KeyStore
) -> None:
    conn.execute("UPDATE thing SET sealed = (SELECT sealed FROM thing WHERE id = 1) WHERE id = 2")
    keys.add(DATA_PURPOSE, "sm4")
    with pytest.raises(DecryptError):
        reseal(conn, COLUMNS, Sealer(keys))
    assert not conn.in_transaction
    assert sealed_under(conn, COLUMNS, 1) == 14


def test_a_process_that_has_not_seen_the_new_key_seals_under_it(
    tmp_path: Path, conn: sqlite3.Connection, keys: KeyStore
) -> None:
    behind = Sealer(KeyStore.open(tmp_path / "keys.store", "passphrase"))
    keys.add(DATA_PURPOSE, "sm4")
    assert reseal(conn, COLUMNS, behind) == {"thing.sealed": 7, "other.value": 7}
