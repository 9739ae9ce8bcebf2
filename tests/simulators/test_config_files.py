"""The configurations in config/ run as they are, and fit together."""

from pathlib import Path

from foundation.config import load
from simulators.core.settings import CoreSettings
from simulators.handsets.app import subscribers_of
from simulators.handsets.settings import FleetSettings
from simulators.smsc.settings import SmscSettings

CONFIG = Path(__file__).parents[2] / "config"


def test_the_simulators_files_fit_together() -> None:
    smsc = load(CONFIG / "smsc.toml", SmscSettings)
    core = load(CONFIG / "core.toml", CoreSettings)
    fleet = load(CONFIG / "handsets.toml", FleetSettings)
    radio = next(account for account in smsc.accounts if account.kind == "handsets")
    assert (fleet.radio.port, fleet.radio.system_id, fleet.radio.password) == (
        smsc.port,
        radio.system_id,
        radio.password,
    )
    assert (core.handsets.host, core.handsets.port) == (fleet.sip.host, fleet.sip.port)
    assert (fleet.sip.core_host, fleet.sip.core_port) == (core.host, core.port)
    assert len(subscribers_of(fleet)) == 10
    assert smsc.data_dir.is_absolute()
