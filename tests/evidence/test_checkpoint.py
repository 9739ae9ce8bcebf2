"""What a log signs, byte by byte, against a checkpoint signed by another implementation."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from evidence import checkpoint
from evidence.checkpoint import Checkpoint
from gm.sm2 import PrivateKey, PublicKey

VECTOR: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "merkle.json").read_text())[
    "checkpoint"
]
KEY = PublicKey.from_bytes(bytes.fromhex(VECTOR["log_public_key"]))
STATE = Checkpoint(
    log_id=bytes.fromhex(VECTOR["log_id"]),
    size=VECTOR["size"],
    time_ms=VECTOR["time_ms"],
    root=bytes.fromhex(VECTOR["root"]),
)
SIGNATURE = bytes.fromhex(VECTOR["signature"])


def test_the_log_is_named_by_its_key() -> None:
    assert checkpoint.log_id(KEY).hex() == VECTOR["log_id"]


def test_the_signed_bytes_are_the_vector() -> None:
    assert STATE.signed_bytes().hex() == VECTOR["signed_bytes"]


def test_the_vectors_signature_verifies() -> None:
    assert checkpoint.verify(KEY, STATE, SIGNATURE)


@pytest.mark.parametrize("change", [{"size": 14}, {"time_ms": 1}, {"root": bytes(32)}, {"log_id": bytes(32)}])
def test_any_other_state_does_not_verify(change: dict[str, Any]) -> None:
    assert not checkpoint.verify(KEY, dataclasses.replace(STATE, **change), SIGNATURE)


def test_another_logs_key_neither_verifies_nor_signs() -> None:
    stranger = PrivateKey.generate()
    assert not checkpoint.verify(stranger.public_key, STATE, SIGNATURE)
    with pytest.raises(ValueError, match="another log's"):
        checkpoint.sign(stranger, STATE)


def test_sign_and_verify() -> None:
    key = PrivateKey.generate()
    state = dataclasses.replace(STATE, log_id=checkpoint.log_id(key.public_key))
    assert checkpoint.verify(key.public_key, state, checkpoint.sign(key, state))


@pytest.mark.parametrize("change", [{"size": -1}, {"size": 1 << 64}, {"time_ms": -1}, {"root": b""}])
def test_what_does_not_fit_the_format_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        dataclasses.replace(STATE, **change)
