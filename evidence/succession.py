"""How a log gets another key and stays the same log: the key before signs who comes after it.

::

    signed    = "ASCS-LOGKEY1" 00 | log_id[32] | log_id of the successor[32]
    signature = r[32] | s[32], SM2 over signed, by the key that log_id names

Whoever knows the first key follows the chain to the current one. The tree goes on: a consistency proof holds between
checkpoints under different keys of one chain.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from evidence.checkpoint import log_id
from gm.sm2 import PrivateKey, PublicKey

TAG: Final = b"ASCS-LOGKEY1\0"
CHAIN_MAX: Final = 1000
"""Keys that one log may have had."""


@dataclass(frozen=True, slots=True)
class Succession:
    """One key's word that another follows it."""

    log_id: bytes
    """Of the key that signs, 32 bytes."""
    successor: PublicKey
    signature: bytes
    """64 bytes."""


def signed_bytes(before: bytes, after: bytes) -> bytes:
    """What a succession's signature covers: the log_ids of both keys."""
    return TAG + before + after


def succeed(key: PrivateKey, successor: PublicKey) -> Succession:
    """Sign that `successor` follows `key`."""
    before = log_id(key.public_key)
    return Succession(before, successor, key.sign(signed_bytes(before, log_id(successor))))


def follow(first: PublicKey, successions: Iterable[Succession]) -> list[PublicKey]:
    """The keys of a log from one that is known on, in order: each is vouched for by the one before.

    What does not verify, leads back, or starts elsewhere is passed over.
    """
    said: dict[bytes, list[Succession]] = {}
    for each in successions:
        said.setdefault(each.log_id, []).append(each)
    keys, seen = [first], {log_id(first)}
    while len(keys) < CHAIN_MAX:
        before = log_id(keys[-1])
        for each in said.get(before, ()):
            after = log_id(each.successor)
            if after not in seen and keys[-1].verify(signed_bytes(before, after), each.signature):
                keys.append(each.successor)
                seen.add(after)
                break
        else:
            break
    return keys
