"""`ascs evidence`: what someone learns who has a bundle and public keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gm.sm2 import PublicKey
from tests.ascs.commands.cli import ascs, done

VECTOR: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "trust_client" / "data" / "bundle.json").read_text()
)


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Path]:
    files = {}
    for name, key in VECTOR["keys"].items():
        files[name] = tmp_path / f"{name}.pem"
        files[name].write_bytes(PublicKey.from_bytes(bytes.fromhex(key)).to_pem())
    return files


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "bundle.json"
    path.write_text(json.dumps(VECTOR["bundle"]))
    return path


def options(keys: dict[str, Path], *, witnesses: tuple[str, ...], parties: tuple[str, ...]) -> list[str]:
    given = ["--log-key", str(keys["log"])]
    given += [word for name in witnesses for word in ("--witness", f"{name}={keys[name]}")]
    return given + [word for name in parties for word in ("--key", f"{name}={keys[name]}")]


def test_a_bundle_is_told_in_plain_words(bundle: Path, keys: dict[str, Path]) -> None:
    given = options(keys, witnesses=("CMCC", "ent-a", "regulator"), parties=("ent-a", "CMCC"))
    output = done("evidence", "verify", bundle, *given)
    for words in (
        "3 of 3 witnesses saw this checkpoint",
        "You asked for 2.",
        "ent-a signed this consent (with 1 other, not shown): service “订单通知”",
        "CMCC signed at 2026-11-23 10:15:00 that its subscriber behind EDI",
        "confirmed the consent of leaf 5, by a code sent to the telephone.",
        "What no bundle proves",
        "Everything in this bundle is proved.",
    ):
        assert words in output
    assert "WRONG" not in output


def test_without_keys_what_is_open_is_said_and_the_exit_status_tells(
    bundle: Path, keys: dict[str, Path]
) -> None:
    result = ascs("evidence", "verify", bundle, *options(keys, witnesses=(), parties=("ent-a",)))
    assert result.exit_code == 3
    assert "No witness's key was given" in result.output
    assert "Checked only with the key in this bundle: none was given for CMCC." in result.output


def test_what_was_altered_is_wrong(bundle: Path, keys: dict[str, Path]) -> None:
    bundle.write_text(bundle.read_text().replace("sms-code", "network"))
    given = options(keys, witnesses=("CMCC",), parties=("ent-a", "CMCC"))
    result = ascs("evidence", "verify", bundle, *given)
    assert result.exit_code == 1
    assert "is NOT in the log like this" in result.output


def test_another_logs_key_proves_nothing(bundle: Path, keys: dict[str, Path]) -> None:
    result = ascs("evidence", "verify", bundle, "--log-key", keys["CMCC"])
    assert result.exit_code == 1
    assert "Nothing below is proved" in result.output
    assert "proved  " not in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--quorum", "2"], "can never be reached"),
        (["--witness", "CMCC"], "PARTY=FILE expected"),
        (["--key", "CMCC=nowhere.pem"], "PARTY=FILE expected"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    bundle: Path, keys: dict[str, Path], arguments: list[str], said: str
) -> None:
    result = ascs("evidence", "verify", bundle, "--log-key", keys["log"], *arguments)
    assert result.exit_code == 2
    assert said in result.output


def test_a_file_that_is_no_bundle_is_named_by_its_fault(bundle: Path, keys: dict[str, Path]) -> None:
    bundle.write_text('{"format": "ASCS-BUNDLE1"}')
    result = ascs("evidence", "verify", bundle, "--log-key", keys["log"])
    assert result.exit_code == 1
    assert "not a bundle: log: missing" in result.output
