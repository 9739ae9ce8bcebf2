"""What witnesses and verifiers of the evidence log exchange: cosignatures, and bundles that prove records offline.

See docs/formats.md, "Witnesses" and "Bundles".
"""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints

from interparty.key_messages import KEYS_MAX, LogKeyBody, SignedKeyNotice
from interparty.messages import PROOF_NODES_MAX, CheckpointBody, Message
from interparty.values import Count, Millis, PartyId, QueryCount, SignatureText, Sm3Hex

COSIGNATURES_MAX: Final = 100
"""Witnesses of one log."""
BUNDLE_RECORDS_MAX: Final = 1000
"""Records in one bundle."""
BUNDLE_KEYS_MAX: Final = 1000
RECORD_TEXT_MAX: Final = 65_536
"""Characters of a record."""
CONSENTS_MAX: Final = 1000
"""Consents that one signature of an enterprise covers: those of one request."""

LEAVES_MAX: Final = 4096
"""Leaves in one answer."""
LEAVES_TEXT_MAX: Final = 174_763
"""Characters of LEAVES_MAX hashes of 32 bytes as base64url."""

LeavesText = Annotated[str, StringConstraints(max_length=LEAVES_TEXT_MAX, pattern=r"^[A-Za-z0-9_-]*$")]
PublicKeyHex = Annotated[str, StringConstraints(min_length=130, max_length=130, pattern=r"^04[0-9a-f]{128}$")]
KeyIdText = Annotated[str, StringConstraints(min_length=5, max_length=200, pattern=r"^[A-Za-z0-9._/-]+$")]


class Cosignature(Message):
    """ASCS-COSIGN1: a witness states that this checkpoint extends every one that it cosigned before."""

    witness: PartyId
    """Who signs."""
    log_id: Sm3Hex
    """Of the checkpoint."""
    size: Count
    """Of the checkpoint."""
    time_ms: Millis
    """Of the checkpoint."""
    root: Sm3Hex
    """Of the checkpoint."""
    at: Millis
    """When the witness signed."""

    @classmethod
    def of(cls, checkpoint: CheckpointBody, witness: str, at: int) -> Self:
        """What a witness signs of a checkpoint."""
        return cls(
            witness=witness,
            log_id=checkpoint.log_id,
            size=checkpoint.size,
            time_ms=checkpoint.time_ms,
            root=checkpoint.root,
            at=at,
        )


class SignedCosignature(Message):
    """A witness's word for a checkpoint."""

    statement: Cosignature
    """What is signed."""
    signature: SignatureText
    """The witness's, over ASCS-COSIGN1 and the statement."""


class CheckpointQuery(Message):
    """GET /v1/log/checkpoint."""

    cosigned: QueryCount | None = None
    """How many cosignatures it must have; absent: the newest, whatever it has."""


class WitnessedCheckpoint(Message):
    """A checkpoint and who cosigned it; GET /v1/log/checkpoint and /v1/log/candidate answer one."""

    checkpoint: CheckpointBody
    """What the log signed."""
    cosignatures: Annotated[list[SignedCosignature], Field(max_length=COSIGNATURES_MAX)]
    """On this checkpoint, one of each witness at most."""


class Views(Message):
    """GET /v1/log/views: the newest checkpoint that each witness cosigned, with that cosignature alone."""

    views: Annotated[list[WitnessedCheckpoint], Field(max_length=COSIGNATURES_MAX)]
    """One of each witness."""


class LeavesQuery(Message):
    """Names leaves by their indices."""

    start: QueryCount
    """Index of the first leaf."""
    count: QueryCount
    """How many, at most 4096."""


class Leaves(Message):
    """Leaves in their order, as many as asked for or as there are up to the newest checkpoint or 4096."""

    start: Count
    """Index of the first."""
    leaves: LeavesText
    """Their hashes, 32 bytes each, one after the other; base64url."""


# --- bundles ------------------------------------------------------------------------------------------


class LogKey(Message):
    """The log that a bundle is about. Believe the key only if you have it from elsewhere."""

    log_id: Sm3Hex
    """SM3 of the key's SubjectPublicKeyInfo."""
    public_key: PublicKeyHex
    """The log's."""


class BundleRecord(Message):
    """One record and its place in the log of the bundle's checkpoint."""

    index: Count
    """Of its leaf."""
    record: Annotated[str, StringConstraints(min_length=2, max_length=RECORD_TEXT_MAX)]
    """The record, byte for byte (UTF-8)."""
    salt: Sm3Hex
    """With the record it makes the leaf."""
    proof: Annotated[list[Sm3Hex], Field(max_length=PROOF_NODES_MAX)]
    """Of inclusion under the bundle's checkpoint."""
    consents: Annotated[list[Sm3Hex], Field(max_length=CONSENTS_MAX)] | None = None
    """Of a DEPOSIT: the list that the enterprise signed."""


class LaterCheckpoint(WitnessedCheckpoint):
    """A later state of the log, with the proof that it extends the bundle's checkpoint."""

    proof: Annotated[list[Sm3Hex], Field(max_length=PROOF_NODES_MAX)]
    """Of consistency between the two."""


class Bundle(Message):
    """Records of the evidence log with all that shows, offline, that they are in it and who signed what in them."""

    format: Literal["ASCS-BUNDLE1"] = "ASCS-BUNDLE1"
    """Which form this is."""
    log: LogKey
    """In which log the records are."""
    checkpoint: CheckpointBody
    """Under which they are proved."""
    cosignatures: Annotated[list[SignedCosignature], Field(max_length=COSIGNATURES_MAX)]
    """On that checkpoint."""
    successions: Annotated[list[LogKeyBody], Field(max_length=KEYS_MAX)] | None = None
    """Every key that the log had, in order, each named by the one before; absent if it had but one."""
    later: LaterCheckpoint | None = None
    """A newer state of the log; absent if the checkpoint was the newest."""
    records: Annotated[list[BundleRecord], Field(min_length=1, max_length=BUNDLE_RECORDS_MAX)]
    """What is proved."""
    keys: Annotated[dict[KeyIdText, PublicKeyHex], Field(max_length=BUNDLE_KEYS_MAX)]
    """SM2 keys of the parties named in the records and of the witnesses, by keyid. Believe one only if you have it from
    elsewhere, or by the word of one that you have."""
    notices: Annotated[list[SignedKeyNotice], Field(max_length=BUNDLE_KEYS_MAX)] | None = None
    """What these parties said of later sign keys of theirs, each under one of before; absent if there are none."""
