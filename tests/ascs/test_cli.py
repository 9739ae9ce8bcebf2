"""The commands that an operator types, on folders of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ascs.demo.toml_text import toml_text
from ascs.main import main
from gm.sm2 import PublicKey
from tests.conftest import PEERS_FILE

CONFIG = PEERS_FILE.parents[1] / "config"
PEOPLE = """msisdn,id_type,id,valid_from,valid_to
8613800000001,IMSI,460001234567890,2024-01-01,
+8613800000001,IMEI,352099001761481,2024-01-01,2024-06-01
"""


def ascs(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments])


def done(*arguments: object) -> str:
    result = ascs(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def tls(party: str) -> dict[str, str]:
    return {"ca": "pki/ca.pem", "cert": f"pki/{party}.pem", "key": f"pki/{party}.key"}


@pytest.fixture
def trust_file(tmp_path: Path) -> Path:
    folder = tmp_path / "trust"
    folder.mkdir()
    file = folder / "trust.toml"
    keystore = {"path": "keys.store", "passphrase_file": "passphrase"}
    file.write_text(toml_text({"party": "ttp", "data_dir": ".", "tls": tls("ttp"), "keystore": keystore}))
    return file


@pytest.fixture
def gateway_file(tmp_path: Path) -> Path:
    folder = tmp_path / "carrier"
    folder.mkdir()
    file = folder / "gateway.toml"
    values = {
        "data_dir": ".",
        "carrier": {"id": "CMCC"},
        "keystore": {"path": "keys.store", "passphrase_file": "passphrase"},
        "tls": tls("CMCC"),
        "trust": {"sign_public_key": "trust-sign.pem"},
        "smsc": [{"system_id": "gateway", "password": "secret"}],
        "confirm": {"access_number": "10690000"},
    }
    file.write_text(toml_text(values))
    return file


ENTERPRISE = (
    "ent-a", "--name", "顺达快递", "--system-id", "shunda", "--sip-user", "pbx-a", "--access-number", "1069880001",
)  # fmt: skip


class TestConfigCheck:
    @pytest.mark.parametrize("file", sorted(CONFIG.glob("*.toml")), ids=lambda file: file.name)
    def test_the_examples_have_no_fault(self, file: Path) -> None:
        assert "no fault found" in done("config", "check", file)

    def test_each_fault_is_named_by_file_line_and_key(self, gateway_file: Path) -> None:
        text = gateway_file.read_text()
        gateway_file.write_text(
            text.replace('"10690000"', '"+10690000"') + "\n[smpp]\nport = 70000\nprot = 1\n"
        )
        lines = gateway_file.read_text().splitlines()
        result = ascs("config", "check", gateway_file)
        assert result.exit_code == 1
        for key, line in (
            ("confirm.access_number", lines.index('access_number = "+10690000"') + 1),
            ("smpp.port", lines.index("port = 70000") + 1),
            ("smpp.prot", lines.index("prot = 1") + 1),
        ):
            assert f"{gateway_file}:{line}: {key}: " in result.output

    def test_a_secret_is_not_repeated(self, gateway_file: Path) -> None:
        gateway_file.write_text(gateway_file.read_text().replace('"secret"', '"far too long"'))
        result = ascs("config", "check", gateway_file)
        assert result.exit_code == 1
        assert "smsc[0].password" in result.output
        assert "far too long" not in result.output

    def test_a_syntax_error_is_named_by_its_line(self, tmp_path: Path) -> None:
        file = tmp_path / "core.toml"
        file.write_text('host = "127.0.0.1"\nport = \n')
        result = ascs("config", "check", file)
        assert result.exit_code == 1
        assert f"{file}:2: port: " in result.output

    def test_a_file_of_any_name_is_known_by_its_keys_or_by_what_is_said(self, tmp_path: Path) -> None:
        file = tmp_path / "other.toml"
        file.write_text((CONFIG / "smsc.toml").read_text())
        done("config", "check", file)
        file.write_text("")
        assert ascs("config", "check", file).exit_code == 2
        assert ascs("config", "check", file, "--kind", "smsc").exit_code == 1

    def test_a_process_does_not_start_with_a_fault(self, gateway_file: Path) -> None:
        gateway_file.write_text('data_dir = "."\n')
        result = ascs("gateway", "run", gateway_file)
        assert result.exit_code == 1
        assert f"{gateway_file}:1: " in result.output
        assert "is required" in result.output


class TestPki:
    def test_an_authority_and_a_partys_certificate(self, tmp_path: Path) -> None:
        done("pki", "ca", tmp_path / "ca")
        first = (tmp_path / "ca" / "ca.pem").read_bytes()
        done("pki", "ca", tmp_path / "ca")
        assert (tmp_path / "ca" / "ca.pem").read_bytes() == first, "one that is there stays"
        done("pki", "party", tmp_path / "pki", "ent-a", "--ca", tmp_path / "ca")
        assert {each.name for each in (tmp_path / "pki").iterdir()} == {"ca.pem", "ent-a.pem", "ent-a.key"}
        assert (tmp_path / "pki" / "ent-a.key").stat().st_mode & 0o777 == 0o600

    def test_a_party_without_an_authority_is_one_line(self, tmp_path: Path) -> None:
        result = ascs("pki", "party", tmp_path / "pki", "ent-a", "--ca", tmp_path / "none")
        assert result.exit_code == 1
        assert result.output.startswith("Error: ")
        assert result.output.count("\n") == 1

    def test_a_signing_key(self, tmp_path: Path) -> None:
        done("pki", "sign-key", tmp_path)
        PublicKey.from_pem((tmp_path / "sign.pem").read_bytes())
        assert (tmp_path / "sign.key").stat().st_mode & 0o777 == 0o600


class TestGateway:
    def test_an_enterprise_with_drawn_passwords_that_are_printed_and_not_kept(
        self, gateway_file: Path
    ) -> None:
        output = done("gateway", "enterprise", "add", gateway_file, *ENTERPRISE)
        secret = output.split("SMPP password: ")[1].split()[0]
        assert 1 <= len(secret) <= 8
        assert secret.encode() not in (gateway_file.parent / "carrier.db").read_bytes()
        assert "SIP password: " in output

    def test_an_enterprise_is_added_once(self, gateway_file: Path) -> None:
        done("gateway", "enterprise", "add", gateway_file, *ENTERPRISE)
        result = ascs("gateway", "enterprise", "add", gateway_file, *ENTERPRISE)
        assert result.exit_code == 1
        assert result.output.startswith("Error: ")

    def test_a_password_longer_than_the_field_is_refused(self, gateway_file: Path) -> None:
        result = ascs(
            "gateway", "enterprise", "add", gateway_file, *ENTERPRISE, "--smpp-password", "9octets99"
        )
        assert result.exit_code == 1
        assert "1 to 8 characters" in result.output

    def test_an_access_number_has_one_owner_that_exists(self, gateway_file: Path) -> None:
        add = ("gateway", "access-number", "add", gateway_file, "1069880001", "ent-a")
        assert ascs(*add, "--sms-account", "shunda").exit_code == 1
        done("gateway", "enterprise", "add", gateway_file, *ENTERPRISE)
        done(*add, "--sms-account", "shunda", "--voice-trunk", "pbx-a")
        assert ascs(*add, "--sms-account", "shunda").exit_code == 1

    def test_subscribers_are_imported_once_and_no_number_is_in_the_store(
        self, gateway_file: Path, tmp_path: Path
    ) -> None:
        people = tmp_path / "people.csv"
        people.write_text(PEOPLE)
        assert done("gateway", "subscriber", "import", gateway_file, people) == "2 lines are new\n"
        assert done("gateway", "subscriber", "import", gateway_file, people) == "0 lines are new\n"
        for file in gateway_file.parent.glob("carrier.db*"):
            assert not any(number in file.read_bytes() for number in (b"13800000001", b"460001234567890"))

    def test_a_fault_in_the_subscribers_file_is_named_by_line_without_its_number(
        self, gateway_file: Path, tmp_path: Path
    ) -> None:
        people = tmp_path / "people.csv"
        people.write_text(PEOPLE + "8613800000002,FAX,1,2024-01-01,\n")
        result = ascs("gateway", "subscriber", "import", gateway_file, people)
        assert result.exit_code == 1
        assert "line 4" in result.output
        assert "13800000002" not in result.output
        assert done("gateway", "subscriber", "import", gateway_file, _csv(tmp_path)) == "2 lines are new\n"

    def test_people_are_exported_for_the_carrier_alone(
        self, gateway_file: Path, trust_file: Path, tmp_path: Path
    ) -> None:
        done("pki", "ca", tmp_path / "ca")
        done("pki", "party", gateway_file.parent / "pki", "CMCC", "--ca", tmp_path / "ca")
        done("trust", "init", trust_file)
        public = trust_file.parent / "public" / "sign-1.pem"
        (gateway_file.parent / "trust-sign.pem").write_bytes(public.read_bytes())
        done("gateway", "init", gateway_file)
        assert done("gateway", "people", gateway_file, tmp_path / "people-out.csv") == "0 lines\n"
        assert (tmp_path / "people-out.csv").read_text().strip() == "msisdn,enterprise_id,aid"
        assert (tmp_path / "people-out.csv").stat().st_mode & 0o777 == 0o600


def _csv(folder: Path) -> Path:
    file = folder / "good.csv"
    file.write_text(PEOPLE)
    return file


class TestTrust:
    def test_a_carrier_and_an_enterprise_are_admitted_by_what_they_hand_over(
        self, trust_file: Path, gateway_file: Path, tmp_path: Path
    ) -> None:
        done("trust", "init", trust_file)
        PublicKey.from_pem((trust_file.parent / "public" / "sign-1.pem").read_bytes())
        done("pki", "sign-key", tmp_path / "ent-a")
        key = tmp_path / "ent-a" / "sign.pem"
        admit = ("trust", "enterprise", "admit", trust_file, "ent-a", "--name", "顺达快递", "--sign-key")
        assert done(*admit, key) == "ent-a signs as ent-a/sign/1\n"
        done("gateway", "init", gateway_file)
        card = gateway_file.parent / "public" / "carrier.json"
        admit_carrier = ("trust", "carrier", "admit", trust_file, card, "--name", "中国移动")
        output = done(*admit_carrier, "--url", "https://127.0.0.1:8444")
        assert output.startswith("CMCC signs as CMCC/")

    def test_a_card_with_a_key_missing_says_which(self, trust_file: Path, tmp_path: Path) -> None:
        done("trust", "init", trust_file)
        card = tmp_path / "carrier.json"
        card.write_text(json.dumps({"id": "CMCC"}))
        admit = ("trust", "carrier", "admit", trust_file, card, "--name", "x", "--url", "https://127.0.0.1:1")
        result = ascs(*admit)
        assert result.exit_code == 1
        assert "'edi_key_id' is missing" in result.output

    def test_what_is_no_sm2_key_is_refused(self, trust_file: Path, tmp_path: Path) -> None:
        done("trust", "init", trust_file)
        key = tmp_path / "sign.pem"
        key.write_text("no key")
        admit = ("trust", "enterprise", "admit", trust_file, "ent-a", "--name", "x", "--sign-key", key)
        result = ascs(*admit)
        assert result.exit_code == 1
        assert result.output.startswith("Error: ")


def test_the_version_is_the_packages() -> None:
    assert "0.1.0" in done("--version")


def test_a_handsets_fleet_that_does_not_answer_is_one_line() -> None:
    result = ascs("handset", "--url", "http://127.0.0.1:9", "8613800000001", "inbox")
    assert result.exit_code == 1
    assert result.output.startswith("Error: no answer from ")
