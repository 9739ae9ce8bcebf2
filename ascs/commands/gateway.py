"""`ascs gateway`: the carrier's gateway and what its operator adds to it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import click

from ascs.commands.accounts import access_number, account, account_settings, given
from ascs.commands.approvers import approver, queries
from ascs.commands.carrier_evidence import evidence
from ascs.commands.common import CONFIG_FILE, load_settings, plain_errors, run_process
from ascs.commands.in_domain import in_domain
from ascs.commands.key_evidence import gateway_key_evidence
from ascs.commands.keys import key_commands
from ascs.commands.reindex import reindex, reseal
from ascs.commands.trunks import trunk
from gateway import app
from gateway import keys as own_keys
from gateway.accounts import administration, people
from gateway.accounts.account_options import AccountOptions, make_key
from gateway.key_exchange import CarrierHouse
from gateway.settings import GatewaySettings
from gateway.store.domain import Domain
from interparty import openapi


@click.group()
def gateway() -> None:
    """The carrier's gateway."""


@asynccontextmanager
async def _house(config: Path) -> AsyncIterator[CarrierHouse]:
    settings = load_settings(config, GatewaySettings)
    house = CarrierHouse(settings, own_keys.open_store(settings))
    try:
        yield house
    finally:
        await house.close()


def _publish(config: Path) -> None:
    settings = load_settings(config, GatewaySettings)
    with plain_errors():
        own_keys.write_public(settings, own_keys.open_store(settings))


gateway.add_command(key_commands(_house, _publish, gateway_key_evidence))
gateway.add_command(account)
gateway.add_command(access_number)
gateway.add_command(trunk)
gateway.add_command(approver)
gateway.add_command(queries)
gateway.add_command(evidence)
gateway.add_command(reindex)
gateway.add_command(reseal)


@gateway.command()
@CONFIG_FILE
def run(config: Path) -> None:
    """Run the gateway until it is told to stop."""
    settings = load_settings(config, GatewaySettings)
    run_process("gateway", settings.logs_folder, settings.log_level, lambda stop: app.run(settings, stop))


@gateway.command()
@CONFIG_FILE
def init(config: Path) -> None:
    """Make the store and the keys, and public/carrier.json for the trust party's operator."""

    async def work(settings: GatewaySettings, _: Domain) -> None:
        click.echo(f"keys are there; give {settings.public_folder / 'carrier.json'} to the trust party")

    in_domain(config, work)


@gateway.command("openapi")
def gateway_openapi() -> None:
    """Print the OpenAPI document of the routes that the gateway offers to other parties."""
    click.echo(openapi.text(openapi.carrier()), nl=False)


@gateway.group()
def enterprise() -> None:
    """Enterprises and their accounts."""


@enterprise.command("add")
@CONFIG_FILE
@click.argument("enterprise_id")
@click.option("--name", required=True, help="As the subscriber reads it in the confirmation message.")
@click.option("--system-id", required=True, help="SMPP system_id, at most 15 characters.")
@click.option("--smpp-password", help="At most 8 characters; drawn and printed when not given.")
@click.option("--max-binds", default=4, show_default=True)
@click.option("--sip-user", required=True, help="SIP user of the trunk.")
@click.option("--sip-password", help="Drawn and printed when not given.")
@click.option("--access-number", required=True, help="Default access number of calls.")
@click.option("--sip-contact", help="sip:host:port of a trunk that does not register.")
@click.option("--max-calls", default=50, show_default=True)
@account_settings
def enterprise_add(
    config: Path,
    enterprise_id: str,
    name: str,
    system_id: str,
    smpp_password: str | None,
    max_binds: int,
    sip_user: str,
    sip_password: str | None,
    access_number: str,
    sip_contact: str | None,
    max_calls: int,
    **values: Any,
) -> None:
    """Add an enterprise with an SMPP account and a SIP trunk.

    The account key is printed once: with it both sides make the salts of content digests.
    """
    options = cast(AccountOptions, given(values))
    smpp_secret = smpp_password or secrets.token_urlsafe(6)[:8]
    sip_secret = sip_password or secrets.token_urlsafe(12)

    async def work(settings: GatewaySettings, domain: Domain) -> bytes:
        key, options["key_sealed"] = make_key(domain.vault)
        await domain.store.write(
            lambda conn: administration.add_enterprise(
                conn,
                enterprise_id=enterprise_id,
                name=name,
                system_id=system_id,
                smpp_password=smpp_secret,
                max_binds=max_binds,
                sip_username=sip_user,
                sip_password=sip_secret,
                realm=settings.voice.realm,
                default_access_number=access_number,
                sip_contact=sip_contact,
                max_calls=max_calls,
                options=options,
            )
        )
        return key

    key = in_domain(config, work)
    click.echo(f"enterprise {enterprise_id}: SMPP {system_id}, SIP {sip_user}")
    if smpp_password is None:
        click.echo(f"SMPP password: {smpp_secret}")
    if sip_password is None:
        click.echo(f"SIP password: {sip_secret}")
    click.echo(f"account key: {key.hex()}")


@gateway.group()
def subscriber() -> None:
    """The carrier's subscribers."""


@subscriber.command("import")
@CONFIG_FILE
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def subscriber_import(config: Path, file: Path) -> None:
    """Import FILE: a CSV with the header msisdn,id_type,id,valid_from,valid_to."""

    async def work(_: GatewaySettings, domain: Domain) -> int:
        return await administration.import_subscribers(domain, file)

    click.echo(f"{in_domain(config, work)} lines are new")


@subscriber.command("bar")
@CONFIG_FILE
@click.argument("msisdns", metavar="MSISDN...", nargs=-1, required=True)
@click.option("--lift", is_flag=True, help="Take them off the list.")
def subscriber_bar(config: Path, msisdns: tuple[str, ...], lift: bool) -> None:
    """Put subscribers on the operator's list: no enterprise may text or call them, whatever was consented to."""

    async def work(_: GatewaySettings, domain: Domain) -> int:
        return await domain.store.write(
            lambda conn: administration.bar_subscribers(conn, domain, msisdns, lift=lift)
        )

    click.echo(f"{in_domain(config, work)} {'taken off' if lift else 'put on'} the list")


@gateway.command("people")
@CONFIG_FILE
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def export_people(config: Path, file: Path) -> None:
    """Write who is behind which AID to FILE (msisdn,enterprise_id,aid); it must stay in the carrier domain."""
    click.echo(f"{in_domain(config, lambda settings, domain: people.export(settings, domain, file))} lines")
