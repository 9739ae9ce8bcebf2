"""`ascs gateway approver` and `ascs gateway queries`: who may agree to queries by number, and which there were."""

from __future__ import annotations

import getpass
from pathlib import Path

import click

from ascs.commands.common import CONFIG_FILE
from ascs.commands.in_domain import in_domain
from foundation import audit
from gateway.carrier_api import approvers
from gateway.settings import GatewaySettings
from gateway.store import number_queries
from gateway.store.domain import Domain
from trust_client.bundle import time_text

QUERIES_SHOWN = 1_000


@click.group()
def approver() -> None:
    """People who may agree to queries by number."""


@approver.command("add")
@CONFIG_FILE
@click.argument("approver_id")
@click.option("--requester", required=True, help="Party id of the regulator for whose queries they speak.")
@click.option("--name", required=True)
@click.option(
    "--key",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Their SM2 public key, PEM.",
)
def approver_add(config: Path, approver_id: str, requester: str, name: str, key: Path) -> None:
    """Enrol someone with a key of their own."""
    pem = key.read_bytes()

    async def work(_: GatewaySettings, domain: Domain) -> None:
        await domain.store.write(
            lambda conn: approvers.enrol(
                conn,
                operator=getpass.getuser(),
                approver_id=approver_id,
                requester=requester,
                name=name,
                public_key_pem=pem,
                now_ms=domain.now_ms(),
            )
        )

    in_domain(config, work)
    click.echo(f"{approver_id} may approve queries of {requester}")


@approver.command("remove")
@CONFIG_FILE
@click.argument("approver_id")
def approver_remove(config: Path, approver_id: str) -> None:
    """Take someone's word no longer, at once."""

    async def work(_: GatewaySettings, domain: Domain) -> None:
        await domain.store.write(
            lambda conn: approvers.dismiss(
                conn, operator=getpass.getuser(), approver_id=approver_id, now_ms=domain.now_ms()
            )
        )

    in_domain(config, work)
    click.echo(f"{approver_id} approves no more")


@approver.command("list")
@CONFIG_FILE
def approver_list(config: Path) -> None:
    """Print who is enrolled."""

    async def work(_: GatewaySettings, domain: Domain) -> None:
        for row in await domain.store.write(number_queries.approvers):
            click.echo(f"{row.id}\t{row.requester}\t{row.name}\t{time_text(row.enrolled_at)}")

    in_domain(config, work)


@click.command()
@CONFIG_FILE
@click.option(
    "--numbers", is_flag=True, help="Show the numbers asked about; they must stay in the carrier domain."
)
def queries(config: Path, numbers: bool) -> None:
    """Print the queries by number that were answered, newest first, and check the audit chain that all are on."""

    async def work(_: GatewaySettings, domain: Domain) -> int | None:
        rows = await domain.store.write(lambda conn: number_queries.queries(conn, QUERIES_SHOWN))
        if rows:
            click.echo("at\trequester\tcase\tenterprise\tfrom\tto\tapprovers\tfound\tnumber")
        for row in rows:
            number = number_queries.open_number(domain.vault, row) if numbers else "-"
            click.echo(
                f"{time_text(row.at)}\t{row.requester}\t{row.case_ref}\t{row.enterprise_id}"
                f"\t{time_text(row.period_from)}\t{time_text(row.period_to)}\t{row.approvers}\t{row.found}\t{number}"
            )
        return await domain.store.write(audit.verify)

    broken = in_domain(config, work)
    if broken is not None:
        raise click.ClickException(f"the audit chain is broken at row {broken}")
