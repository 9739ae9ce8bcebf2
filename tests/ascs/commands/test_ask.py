"""`ascs trust ask`: each operation of the table, as an enterprise, a carrier or a regulator would ask it."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ascs.commands.ask import ask_group
from ascs.demo.toml_text import toml_text
from foundation import pki
from gm.keystore import ITERATIONS_MIN, KeyStore
from interparty import edi as edis
from interparty import trust_routes
from interparty.edi import date_in_shanghai
from tests.ascs.commands.cli import ascs, done
from tests.schema_fuzz import in_thread
from tests.trust_party.world import REGULATOR, People, deposit_of, initialise, settings_in
from trust_party import admission
from trust_party.app import started
from trust_party.clock import DAY_MS, HOUR_MS, now_ms

ASK = ("trust", "ask")


@dataclass
class Parties:
    """Configuration files of three parties at one trust party that runs."""

    enterprise: Path
    carrier: Path
    regulator: Path
    people: People
    edi_key: Any


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parties]:
    folder = tmp_path_factory.mktemp("ask")
    people = People(carriers={})
    (folder / "trust").mkdir()
    settings = settings_in(folder / "trust")
    initialise(settings)
    people.admit(settings)
    pki.make_ca(folder / "ca", "Test CA")
    pki.make_party(folder / "trust" / "pki", folder / "ca", "ttp")
    for party in ("ent-a", "CMCC", REGULATOR):
        pki.make_party(folder / party / "pki", folder / "ca", party)

    @contextlib.asynccontextmanager
    async def served() -> AsyncIterator[int]:
        async with started(settings) as party:
            yield party.port

    sign_pem = (settings.public_folder / "sign-1.pem").read_bytes()
    with in_thread(served) as port:
        link = {"url": f"https://127.0.0.1:{port}", "party": "ttp", "peer_keys": {"ttp/sign/1": "trust.pem"}}

        log_pem = (settings.public_folder / "log-1.pem").read_bytes()
        (folder / REGULATOR / "log.pem").write_bytes(log_pem)
        (folder / "CMCC" / "log.pem").write_bytes(log_pem)

        def write(party: str, name: str, values: dict[str, Any]) -> Path:
            (folder / party / "trust.pem").write_bytes(sign_pem)
            file = folder / party / name
            file.write_text(toml_text(values))
            return file

        def own(party: str, key: Any) -> dict[str, Any]:
            (folder / party / "sign.key").write_bytes(key.to_pem())
            tls = {"ca": "pki/ca.pem", "cert": f"pki/{party}.pem", "key": f"pki/{party}.key"}
            return link | tls | {"sign_key_id": f"{party}/sign/1", "sign_key": "sign.key"}

        account = {"system_id": "a", "password": "a"}
        trunk = {"domain": "aid.invalid", "username": "a", "password": "a"}
        enterprise = write(
            "ent-a",
            "enterprise.toml",
            {
                "id": "ent-a",
                "name": "A",
                "access_numbers": ["106900001"],
                "aids_file": "aids.csv",
                "log_dir": ".",
                "trust": own("ent-a", people.enterprises["ent-a"]),
                "smpp": account,
                "sip": trunk,
                "consent": {"service": "x"},
            },
        )
        regulator = write(
            REGULATOR,
            "regulator.toml",
            {
                "id": REGULATOR,
                "log_keys": ["log.pem"],
                "trust": own(REGULATOR, people.regulators[REGULATOR]),
            },
        )
        tls = {"ca": "pki/ca.pem", "cert": "pki/CMCC.pem", "key": "pki/CMCC.key"}
        carrier = write(
            "CMCC",
            "gateway.toml",
            {
                "data_dir": ".",
                "carrier": {"id": "CMCC"},
                "keystore": {"path": "keys.store", "passphrase_file": "passphrase"},
                "tls": tls,
                "trust": {"url": link["url"], "sign_public_key": "trust.pem"},
                "smsc": [{"system_id": "gateway", "password": "secret"}],
                "confirm": {"access_number": "10690000"},
            },
        )
        (folder / "CMCC" / "passphrase").write_text("x")
        KeyStore.create(folder / "CMCC" / "keys.store", "x", iterations=ITERATIONS_MIN)
        done("gateway", "init", carrier)
        keys = KeyStore.open(folder / "CMCC" / "keys.store", "x")
        admission.admit_carrier(
            settings,
            "CMCC",
            "Carrier",
            "https://127.0.0.1:1",
            edi_key_id="K001",
            edi_public_pem=keys.current("edi").public.to_pem(),
            sign_public_pem=keys.current("sign").public.to_pem(),
            hmac_key=keys.current("http").material,
        )
        yield Parties(enterprise, carrier, regulator, people, keys.current("edi").public)


def told(*arguments: object) -> Any:
    # The trust party in this process logs to the same stream.
    lines = [line for line in done(*ASK, *arguments).splitlines() if not line.startswith("20")]
    return json.loads("\n".join(lines))


def test_there_is_a_command_for_each_operation() -> None:
    named = {name.replace("-", "") for name in ask_group.commands}
    assert named == {operation.id.lower() for operation in trust_routes.OPERATIONS}


def test_health_is_asked_and_its_answer_is_not_signed(parties: Parties) -> None:
    assert told("health", parties.enterprise) == {"status": "ok"}


def test_from_deposit_to_cancellation(parties: Parties, tmp_path: Path) -> None:
    # Until the running trust party has seen the carrier's admission it refuses the carrier's key.
    while ascs(*ASK, "checkpoint", parties.carrier).exit_code:
        pass
    now, nonce = now_ms(), bytes(range(16))
    sealed = edis.seal(
        parties.edi_key,
        id_type=edis.IdType.IMSI,
        identifier="460001234567890",
        enterprise="ent-a",
        consent_nonce=nonce,
        as_of=date_in_shanghai(now),
        carrier="CMCC",
        carrier_key_id="K001",
    )
    deposit = deposit_of(
        parties.people,
        edis_of=[sealed],
        nonce=nonce.hex(),
        term_from=now,
        term_to=now + DAY_MS,
        collected_at=now - HOUR_MS,
    )
    body = tmp_path / "deposit.json"
    body.write_text(json.dumps({"deposits": [deposit.fields()]}))
    (result,) = told("deposit", parties.enterprise, "--body", body)["results"]
    aid = result["aid"]
    assert told("aid-status", parties.enterprise, f"aid={aid}")["status"] == "PENDING"
    assert told("aid-statuses", parties.enterprise, f"aids={aid}")["statuses"][0]["aid"] == aid

    edi_id, person = deposit.consent.edi_ids[0], parties.people
    confirmation = person.confirmation(deposit.consent, carrier="CMCC", confirmed_at=now)
    fields = [f"{name}={value}" for name, value in confirmation.fields().items()]
    assert told("confirm", parties.carrier, *fields) == {"results": [{"status": "ACTIVE"}]}
    question = (f"aid={aid}", "enterprise=ent-a", "channel=sms", "access_number=106900001")
    assert told("verify", parties.carrier, *question)["answers"][0]["grant"]["edi_id"] == edi_id
    restored = told(
        "restore", parties.carrier, f"edi_id={edi_id}", "enterprise=ent-a", "access_number=106900001"
    )
    assert restored == {"answers": [{"aid": aid}]}
    times = (f"started_at={now}", f"ended_at={now}")
    report = ("report_id=1", "direction=mt", "result=DELIVERED", f"edi_id={edi_id}", *question[1:], *times)
    assert told("report", parties.carrier, *report) == {"accepted": 1}
    proof = told("inclusion", parties.enterprise, "index=0", "size=32")
    assert len(proof["root"]) == 64
    assert told("public-keys", parties.regulator)["keys"]
    order = ("enterprise=ent-a", f"aid={aid}", "cause=REGULATOR", "order=2026-1")
    assert told("cancel", parties.regulator, *order) == {"results": [{"status": "REVOKED"}]}
    assert "REVOKED" in done(*ASK, "verify", parties.carrier, *question)
    heard = done("trust", "feed", parties.carrier, "--seconds", "0.5")
    assert '{"heartbeat":' in heard


def test_what_became_of_keys_is_reported_and_an_auditor_sees_it(parties: Parties, tmp_path: Path) -> None:
    while ascs(*ASK, "checkpoint", parties.carrier).exit_code:
        pass
    for party, file in (("ent-a", parties.enterprise), ("CMCC", parties.carrier)):
        key = ("purpose=sign", "version=1", "state_to=active", "by=ops", "found=false")
        said = (f"party={party}", "event_id=" + "0a" * 16, "sequence=1", "event=made", *key)
        for _ in range(2):
            assert told("report-key-events", file, *said) == {"accepted": 1}
    assert not told("query-key-evidence", parties.enterprise)["more"]
    assert (
        "no party that the caller"
        in ascs(*ASK, "query-key-evidence", parties.enterprise, "party=CMCC").output
    )
    shown = done("evidence", "keys", parties.regulator, "CMCC", "--case", "2026-7", "--out", tmp_path)
    assert shown.count("its key sign/1 was made active, by ops") == 1
    assert "CMCC/sign/1 was taken by the trust party" in shown
    sign = parties.carrier.parent / "public" / "carrier-sign.pem"
    sign.write_bytes(
        KeyStore.open(parties.carrier.parent / "keys.store", "x").current("sign").public.to_pem()
    )
    log = parties.carrier.parent / "log.pem"
    verify = ("evidence", "verify", tmp_path / "keys-1.json", "--log-key", log, "--key", f"CMCC={sign}")
    assert re.search("^proved +CMCC signed that at", ascs(*verify).output, re.MULTILINE)
    own = done("gateway", "key", "evidence", parties.carrier, "--log-key", log)
    assert own.splitlines()[:-1] == shown.splitlines()[: len(own.splitlines()) - 1]
    refused = ascs("evidence", "keys", parties.regulator, "CMCC")
    assert "a regulator names the case" in refused.output


def test_a_regulators_next_sign_key_is_delivered_and_used(parties: Parties, tmp_path: Path) -> None:
    done("pki", "sign-key", tmp_path)
    deliver = ("trust", "deliver-key", parties.regulator, 2, "--sign-key", tmp_path / "sign.pem")
    for _ in range(2):
        assert f"{REGULATOR}/sign/2 is known from now on" in done(*deliver)
    text = parties.regulator.read_text().replace(f"{REGULATOR}/sign/1", f"{REGULATOR}/sign/2")
    config = parties.regulator.with_name("next.toml")
    config.write_text(text.replace('sign_key = "sign.key"', f'sign_key = "{tmp_path / "sign.key"}"'))
    assert told("checkpoint", config)["checkpoint"]["log_id"]
    refused = ascs("trust", "deliver-key", parties.carrier, 2, "--sign-key", tmp_path / "sign.pem")
    assert "ascs gateway key rotate" in refused.output


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("verify", "nothing=1"), "no such field: nothing"),
        (("verify", "aid"), "FIELD=VALUE"),
        (("verify", "aid=1"), "items.0.aid"),
        (("checkpoint-x",), "No such command"),
        (("health", "a=1"), "takes nothing"),
    ],
)
def test_what_is_not_asked_is_said(parties: Parties, arguments: tuple[str, ...], why: str) -> None:
    result = ascs(*ASK, arguments[0], parties.carrier, *arguments[1:])
    assert result.exit_code != 0
    assert why in result.output


def test_what_the_trust_party_refuses_is_one_line(parties: Parties) -> None:
    result = ascs(
        *ASK,
        "verify",
        parties.enterprise,
        "aid=" + "8" * 18,
        "enterprise=ent-a",
        "channel=sms",
        "access_number=1069",
    )
    assert result.exit_code == 1
    assert result.output == "Error: 403 this route is for carriers\n"
