"""`ascs sim`: simulators that speak the real protocols."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ascs.commands.common import CONFIG_FILE, load_settings, plain_errors, run_process
from simulators.core import app as core_app
from simulators.core.settings import CoreSettings
from simulators.enterprise import process as enterprise_app
from simulators.enterprise.settings import EnterpriseSettings
from simulators.handsets import app as handsets_app
from simulators.handsets.settings import FleetSettings
from simulators.smsc import app as smsc_app
from simulators.smsc.dialect import PRESETS
from simulators.smsc.settings import SmscSettings, overridden


@click.group()
def sim() -> None:
    """Simulators: SMSC, SIP core, handsets, an enterprise's systems."""


@sim.command()
@CONFIG_FILE
@click.option("--port", type=click.IntRange(0, 65535), help="SMPP port; 0 takes a free one.")
@click.option("--api-port", type=click.IntRange(0, 65535), help="Port of the control API.")
@click.option("--store", type=click.Choice(["disk", "memory"]), help="Where accepted messages are kept.")
@click.option(
    "--dialect", help=f"How ids and receipts are written: {', '.join(PRESETS)}, or one of CONFIG's."
)
@click.option("--seed", type=int, help="Of every draw: outcomes, delays, faults.")
@click.option(
    "--own-phones", is_flag=True, help="Play every phone here, also where CONFIG has a fleet for them."
)
def smsc(config: Path, own_phones: bool, **options: Any) -> None:
    """An SMSC to test an ESME against: SMPP 3.4 and 5.0, receipts, MOs, and everything that goes wrong.

    CONFIG says who may bind and what befalls messages and connections; config/smsc.toml has every key with its
    meaning and runs as it is. Options go before CONFIG's keys. To test an ESME with nothing else running:

    \b
    ascs sim smsc --own-phones --store memory config/smsc.toml

    \b
    outcomes     DELIVRD, UNDELIV, EXPIRED, REJECTD, UNKNOWN, refusals; by weight, seed and number
    delays       of responses and deliveries: constant, uniform, exponential, lognormal
    dialects     hex and decimal ids, receipts early, twice, on another bind, TLV only, text only ...
    faults       hangs, resets, unbinds, refused binds, rate limits, congestion_state
    phones       its own, with scripted replies (--own-phones); or those of `ascs sim handsets`, and
                 until that is bound every message waits for it

    With api_port a test changes all of that while it runs, and reads what was accepted:

    \b
    curl -X POST localhost:8072/hang -d '{"account": "gateway", "seconds": 5}'
    curl -X PUT localhost:8072/behaviour -d '{"outcomes": [{"result": "undeliverable", "error": 11}]}'
    curl localhost:8072/accepted?after=0

    With store = "disk" nothing is acknowledged before it is on the disk: kill -9 loses nothing.
    """
    settings = load_settings(config, SmscSettings)
    changed = {name: value for name, value in options.items() if value is not None}
    if own_phones:
        changed["accounts"] = [each.model_dump() for each in settings.accounts if each.kind != "handsets"]
    if changed:
        with plain_errors():
            settings = overridden(settings, changed)
    run_process("smsc", settings.log_dir, settings.log_level, lambda stop: smsc_app.run(settings, stop))


@sim.command()
@CONFIG_FILE
def core(config: Path) -> None:
    """A SIP core between a gateway and the handsets."""
    settings = load_settings(config, CoreSettings)
    run_process("core", settings.log_dir, settings.log_level, lambda stop: core_app.run(settings, stop))


@sim.command()
@CONFIG_FILE
def handsets(config: Path) -> None:
    """A fleet of handsets with an HTTP API."""
    settings = load_settings(config, FleetSettings)
    run_process(
        "handsets", settings.log_dir, settings.log_level, lambda stop: handsets_app.run(settings, stop)
    )


@sim.command()
@CONFIG_FILE
def enterprise(config: Path) -> None:
    """An enterprise's own systems: SMPP client, SIP phone, consent backend."""
    settings = load_settings(config, EnterpriseSettings)
    run_process(
        f"enterprise-{settings.id}",
        settings.log_dir,
        settings.log_level,
        lambda stop: enterprise_app.run(settings, stop),
    )
