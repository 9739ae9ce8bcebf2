from pathlib import Path

import pytest

from foundation.config import ConfigError, load
from tests.conftest import PEERS_FILE
from trust_client.witness_settings import WitnessSettings

EXAMPLE = (PEERS_FILE.parents[1] / "config" / "witness.toml").read_text()


def test_the_example_says_where_everything_is(tmp_path: Path) -> None:
    (tmp_path / "witness.toml").write_text(EXAMPLE)
    settings = load(tmp_path / "witness.toml", WitnessSettings)
    assert settings.database == tmp_path / "../var/witness/witness.db"
    assert settings.witnesses == {}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('sign_key = "', 'hmac_key = "', "a witness signs with SM2"),
        ('party = "ent-a"', 'party = "ent a"', "party"),
        ("every_seconds = 4", "every_seconds = 0", "every_seconds"),
    ],
)
def test_what_cannot_be_is_named(tmp_path: Path, before: str, after: str, said: str) -> None:
    (tmp_path / "witness.toml").write_text(EXAMPLE.replace(before, after, 1))
    with pytest.raises(ConfigError, match=said):
        load(tmp_path / "witness.toml", WitnessSettings)
