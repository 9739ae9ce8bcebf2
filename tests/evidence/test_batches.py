"""Padded batches: what the tree shows, and what it does not."""

import sqlite3
from itertools import pairwise

import pytest

from evidence import batches, checkpoint, log, merkle
from evidence.batches import LEAVES_MAX, LEAVES_MIN, SLICE, TURN_MAX, draft, sequence
from evidence.log import EvidenceLog, SignedCheckpoint
from evidence.merkle import Appender, verify_consistency, verify_inclusion
from gm.errors import DecryptError
from gm.sm2 import PrivateKey
from tests.evidence.sealing import OneKeySealer

KEY = PrivateKey.generate()
NOW = 1_795_420_800_000
SEALER = OneKeySealer()


def recorded(conn: sqlite3.Connection, count: int) -> SignedCheckpoint:
    evidence = EvidenceLog(KEY)
    evidence.append_many(conn, [b"record %d" % n for n in range(count)], sealer=SEALER, now_ms=NOW)
    return sequence(conn, evidence, sealer=SEALER, now_ms=NOW)


def tree_leaf(conn: sqlite3.Connection, index: int) -> bytes:
    at = merkle.position(0, index)
    return batches.nodes_at(conn, [at])[at]


@pytest.mark.parametrize(
    ("records", "leaves"), [(1, 32), (31, 32), (32, 32), (33, 64), (64, 64), (65, 128), (1500, 2048)]
)
def test_a_batch_has_a_power_of_two_of_leaves(conn: sqlite3.Connection, records: int, leaves: int) -> None:
    assert recorded(conn, records).checkpoint.size == leaves


def test_nothing_to_record_makes_no_leaves(conn: sqlite3.Connection) -> None:
    assert recorded(conn, 0).checkpoint.size == 0
    assert recorded(conn, 1).checkpoint.size == LEAVES_MIN
    assert recorded(conn, 0).checkpoint.size == LEAVES_MIN


def test_every_record_is_proved_under_the_checkpoint(conn: sqlite3.Connection) -> None:
    recorded(conn, 11)
    state = recorded(conn, 40).checkpoint
    assert state.size == 32 + 64
    indices = batches.leaf_indices(conn, range(60))
    assert sorted(indices) == list(range(51))
    assert len(set(indices.values())) == 51
    for record_id, index in indices.items():
        opened = EvidenceLog(KEY).open(conn, record_id, sealer=SEALER)
        leaf = log.leaf_of(opened.record, opened.salt)
        proof = batches.hashes(conn, merkle.inclusion(index, state.size))
        assert verify_inclusion(index, state.size, leaf, proof, state.root)
        assert batches.record_at(conn, index) == record_id


def test_records_lie_at_places_drawn_at_random(conn: sqlite3.Connection) -> None:
    recorded(conn, 200)
    places = list(batches.leaf_indices(conn, range(200)).values())
    # That 200 draws out of 256 come in order, or fill the front, has a chance below 2^-100.
    assert places != sorted(places)
    assert max(places) > 210


def test_padding_opens_as_padding_and_hides_no_record(conn: sqlite3.Connection) -> None:
    recorded(conn, 5)
    state = recorded(conn, 3).checkpoint
    padding = [index for index in range(state.size) if batches.record_at(conn, index) is None]
    assert len(padding) == 64 - 8
    rows = conn.execute("SELECT first_leaf, leaves, padding_sealed FROM evidence_batches").fetchall()
    said = {row[0]: batches.padding_leaves(*row, sealer=SEALER) for row in rows}
    for index in padding:
        assert said[index // 32 * 32](index % 32) == tree_leaf(conn, index)
    # Two paddings are as different as two records.
    assert len({tree_leaf(conn, index) for index in padding}) == len(padding)
    for index in batches.leaf_indices(conn, range(8)).values():
        assert said[index // 32 * 32](index % 32) != tree_leaf(conn, index)
    with pytest.raises(ValueError, match="outside"):
        said[0](32)


def test_padding_opens_for_nobody_else(conn: sqlite3.Connection) -> None:
    recorded(conn, 5)
    row = conn.execute("SELECT first_leaf, leaves, padding_sealed FROM evidence_batches").fetchone()
    with pytest.raises(DecryptError):
        batches.padding_leaves(*row, sealer=OneKeySealer())


def test_later_checkpoints_extend_earlier_ones(conn: sqlite3.Connection) -> None:
    states = [recorded(conn, count).checkpoint for count in (5, 70, 1, 2000)]
    for earlier, later in pairwise(states):
        proof = batches.hashes(conn, merkle.consistency(earlier.size, later.size))
        assert verify_consistency(earlier.size, later.size, earlier.root, later.root, proof)
        assert checkpoint.verify(KEY.public_key, later, sequence_signature(conn, later.size))


def sequence_signature(conn: sqlite3.Connection, size: int) -> bytes:
    row = conn.execute("SELECT signature FROM evidence_checkpoints WHERE size = ?", (size,)).fetchone()
    return bytes(row[0])


def test_what_an_unfinished_batch_left_is_replaced(conn: sqlite3.Connection) -> None:
    before = recorded(conn, 40).checkpoint
    EvidenceLog(KEY).append_many(conn, [b"x"] * 1500, sealer=SEALER, now_ms=NOW)
    edge = batches.edge_positions(before.size)
    nodes = batches.nodes_at(conn, edge)
    appender = Appender(before.size, [nodes[at] for at in edge])
    lost = draft([bytes(32)] * 1500, leaves=2048, first_leaf=before.size, first_record=40, sealer=SEALER)
    first, hashes = next(batches.slices(lost, appender))
    batches.write_nodes(conn, first, hashes)
    assert len(lost.leaves) > SLICE

    after = recorded(conn, 1).checkpoint
    assert after.size == before.size + 2048
    proof = batches.hashes(conn, merkle.consistency(before.size, after.size))
    assert verify_consistency(before.size, after.size, before.root, after.root, proof)
    assert batches.hashes(conn, merkle.root_plan(after.size)) == [after.root]


def test_a_rolled_back_batch_leaves_its_records_pending(conn: sqlite3.Connection) -> None:
    recorded(conn, 3)
    EvidenceLog(KEY).append(conn, b"later", sealer=SEALER, now_ms=NOW)
    conn.execute("BEGIN")
    sequence(conn, EvidenceLog(KEY), sealer=SEALER, now_ms=NOW)
    conn.execute("ROLLBACK")
    assert batches.size(conn) == 32
    assert 3 not in batches.leaf_indices(conn, [3])
    assert recorded(conn, 0).checkpoint.size == 64
    assert 3 in batches.leaf_indices(conn, [3])


@pytest.mark.parametrize("pending", [1, 32, 33, 8192, 8193, 20_000, 32_768, 32_769, 65_536, 100_000])
def test_what_is_pending_is_planned_as_a_power_of_two_of_leaves_in_batches_that_look_alike(
    pending: int,
) -> None:
    planned = batches.plan(pending)
    leaves = [each for _, each in planned]
    assert sum(records for records, _ in planned) == min(pending, TURN_MAX)
    assert len(set(leaves)) == 1
    assert leaves[0] <= LEAVES_MAX
    assert sum(leaves).bit_count() == 1
    assert sum(leaves) < 2 * max(pending, LEAVES_MIN)
    shares = [records for records, _ in planned]
    assert max(shares) - min(shares) <= 1
    assert 0 < min(shares) <= max(shares) <= leaves[0]


def test_nothing_pending_is_no_batch() -> None:
    assert batches.plan(0) == []


def test_more_than_one_batch_is_one_log(conn: sqlite3.Connection) -> None:
    state = recorded(conn, 9000).checkpoint
    assert state.size == 16_384
    assert conn.execute("SELECT count(*) FROM evidence_batches").fetchone()[0] == 2
    assert batches.hashes(conn, merkle.root_plan(state.size)) == [state.root]
    indices = batches.leaf_indices(conn, [0, 4499, 4500, 8999])
    for record_id, index in indices.items():
        opened = EvidenceLog(lambda: KEY).open(conn, record_id, sealer=SEALER)
        proof = batches.hashes(conn, merkle.inclusion(index, state.size))
        assert verify_inclusion(index, state.size, log.leaf_of(opened.record, opened.salt), proof, state.root)


def test_what_lies_beyond_the_log_is_refused(conn: sqlite3.Connection) -> None:
    recorded(conn, 3)
    for index in (-1, 32):
        with pytest.raises(LookupError):
            batches.record_at(conn, index)
    with pytest.raises(KeyError):
        batches.hashes(conn, merkle.inclusion(0, 33))
