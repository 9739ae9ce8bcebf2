"""`ascs trust aid`: what becomes of AIDs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ascs.commands import aids
from gm.sm2 import PrivateKey
from interparty.deposit_messages import RotationRequest, RotationResponse, RotationResult
from tests.ascs.commands.cli import CONFIG, ascs, done

AID, NEW = "888132341582397708", "888167747806152484"


def test_an_order_waits_while_the_trust_party_does_not_run(
    trust_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aids, "ORDER_WAIT_S", 0.0)
    done("trust", "init", trust_file)
    output = done("trust", "aid", "cancel", trust_file, "ent-a", AID, "--order", "2026-17")
    assert output == f"{AID} waits until the trust party runs\n"


def test_what_is_no_aid_is_told(trust_file: Path) -> None:
    done("trust", "init", trust_file)
    result = ascs("trust", "aid", "cancel", trust_file, "ent-a", "12", "--order", "2026-17")
    assert result.exit_code == 1
    assert "aid" in result.output


def test_an_aid_that_was_never_issued_is_told_so(trust_file: Path) -> None:
    done("trust", "init", trust_file)
    assert done("trust", "aid", "audit", trust_file, AID) == f"{AID} was never issued here\n"
    assert ascs("trust", "aid", "audit", trust_file, "12").exit_code == 2


class FakePeer:
    """Replaces the first AID and knows no other."""

    async def request(self, method: str, path: str, message: RotationRequest, answer: Any) -> Any:
        first, *others = message.rotations
        assert (first.statement.enterprise, first.statement.aid) == ("ent-a", AID)
        results = [RotationResult(status="ACTIVE", aid=NEW, evidence_id="7")]
        return RotationResponse(results=results + [RotationResult(status="UNKNOWN")] * len(others))

    async def close(self) -> None:
        pass


def test_an_enterprise_has_its_aids_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aids, "connect", lambda settings: FakePeer())
    monkeypatch.setattr(aids, "sign_key_of", lambda settings: PrivateKey.generate())
    assert done("trust", "aid", "rotate", CONFIG / "enterprise.toml", AID) == f"{AID} is now {NEW}\n"
    result = ascs("trust", "aid", "rotate", CONFIG / "enterprise.toml", AID, NEW)
    assert result.exit_code == 1
    assert f"{NEW} UNKNOWN" in result.output
