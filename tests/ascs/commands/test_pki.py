"""`ascs pki`: authorities, certificates and signing keys."""

from __future__ import annotations

from pathlib import Path

from gm.sm2 import PublicKey
from tests.ascs.commands.cli import ascs, done


def test_an_authority_and_a_partys_certificate(tmp_path: Path) -> None:
    done("pki", "ca", tmp_path / "ca")
    first = (tmp_path / "ca" / "ca.pem").read_bytes()
    done("pki", "ca", tmp_path / "ca")
    assert (tmp_path / "ca" / "ca.pem").read_bytes() == first, "one that is there stays"
    done("pki", "party", tmp_path / "pki", "ent-a", "--ca", tmp_path / "ca")
    assert {each.name for each in (tmp_path / "pki").iterdir()} == {"ca.pem", "ent-a.pem", "ent-a.key"}
    assert (tmp_path / "pki" / "ent-a.key").stat().st_mode & 0o777 == 0o600


def test_a_party_without_an_authority_is_one_line(tmp_path: Path) -> None:
    result = ascs("pki", "party", tmp_path / "pki", "ent-a", "--ca", tmp_path / "none")
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert result.output.count("\n") == 1


def test_a_signing_key(tmp_path: Path) -> None:
    done("pki", "sign-key", tmp_path)
    PublicKey.from_pem((tmp_path / "sign.pem").read_bytes())
    assert (tmp_path / "sign.key").stat().st_mode & 0o777 == 0o600
