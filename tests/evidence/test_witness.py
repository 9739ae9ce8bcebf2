"""Whether two signed checkpoints can be of one honest log."""

import sqlite3

import pytest

from evidence import batches, merkle
from evidence.checkpoint import Checkpoint
from evidence.log import EvidenceLog, SignedCheckpoint
from evidence.witness import Verdict, judge
from gm.sm2 import PrivateKey
from tests.evidence.sealing import OneKeySealer

KEY = PrivateKey.generate()
NOW = 1_795_420_800_000


def grown(conn: sqlite3.Connection, records: int, at: int = 0) -> SignedCheckpoint:
    grows, sealer = EvidenceLog(KEY), OneKeySealer()
    grows.append_many(conn, [b"x"] * records, sealer=sealer, now_ms=NOW + at)
    return batches.sequence(conn, grows, sealer=sealer, now_ms=NOW + at)


def stated(size: int, root: bytes, at: int) -> SignedCheckpoint:
    """For a judge signatures are as good as checked."""
    return SignedCheckpoint(Checkpoint(bytes(32), size, NOW + at, root), bytes(64))


A, B = bytes(32), bytes([1]) * 32


@pytest.mark.parametrize("sizes", [(0, 5), (0, 0), (5, 60), (40, 2000)])
def test_an_honest_log_extends_what_it_was(conn: sqlite3.Connection, sizes: tuple[int, int]) -> None:
    first, second = grown(conn, sizes[0]), grown(conn, sizes[1], at=1)
    old, new = first.checkpoint.size, second.checkpoint.size
    proof = batches.hashes(conn, merkle.consistency(old, new)) if 0 < old < new else []
    assert judge(first, second, proof) is Verdict.EXTENDS


def test_an_idle_log_that_is_signed_again_extends_itself() -> None:
    assert judge(stated(8, A, 0), stated(8, A, 60_000), []) is Verdict.EXTENDS


def test_one_size_with_two_roots_is_a_fork_whatever_the_times() -> None:
    for at in (-1, 0, 1):
        assert judge(stated(8, A, 0), stated(8, B, at), []) is Verdict.FORKED


def test_a_smaller_log_is_a_shrunk_one_if_it_was_signed_later_and_a_stale_one_otherwise() -> None:
    assert judge(stated(8, A, 0), stated(7, B, 1), []) is Verdict.SHRANK
    assert judge(stated(8, A, 0), stated(7, B, 0), []) is Verdict.STALE
    assert judge(stated(8, A, 0), stated(8, A, -1), []) is Verdict.STALE
    # Also when the larger one is seen after the smaller one.
    assert judge(stated(7, B, 1), stated(8, A, 0), []) is Verdict.SHRANK


def test_a_rewritten_log_cannot_be_proved(conn: sqlite3.Connection) -> None:
    first = grown(conn, 40)
    other = sqlite3.connect(":memory:", isolation_level=None)
    other.executescript(
        "\n".join(f"{row[0]};" for row in conn.execute("SELECT sql FROM sqlite_master WHERE sql <> ''"))
    )
    grown(other, 40)
    second = grown(other, 40, at=1)
    proof = batches.hashes(other, merkle.consistency(64, 128))
    assert judge(first, second, proof) is Verdict.UNPROVED
    assert judge(first, second, []) is Verdict.UNPROVED
    other.close()


def test_what_no_honest_log_does() -> None:
    assert {each.name for each in Verdict if each.is_misbehaviour} == {
        "FORKED",
        "SHRANK",
        "UNPROVED",
        "DENIED",
        "MISMATCH",
    }
