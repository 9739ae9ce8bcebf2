"""`ascs trust key` and `ascs gateway key`: rotation, delivery as files, and what two custodians decide."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gm.keystore import ITERATIONS_MIN, KeyStore
from gm.sm2 import PublicKey
from tests.ascs.commands.cli import ascs, done


@pytest.fixture
def trust(trust_file: Path) -> Path:
    _initialise(trust_file, "trust")
    return trust_file


@pytest.fixture
def carrier(trust: Path, gateway_file: Path) -> Path:
    sign = (trust.parent / "public" / "sign-1.pem").read_bytes()
    (gateway_file.parent / "trust-sign.pem").write_bytes(sign)
    _initialise(gateway_file, "gateway")
    return gateway_file


def _initialise(file: Path, kind: str) -> None:
    (file.parent / "passphrase").write_text("correct horse")
    KeyStore.create(file.parent / "keys.store", "correct horse", iterations=ITERATIONS_MIN)
    done(kind, "init", file)


def people(folder: Path, *names: str) -> dict[str, Path]:
    for name in names:
        done("pki", "sign-key", folder / name)
    return {name: folder / name for name in names}


def test_a_key_of_its_own_is_rotated_and_its_public_half_is_put_out(trust: Path) -> None:
    assert done("trust", "key", "rotate", trust, "log") == "log/2 is active\n"
    listed = done("trust", "key", "list", trust).splitlines()
    assert "log/1 retired sm2 log/1" in listed
    assert "log/2 active sm2 log/2" in listed
    PublicKey.from_pem((trust.parent / "public" / "log-2.pem").read_bytes())


def test_what_cannot_be_rotated_is_one_line(trust: Path) -> None:
    result = ascs("trust", "key", "rotate", trust, "aid/nobody")
    assert result.exit_code == 1
    assert result.output == "Error: no such purpose: aid/nobody\n"


def test_a_key_goes_from_party_to_party_as_a_file(trust: Path, carrier: Path, tmp_path: Path) -> None:
    card = carrier.parent / "public" / "carrier.json"
    admit = ("trust", "carrier", "admit", trust, card, "--name", "Carrier", "--url", "https://127.0.0.1:1")
    assert done(*admit) == "CMCC signs as CMCC/sign/1; the shared key is still to be delivered\n"
    envelope_key, file = trust.parent / "public" / "envelope-1.pem", tmp_path / "http.key"
    send = ("gateway", "key", "send", carrier, "http")
    done(*send, 1, "ttp", "--to-key", envelope_key, "--out", file)
    assert done("trust", "key", "receive", trust, file) == "CMCC/http/1 is known from now on\n"
    done("pki", "ca", tmp_path / "ca")
    done("pki", "party", carrier.parent / "pki", "CMCC", "--ca", tmp_path / "ca")
    waits = ascs("gateway", "key", "rotate", carrier, "http")
    assert waits.exit_code == 1
    assert "http/2 stays pre-active" in waits.output
    done(*send, 2, "ttp", "--to-key", envelope_key, "--out", file)
    assert file.stat().st_mode & 0o077 == 0
    assert done("trust", "key", "receive", trust, file) == "CMCC/http/2 is known from now on\n"
    assert done("trust", "key", "receive", trust, file) == "CMCC/http/2 is known already\n"
    assert done("gateway", "key", "activate", carrier, "http", 2) == "http/2 is active\n"


def test_two_custodians_destroy_a_key(trust: Path, tmp_path: Path) -> None:
    li, wang, zhao = people(tmp_path, "li", "wang", "zhao").values()
    add = ("trust", "key", "custodian", "add", trust)
    for name, folder in (("li", li), ("wang", wang)):
        assert done(*add, name, "--name", name, "--key", folder / "sign.pem") == f"{name} is enrolled\n"
    assert ascs(*add, "zhao", "--name", "zhao", "--key", zhao / "sign.pem").exit_code == 1
    assert done("trust", "key", "custodian", "list", trust) == "li li\nwang wang\n"

    done("trust", "key", "rotate", trust, "agreement")
    order = tmp_path / "order.json"
    done("trust", "key", "destroy", trust, "agreement", 1, "--out", order)
    words = []
    for name, folder in (("li", li), ("wang", wang)):
        words.append(tmp_path / f"{name}.json")
        approve = ("trust", "key", "approve", order, "--as", name, "--key", folder / "sign.key")
        assert '"operation": "destroy"' in done(*approve, "--out", words[-1])
    one = ascs("trust", "key", "carry-out", trust, order, words[0])
    assert one.exit_code == 1
    assert "2 different custodians must approve; 1 did" in one.output
    assert "done" in done("trust", "key", "carry-out", trust, order, *words)
    assert "agreement/1 destroyed" in done("trust", "key", "list", trust)


def test_two_custodians_export_a_key_and_enrol_a_third(trust: Path, tmp_path: Path) -> None:
    folders = people(tmp_path, "li", "wang", "zhao", "vault")
    add = ("trust", "key", "custodian", "add", trust)
    for name in ("li", "wang"):
        done(*add, name, "--name", name, "--key", folders[name] / "sign.pem")

    def decide(order: Path, *more: object) -> str:
        words = [tmp_path / f"{name}-{order.name}" for name in ("li", "wang")]
        for name, word in zip(("li", "wang"), words, strict=True):
            key = folders[name] / "sign.key"
            done("trust", "key", "approve", order, "--as", name, "--key", key, "--out", word)
        return done("trust", "key", "carry-out", trust, order, *words, *more)

    vault = folders["vault"]
    order, out = tmp_path / "export.json", tmp_path / "data.key"
    done("trust", "key", "export", trust, "data", 1, "--to-key", vault / "sign.pem", "--out", order)
    decide(order, "--out", out)
    secret = done("trust", "key", "open", out, "--key", vault / "sign.key").strip()
    store = KeyStore.open(trust.parent / "keys.store", "correct horse")
    assert bytes.fromhex(secret) == store.current("data").material

    enrol = tmp_path / "enrol.json"
    done(*add, "zhao", "--name", "zhao", "--key", folders["zhao"] / "sign.pem", "--out", enrol)
    decide(enrol)
    dismiss = tmp_path / "dismiss.json"
    done("trust", "key", "custodian", "remove", trust, "li", "--out", dismiss)
    decide(dismiss)
    assert done("trust", "key", "custodian", "list", trust) == "wang wang\nzhao zhao\n"


def test_a_card_has_the_shared_key_in_an_envelope_to_this_trust_party(
    trust: Path, gateway_file: Path, tmp_path: Path
) -> None:
    envelope = (trust.parent / "public" / "envelope-1.pem").read_bytes()
    (gateway_file.parent / "trust-envelope.pem").write_bytes(envelope)
    (gateway_file.parent / "trust-sign.pem").write_bytes(
        (trust.parent / "public" / "sign-1.pem").read_bytes()
    )
    _initialise(gateway_file, "gateway")
    card = gateway_file.parent / "public" / "carrier.json"
    admit = ("trust", "carrier", "admit", trust)
    terms = ("--name", "Carrier", "--url", "https://127.0.0.1:1")
    assert done(*admit, card, *terms) == "CMCC signs as CMCC/sign/1 and CMCC/http/1\n"
    text = card.read_text()
    done("pki", "sign-key", tmp_path / "other")
    done("trust", "key", "rotate", trust, "envelope")
    forged = tmp_path / "card.json"
    body = json.loads(text)
    body["sign_public_key"] = (tmp_path / "other" / "sign.pem").read_text()
    for changed, why in ((body, "known key"), ({"id": "CMCC"}, "not a carrier's card")):
        forged.write_text(json.dumps(changed))
        result = ascs(*admit, forged, *terms)
        assert result.exit_code == 1
        assert why in result.output
    # What was sealed to the key before opens still.
    assert done(*admit, card, *terms) == "CMCC signs as CMCC/sign/1 and CMCC/http/1\n"


def test_what_became_of_the_keys_is_listed(trust: Path, carrier: Path) -> None:
    done("gateway", "key", "rotate", carrier, "data")
    lines = done("gateway", "key", "events", carrier).splitlines()
    assert len(lines) == 7 + 3
    assert all(line.endswith("(waits)") for line in lines)
    assert "its key data/1 went from active to retired, by " in lines[-2]
    assert all(line.endswith("(in the log)") for line in done("trust", "key", "events", trust).splitlines())


def test_a_change_without_a_record_is_found_by_any_command(carrier: Path) -> None:
    KeyStore.open(carrier.parent / "keys.store", "correct horse").add("data", "sm4")
    *_, retired, made = done("gateway", "key", "events", carrier).splitlines()
    assert "found at" in retired
    assert "its key data/2 was made active" in made
