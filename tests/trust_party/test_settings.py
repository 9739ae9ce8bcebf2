from pathlib import Path

import pytest

from foundation.config import ConfigError, load
from trust_party.settings import TrustSettings

CONFIG = Path(__file__).parents[2] / "config" / "trust.toml"


def test_the_configuration_that_ships_is_one_that_loads() -> None:
    settings = load(CONFIG, TrustSettings)
    assert settings.party == "ttp"
    assert settings.database == settings.data_dir / "trust.db"
    assert settings.capture_file is None


def test_what_the_file_shows_is_what_holds_without_it(tmp_path: Path) -> None:
    shown = load(CONFIG, TrustSettings)
    bare = TrustSettings(data_dir=shown.data_dir, tls=shown.tls, keystore=shown.keystore)
    assert bare == shown


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('aid_prefix = "861"', "aid_prefix"),
        ('party = "not a party"', "party"),
        ("as_of_days = 30", "as_of_days"),
        ("pending_hours = 0", "pending_hours"),
        ("unknown = 1", "unknown"),
    ],
)
def test_faults_are_named(tmp_path: Path, line: str, key: str) -> None:
    file = tmp_path / "trust.toml"
    kept = [one for one in CONFIG.read_text().splitlines() if not one.startswith(f"{key} =")]
    file.write_text("\n".join([line, *kept]))
    with pytest.raises(ConfigError) as error:
        load(file, TrustSettings)
    assert (error.value.line, error.value.key) == (1, key)
