"""`ascs gateway reindex` and `reseal`: under the current keys, so that earlier ones can be destroyed."""

from __future__ import annotations

from pathlib import Path

import click

from ascs.commands.common import CONFIG_FILE, load_settings, plain_errors
from ascs.commands.in_domain import in_domain
from foundation.seal import Sealer
from gateway import keys as own_keys
from gateway.records.reindexing import Reindexing
from gateway.settings import GatewaySettings
from gateway.store import resealing
from gateway.store.domain import Domain


@click.command()
@CONFIG_FILE
def reindex(config: Path) -> None:
    """Index anew what earlier index keys indexed, beside a running gateway, which does it too, or without one."""

    async def work(_: GatewaySettings, domain: Domain) -> int:
        return await Reindexing(domain).renew_all()

    click.echo(f"{in_domain(config, work)} numbers and identifiers indexed anew")


@click.command()
@CONFIG_FILE
def reseal(config: Path) -> None:
    """Seal anew what earlier data keys sealed, beside a running gateway or without one."""
    settings = load_settings(config, GatewaySettings)
    with plain_errors():
        for column, count in resealing.reseal(settings, Sealer(own_keys.open_store(settings))).items():
            click.echo(f"{column}: {count} sealed anew")
