"""The Merkle tree of RFC 9162, section 2.1, over SM3 (GB/T 32905).

A node is named by (level, index): it covers leaves ``index * 2^level`` up to ``(index + 1) * 2^level - 1``.
Only nodes whose leaves are all there are kept, for they never change; what lies on the right edge is
computed from them when asked, so that an append writes two nodes on average and a proof reads O(log n).
Where they are kept is not known here: a :class:`Plan` says which are needed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gm.sm3 import sm3

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = sm3(b"")
"""Root of a tree without leaves (RFC 9162, 2.1.1)."""

PROOF_MAX: Final = 64
"""Most hashes in a proof that is looked at: sizes are 64-bit numbers."""

Place = tuple[int, int]
"""Level and index of a node."""


def leaf_hash(entry: bytes) -> bytes:
    """Hash of one leaf: ``SM3(00 | entry)``, 32 bytes."""
    return sm3(b"\x00" + entry)


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: ``SM3(01 | left | right)``, 32 bytes."""
    return sm3(b"\x01" + left + right)


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """Root over leaf hashes held in memory, 32 bytes (RFC 9162, 2.1.1)."""
    level = list(leaf_hashes)
    if not level:
        return EMPTY_ROOT
    # An odd last node moves up unchanged: the same tree as the recursive split at the largest power of two.
    while len(level) > 1:
        above = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            above.append(level[-1])
        level = above
    return level[0]


def parts_of(start: int, end: int) -> list[Place]:
    """The largest complete nodes that leaves start … end-1 are made of, left to right; start is a multiple of a
    power of two not below their number."""
    parts = []
    while start < end:
        level = (end - start).bit_length() - 1
        parts.append((level, start >> level))
        start += 1 << level
    return parts


class Appender:
    """Appends to a tree of which it holds the right edge alone: as many hashes as `size` has bits set."""

    def __init__(self, size: int = 0, edge: Sequence[bytes] = ()) -> None:
        """`edge` are the hashes of `parts_of(0, size)`. Raises ValueError for another number of them."""
        if len(edge) != size.bit_count():
            raise ValueError("not the right edge of a tree of this size")
        self._edge = list(edge)
        self.size = size
        """Leaves so far."""

    def append(self, leaf_hashes: Sequence[bytes]) -> list[bytes]:
        """Append leaves by their hashes. Gives the hashes of all nodes that they complete, leaves among them, in the
        order of :func:`position`: two a leaf on average."""
        edge, made, size = self._edge, [], self.size
        for value in leaf_hashes:
            made.append(value)
            # A right child completes its parent, and so on up.
            above = size
            while above & 1:
                value = node_hash(edge.pop(), value)
                made.append(value)
                above >>= 1
            edge.append(value)
            size += 1
        self.size = size
        return made

    def root(self) -> bytes:
        """Root over all leaves."""
        return _folded(self._edge) if self._edge else EMPTY_ROOT


def nodes_made(size: int) -> int:
    """How many complete nodes a tree of ``size`` leaves has."""
    return 2 * size - size.bit_count()


def position(level: int, index: int) -> int:
    """Place of a complete node in the order in which appending makes them: first come all that are complete with the
    leaves before the last one under it, then that leaf and what it completes from level 1 up."""
    return nodes_made(((index + 1) << level) - 1) + level


@dataclass(frozen=True, slots=True)
class Plan:
    """What a proof or a root is made of: nodes that are there, by their places, and how they are put together."""

    ranges: tuple[tuple[int, int], ...]
    """Ranges of leaves, each of which is one hash of the result."""

    def places(self) -> list[int]:
        """The :func:`position` of every node that :meth:`hashes` needs."""
        return [position(*part) for each in self.ranges for part in parts_of(*each)]

    def hashes(self, nodes: Mapping[int, bytes]) -> list[bytes]:
        """The result, from the nodes by position. Raises KeyError if one is missing."""
        return [_folded([nodes[position(*part)] for part in parts_of(*each)]) for each in self.ranges]


def inclusion(index: int, size: int) -> Plan:
    """Proof that leaf ``index`` is in the tree of ``size`` leaves, lowest first (RFC 9162, 2.1.3.1).

    Raises ValueError unless 0 ≤ index < size.
    """
    if not 0 <= index < size:
        raise ValueError("outside the tree")
    proof = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append((middle, end))
            end = middle
        else:
            proof.append((start, middle))
            start = middle
    return Plan(tuple(reversed(proof)))


def consistency(first: int, second: int) -> Plan:
    """Proof that the tree of ``second`` leaves begins with the tree of ``first`` (RFC 9162, 2.1.4.1).

    Empty when the sizes are equal. Raises ValueError unless 0 < first ≤ second.
    """
    if not 0 < first <= second:
        raise ValueError("outside the tree")
    proof = []
    start, end, whole = 0, second, True
    # SUBPROOF(m, D[n], b): b says that D[start:end] began where the first tree did, whose root is known.
    while end > first:
        middle = start + _split(end - start)
        if first <= middle:
            proof.append((middle, end))
            end = middle
        else:
            proof.append((start, middle))
            start, whole = middle, False
    if not whole:
        proof.append((start, end))
    return Plan(tuple(reversed(proof)))


def root_plan(size: int) -> Plan:
    """The root of the tree of ``size`` leaves, which is 1 or more, as the one hash of a plan."""
    return Plan(((0, size),))


def _folded(parts: Sequence[bytes]) -> bytes:
    """Hash over complete nodes that follow each other, each smaller than the one before."""
    value = parts[-1]
    for part in reversed(parts[:-1]):
        value = node_hash(part, value)
    return value


def _split(size: int) -> int:
    """Largest power of two smaller than ``size``, which is 2 or more."""
    return 1 << ((size - 1).bit_length() - 1)


def verify_inclusion(
    index: int, size: int, leaf: bytes, proof: Sequence[bytes], expected_root: bytes
) -> bool:
    """True if ``proof`` shows the leaf hash at ``index`` under the root of ``size`` leaves.

    RFC 9162, 2.1.3.2.
    """
    if not 0 <= index < size or not _well_formed(proof):
        return False
    fn, sn, value = index, size - 1, leaf
    for part in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            value = node_hash(part, value)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            value = node_hash(value, part)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and value == expected_root


def verify_consistency(
    first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]
) -> bool:
    """True if ``proof`` shows that the second tree only appended to the first (RFC 9162, 2.1.4.2).

    Any tree extends the empty one, and a tree itself, both with an empty proof.
    """
    if not 0 <= first <= second or not _well_formed(proof):
        return False
    if first == 0:
        return not proof and first_root == EMPTY_ROOT
    if first == second:
        return not proof and first_root == second_root
    parts = list(proof)
    # A first tree that is one complete node is not repeated in the proof.
    if first & (first - 1) == 0:
        parts.insert(0, first_root)
    if not parts:
        return False
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old = new = parts[0]
    for part in parts[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            old, new = node_hash(part, old), node_hash(part, new)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            new = node_hash(new, part)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and old == first_root and new == second_root


def _well_formed(proof: Sequence[bytes]) -> bool:
    return len(proof) <= PROOF_MAX and all(len(part) == HASH_SIZE for part in proof)
