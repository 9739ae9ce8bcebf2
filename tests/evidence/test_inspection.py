"""Every leaf is a record, an erased one, or padding; anything else is found."""

import sqlite3

import pytest

from evidence import batches, merkle
from evidence.inspection import inspect
from evidence.log import EvidenceLog
from gm.errors import DecryptError
from gm.sm2 import PrivateKey
from tests.evidence.sealing import OneKeySealer

KEY = PrivateKey.generate()
NOW = 1_795_420_800_000
SEALER = OneKeySealer()


@pytest.fixture
def log(conn: sqlite3.Connection) -> sqlite3.Connection:
    """Two batches, 45 records of which 2 are erased, and 3 pending."""
    evidence = EvidenceLog(KEY)
    for count in (40, 5):
        records = [b"record %d" % n for n in range(count)]
        evidence.append_many(
            conn, records, sealer=SEALER, now_ms=NOW, subjects=[n // 2 for n in range(count)]
        )
        batches.sequence(conn, evidence, sealer=SEALER, now_ms=NOW)
    evidence.erase(conn, 7)
    evidence.append_many(conn, [b"pending"] * 3, sealer=SEALER, now_ms=NOW)
    return conn


def test_a_log_that_holds(log: sqlite3.Connection) -> None:
    found = inspect(log, sealer=SEALER)
    assert found.faults == []
    assert (found.batches, found.leaves, found.records, found.erased) == (2, 96, 45, 2)
    assert (found.padding, found.pending) == (51, 3)


def test_the_empty_log_holds_once_it_is_signed(conn: sqlite3.Connection) -> None:
    assert inspect(conn, sealer=SEALER).faults == ["the newest checkpoint is not of these leaves"]
    batches.sequence(conn, EvidenceLog(KEY), sealer=SEALER, now_ms=NOW)
    assert inspect(conn, sealer=SEALER).faults == []


def test_what_is_called_padding_and_is_something_else_is_found(log: sqlite3.Connection) -> None:
    index = next(at for at in range(96) if batches.record_at(log, at) is None)
    log.execute(
        "UPDATE evidence_nodes SET hash = ? WHERE position = ?", (bytes(32), merkle.position(0, index))
    )
    assert f"leaf {index}: neither a record nor padding" in inspect(log, sealer=SEALER).faults


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "UPDATE evidence_records SET leaf = zeroblob(32) WHERE record_id = 3",
            "not the record that is kept",
        ),
        ("DELETE FROM evidence_records WHERE record_id = 3", "missing"),
        ("DELETE FROM evidence_nodes WHERE position = 0", "missing"),
        ("DELETE FROM evidence_batches WHERE first_leaf = 0", "does not follow"),
        ("UPDATE evidence_batches SET first_record = 41 WHERE first_leaf = 64", "does not follow"),
        ("UPDATE evidence_checkpoints SET root = zeroblob(32)", "newest checkpoint"),
    ],
)
def test_what_is_not_as_it_must_be_is_named(log: sqlite3.Connection, change: str, said: str) -> None:
    log.execute(change)
    assert said in "\n".join(inspect(log, sealer=SEALER).faults)


def test_without_the_owners_key_nothing_is_told(log: sqlite3.Connection) -> None:
    with pytest.raises(DecryptError):
        inspect(log, sealer=OneKeySealer())
