"""The Merkle tree of RFC 9162, section 2.1, over SM3 (GB/T 32905).

A node is named by (level, index): it covers leaves ``index * 2^level`` up to ``(index + 1) * 2^level - 1``.
Only nodes whose leaves are all there are kept, for they never change; what lies on the right edge is
computed from them when asked, so that an append writes two nodes on average and a proof reads O(log n).
"""

from collections.abc import Sequence
from typing import Final, Protocol

from gm.sm3 import sm3

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = sm3(b"")
"""Root of a tree without leaves (RFC 9162, 2.1.1)."""

PROOF_MAX: Final = 64
"""Most hashes in a proof that is looked at: sizes are 64-bit numbers."""

Node = tuple[int, int, bytes]
"""Level, index, hash."""


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


class NodeStore(Protocol):
    """Where complete nodes are kept."""

    def get(self, level: int, index: int) -> bytes:
        """Hash of a node that was put, 32 bytes. Raises KeyError if it was not."""

    def put(self, nodes: Sequence[Node]) -> None:
        """Keep new nodes, in the order made: each after both its children."""


class MemoryNodes:
    """Nodes in a dict: for small trees and for checking others' proofs."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[int, int], bytes] = {}

    def get(self, level: int, index: int) -> bytes:
        return self._nodes[level, index]

    def put(self, nodes: Sequence[Node]) -> None:
        for level, index, value in nodes:
            self._nodes[level, index] = value


class Tree:
    """The tree over a :class:`NodeStore` that holds ``size`` leaves. Not shared by threads."""

    def __init__(self, nodes: NodeStore, size: int = 0) -> None:
        self._nodes = nodes
        self.size = size
        """Leaves appended so far."""

    def append(self, leaf_hashes: Sequence[bytes]) -> int:
        """Append leaves by their hashes; gives the index of the first. Two node writes a leaf on average."""
        first, size, get = self.size, self.size, self._nodes.get
        made: list[Node] = []
        fresh: dict[tuple[int, int], bytes] = {}
        for value in leaf_hashes:
            level, index = 0, size
            made.append((0, index, value))
            fresh[0, index] = value
            # A right child completes its parent, and so on up.
            while index & 1:
                left = fresh.get((level, index - 1)) or get(level, index - 1)
                value = node_hash(left, value)
                level, index = level + 1, index >> 1
                made.append((level, index, value))
                fresh[level, index] = value
            size += 1
        self._nodes.put(made)
        self.size = size
        return first

    def root(self, size: int | None = None) -> bytes:
        """Root when the tree had ``size`` leaves (default: now). Raises ValueError beyond the tree."""
        size = self.size if size is None else size
        self._check(0 <= size <= self.size)
        return self._range(0, size) if size else EMPTY_ROOT

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """Proof that leaf ``index`` is in the tree of ``size`` leaves, lowest first (RFC 9162, 2.1.3.1).

        Raises ValueError unless 0 ≤ index < size ≤ the tree's size.
        """
        size = self.size if size is None else size
        self._check(0 <= index < size <= self.size)
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
        return [self._range(*part) for part in reversed(proof)]

    def consistency(self, first: int, second: int | None = None) -> list[bytes]:
        """Proof that the tree of ``second`` leaves begins with the tree of ``first`` (RFC 9162, 2.1.4.1).

        Empty when the sizes are equal. Raises ValueError unless 0 < first ≤ second ≤ the tree's size.
        """
        second = self.size if second is None else second
        self._check(0 < first <= second <= self.size)
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
        return [self._range(*part) for part in reversed(proof)]

    def _range(self, start: int, end: int) -> bytes:
        """Hash over leaves start … end-1; start is a multiple of a power of two not below their number."""
        parts = []
        while start < end:
            level = (end - start).bit_length() - 1
            parts.append(self._nodes.get(level, start >> level))
            start += 1 << level
        value = parts.pop()
        while parts:
            value = node_hash(parts.pop(), value)
        return value

    def _check(self, within: bool) -> None:
        if not within:
            raise ValueError("outside the tree")


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
