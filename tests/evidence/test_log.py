"""Records and checkpoints in the owner's database: what is kept, and what erasure leaves."""

import sqlite3

import pytest

from evidence import batches, checkpoint, log, merkle
from evidence.log import ErasedError, EvidenceLog, leaf_of
from evidence.merkle import EMPTY_ROOT, leaf_hash
from gm.errors import DecryptError
from gm.sm2 import PrivateKey
from gm.sm3 import sm3
from tests.evidence.sealing import OneKeySealer

KEY = PrivateKey.generate()
NOW = 1_795_420_800_000


SEALER = OneKeySealer()


ROOT = bytes(32)


def filled(conn: sqlite3.Connection, count: int) -> EvidenceLog:
    evidence = EvidenceLog(KEY)
    evidence.append_many(conn, [b"record %d" % n for n in range(count)], sealer=SEALER, now_ms=NOW)
    return evidence


def leaves(conn: sqlite3.Connection) -> list[bytes]:
    return [row[0] for row in conn.execute("SELECT leaf FROM evidence_records ORDER BY record_id")]


def test_leaves_are_of_one_size_and_say_nothing_of_the_record(conn: sqlite3.Connection) -> None:
    evidence = EvidenceLog(KEY)
    for record in (b"", b"short", b"long" * 1000, b"short"):
        evidence.append(conn, record, sealer=SEALER, now_ms=NOW)
    assert [len(leaf) for leaf in leaves(conn)] == [32] * 4
    # Equal records are told apart by their salts, so that nobody can test a guess.
    assert len(set(leaves(conn))) == 4


def test_a_leaf_is_the_hash_of_the_entry_that_commits_to_the_record() -> None:
    entry = b"ASCS-LEAF1\0" + sm3(b"ASCS-REC1\0" + bytes(32) + b"record")
    assert leaf_of(b"record", bytes(32)) == leaf_hash(entry)


def test_records_are_not_in_the_database_in_clear(conn: sqlite3.Connection) -> None:
    EvidenceLog(KEY).append(conn, b"whom and when", sealer=SEALER, now_ms=NOW)
    assert b"whom and when" not in conn.serialize()


def test_a_record_opens_and_matches_its_leaf(conn: sqlite3.Connection) -> None:
    evidence = filled(conn, 3)
    opened = evidence.open(conn, 1, sealer=SEALER)
    assert opened.record == b"record 1"
    assert leaves(conn)[1] == leaf_of(opened.record, opened.salt)


def test_single_appends_and_many_make_one_sequence(conn: sqlite3.Connection) -> None:
    evidence = EvidenceLog(KEY)
    ids = [evidence.append(conn, b"a", sealer=SEALER, now_ms=NOW)]
    ids += evidence.append_many(conn, [b"b", b"c", b"d"], sealer=SEALER, now_ms=NOW)
    ids += evidence.append_many(conn, [], sealer=SEALER, now_ms=NOW)
    ids.append(evidence.append(conn, b"e", sealer=SEALER, now_ms=NOW))
    assert ids == [0, 1, 2, 3, 4]
    assert log.next_record(conn) == 5


def test_a_rolled_back_append_leaves_nothing_behind(conn: sqlite3.Connection) -> None:
    evidence = filled(conn, 3)
    conn.execute("BEGIN")
    evidence.append_many(conn, [b"x"] * 6, sealer=SEALER, now_ms=NOW)
    conn.execute("ROLLBACK")
    assert evidence.append(conn, b"after", sealer=SEALER, now_ms=NOW) == 3


def test_a_checkpoint_is_signed_and_kept(conn: sqlite3.Connection) -> None:
    evidence = EvidenceLog(KEY)
    assert evidence.latest(conn) is None
    signed = evidence.checkpoint(conn, 32, ROOT, NOW)
    assert checkpoint.verify(KEY.public_key, signed.checkpoint, signed.signature)
    assert evidence.latest(conn) == signed


def test_an_idle_log_keeps_its_checkpoint_until_it_is_old(conn: sqlite3.Connection) -> None:
    evidence = EvidenceLog(KEY)
    first = evidence.checkpoint(conn, 0, EMPTY_ROOT, NOW)
    assert evidence.checkpoint(conn, 0, EMPTY_ROOT, NOW + log.CHECKPOINT_AGE_MAX_MS - 1) == first
    later = evidence.checkpoint(conn, 0, EMPTY_ROOT, NOW + log.CHECKPOINT_AGE_MAX_MS)
    assert later.checkpoint.time_ms == NOW + log.CHECKPOINT_AGE_MAX_MS
    assert later.checkpoint.root == first.checkpoint.root
    assert evidence.latest(conn) == later


def test_checkpoint_times_never_go_back(conn: sqlite3.Connection) -> None:
    evidence = EvidenceLog(KEY)
    evidence.checkpoint(conn, 0, EMPTY_ROOT, NOW)
    assert evidence.checkpoint(conn, 32, ROOT, NOW - 5000).checkpoint.time_ms == NOW


def test_erasure_destroys_the_record_and_the_log_still_verifies(conn: sqlite3.Connection) -> None:
    evidence = EvidenceLog(KEY)
    records = [b"record %d" % n for n in range(6)]
    evidence.append_many(conn, records, sealer=[SEALER] * 6, now_ms=NOW, subjects=[None, None, 7, 8, 7, 8])
    before = batches.sequence(conn, evidence, sealer=SEALER, now_ms=NOW).checkpoint
    leaf = leaves(conn)[2]
    assert evidence.about(conn, 7, limit=9) == [2, 4]
    assert evidence.erase(conn, 7) == 2
    assert evidence.about(conn, 7, limit=9) == []
    assert evidence.about(conn, 8, limit=9) == [3, 5]
    for index in (2, 4):
        with pytest.raises(ErasedError):
            evidence.open(conn, index, sealer=SEALER)
    assert evidence.open(conn, 3, sealer=SEALER).record == b"record 3"
    index = batches.leaf_indices(conn, [2])[2]
    proof = batches.hashes(conn, merkle.inclusion(index, before.size))
    assert merkle.verify_inclusion(index, before.size, leaf, proof, before.root)


def test_without_the_data_key_nothing_opens(conn: sqlite3.Connection) -> None:
    evidence = filled(conn, 1)
    with pytest.raises(DecryptError):
        evidence.open(conn, 0, sealer=OneKeySealer())


def test_a_sealed_record_moved_to_another_number_does_not_open(conn: sqlite3.Connection) -> None:
    evidence = filled(conn, 2)
    conn.execute(
        "UPDATE evidence_records SET sealed = (SELECT sealed FROM evidence_records WHERE record_id = 0)"
        " WHERE record_id = 1"
    )
    with pytest.raises(DecryptError):
        evidence.open(conn, 1, sealer=SEALER)


def test_an_altered_leaf_is_found(conn: sqlite3.Connection) -> None:
    evidence = filled(conn, 8)
    conn.execute("UPDATE evidence_records SET leaf = ? WHERE record_id = 5", (bytes(32),))
    with pytest.raises(ValueError, match="not the one committed to"):
        evidence.open(conn, 5, sealer=SEALER)


def test_bounds(conn: sqlite3.Connection) -> None:
    evidence = filled(conn, 2)
    with pytest.raises(ValueError, match="at most"):
        evidence.append(conn, bytes(log.RECORD_MAX + 1), sealer=SEALER, now_ms=NOW)
    with pytest.raises(ValueError, match="at most"):
        evidence.append_many(conn, [b""] * (log.APPEND_MAX + 1), sealer=SEALER, now_ms=NOW)
    with pytest.raises(LookupError):
        evidence.open(conn, 2, sealer=SEALER)
