"""`ascs gateway`: what the carrier's operator adds, and what is said when it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ascs.commands.cli import ENTERPRISE, ascs, done

PEOPLE = """msisdn,id_type,id,valid_from,valid_to
8613800000001,IMSI,460001234567890,2024-01-01,
+8613800000001,IMEI,352099001761481,2024-01-01,2024-06-01
"""


def _csv(folder: Path) -> Path:
    file = folder / "good.csv"
    file.write_text(PEOPLE)
    return file


def test_an_enterprise_with_drawn_passwords_that_are_printed_and_not_kept(gateway_file: Path) -> None:
    output = done("gateway", "enterprise", "add", gateway_file, *ENTERPRISE)
    secret = output.split("SMPP password: ")[1].split()[0]
    assert 1 <= len(secret) <= 8
    assert secret.encode() not in (gateway_file.parent / "carrier.db").read_bytes()
    assert "SIP password: " in output


def test_an_enterprise_is_added_once(gateway_file: Path) -> None:
    done("gateway", "enterprise", "add", gateway_file, *ENTERPRISE)
    result = ascs("gateway", "enterprise", "add", gateway_file, *ENTERPRISE)
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")


def test_a_password_longer_than_the_field_is_refused(gateway_file: Path) -> None:
    result = ascs("gateway", "enterprise", "add", gateway_file, *ENTERPRISE, "--smpp-password", "9octets99")
    assert result.exit_code == 1
    assert "1 to 8 characters" in result.output


def test_an_access_number_has_one_owner_that_exists(gateway_file: Path) -> None:
    add = ("gateway", "access-number", "add", gateway_file, "1069880001", "ent-a")
    assert ascs(*add, "--sms-account", "shunda").exit_code == 1
    done("gateway", "enterprise", "add", gateway_file, *ENTERPRISE)
    done(*add, "--sms-account", "shunda", "--voice-trunk", "pbx-a")
    assert ascs(*add, "--sms-account", "shunda").exit_code == 1


def test_subscribers_are_imported_once_and_no_number_is_in_the_store(
    gateway_file: Path, tmp_path: Path
) -> None:
    people = tmp_path / "people.csv"
    people.write_text(PEOPLE)
    assert done("gateway", "subscriber", "import", gateway_file, people) == "2 lines are new\n"
    assert done("gateway", "subscriber", "import", gateway_file, people) == "0 lines are new\n"
    for file in gateway_file.parent.glob("carrier.db*"):
        assert not any(number in file.read_bytes() for number in (b"13800000001", b"460001234567890"))


def test_a_fault_in_the_subscribers_file_is_named_by_line_without_its_number(
    gateway_file: Path, tmp_path: Path
) -> None:
    people = tmp_path / "people.csv"
    people.write_text(PEOPLE + "8613800000002,FAX,1,2024-01-01,\n")
    result = ascs("gateway", "subscriber", "import", gateway_file, people)
    assert result.exit_code == 1
    assert "line 4" in result.output
    assert "13800000002" not in result.output
    assert done("gateway", "subscriber", "import", gateway_file, _csv(tmp_path)) == "2 lines are new\n"


def test_people_are_exported_for_the_carrier_alone(
    gateway_file: Path, trust_file: Path, tmp_path: Path
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


@pytest.mark.parametrize("missing", ["ca", "cert", "key"])
def test_a_missing_certificate_is_named_in_one_line(gateway_file: Path, tmp_path: Path, missing: str) -> None:
    done("pki", "ca", tmp_path / "ca")
    pki = gateway_file.parent / "pki"
    done("pki", "party", pki, "CMCC", "--ca", tmp_path / "ca")
    file = {"ca": pki / "ca.pem", "cert": pki / "CMCC.pem", "key": pki / "CMCC.key"}[missing]
    file.unlink()
    result = ascs("gateway", "people", gateway_file, tmp_path / "people.csv")
    assert result.exit_code == 1
    assert result.output == f"Error: TLS {missing}: {file}: No such file or directory\n"


def test_subscribers_are_put_on_the_list_and_taken_off(gateway_file: Path) -> None:
    bar = ("gateway", "subscriber", "bar", gateway_file)
    assert done(*bar, "8613800000001", "+8613800000002") == "2 put on the list\n"
    assert done(*bar, "8613800000001", "--lift") == "1 taken off the list\n"
    result = ascs(*bar, "x13800000001")
    assert (result.exit_code, result.output) == (1, "Error: number 1 is not E.164 digits\n")
