"""A bench's parties: copied for each run, on ports of their own."""

import tomllib
from pathlib import Path

from ascs.commands.common import load_settings
from bench import house
from bench.house import House
from gateway.settings import GatewaySettings
from trust_party.settings import TrustSettings


def test_a_copy_has_everything_and_other_ports(built: House, tmp_path: Path) -> None:
    copied = house.copy(built, tmp_path / "copy")
    assert copied.aids_file.read_text() == built.aids_file.read_text()
    assert copied.evidence_records() == built.evidence_records()
    gateway = load_settings(copied.gateway, GatewaySettings)
    trust = load_settings(copied.trust, TrustSettings)
    ports = copied.ports
    assert (trust.port, gateway.smpp.port, gateway.smsc[0].port) == (ports.trust, ports.smpp, ports.smsc)
    assert gateway.trust.url == f"https://127.0.0.1:{ports.trust}"
    assert gateway.operations.port == ports.operations


def test_nothing_received_is_recorded(built: House) -> None:
    assert load_settings(built.trust, TrustSettings).capture_file is None


def test_a_dotted_key_is_set_and_taken_out(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('a = 1\n[sms]\nb = "x"\n')
    house.change(path, "sms.c", 5)
    house.change(path, "a", None)
    assert tomllib.loads(path.read_text()) == {"sms": {"b": "x", "c": 5}}
