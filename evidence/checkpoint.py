"""What the log's operator signs: how many entries there are, at what time, under which root.

::

    log_id    = SM3(SubjectPublicKeyInfo DER of the log's SM2 key)
    signed    = "ASCS-STH1" 00 | log_id[32] | u64 size | u64 time_ms | root[32]
    signature = r[32] | s[32], SM2 over signed
"""

from dataclasses import dataclass
from typing import Final

from evidence.merkle import HASH_SIZE
from gm.sm2 import PrivateKey, PublicKey
from gm.sm3 import sm3

TAG: Final = b"ASCS-STH1\0"
_U64_END: Final = 1 << 64


def log_id(public_key: PublicKey) -> bytes:
    """The name of the log whose key this is, 32 bytes."""
    return sm3(public_key.spki_der())


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One state of one log."""

    log_id: bytes
    """32 bytes: see :func:`log_id`."""
    size: int
    """Number of entries."""
    time_ms: int
    """When it was signed, milliseconds since the epoch."""
    root: bytes
    """Merkle root over the entries, 32 bytes."""

    def __post_init__(self) -> None:
        if len(self.log_id) != HASH_SIZE or len(self.root) != HASH_SIZE:
            raise ValueError("log_id and root are 32 bytes")
        if not (0 <= self.size < _U64_END and 0 <= self.time_ms < _U64_END):
            raise ValueError("size and time are unsigned 64-bit numbers")

    def signed_bytes(self) -> bytes:
        """What the signature covers, 90 bytes."""
        numbers = self.size.to_bytes(8, "big") + self.time_ms.to_bytes(8, "big")
        return TAG + self.log_id + numbers + self.root


def sign(key: PrivateKey, checkpoint: Checkpoint) -> bytes:
    """The operator's signature, 64 bytes. Raises ValueError for a checkpoint of another key's log."""
    if checkpoint.log_id != log_id(key.public_key):
        raise ValueError("the checkpoint is another log's")
    return key.sign(checkpoint.signed_bytes())


def verify(public_key: PublicKey, checkpoint: Checkpoint, signature: bytes) -> bool:
    """True if the log that owns ``public_key`` signed this checkpoint."""
    return checkpoint.log_id == log_id(public_key) and public_key.verify(checkpoint.signed_bytes(), signature)
