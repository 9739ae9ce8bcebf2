"""Whether the answer to deposits proves that their evidence is in the log."""

from collections.abc import Sequence

from evidence.merkle import verify_inclusion
from gm.sm2 import PublicKey
from interparty.deposit_messages import DepositResult
from interparty.messages import CheckpointBody
from trust_client.bundle import is_signed


def are_proved(results: Sequence[DepositResult], log_keys: Sequence[PublicKey]) -> bool:
    """Whether each result with an AID carries its leaf, a path to a root, and a checkpoint of that root signed with one
    of the log's keys. What the leaf commits to is shown by an evidence bundle (trust_client.bundle)."""
    # One checkpoint as a rule.
    signed: dict[CheckpointBody, bool] = {}
    for result in results:
        if result.aid is None:
            continue
        proof = result.inclusion
        if proof is None or proof.checkpoint is None or result.evidence_id != str(proof.index):
            return False
        checkpoint = proof.checkpoint
        if (checkpoint.size, checkpoint.root) != (proof.size, proof.root):
            return False
        if checkpoint not in signed:
            signed[checkpoint] = any(is_signed(checkpoint, key) for key in log_keys)
        nodes = [bytes.fromhex(node) for node in proof.proof]
        leaf, root = bytes.fromhex(proof.leaf), bytes.fromhex(proof.root)
        if not signed[checkpoint] or not verify_inclusion(proof.index, proof.size, leaf, nodes, root):
            return False
    return True
