"""`ascs gateway account` and `access-number`: what is set, shown and refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.ascs.commands.cli import ENTERPRISE, ascs, done

NUMBER = "1069880001"


@pytest.fixture
def carrier(gateway_file: Path) -> Path:
    """A gateway with one enterprise and its access number."""
    done("gateway", "enterprise", "add", gateway_file, *ENTERPRISE)
    done("gateway", "access-number", "add", gateway_file, NUMBER, "ent-a", "--sms-account", "shunda")
    return gateway_file


def shown(output: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in output.splitlines())


def account(carrier: Path) -> dict[str, str]:
    return shown(done("gateway", "account", "show", carrier, "shunda"))


def set_account(carrier: Path, *options: object) -> dict[str, str]:
    return shown(done("gateway", "account", "set", carrier, "shunda", *options))


def test_without_options_everything_is_as_configured(carrier: Path) -> None:
    found = account(carrier)
    assert found["max_binds"] == "4"
    assert found["addresses"] == found["certificates"] == "-"
    for name in ("max_transmitters", "rate", "burst", "window_pdus", "enquire_link_s", "response_s"):
        assert found[name] == "default"
    assert found["tls"] == found["aggregate_receipts"] == "no"


def test_every_setting_with_the_enterprise_and_none_is_secret(gateway_file: Path) -> None:
    done(
        "gateway", "enterprise", "add", gateway_file, *ENTERPRISE, "--max-binds", "6",
        "--max-transmitters", "1", "--max-receivers", "2", "--max-transceivers", "3",
        "--address", "192.0.2.0/24", "--address", "2001:db8::1", "--tls", "--certificate", "san:esme.example",
        "--rate", "50.5", "--burst", "100", "--window", "10", "--enquire-link", "15", "--inactivity", "0",
        "--response", "5", "--aggregate-receipts",
    )  # fmt: skip
    assert account(gateway_file) == {
        "system_id": "shunda", "enterprise_id": "ent-a", "max_binds": "6", "max_transmitters": "1",
        "max_receivers": "2", "max_transceivers": "3", "addresses": "192.0.2.0/24 2001:db8::1/128",
        "tls": "yes", "certificates": "san:esme.example", "rate": "50.5", "burst": "100", "window_pdus": "10",
        "enquire_link_s": "15.0", "inactivity_s": "0.0", "response_s": "5.0", "aggregate_receipts": "yes",
        "outbind": "-",
    }  # fmt: skip


def test_what_is_given_is_changed_and_the_rest_stays(carrier: Path) -> None:
    set_account(carrier, "--rate", "5", "--address", "192.0.2.1", "--tls")
    found = set_account(carrier, "--max-binds", "1")
    assert (found["max_binds"], found["rate"], found["addresses"]) == ("1", "5.0", "192.0.2.1/32")
    assert found["tls"] == "yes"


def test_where_it_waits_for_outbind_is_set_and_its_password_is_not_shown(carrier: Path) -> None:
    found = set_account(carrier, "--outbind", "esme.example:2775", "--outbind-password", "outbind")
    assert found["outbind"] == "esme.example:2775"
    assert "outbind_sealed" not in found
    assert set_account(carrier, "--outbind", "default")["outbind"] == "-"


def test_what_was_set_is_taken_back(carrier: Path) -> None:
    set_account(carrier, "--rate", "5", "--address", "192.0.2.1", "--certificate", "san:a", "--tls")
    found = set_account(carrier, "--rate", "default", "--address", "any", "--certificate", "any", "--no-tls")
    assert (found["rate"], found["addresses"], found["certificates"]) == ("default", "-", "-")
    assert found["tls"] == "no"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--address", "localhost"), "no address or network"),
        (("--address", "192.0.2.1/24"), "no address or network"),
        (("--address", "any", "--address", "192.0.2.1"), "stand alone"),
        (("--certificate", "esme"), "subjectAltName"),
        (("--rate", "fast"), "neither a number nor"),
        (("--rate", "-1"), "a rate is"),
        (("--rate", "nan"), "a rate is"),
        (("--burst", "0"), "a burst is"),
        (("--window", "0"), "a window has"),
        (("--response", "0"), "more than 0"),
        (("--inactivity", "-1"), "0 to 86400 seconds"),
        (("--enquire-link", "nan"), "0 to 86400 seconds"),
        (("--response", "inf"), "0 to 86400 seconds"),
        (("--max-receivers", "-1"), "0 or more"),
        (("--max-binds", "-1"), "0 or more"),
        (("--password", "9octets99"), "1 to 8 characters"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    carrier: Path, options: tuple[str, ...], said: str
) -> None:
    before = account(carrier)
    result = ascs("gateway", "account", "set", carrier, "shunda", *options)
    assert result.exit_code != 0
    assert said in result.output
    assert account(carrier) == before


def test_an_unknown_account_is_one_line(carrier: Path) -> None:
    for command in (("set",), ("show",), ("key",), ("remove",)):
        result = ascs("gateway", "account", *command, carrier, "nobody")
        assert result.exit_code == 1
        assert result.output == "Error: no account 'nobody'\n"


def test_the_key_is_printed_once_and_never_kept_in_clear(gateway_file: Path) -> None:
    keys = [
        re.search(r"account key: ([0-9a-f]{64})\n", output)
        for output in (
            done("gateway", "enterprise", "add", gateway_file, *ENTERPRISE),
            done("gateway", "account", "key", gateway_file, "shunda"),
        )
    ]
    first, second = [bytes.fromhex(key[1]) for key in keys if key is not None]
    assert first != second
    for file in gateway_file.parent.glob("carrier.db*"):
        content = file.read_bytes()
        assert not any(key in content or key.hex().encode() in content for key in (first, second))
    assert "key" not in "".join(account(gateway_file))


def test_an_account_is_removed(carrier: Path) -> None:
    assert done("gateway", "account", "remove", carrier, "shunda") == "account shunda is removed\n"
    assert ascs("gateway", "account", "show", carrier, "shunda").exit_code == 1


class TestAccessNumber:
    def test_content_and_rate_are_set_and_taken_back(self, carrier: Path) -> None:
        change = ("gateway", "access-number", "set", carrier, NUMBER)
        found = shown(
            done(*change, "--content", "flash", "--content", "ports", "--rate", "10", "--burst", "3")
        )
        assert (found["sms_content"], found["rate"], found["burst"]) == ("flash ports", "10.0", "3")
        assert found["sms_account"] == "shunda"
        found = shown(done(*change, "--content", "plain", "--rate", "default", "--voice-trunk", "pbx-a"))
        assert (found["sms_content"], found["rate"], found["burst"]) == ("-", "default", "3")
        assert found["voice_trunk"] == "pbx-a"

    def test_calls_have_limits_of_their_own(self, carrier: Path) -> None:
        change = ("gateway", "access-number", "set", carrier, NUMBER)
        options = (
            "--max-calls",
            "3",
            "--call-rate",
            "0.5",
            "--call-burst",
            "2",
            "--ring",
            "30",
            "--talk",
            "600",
        )
        found = shown(done(*change, *options))
        names = ("max_calls", "call_rate", "call_burst", "ring_s", "talk_s")
        assert [found[name] for name in names] == ["3", "0.5", "2", "30.0", "600.0"]
        assert shown(done(*change, "--max-calls", "default"))["max_calls"] == "default"
        assert ascs(*change, "--ring", "601").exit_code != 0

    def test_they_may_be_set_as_it_is_added(self, carrier: Path) -> None:
        done("gateway", "access-number", "add", carrier, "1069880002", "ent-a", "--content", "flash")
        found = shown(done("gateway", "access-number", "set", carrier, "1069880002"))
        assert found["sms_content"] == "flash"

    def test_a_shared_number_takes_sub_codes(self, carrier: Path) -> None:
        add = ("gateway", "access-number", "add", carrier, "106999", "ent-a", "--sms-account", "shunda")
        result = ascs(*add, "--sub-code", "01")
        assert (result.exit_code, result.output) == (1, "Error: 106999 is no shared number; share it first\n")
        done("gateway", "access-number", "share", carrier, "106999")
        said = done(*add, "--sub-code", "01", "--extension", "3")
        assert said == "access number 10699901 belongs to ent-a\n"
        result = ascs(*add, "--sub-code", "012")
        assert result.exit_code == 1
        assert "106999012 begins with 10699901 (of ent-a)" in result.output
        assert done("gateway", "access-number", "list", carrier).splitlines() == [
            "106999 shared",
            f"{NUMBER} ent-a sms=shunda voice=-",
            "10699901 ent-a sms=shunda voice=- sub-code-of=106999",
        ]
        assert ascs("gateway", "access-number", "unshare", carrier, "106999").exit_code == 1
        done("gateway", "access-number", "remove", carrier, "10699901")
        done("gateway", "access-number", "unshare", carrier, "106999")
        assert len(done("gateway", "access-number", "list", carrier).splitlines()) == 1

    def test_the_carriers_own_number_is_no_enterprises(self, carrier: Path) -> None:
        result = ascs("gateway", "access-number", "add", carrier, "1069000", "ent-a", "--extension", "1")
        assert result.exit_code == 1
        assert "the carrier's own number 10690000 begin alike" in result.output

    def test_a_signature_is_set_and_taken_back(self, carrier: Path) -> None:
        change = ("gateway", "access-number", "set", carrier, NUMBER, "--signature")
        assert shown(done(*change, "顺达快递"))["signature"] == "顺达快递"
        for wrong in ("【顺达】", "", "x" * 21):
            result = ascs(*change, wrong)
            assert (result.exit_code, "without 【】" in result.output) == (1, True)
        assert shown(done(*change, "default"))["signature"] == "-"

    def test_an_unknown_option_names_those_that_are(self, carrier: Path) -> None:
        result = ascs("gateway", "access-number", "set", carrier, NUMBER, "--content", "flush")
        assert result.exit_code == 2
        assert "flash, class-1" in " ".join(result.output.split())

    def test_an_unknown_number_is_one_line(self, carrier: Path) -> None:
        result = ascs("gateway", "access-number", "set", carrier, "1069", "--rate", "1")
        assert result.exit_code == 1
        assert result.output == "Error: no access number 1069\n"
