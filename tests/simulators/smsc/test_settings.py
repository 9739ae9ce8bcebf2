"""What an operator may configure, and what is refused."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from simulators.smsc.dialect import PRESETS, Dialect
from simulators.smsc.outcomes import Outcome
from simulators.smsc.settings import Account, Faults, Outbind, Reply, SmscSettings, overridden
from tests.simulators.smsc.bench import settings

CONFIG = Path(__file__).parents[3] / "config" / "smsc.toml"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"store": "disk"}, "data_dir"),
        ({"dialect": "klingon"}, "no dialect is named klingon"),
        ({"accounts": [{"system_id": "a", "password": ""}] * 2}, "two accounts"),
        ({"accounts": [{"system_id": "a", "password": "", "dialect": "x"}]}, "no dialect"),
        (
            {"outbinds": [{"account": "b", "host": "h", "port": 1, "system_id": "s", "password": ""}]},
            "outbinds",
        ),
        ({"replies": [{"text": "(", "reply": "x"}]}, "regular expression"),
        ({"congestion_state": 100}, "congestion_state"),
    ],
)
def test_settings_without_sense_are_refused(wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        settings(**wrong)


def test_a_dialect_is_the_accounts_own_the_operators_or_a_preset() -> None:
    one = settings(
        dialect="tlv-only",
        dialects={"mine": {"copies": 3}},
        accounts=[
            Account(system_id="a", password=""),
            Account(system_id="b", password="", dialect="mine"),
        ],
    )
    assert [one.dialect_of(each) for each in one.accounts] == [PRESETS["tlv-only"], Dialect(copies=3)]


def test_options_go_before_the_file() -> None:
    assert overridden(settings(), {"seed": 5, "dialect": "early"}).seed == 5
    with pytest.raises(ValueError, match="no dialect is named klingon"):
        overridden(settings(), {"dialect": "klingon"})


def test_the_file_names_every_key_and_preset() -> None:
    text = CONFIG.read_text()
    models: tuple[type[BaseModel], ...] = (SmscSettings, Account, Faults, Outbind, Reply, Outcome, Dialect)
    for model in models:
        for key in model.model_fields:
            assert re.search(rf"^(# )?\[*{key}\b|^\[*(# )?\[*{key}\b", text, re.MULTILINE), key
    assert all(name in text for name in PRESETS)


def test_what_the_file_has_commented_out_is_right_as_well() -> None:
    """Keys and tables alike, each uncommented: prose begins in upper case or with more blanks."""
    lines = []
    for line in CONFIG.read_text().splitlines():
        bare = line.removeprefix("# ")
        is_code = bare != line and re.match(r"\[|[a-z_]+ = ", bare)
        lines.append(bare if is_code else line)
    read = tomllib.loads("\n".join(lines))
    assert read["outcomes"][2]["number"] == "86139.*"
    SmscSettings.model_validate(read)
