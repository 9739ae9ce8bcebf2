"""`ascs gateway trunk`: the enterprises' SIP trunks."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, Final, cast

import click

from ascs.commands.accounts import given, trunk_settings
from ascs.commands.common import CONFIG_FILE
from ascs.commands.in_domain import in_domain
from gateway.accounts import account_options
from gateway.accounts.account_options import TrunkOptions
from gateway.settings import GatewaySettings
from gateway.store import accounts
from gateway.store.accounts import TrunkRow
from gateway.store.domain import Domain

_HIDDEN: Final = ("ha1_md5", "ha1_sha256")
USERNAME = click.argument("username")


@click.group("trunk")
def trunk() -> None:
    """SIP trunks."""


@trunk.command("list")
@CONFIG_FILE
def trunk_list(config: Path) -> None:
    """Print each trunk's user name and enterprise."""

    async def work(_: GatewaySettings, domain: Domain) -> tuple[TrunkRow, ...]:
        return (await domain.store.write(accounts.load)).trunks

    for row in in_domain(config, work):
        click.echo(f"{row.username} {row.enterprise_id}")


@trunk.command("show")
@CONFIG_FILE
@USERNAME
def trunk_show(config: Path, username: str) -> None:
    """Print what is set for a trunk, without its password."""

    async def work(_: GatewaySettings, domain: Domain) -> TrunkRow:
        return await domain.store.write(lambda conn: account_options.find_trunk(conn, username))

    _show(in_domain(config, work))


@trunk.command("set")
@CONFIG_FILE
@USERNAME
@click.option("--default-access-number", help="Shown where From is no access number of the enterprise.")
@click.option("--contact", help="SIP URI that gets callbacks when nothing is registered; - for none.")
@click.option("--max-calls", type=int, help="At one time.")
@trunk_settings
def trunk_set(config: Path, username: str, **values: Any) -> None:
    """Change what is given, leave the rest. The gateway learns it within about a second."""
    options = cast(TrunkOptions, given(values))
    if options.get("contact") == "-":
        options["contact"] = None

    async def work(_: GatewaySettings, domain: Domain) -> TrunkRow:
        return await domain.store.write(lambda conn: account_options.change_trunk(conn, username, options))

    _show(in_domain(config, work))


def _show(row: TrunkRow) -> None:
    for each in fields(row):
        if each.name in _HIDDEN:
            continue
        value = getattr(row, each.name)
        if isinstance(value, tuple):
            value = " ".join(map(str, value)) or "-"
        click.echo(f"{each.name}: {'-' if value is None else value}")
