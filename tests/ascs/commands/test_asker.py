"""Who asks for evidence, by a file."""

from pathlib import Path

from ascs.commands.asker import AskerSettings
from foundation.config import check, load
from gm.sm2 import PrivateKey
from tests.ascs.commands.cli import CONFIG


def test_the_example_is_a_regulators(tmp_path: Path) -> None:
    file = tmp_path / "config" / "regulator.toml"
    file.parent.mkdir()
    file.write_text((CONFIG / "regulator.toml").read_text())
    settings = load(file, AskerSettings)
    home = tmp_path / "var" / "regulator"
    home.mkdir(parents=True)
    log, query = PrivateKey.generate(), PrivateKey.generate()
    (home / "trust-log.pem").write_bytes(log.public_key.to_pem())
    (home / "CMCC-query-1.pem").write_bytes(query.public_key.to_pem())
    assert [key.to_bytes() for key in settings.log_public_keys()] == [log.public_key.to_bytes()]
    keys = settings.carrier_keys()
    assert (list(keys), keys["CMCC"].version) == (["CMCC"], 1)
    assert keys["CMCC"].public_key.to_bytes() == query.public_key.to_bytes()


def test_without_the_logs_key_nothing_could_be_checked(tmp_path: Path) -> None:
    file = tmp_path / "regulator.toml"
    text = (CONFIG / "regulator.toml").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("log_keys")]
    file.write_text("\n".join(lines))
    assert [error.key for error in check(file, AskerSettings)] == ["log_keys"]
