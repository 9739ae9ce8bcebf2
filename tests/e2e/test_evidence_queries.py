"""Evidence asked for with the commands that a regulator, an enterprise and a carrier have, of running parties."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ascs import leak_search
from ascs.demo import regulator as demo_regulator
from ascs.demo.layout import APPROVERS, CARRIER, PEOPLE, TRUST
from ascs.demo.regulator import Desk
from ascs.demo.toml_text import toml_text
from gm.sm2 import PrivateKey
from interparty.query_messages import ApprovalFile, QueryDraft
from tests.ascs.commands.cli import ascs, done
from tests.e2e.house import ENT_A, ENT_B, House
from trust_client import regulator as desk

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

PERSON, OTHER = PEOPLE[1], PEOPLE[2]
DAY_MS = 86_400_000
SHANGHAI = timezone(timedelta(hours=8))


def day(offset: int = 0) -> str:
    return (datetime.now(SHANGHAI) + timedelta(days=offset)).strftime("%Y-%m-%d")


class Regulator:
    """The regulator's people at their tools."""

    def __init__(self, house: House, folder: Path) -> None:
        self._home = house.layout.regulator
        self._config = house.files.regulator
        self._folder = folder

    def draft(self, number: str, enterprise: str = ENT_A.id, start: str = "", end: str = "") -> Path:
        out = self._folder / f"draft-{secrets.token_hex(4)}.json"
        done(
            "regulator", "query", self._config, "--number", number, "--enterprise", enterprise,
            "--from", start or day(-1), "--to", end or day(), "--case", "case-1", "--out", out,
        )  # fmt: skip
        return out

    def approve(self, draft: Path, approver: str, key: Path | None = None) -> Path:
        out = draft.with_suffix(f".{secrets.token_hex(4)}.json")
        key = key or self._home / f"{approver}.key"
        shown = done(
            "regulator", "approve", draft, "--approver", approver, "--key", key, "--out", out, "--yes"
        )
        assert "number      86138" in shown
        return out

    def submit(self, draft: Path, *approvals: Path) -> list[str]:
        """The AIDs."""
        result = ascs("regulator", "submit", self._config, draft, *approvals)
        assert result.exit_code == 0, result.output
        return [line for line in result.output.splitlines() if line.startswith("888")]

    def refusal(self, draft: Path, *approvals: Path) -> str:
        """Why the carrier refused."""
        result = ascs("regulator", "submit", self._config, draft, *approvals)
        assert result.exit_code == 1, result.output
        return next(line for line in result.output.splitlines() if line.startswith(CARRIER)).split()[2]

    def signed(self, draft: Path) -> list[Path]:
        return [self.approve(draft, approver) for approver in APPROVERS]

    def evidence(self, aid: str, *options: object) -> str:
        return done("evidence", "query", self._config, aid, "--case", "case-1", *options)


@pytest.fixture
def regulator(house: House, tmp_path: Path) -> Regulator:
    return Regulator(house, tmp_path)


async def test_a_number_leads_to_the_aid_and_the_trust_party_never_sees_it(
    house: House, regulator: Regulator, tmp_path: Path
) -> None:
    aid = await house.active_aid(ENT_A, PERSON)
    await house.active_aid(ENT_B, PERSON)
    capture = house.layout.trust / "received.capture"
    before = capture.stat().st_size
    draft = await asyncio.to_thread(regulator.draft, PERSON.msisdn)
    assert PERSON.msisdn in draft.read_text()
    approvals = await asyncio.to_thread(regulator.signed, draft)
    result = await asyncio.to_thread(ascs, "regulator", "submit", house.files.regulator, draft, *approvals)
    assert (result.exit_code, result.stdout.split()) == (0, [aid])
    assert f"{CARRIER}\tANSWERED\t1 found" in result.output
    assert "left out" not in result.output
    shown = await asyncio.to_thread(regulator.evidence, aid)
    assert "DEPOSIT" in shown
    assert "CONFIRMATION" in shown
    assert "QUERY" in shown
    # What the trust party received since, from the regulator and from the carrier, searched in every encoding.
    received = tmp_path / "received.capture"
    received.write_bytes(capture.read_bytes()[before:])
    assert received.stat().st_size > 5_000
    numbers = [PERSON.msisdn, PERSON.imsi, PERSON.imei]
    report = await asyncio.to_thread(leak_search.search, [(TRUST, received)], numbers)
    assert report.found == 0
    assert leak_search.self_check(numbers, received.read_bytes()[-4_000:]).passed


async def test_the_demos_regulator_finds_the_same(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_regulator, "WITNESS_S", 0)  # this house has none
    aid = await house.active_aid(ENT_A, PERSON)
    found = await Desk(house.layout, house.files).look_into(PERSON.msisdn, ENT_A.id)
    assert found.answer.aids == [aid]
    [evidence] = found.evidence
    assert {"DEPOSIT", "CONFIRMATION"} <= {record["kind"] for record in evidence.records}


async def test_a_number_of_nobodys_here_leads_nowhere_and_looks_alike(
    house: House, regulator: Regulator
) -> None:
    stranger = await asyncio.to_thread(regulator.draft, "8613899999999")
    approvals = await asyncio.to_thread(regulator.signed, stranger)
    began = time.monotonic()
    assert await asyncio.to_thread(regulator.submit, stranger, *approvals) == []
    assert time.monotonic() - began >= 0.5  # the carrier's answer_s, whatever it finds


async def test_one_approver_twice_an_unknown_one_and_a_stale_one_are_refused(
    house: House, regulator: Regulator, tmp_path: Path
) -> None:
    draft = await asyncio.to_thread(regulator.draft, OTHER.msisdn)
    first = await asyncio.to_thread(regulator.approve, draft, APPROVERS[0])
    stranger_key = tmp_path / "stranger.key"
    stranger_key.write_bytes(PrivateKey.generate().to_pem())
    stranger = await asyncio.to_thread(regulator.approve, draft, "nobody", stranger_key)
    forged = await asyncio.to_thread(regulator.approve, draft, APPROVERS[1], stranger_key)
    twice = ascs("regulator", "submit", house.files.regulator, draft, first, first)
    assert (twice.exit_code, "2 different people" in twice.output) == (1, True)
    for second in (stranger, forged):
        assert await asyncio.to_thread(regulator.refusal, draft, first, second) == "APPROVERS"
    old = _altered_approval(house, draft, APPROVERS[1], at=time.time_ns() // 1_000_000 - 2 * DAY_MS)
    assert await asyncio.to_thread(regulator.refusal, draft, first, old) == "STALE"
    # One who signs twice under one name is one, even where the tool does not look.
    doubled = await asyncio.to_thread(regulator.approve, draft, APPROVERS[0])
    renamed = _renamed(doubled, "li-na")
    assert await asyncio.to_thread(regulator.refusal, draft, first, renamed) == "APPROVERS"


async def test_a_query_is_answered_once(house: House, regulator: Regulator) -> None:
    draft = await asyncio.to_thread(regulator.draft, OTHER.msisdn)
    approvals = await asyncio.to_thread(regulator.signed, draft)
    await asyncio.to_thread(regulator.submit, draft, *approvals)
    assert await asyncio.to_thread(regulator.refusal, draft, *approvals) == "REPLAYED"


async def test_an_approver_who_was_shown_another_number_approves_nothing(
    house: House, regulator: Regulator
) -> None:
    draft = await asyncio.to_thread(regulator.draft, OTHER.msisdn)
    first = await asyncio.to_thread(regulator.approve, draft, APPROVERS[0])
    shown = json.loads(draft.read_text()) | {"number": PERSON.msisdn}
    other = draft.with_suffix(".shown.json")
    other.write_text(json.dumps(shown))
    second = await asyncio.to_thread(regulator.approve, other, APPROVERS[1])
    assert await asyncio.to_thread(regulator.refusal, draft, first, second) == "MISMATCH"


@pytest.mark.parametrize("field", ["enterprise", "period_to", "case"])
async def test_another_enterprise_period_or_case_than_was_signed_is_refused(
    house: House, regulator: Regulator, field: str
) -> None:
    draft = await asyncio.to_thread(regulator.draft, OTHER.msisdn)
    approvals = await asyncio.to_thread(regulator.signed, draft)
    changed = json.loads(draft.read_text())
    changed[field] = {"enterprise": ENT_B.id, "period_to": changed["period_to"] + DAY_MS, "case": "case-2"}[
        field
    ]
    draft.write_text(json.dumps(changed))
    # The trust party sees that it is not what was signed ...
    assert await asyncio.to_thread(regulator.refusal, draft, *approvals) == "MISMATCH"
    # ... and the carrier, when it was signed anew but sealed before.
    approvals = await asyncio.to_thread(regulator.signed, draft)
    assert await asyncio.to_thread(regulator.refusal, draft, *approvals) == "MISMATCH"


async def test_what_is_found_proves_itself_offline(
    house: House, regulator: Regulator, tmp_path: Path
) -> None:
    aid = await house.active_aid(ENT_A, PERSON)
    await asyncio.to_thread(regulator.evidence, aid, "--out", tmp_path / "bundles")
    [bundle] = (tmp_path / "bundles").iterdir()
    home, carrier = (
        house.layout.regulator,
        json.loads((house.layout.carrier / "public/carrier.json").read_text()),
    )
    (tmp_path / "CMCC.pem").write_text(carrier["sign_public_key"])
    keys = {
        CARRIER: tmp_path / "CMCC.pem",
        ENT_A.id: house.layout.enterprise(ENT_A.id) / "sign.pem",
    }
    given = [part for party, key in keys.items() for part in ("--key", f"{party}={key}")]
    checked = ascs("evidence", "verify", bundle, "--log-key", home / "trust-log.pem", *given)
    assert "WRONG" not in checked.output
    assert checked.exit_code == 3  # no witness's key was given
    assert f"{ENT_A.id} signed this consent" in checked.output
    await asyncio.to_thread(regulator.evidence, aid, "--out", tmp_path / "again")
    [again] = (tmp_path / "again").iterdir()
    told = ascs("evidence", "verify", again, "--log-key", home / "trust-log.pem", *given).output
    assert "a regulator, asked for this evidence, case case-1" in told


async def test_an_enterprise_sees_its_own_and_no_others(house: House, tmp_path: Path) -> None:
    own, other = await house.active_aid(ENT_A, PERSON), await house.active_aid(ENT_B, PERSON)
    config = _asker(house)
    shown = await asyncio.to_thread(done, "evidence", "query", config, own)
    assert "CONFIRMATION" in shown
    assert "QUERY" not in shown
    refused = await asyncio.to_thread(ascs, "evidence", "query", config, other)
    assert (refused.exit_code, "404" in refused.output) == (1, True)


async def test_a_carrier_sees_its_subscribers_by_aid_and_by_number(house: House) -> None:
    aid = await house.active_aid(ENT_A, PERSON)
    key = house.layout.regulator / "trust-log.pem"
    command = ("gateway", "evidence", house.files.gateway, "--log-key", key)
    by_aid = await asyncio.to_thread(done, *command, "--aid", aid)
    assert "DEPOSIT" in by_aid
    by_number = await asyncio.to_thread(done, *command, "--number", PERSON.msisdn)
    assert aid in by_number
    nobody = await asyncio.to_thread(done, *command, "--number", "8613899999999")
    assert nobody == ""


async def test_the_carrier_has_a_record_of_every_query(house: House, regulator: Regulator) -> None:
    draft = await asyncio.to_thread(regulator.draft, OTHER.msisdn)
    approvals = await asyncio.to_thread(regulator.signed, draft)
    await asyncio.to_thread(regulator.submit, draft, *approvals)
    listed = await asyncio.to_thread(done, "gateway", "queries", house.files.gateway, "--numbers")
    assert f"\tcase-1\t{ENT_A.id}\t" in listed
    assert OTHER.msisdn in listed
    assert OTHER.msisdn not in await asyncio.to_thread(done, "gateway", "queries", house.files.gateway)


def _altered_approval(house: House, draft: Path, approver: str, at: int) -> Path:
    query = QueryDraft.model_validate_json(draft.read_bytes())
    key = PrivateKey.from_pem((house.layout.regulator / f"{approver}.key").read_bytes())
    return _written(draft, lambda: desk.approve(query, approver, key, at))


def _renamed(approval: Path, approver: str) -> Path:
    values: dict[str, Any] = json.loads(approval.read_text())
    for each in values["approvals"]:
        each["statement"]["approver"] = approver
    return _written(approval, lambda: ApprovalFile.model_validate(values))


def _written(beside: Path, make: Callable[[], ApprovalFile]) -> Path:
    out = beside.with_suffix(f".{secrets.token_hex(4)}.json")
    out.write_text(make().model_dump_json(exclude_none=True))
    return out


def _asker(house: House) -> Path:
    """What an enterprise configures to ask for evidence."""
    folder = house.layout.enterprise(ENT_A.id)
    log_key = (house.layout.regulator / "trust-log.pem").read_bytes()
    (folder / "trust-log.pem").write_bytes(log_key)
    file = folder / "asker.toml"
    link = {
        "url": f"https://127.0.0.1:{house.ports.trust}",
        "party": TRUST,
        "ca": "pki/ca.pem",
        "cert": f"pki/{ENT_A.id}.pem",
        "key": f"pki/{ENT_A.id}.key",
        "sign_key_id": f"{ENT_A.id}/sign/1",
        "sign_key": "sign.key",
        "peer_keys": {f"{TRUST}/sign/1": "trust-sign.pem"},
    }
    file.write_text(toml_text({"id": ENT_A.id, "log_keys": ["trust-log.pem"], "trust": link}))
    return file
