"""An evidence log in memory, made from the OpenAPI document and RFC 9162 alone."""

from dataclasses import dataclass, field

from .foreign_signatures import Sm2Key, b64url, sm3


def leaf_hash(entry: bytes) -> bytes:
    """SM3(00 | entry)."""
    return sm3(b"\0" + entry)


def _split(count: int) -> int:
    """The largest power of two below count."""
    return 1 << (count - 1).bit_length() - 1


def root_of(hashes: list[bytes]) -> bytes:
    """MTH of RFC 9162, 2.1.1, over leaf hashes."""
    if len(hashes) < 2:
        return hashes[0] if hashes else sm3(b"")
    at = _split(len(hashes))
    return sm3(b"\1" + root_of(hashes[:at]) + root_of(hashes[at:]))


def inclusion_path(index: int, hashes: list[bytes]) -> list[bytes]:
    """PATH of RFC 9162, 2.1.3.1."""
    if len(hashes) == 1:
        return []
    at = _split(len(hashes))
    if index < at:
        return [*inclusion_path(index, hashes[:at]), root_of(hashes[at:])]
    return [*inclusion_path(index - at, hashes[at:]), root_of(hashes[:at])]


def consistency_path(first: int, hashes: list[bytes], *, whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 9162, 2.1.4.1."""
    if first == len(hashes):
        return [] if whole else [root_of(hashes)]
    at = _split(len(hashes))
    if first <= at:
        return [*consistency_path(first, hashes[:at], whole=whole), root_of(hashes[at:])]
    return [*consistency_path(first - at, hashes[at:], whole=False), root_of(hashes[:at])]


@dataclass
class Log:
    """Entries in memory, and the key that signs their heads."""

    key: Sm2Key
    hashes: list[bytes] = field(default_factory=list)
    records: list[tuple[bytes, bytes]] = field(default_factory=list)  # with their salts

    @property
    def log_id(self) -> bytes:
        """SM3 of the key's SubjectPublicKeyInfo."""
        return sm3(self.key.spki_der)

    def append(self, record: bytes, salt: bytes) -> int:
        """Append a record's commitment; its index."""
        self.records.append((record, salt))
        commitment = sm3(b"ASCS-REC1\0" + salt + record)
        self.hashes.append(leaf_hash(b"ASCS-LEAF1\0" + commitment))
        return len(self.hashes) - 1

    def checkpoint(self, now_ms: int) -> dict[str, object]:
        """A CheckpointBody over all that there is."""
        size, root = len(self.hashes), root_of(self.hashes)
        head = b"ASCS-STH1\0" + self.log_id + size.to_bytes(8, "big") + now_ms.to_bytes(8, "big") + root
        return {
            "log_id": self.log_id.hex(), "size": size, "time_ms": now_ms, "root": root.hex(),
            "signature": b64url(self.key.sign(head)),
        }  # fmt: skip

    def inclusion(self, index: int, size: int) -> dict[str, object]:
        """An InclusionBody without a checkpoint."""
        hashes = self.hashes[:size]
        return {
            "index": index, "size": size, "leaf": hashes[index].hex(), "root": root_of(hashes).hex(),
            "proof": [step.hex() for step in inclusion_path(index, hashes)],
        }  # fmt: skip
