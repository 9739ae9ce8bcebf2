"""What a witness of a log checks, without network or clock: whether two signed checkpoints can be of one honest log.

A log that only ever appends, and shows everyone the same, never signs two checkpoints that contradict each other. Two
that do are proof against whoever holds its key, to everyone, for ever.
"""

from collections.abc import Sequence
from enum import Enum

from evidence.log import SignedCheckpoint
from evidence.merkle import verify_consistency


class Verdict(Enum):
    """What a checkpoint is beside another of the same log."""

    EXTENDS = "it extends the other"
    """The same log later, or at the same moment."""
    STALE = "it is an earlier state than the other"
    """Signed before, and no larger: nothing is wrong, and nothing is to be learned."""
    FORKED = "both have the same size and different roots"
    """Each proves the other a lie."""
    SHRANK = "the smaller of the two was signed later"
    """What was in the log is no longer in it."""
    UNPROVED = "the log does not show that it extends the other"
    """The signatures alone do not prove a lie; that an honest log could always show it does."""
    MISMATCH = "the leaves that the log gives do not make the root that it signed"
    """One of the two is not what it says."""
    DENIED = "the log denies that it signed it"
    """The signature says otherwise."""

    @property
    def is_misbehaviour(self) -> bool:
        """Whether no honest log does this."""
        return self not in (Verdict.EXTENDS, Verdict.STALE)


def judge(earlier: SignedCheckpoint, later: SignedCheckpoint, proof: Sequence[bytes]) -> Verdict:
    """What ``later`` is beside ``earlier``, which was seen first; the log's signatures over both were checked.

    ``proof`` is the log's proof of consistency from the earlier size to the later one, needed where the sizes differ
    and the earlier log is not empty.
    """
    old, new = earlier.checkpoint, later.checkpoint
    if new.size == old.size and new.root != old.root:
        return Verdict.FORKED
    smaller, larger = (new, old) if new.size < old.size else (old, new)
    if smaller.size < larger.size and smaller.time_ms > larger.time_ms:
        return Verdict.SHRANK
    if new.size < old.size or (new.size == old.size and new.time_ms < old.time_ms):
        return Verdict.STALE
    if new.size == old.size:
        return Verdict.EXTENDS
    # The empty log's root is known: every log extends it.
    steps = proof if old.size else []
    if verify_consistency(old.size, new.size, old.root, new.root, steps):
        return Verdict.EXTENDS
    return Verdict.UNPROVED
