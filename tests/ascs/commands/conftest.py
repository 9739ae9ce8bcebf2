"""Folders of parties, each with its configuration file."""

from pathlib import Path

import pytest

from ascs.demo.toml_text import toml_text
from tests.ascs.commands.cli import tls


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
        "trust": {"sign_public_key": "trust-sign.pem", "envelope_public_key": "trust-envelope.pem"},
        "smsc": [{"system_id": "gateway", "password": "secret"}],
        "confirm": {"access_number": "10690000"},
    }
    file.write_text(toml_text(values))
    return file
