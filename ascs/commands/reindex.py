"""`ascs gateway reindex`: under the current index key, so that an earlier one can be destroyed."""

from __future__ import annotations

from pathlib import Path

import click

from ascs.commands.common import CONFIG_FILE
from ascs.commands.in_domain import in_domain
from gateway.records.reindexing import Reindexing
from gateway.settings import GatewaySettings
from gateway.store.domain import Domain


@click.command()
@CONFIG_FILE
def reindex(config: Path) -> None:
    """Index anew what earlier index keys indexed, beside a running gateway, which does it too, or without one."""

    async def work(_: GatewaySettings, domain: Domain) -> int:
        return await Reindexing(domain).renew_all()

    click.echo(f"{in_domain(config, work)} numbers and identifiers indexed anew")
