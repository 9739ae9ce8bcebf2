"""RFC 9162, section 2.1, with the vectors of another implementation and by every small size."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from evidence import merkle
from evidence.merkle import (
    EMPTY_ROOT,
    Appender,
    Plan,
    leaf_hash,
    node_hash,
    nodes_made,
    parts_of,
    position,
    verify_consistency,
    verify_inclusion,
)

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "merkle.json").read_text())
ENTRIES = [bytes.fromhex(entry) for entry in VECTORS["entries"]]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def proof_of(vector: dict[str, Any]) -> list[bytes]:
    return [bytes.fromhex(part) for part in vector["proof"]]


class Tree:
    """A tree with all of its nodes in a list, as a table would hold them."""

    def __init__(self, leaves: Sequence[bytes] = ()) -> None:
        self.nodes: list[bytes] = []
        self._appender = Appender()
        self.append(leaves)

    def append(self, leaves: Sequence[bytes]) -> None:
        self.nodes += self._appender.append(leaves)
        assert len(self.nodes) == nodes_made(self._appender.size)

    def hashes(self, plan: Plan) -> list[bytes]:
        return plan.hashes({at: self.nodes[at] for at in plan.places()})

    def root(self, size: int | None = None) -> bytes:
        if size is None:
            return self._appender.root()
        return self.hashes(merkle.root_plan(size))[0] if size else EMPTY_ROOT

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        return self.hashes(merkle.inclusion(index, size or self._appender.size))

    def consistency(self, first: int, second: int | None = None) -> list[bytes]:
        return self.hashes(merkle.consistency(first, second or self._appender.size))


def tree_of(count: int) -> Tree:
    return Tree([leaf_hash(b"%d" % index) for index in range(count)])


def recursive_root(leaves: list[bytes]) -> bytes:
    """MTH as RFC 9162, 2.1.1 writes it down."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(recursive_root(leaves[:k]), recursive_root(leaves[k:]))


def test_roots_by_size_are_the_vectors() -> None:
    tree = Tree()
    assert tree.root().hex() == VECTORS["roots"][0]
    for size, leaf in enumerate(LEAVES, start=1):
        tree.append([leaf])
        assert tree.root().hex() == merkle.root(LEAVES[:size]).hex() == VECTORS["roots"][size]


def test_a_batch_makes_the_tree_that_single_appends_make() -> None:
    batched = Tree(LEAVES[:5])
    batched.append(LEAVES[5:])
    assert [batched.root(size).hex() for size in range(len(LEAVES) + 1)] == VECTORS["roots"]


@pytest.mark.parametrize("vector", VECTORS["inclusion"], ids=lambda v: f"{v['index']}-of-{v['size']}")
def test_inclusion_proofs_are_the_vectors(vector: dict[str, Any]) -> None:
    tree = Tree(LEAVES)
    index, size = vector["index"], vector["size"]
    assert tree.inclusion(index, size) == proof_of(vector)
    root = bytes.fromhex(VECTORS["roots"][size])
    assert verify_inclusion(index, size, LEAVES[index], proof_of(vector), root)


@pytest.mark.parametrize("vector", VECTORS["consistency"], ids=lambda v: f"{v['first']}-{v['second']}")
def test_consistency_proofs_are_the_vectors(vector: dict[str, Any]) -> None:
    tree = Tree(LEAVES)
    first, second = vector["first"], vector["second"]
    assert tree.consistency(first, second) == proof_of(vector)
    roots = [bytes.fromhex(VECTORS["roots"][size]) for size in (first, second)]
    assert verify_consistency(first, second, roots[0], roots[1], proof_of(vector))


def test_every_root_up_to_33_leaves_is_the_recursive_definition() -> None:
    tree = tree_of(33)
    leaves = [leaf_hash(b"%d" % index) for index in range(33)]
    for size in range(34):
        assert tree.root(size) == recursive_root(leaves[:size]) == merkle.root(leaves[:size])


def test_every_inclusion_up_to_20_leaves_verifies_at_its_place_only() -> None:
    tree = tree_of(20)
    for size in range(1, 21):
        root = tree.root(size)
        for index in range(size):
            leaf, proof = leaf_hash(b"%d" % index), tree.inclusion(index, size)
            assert verify_inclusion(index, size, leaf, proof, root)
            for other in range(size):
                assert verify_inclusion(other, size, leaf, proof, root) is (other == index)


def test_every_consistency_up_to_20_leaves_verifies_for_its_sizes_only() -> None:
    tree = tree_of(20)
    for second in range(1, 21):
        for first in range(1, second + 1):
            proof = tree.consistency(first, second)
            assert verify_consistency(first, second, tree.root(first), tree.root(second), proof)
            if first < second:
                assert not verify_consistency(first, second, tree.root(second), tree.root(second), proof)
                assert not verify_consistency(first, second, tree.root(first), tree.root(first), proof)


def test_an_altered_longer_or_shorter_proof_does_not_verify() -> None:
    tree = tree_of(13)
    leaf, proof, root = leaf_hash(b"4"), tree.inclusion(4), tree.root()
    altered = [bytes([proof[0][0] ^ 1]) + proof[0][1:], *proof[1:]]
    for bad in (altered, proof[:-1], [*proof, proof[-1]], [proof[0][:31], *proof[1:]], proof * 20):
        assert not verify_inclusion(4, 13, leaf, bad, root)
    assert not verify_inclusion(4, 13, leaf_hash(b"5"), proof, root)
    assert not verify_inclusion(13, 13, leaf, proof, root)
    assert not verify_inclusion(-1, 13, leaf, proof, root)

    steps = tree.consistency(6, 13)
    for bad in (steps[:-1], [*steps, steps[-1]], [steps[0][:31], *steps[1:]], [], steps * 20):
        assert not verify_consistency(6, 13, tree.root(6), root, bad)


def test_the_empty_tree_and_the_tree_itself_need_no_proof() -> None:
    root = tree_of(5).root()
    assert verify_consistency(0, 5, EMPTY_ROOT, root, [])
    assert not verify_consistency(0, 5, root, root, [])
    assert verify_consistency(5, 5, root, root, [])
    assert not verify_consistency(5, 5, root, EMPTY_ROOT, [])
    assert not verify_consistency(6, 5, root, root, [])
    assert not verify_consistency(4, 5, EMPTY_ROOT, root, [])


def test_a_rewritten_history_is_inconsistent() -> None:
    honest = tree_of(9)
    forked = Tree([leaf_hash(b"%d" % (99 if index == 2 else index)) for index in range(12)])
    assert not verify_consistency(9, 12, honest.root(), forked.root(), forked.consistency(9))


@pytest.mark.parametrize(("index", "size"), [(5, 5), (0, 0), (-1, 5)])
def test_no_inclusion_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="outside the tree"):
        merkle.inclusion(index, size)


@pytest.mark.parametrize(("first", "second"), [(0, 5), (4, 3), (-1, 2)])
def test_no_consistency_outside_the_tree(first: int, second: int) -> None:
    with pytest.raises(ValueError, match="outside the tree"):
        merkle.consistency(first, second)


def test_a_plan_beyond_what_is_there_finds_no_nodes() -> None:
    with pytest.raises(KeyError):
        merkle.inclusion(0, 6).hashes(dict(enumerate(tree_of(5).nodes)))


def test_nodes_lie_in_the_order_in_which_appending_makes_them() -> None:
    made = [leaf_hash(b"0"), leaf_hash(b"1")]
    made.append(node_hash(*made))
    assert tree_of(2).nodes == made
    places = sorted(position(level, index) for level in range(5) for index in range(16 >> level))
    assert places == list(range(nodes_made(16)))


def test_an_appender_goes_on_from_the_right_edge_alone() -> None:
    whole = tree_of(200)
    leaves = [leaf_hash(b"%d" % index) for index in range(200)]
    for size in range(200):
        edge = [whole.nodes[position(*part)] for part in parts_of(0, size)]
        appender = Appender(size, edge)
        assert appender.root() == whole.root(size)
        assert appender.append(leaves[size:]) == whole.nodes[nodes_made(size) :]
        assert appender.root() == whole.root()


def test_an_edge_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="right edge"):
        Appender(3, [EMPTY_ROOT])


def test_proofs_of_a_large_tree_are_logarithmic() -> None:
    tree = tree_of(5000)
    assert len(tree.inclusion(4999)) <= 13
    assert len(tree.consistency(4097)) <= 14
    assert verify_inclusion(3000, 5000, leaf_hash(b"3000"), tree.inclusion(3000), tree.root())
