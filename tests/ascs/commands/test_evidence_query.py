"""`ascs evidence query`: what it prints and writes of an answer."""

import json
from pathlib import Path

import pytest

from ascs.commands.evidence_query import show
from interparty.evidence_messages import Bundle
from tests.ascs.commands.cli import CONFIG, ascs
from trust_client.evidence import ConsentEvidence

VECTOR = json.loads((Path(__file__).parents[2] / "trust_client" / "data" / "bundle.json").read_text())
AID = "888132341582397708"


def test_bundles_are_written_as_they_came(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = Bundle.model_validate_json(json.dumps(VECTOR["bundle"]))
    show(ConsentEvidence([AID], "ent-a", "ACTIVE", [bundle, bundle]), tmp_path / "out")
    written = sorted((tmp_path / "out").iterdir())
    assert [file.name for file in written] == [f"{AID}-1.json", f"{AID}-2.json"]
    assert all(Bundle.model_validate_json(file.read_bytes()) == bundle for file in written)
    assert f"ent-a  {AID}  ACTIVE" in capsys.readouterr().out


def test_without_keys_it_says_which_file_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "config" / "regulator.toml"
    file.parent.mkdir()
    file.write_text((CONFIG / "regulator.toml").read_text())
    result = ascs("evidence", "query", file, AID, "--case", "case-1")
    assert (result.exit_code, "No such file" in result.output) == (1, True)
