"""The log in its owner's database: what is kept, what a witness sees, what erasure leaves."""

import secrets
import sqlite3
from collections.abc import Iterator

import pytest

from evidence import checkpoint, log
from evidence.log import ErasedError, EvidenceLog, commitment_of, entry_of
from evidence.merkle import leaf_hash, verify_consistency, verify_inclusion
from evidence.merkle import root as root_of
from gm import sm4
from gm.errors import DecryptError
from gm.sm2 import PrivateKey

KEY = PrivateKey.generate()
NOW = 1_795_420_800_000


class OneKeySealer:
    """SM4-GCM under one key; without it nothing opens."""

    def __init__(self) -> None:
        self.key = secrets.token_bytes(16)

    def seal(self, plaintext: bytes, aad: bytes) -> bytes:
        nonce = secrets.token_bytes(12)
        return nonce + sm4.seal(self.key, nonce, plaintext, aad)

    def open(self, sealed: bytes, aad: bytes) -> bytes:
        return sm4.open_sealed(self.key, sealed[:12], sealed[12:], aad)


SEALER = OneKeySealer()


@pytest.fixture
def conn() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for statement in log.SCHEMA:
        connection.execute(statement)
    yield connection
    connection.close()


def filled(conn: sqlite3.Connection, count: int) -> EvidenceLog:
    evidence = EvidenceLog(KEY)
    evidence.append_many(conn, [b"record %d" % n for n in range(count)], sealer=SEALER, now_ms=NOW)
    return evidence


def test_entries_are_of_one_size_and_say_nothing_of_the_record(conn: sqlite3.Connection) -> None:
    evidence = EvidenceLog(KEY)
    for record in (b"", b"short", b"long" * 1000, b"short"):
        evidence.append(conn, record, sealer=SEALER, now_ms=NOW)
    entries = evidence.entries(conn, 0, 10)
    assert [len(entry) for entry in entries] == [43] * 4
    assert all(entry.startswith(b"ASCS-LEAF1\0") for entry in entries)
    # Equal records are told apart by their salts, so that nobody can test a guess.
    assert len(set(entries)) == 4


def test_records_and_commitments_are_not_in_the_database_in_clear(conn: sqlite3.Connection) -> None:
    EvidenceLog(KEY).append(conn, b"whom and when", sealer=SEALER, now_ms=NOW)
    assert b"whom and when" not in conn.serialize()


def test_a_record_opens_and_matches_its_entry(conn: sqlite3.Connection) -> None:
    evidence = filled(conn, 3)
    opened = evidence.open(conn, 1, sealer=SEALER)
    assert opened.record == b"record 1"
    assert evidence.entries(conn, 1, 1) == [entry_of(commitment_of(opened.record, opened.salt))]


def test_every_entry_is_proved_under_the_checkpoint(conn: sqlite3.Connection) -> None:
    evidence = filled(conn, 11)
    signed = evidence.checkpoint(conn, NOW)
    state = signed.checkpoint
    assert checkpoint.verify(KEY.public_key, state, signed.signature)
    assert state.root == root_of([leaf_hash(entry) for entry in evidence.entries(conn, 0, 100)])
    for index in range(11):
        proof = evidence.inclusion(conn, index, state.size)
        assert verify_inclusion(index, state.size, leaf_hash(proof.entry), proof.proof, state.root)


def test_single_appends_and_batches_make_one_sequence(conn: sqlite3.Connection) -> None:
    evidence = EvidenceLog(KEY)
    ids = [evidence.append(conn, b"a", sealer=SEALER, now_ms=NOW)]
    ids += evidence.append_many(conn, [b"b", b"c", b"d"], sealer=SEALER, now_ms=NOW)
    ids += evidence.append_many(conn, [], sealer=SEALER, now_ms=NOW)
    ids.append(evidence.append(conn, b"e", sealer=SEALER, now_ms=NOW))
    assert ids == [0, 1, 2, 3, 4]
    assert log.size(conn) == 5


def test_later_checkpoints_extend_earlier_ones(conn: sqlite3.Connection) -> None:
    evidence = filled(conn, 5)
    first = evidence.checkpoint(conn, NOW).checkpoint
    filled(conn, 9)
    second = evidence.checkpoint(conn, NOW + 1).checkpoint
    proof = evidence.consistency(conn, first.size, second.size)
    assert verify_consistency(first.size, second.size, first.root, second.root, proof)


def test_a_rolled_back_append_leaves_nothing_behind(conn: sqlite3.Connection) -> None:
    evidence = filled(conn, 3)
    before = evidence.checkpoint(conn, NOW).checkpoint
    conn.execute("BEGIN")
    evidence.append_many(conn, [b"x"] * 6, sealer=SEALER, now_ms=NOW)
    conn.execute("ROLLBACK")
    assert log.size(conn) == 3
    assert evidence.append(conn, b"after", sealer=SEALER, now_ms=NOW) == 3
    proof = evidence.consistency(conn, 3)
    after = evidence.checkpoint(conn, NOW).checkpoint
    assert verify_consistency(3, 4, before.root, after.root, proof)


def test_inner_nodes_are_stored_once_each_without_gaps(conn: sqlite3.Connection) -> None:
    filled(conn, 13)
    filled(conn, 10)
    positions = [row[0] for row in conn.execute("SELECT position FROM evidence_nodes ORDER BY position")]
    assert positions == list(range(23 - (23).bit_count()))


def test_an_idle_log_keeps_its_checkpoint_until_it_is_old(conn: sqlite3.Connection) -> None:
    evidence = filled(conn, 2)
    first = evidence.checkpoint(conn, NOW)
    assert evidence.checkpoint(conn, NOW + log.CHECKPOINT_AGE_MAX_MS - 1) == first
    later = evidence.checkpoint(conn, NOW + log.CHECKPOINT_AGE_MAX_MS)
    assert later.checkpoint.time_ms == NOW + log.CHECKPOINT_AGE_MAX_MS
    assert later.checkpoint.root == first.checkpoint.root
    assert evidence.latest(conn) == later


def test_checkpoint_times_never_go_back(conn: sqlite3.Connection) -> None:
    evidence = filled(conn, 2)
    evidence.checkpoint(conn, NOW)
    filled(conn, 1)
    assert evidence.checkpoint(conn, NOW - 5000).checkpoint.time_ms == NOW


def test_the_empty_log_has_a_checkpoint(conn: sqlite3.Connection) -> None:
    evidence = EvidenceLog(KEY)
    assert evidence.latest(conn) is None
    signed = evidence.checkpoint(conn, NOW)
    assert signed.checkpoint.size == 0
    assert checkpoint.verify(KEY.public_key, signed.checkpoint, signed.signature)


def test_erasure_destroys_the_record_and_the_log_still_verifies(conn: sqlite3.Connection) -> None:
    evidence = EvidenceLog(KEY)
    records = [b"record %d" % n for n in range(6)]
    evidence.append_many(conn, records, sealer=[SEALER] * 6, now_ms=NOW, subjects=[None, None, 7, 8, 7, 8])
    before = evidence.checkpoint(conn, NOW).checkpoint
    assert evidence.about(conn, 7, limit=9) == [2, 4]
    assert evidence.erase(conn, 7) == 2
    assert evidence.about(conn, 7, limit=9) == []
    assert evidence.about(conn, 8, limit=9) == [3, 5]
    for index in (2, 4):
        with pytest.raises(ErasedError):
            evidence.open(conn, index, sealer=SEALER)
    assert evidence.open(conn, 3, sealer=SEALER).record == b"record 3"
    proof = evidence.inclusion(conn, 2)
    assert verify_inclusion(2, 6, leaf_hash(proof.entry), proof.proof, before.root)


def test_without_the_data_key_nothing_opens(conn: sqlite3.Connection) -> None:
    evidence = filled(conn, 1)
    with pytest.raises(DecryptError):
        evidence.open(conn, 0, sealer=OneKeySealer())


def test_a_sealed_record_moved_to_another_entry_does_not_open(conn: sqlite3.Connection) -> None:
    evidence = filled(conn, 2)
    conn.execute(
        "UPDATE evidence_entries SET sealed = (SELECT sealed FROM evidence_entries WHERE entry_index = 0)"
        " WHERE entry_index = 1"
    )
    with pytest.raises(DecryptError):
        evidence.open(conn, 1, sealer=SEALER)


def test_an_altered_commitment_is_found(conn: sqlite3.Connection) -> None:
    evidence = filled(conn, 8)
    root = evidence.checkpoint(conn, NOW).checkpoint.root
    conn.execute("UPDATE evidence_entries SET commitment = ? WHERE entry_index = 5", (bytes(32),))
    with pytest.raises(ValueError, match="not the one committed to"):
        evidence.open(conn, 5, sealer=SEALER)
    proof = evidence.inclusion(conn, 5)
    assert not verify_inclusion(5, 8, leaf_hash(proof.entry), proof.proof, root)


def test_bounds(conn: sqlite3.Connection) -> None:
    evidence = filled(conn, 2)
    with pytest.raises(ValueError, match="at most"):
        evidence.append(conn, bytes(log.RECORD_MAX + 1), sealer=SEALER, now_ms=NOW)
    with pytest.raises(ValueError, match="at most"):
        evidence.append_many(conn, [b""] * (log.BATCH_MAX + 1), sealer=SEALER, now_ms=NOW)
    with pytest.raises(ValueError, match="outside the tree"):
        evidence.inclusion(conn, 2)
    with pytest.raises(LookupError):
        evidence.open(conn, 2, sealer=SEALER)
    assert evidence.entries(conn, 0, -1) == []
