"""`ascs sim`: each simulator runs from its own configuration file, and from none that has a fault."""

from pathlib import Path
from typing import Any

import pytest

from ascs.commands import sim
from simulators.core.settings import CoreSettings
from simulators.enterprise.settings import EnterpriseSettings
from simulators.handsets.settings import FleetSettings
from simulators.smsc import app as smsc_app
from simulators.smsc.settings import SmscSettings
from tests.ascs.commands.cli import CONFIG, ascs, done

KINDS: list[tuple[str, str, type[Any]]] = [
    ("smsc", "smsc", SmscSettings),
    ("core", "core", CoreSettings),
    ("handsets", "handsets", FleetSettings),
    ("enterprise", "enterprise-ent-a", EnterpriseSettings),
]


@pytest.mark.parametrize(("kind", "component", "model"), KINDS)
def test_a_simulator_runs_from_the_file_that_ships(
    monkeypatch: pytest.MonkeyPatch, kind: str, component: str, model: type[Any]
) -> None:
    started: list[tuple[Any, ...]] = []
    monkeypatch.setattr(sim, "run_process", lambda *arguments: started.append(arguments))
    done("sim", kind, CONFIG / f"{kind}.toml")
    [(name, folder, level, main)] = started
    assert (name, level) == (component, "INFO")
    assert folder.is_absolute()
    assert callable(main)


@pytest.mark.parametrize("kind", [kind for kind, _, _ in KINDS])
def test_a_fault_in_the_file_is_named_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    monkeypatch.setattr(sim, "run_process", lambda *_: pytest.fail("started"))
    file = tmp_path / "x.toml"
    file.write_text("no_such_key = 1\n")
    result = ascs("sim", kind, file)
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: {file}:1: ")


def test_the_smsc_plays_the_phones_itself_when_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[SmscSettings] = []
    monkeypatch.setattr(smsc_app, "run", lambda settings, stop: started.append(settings))
    monkeypatch.setattr(sim, "run_process", lambda name, folder, level, main: main(None))
    for options in ((), ("--own-phones", "--port", "0")):
        done("sim", "smsc", *options, CONFIG / "smsc.toml")
    assert [settings.has_handsets for settings in started] == [True, False]
    assert [account.system_id for account in started[1].accounts] == ["gateway"]
