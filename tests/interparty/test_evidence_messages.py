"""What witnesses and verifiers exchange, as strict models."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from interparty.evidence_messages import Bundle, Cosignature

BUNDLE: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "trust_client" / "data" / "bundle.json").read_text()
)["bundle"]


def test_a_bundle_is_equal_to_its_own_dump() -> None:
    assert Bundle.model_validate_json(json.dumps(BUNDLE)).fields() == BUNDLE


@pytest.mark.parametrize(
    "changed",
    [
        {"format": "ASCS-BUNDLE2"},
        {"records": []},
        {"extra": 1},
        {"keys": {"ent-a/sign/1": "00"}},
        {"keys": {"": BUNDLE["log"]["public_key"]}},
        {"cosignatures": BUNDLE["cosignatures"] * 40},
    ],
)
def test_what_no_bundle_may_hold_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Bundle.model_validate_json(json.dumps(BUNDLE | changed))


def test_a_cosignature_states_the_whole_checkpoint() -> None:
    bundle = Bundle.model_validate_json(json.dumps(BUNDLE))
    statement = bundle.cosignatures[0].statement
    assert Cosignature.of(bundle.checkpoint, "CMCC", statement.at) == statement
