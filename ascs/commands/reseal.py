"""`ascs trust reseal`: under the current data key, so that an earlier one can be destroyed."""

from __future__ import annotations

from pathlib import Path

import click

from ascs.commands.common import CONFIG_FILE, load_settings, plain_errors
from trust_party import resealing
from trust_party.settings import TrustSettings


@click.command()
@CONFIG_FILE
def reseal(config: Path) -> None:
    """Seal and index anew what is under earlier data and index keys, beside a running trust party or without one."""
    settings = load_settings(config, TrustSettings)
    with plain_errors():
        for table, count in resealing.reseal(settings).items():
            click.echo(f"{table}: {count} {'indexed' if table == resealing.NONCES else 'sealed'} anew")
