"""`ascs regulator`: what is sealed, what approvers are shown, what they sign."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ascs.commands import regulator
from ascs.main import main
from gm.sm2 import PrivateKey
from interparty import number_query, statements
from interparty.deposit_messages import CancellationRequest, CancellationResponse, CancellationResult
from interparty.query_messages import ApprovalFile, QueryDraft
from tests.ascs.commands.cli import CONFIG, ascs, done

NUMBER = "8613800000001"
CARRIER_KEY, APPROVER = PrivateKey.generate(), PrivateKey.generate()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config" / "regulator.toml"
    file.parent.mkdir()
    shutil.copy(CONFIG / "regulator.toml", file)
    home = tmp_path / "var" / "regulator"
    home.mkdir(parents=True)
    (home / "CMCC-query-1.pem").write_bytes(CARRIER_KEY.public_key.to_pem())
    (home / "li-si.key").write_bytes(APPROVER.to_pem())
    return file


def draft(config: Path, *more: str) -> Path:
    out = config.parent / "draft.json"
    done(
        "regulator", "query", config, "--number", NUMBER, "--enterprise", "ent-a", "--from", "2026-11-01",
        "--to", "2026-11-30", "--case", "case-1", "--reason", "texts at night", "--out", out, *more,
    )  # fmt: skip
    return out


def test_a_query_is_sealed_for_whole_days_in_shanghai(config: Path) -> None:
    out = draft(config)
    assert out.stat().st_mode & 0o777 == 0o600
    made = QueryDraft.model_validate_json(out.read_bytes())
    opened = number_query.open_query(CARRIER_KEY, made.parts[0].sealed, "CMCC")
    assert (opened.number, opened.requester) == (NUMBER, "regulator")
    assert (opened.period_from, opened.period_to) == (1_793_462_400_000, 1_796_054_400_000)


def test_the_number_is_asked_for_when_it_is_not_given(config: Path) -> None:
    out = config.parent / "asked.json"
    given = [
        "regulator", "query", str(config), "--enterprise", "ent-a", "--from", "2026-11-01", "--to", "2026-11-30",
        "--case", "case-1", "--out", str(out),
    ]  # fmt: skip
    result = CliRunner().invoke(main, given, input=f"{NUMBER}\n")
    assert result.exit_code == 0, result.output
    assert QueryDraft.model_validate_json(out.read_bytes()).number == NUMBER


def test_an_approver_is_shown_the_query_and_asked(config: Path) -> None:
    out, signed = draft(config), config.parent / "signed.json"
    key = config.parents[1] / "var" / "regulator" / "li-si.key"
    given = ("regulator", "approve", out, "--approver", "li-si", "--key", key, "--out", signed)
    declined = ascs(*given)
    assert declined.exit_code == 1
    assert not signed.exists()
    for shown in (
        f"number      {NUMBER}",
        "enterprise  ent-a",
        "period      2026-11-01 00:00 to 2026-11-30 23:59",
        "reason      texts at night",
    ):
        assert shown in declined.output
    done(*given, "--yes")
    [approval] = ApprovalFile.model_validate_json(signed.read_bytes()).approvals
    assert statements.verify(APPROVER.public_key, statements.QUERY, approval.statement, approval.signature)


@pytest.mark.parametrize(
    "wrong",
    [("--number", "+8613800000001"), ("--from", "1 November"), ("--to", "2026-10-01"), ("--case", "a b")],
)
def test_what_is_no_query_is_told_in_a_line(config: Path, wrong: tuple[str, str]) -> None:
    given = {
        "--number": NUMBER,
        "--enterprise": "ent-a",
        "--from": "2026-11-01",
        "--to": "2026-11-30",
        "--case": "c",
    }
    given[wrong[0]] = wrong[1]
    options = [part for option in given.items() for part in option]
    result = ascs("regulator", "query", config, *options, "--out", config.parent / "draft.json")
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert "Traceback" not in result.output


def test_two_people_must_have_signed(config: Path) -> None:
    out, signed = draft(config), config.parent / "signed.json"
    key = config.parents[1] / "var" / "regulator" / "li-si.key"
    done("regulator", "approve", out, "--approver", "li-si", "--key", key, "--out", signed, "--yes")
    result = ascs("regulator", "submit", config, out, signed, signed)
    assert (result.exit_code, "2 different people" in result.output) == (1, True)


def test_an_order_is_signed_with_its_number(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []

    class FakePeer:
        async def request(self, method: str, path: str, message: CancellationRequest, answer: Any) -> Any:
            sent.extend(message.cancellations)
            return CancellationResponse(results=[CancellationResult(status="REVOKED")])

        async def close(self) -> None:
            pass

    monkeypatch.setattr(regulator, "connect", lambda settings: FakePeer())
    monkeypatch.setattr(regulator, "sign_key_of", lambda settings: APPROVER)
    aid = "888132341582397708"
    output = done("regulator", "cancel", config, "ent-a", aid, "--order", "2026-17")
    assert output == f"{aid} REVOKED\n"
    (signed,) = sent
    assert (signed.statement.cause, signed.statement.order) == ("REGULATOR", "2026-17")
    assert statements.verify(APPROVER.public_key, statements.CANCEL, signed.statement, signed.signature)
