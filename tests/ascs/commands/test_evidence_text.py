"""Evidence in a terminal: a line a record."""

import json
from pathlib import Path

from ascs.commands.evidence_text import lines
from interparty.evidence_messages import Bundle
from trust_client.evidence import ConsentEvidence

VECTOR = json.loads((Path(__file__).parents[2] / "trust_client" / "data" / "bundle.json").read_text())


def test_each_record_is_told() -> None:
    bundle = Bundle.model_validate_json(json.dumps(VECTOR["bundle"]))
    records = [json.loads(record.record) for record in bundle.records]
    told = list(lines(ConsentEvidence(["888132341582397708"], "ent-a", "ACTIVE", [bundle])))
    assert told[0] == "ent-a  888132341582397708  ACTIVE"
    assert [line.split()[0] for line in told[1:-1]] == [record["kind"] for record in records]
    assert told[-1].split()[0] == str(len(records))
