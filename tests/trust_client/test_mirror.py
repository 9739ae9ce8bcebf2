"""A copy of the leaves is the log: it makes every root and every proof."""

import random
from pathlib import Path

import pytest

from evidence import merkle
from evidence.merkle import verify_consistency, verify_inclusion
from trust_client.mirror import Mirror

LEAVES = [merkle.leaf_hash(b"%d" % index) for index in range(700)]


def test_every_root_is_the_one_that_all_leaves_have(tmp_path: Path) -> None:
    mirror = Mirror.open(tmp_path / "mirror.db")
    assert mirror.size == 0
    assert mirror.root(0) == merkle.EMPTY_ROOT
    draw, at = random.Random(1), 0
    while at < len(LEAVES):
        count = draw.randrange(1, 100)
        mirror.append(LEAVES[at : at + count])
        at = min(at + count, len(LEAVES))
        assert mirror.size == at
    for size in (1, 2, 31, 32, 33, 500, 700):
        assert mirror.root(size) == merkle.root(LEAVES[:size])
    mirror.close()


def test_it_is_there_after_a_restart_and_proves_without_its_log(tmp_path: Path) -> None:
    first = Mirror.open(tmp_path / "mirror.db")
    first.append(LEAVES[:100])
    # Not closed: as after a kill.
    mirror = Mirror.open(tmp_path / "mirror.db")
    mirror.append(LEAVES[100:200])
    proof = mirror.inclusion(7, 200)
    assert verify_inclusion(7, 200, LEAVES[7], proof, merkle.root(LEAVES[:200]))
    steps = mirror.consistency(100, 200)
    assert verify_consistency(100, 200, merkle.root(LEAVES[:100]), merkle.root(LEAVES[:200]), steps)


def test_what_is_not_held_is_not_proved(tmp_path: Path) -> None:
    mirror = Mirror.open(tmp_path / "mirror.db")
    mirror.append(LEAVES[:10])
    for call in (
        lambda: mirror.root(11),
        lambda: mirror.inclusion(0, 11),
        lambda: mirror.inclusion(10, 10),
        lambda: mirror.consistency(1, 11),
    ):
        with pytest.raises(ValueError):
            call()


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    Mirror.open(tmp_path / "mirror.db").close()
    assert (tmp_path / "mirror.db").stat().st_mode & 0o777 == 0o600
