"""Statements about keys, an envelope and a succession that other code made (gmssl)."""

import json
from pathlib import Path

import pytest

from evidence.checkpoint import log_id
from evidence.succession import Succession, follow
from gm.sm2 import PrivateKey, PublicKey
from interparty import statements
from interparty.key_delivery import check, open_envelope
from interparty.key_messages import KeyNotice, SignedKeyApproval, SignedKeyEvent, SignedKeyNotice

VECTORS = json.loads((Path(__file__).parent / "data" / "keys.json").read_text())
SIGN = PublicKey.from_bytes(bytes.fromhex(VECTORS["sign"]["public"]))


@pytest.mark.parametrize("case", VECTORS["notices"], ids=lambda case: case["statement"]["key"])
def test_a_notice(case: dict[str, object]) -> None:
    notice = KeyNotice.model_validate(case["statement"])
    assert statements.jcs(notice).decode() == case["jcs"]
    assert statements.verify(SIGN, statements.KEY, notice, str(case["signature"]))


def test_a_delivery() -> None:
    recipient = PrivateKey.from_bytes(bytes.fromhex(VECTORS["recipient"]["private"]))
    opened = open_envelope(VECTORS["envelope"], [recipient])
    case = VECTORS["notices"][0]
    assert opened == SignedKeyNotice.model_validate(
        {name: case[name] for name in SignedKeyNotice.model_fields}
    )
    now = case["statement"]["at"]
    known = {"CMCC/sign/1": SIGN}
    assert check(opened, known, party="CMCC", recipient="ttp", now_ms=now).value == case["statement"]["value"]


def test_an_approval() -> None:
    approval = SignedKeyApproval.model_validate(VECTORS["approval"])
    assert statements.verify(SIGN, statements.KEYOP, approval.statement, approval.signature)


def test_an_event() -> None:
    case = VECTORS["event"]
    event = SignedKeyEvent.model_validate({name: case[name] for name in SignedKeyEvent.model_fields})
    assert statements.jcs(event.statement).decode() == case["jcs"]
    assert statements.verify(SIGN, statements.KEYEVENT, event.statement, event.signature)


def test_a_succession() -> None:
    case = VECTORS["succession"]
    successor = PublicKey.from_bytes(bytes.fromhex(case["successor"]))
    assert (log_id(SIGN).hex(), log_id(successor).hex()) == (case["log_id"], case["successor_log_id"])
    said = Succession(bytes.fromhex(case["log_id"]), successor, bytes.fromhex(case["signature"]))
    assert follow(SIGN, [said]) == [SIGN, successor]
