"""`ascs sim`: simulators that speak the real protocols."""

from __future__ import annotations

from pathlib import Path

import click

from ascs.commands.common import CONFIG_FILE, load_settings, run_process
from simulators.core import app as core_app
from simulators.core.settings import CoreSettings
from simulators.enterprise import process as enterprise_app
from simulators.enterprise.settings import EnterpriseSettings
from simulators.handsets import app as handsets_app
from simulators.handsets.settings import FleetSettings
from simulators.smsc import app as smsc_app
from simulators.smsc.settings import SmscSettings


@click.group()
def sim() -> None:
    """Simulators: SMSC, SIP core, handsets, an enterprise's systems."""


@sim.command()
@CONFIG_FILE
def smsc(config: Path) -> None:
    """An SMSC: ESMEs bind to it, and the handsets do."""
    settings = load_settings(config, SmscSettings)
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
