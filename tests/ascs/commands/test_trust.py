"""`ascs trust`: whom the trust party's operator admits."""

from __future__ import annotations

import json
from pathlib import Path

from gm.sm2 import PublicKey
from tests.ascs.commands.cli import ascs, done


def test_a_carrier_and_an_enterprise_are_admitted_by_what_they_hand_over(
    trust_file: Path, gateway_file: Path, tmp_path: Path
) -> None:
    done("trust", "init", trust_file)
    PublicKey.from_pem((trust_file.parent / "public" / "sign-1.pem").read_bytes())
    done("pki", "sign-key", tmp_path / "ent-a")
    key = tmp_path / "ent-a" / "sign.pem"
    admit = ("trust", "enterprise", "admit", trust_file, "ent-a", "--name", "顺达快递", "--sign-key")
    assert done(*admit, key) == "ent-a signs as ent-a/sign/1\n"
    envelope = (trust_file.parent / "public" / "envelope-1.pem").read_bytes()
    (gateway_file.parent / "trust-envelope.pem").write_bytes(envelope)
    done("gateway", "init", gateway_file)
    card = gateway_file.parent / "public" / "carrier.json"
    admit_carrier = ("trust", "carrier", "admit", trust_file, card, "--name", "中国移动")
    output = done(*admit_carrier, "--url", "https://127.0.0.1:8444")
    assert output.startswith("CMCC signs as CMCC/")


def test_an_enterprise_applies_is_approved_suspended_and_resumed(trust_file: Path, tmp_path: Path) -> None:
    done("trust", "init", trust_file)
    done("pki", "sign-key", tmp_path)
    enterprise = ("trust", "enterprise")
    apply = (
        *enterprise,
        "apply",
        trust_file,
        "ent-a",
        "--name",
        "顺达快递",
        "--sign-key",
        tmp_path / "sign.pem",
    )
    assert done(*apply) == "ent-a will sign as ent-a/sign/1 when it is approved\n"
    assert done(*enterprise, "approve", trust_file, "ent-a") == "ent-a is admitted\n"
    suspend = (*enterprise, "suspend", trust_file, "ent-a", "--reason", "complaints")
    assert done(*suspend) == "ent-a is suspended\n"
    again = ascs(*suspend)
    assert again.exit_code == 1
    assert "ent-a is SUSPENDED, not ADMITTED" in again.output
    (line,) = done(*enterprise, "list", trust_file).splitlines()
    assert line.split()[:2] == ["ent-a", "SUSPENDED"]
    resume = (*enterprise, "resume", trust_file, "ent-a", "--reason", "settled")
    assert done(*resume) == "ent-a is admitted\n"


def test_a_regulator_is_admitted_by_its_key(trust_file: Path, tmp_path: Path) -> None:
    done("trust", "init", trust_file)
    done("pki", "sign-key", tmp_path)
    admit = ("trust", "regulator", "admit", trust_file, "nra", "--name", "监管机构", "--sign-key")
    assert done(*admit, tmp_path / "sign.pem") == "nra signs as nra/sign/1\n"
    done("pki", "sign-key", tmp_path / "witness")
    add = ("trust", "party", "add-key", trust_file, "nra", "--sign-key", tmp_path / "witness" / "sign.pem")
    assert done(*add) == "nra signs as nra/tool/1\n"


def test_a_card_with_a_key_missing_says_which(trust_file: Path, tmp_path: Path) -> None:
    done("trust", "init", trust_file)
    card = tmp_path / "carrier.json"
    card.write_text(json.dumps({"id": "CMCC"}))
    admit = ("trust", "carrier", "admit", trust_file, card, "--name", "x", "--url", "https://127.0.0.1:1")
    result = ascs(*admit)
    assert result.exit_code == 1
    assert "edi_key_id: missing" in result.output


def test_what_is_no_sm2_key_is_refused(trust_file: Path, tmp_path: Path) -> None:
    done("trust", "init", trust_file)
    key = tmp_path / "sign.pem"
    key.write_text("no key")
    admit = ("trust", "enterprise", "admit", trust_file, "ent-a", "--name", "x", "--sign-key", key)
    result = ascs(*admit)
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
