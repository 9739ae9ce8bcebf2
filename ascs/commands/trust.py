"""`ascs trust`: the trust party and whom it admits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import click

from ascs.commands.aids import aid
from ascs.commands.ask import ask_group, deliver_key, feed
from ascs.commands.common import CONFIG_FILE, load_settings, plain_errors, run_process
from ascs.commands.key_evidence import trust_key_evidence
from ascs.commands.keys import key_commands
from ascs.commands.reseal import reseal
from ascs.commands.trust_evidence import evidence
from ascs.commands.trust_log import log
from interparty import openapi
from trust_party import admission, app, key_operations
from trust_party.carrier_card import admit_by_card
from trust_party.keys import open_store, write_public
from trust_party.settings import TrustSettings

SHANGHAI = timezone(timedelta(hours=8))
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def trust() -> None:
    """The trust party."""


trust.add_command(aid)
trust.add_command(ask_group)
trust.add_command(feed)
trust.add_command(deliver_key)
trust.add_command(evidence)
trust.add_command(reseal)
trust.add_command(log)


@asynccontextmanager
async def _house(config: Path) -> AsyncIterator[key_operations.TrustHouse]:
    async with key_operations.open_house(load_settings(config, TrustSettings)) as house:
        yield house


def _publish(config: Path) -> None:
    settings = load_settings(config, TrustSettings)
    with plain_errors():
        write_public(settings, open_store(settings))


trust.add_command(key_commands(_house, _publish, trust_key_evidence))


@trust.command()
@CONFIG_FILE
def run(config: Path) -> None:
    """Run the trust party until it is told to stop."""
    settings = load_settings(config, TrustSettings)
    run_process("trust", settings.logs_folder, settings.log_level, lambda stop: app.run(settings, stop))


@trust.command()
@CONFIG_FILE
def init(config: Path) -> None:
    """Make the store and the keys; the public halves go to public/."""
    settings = load_settings(config, TrustSettings)
    with plain_errors():
        app.init(settings)
    click.echo(f"keys are there; public keys are in {settings.public_folder}")


@trust.command("openapi")
def trust_openapi() -> None:
    """Print the OpenAPI document of the trust party's routes."""
    click.echo(openapi.text(openapi.trust_party()), nl=False)


@trust.group()
def enterprise() -> None:
    """Enterprises."""


@enterprise.command("admit")
@CONFIG_FILE
@click.argument("enterprise_id")
@click.option("--name", required=True)
@click.option("--sign-key", required=True, type=_FILE, help="Its SM2 public key, PEM.")
def enterprise_admit(config: Path, enterprise_id: str, name: str, sign_key: Path) -> None:
    """Admit an enterprise, or give an admitted one another key."""
    settings = load_settings(config, TrustSettings)
    with plain_errors():
        admitted = admission.admit_enterprise(settings, enterprise_id, name, sign_key.read_bytes())
    click.echo(f"{enterprise_id} signs as {admitted.sign_keyid}")


@trust.group()
def regulator() -> None:
    """Regulators."""


@regulator.command("admit")
@CONFIG_FILE
@click.argument("regulator_id")
@click.option("--name", required=True)
@click.option("--sign-key", required=True, type=_FILE, help="Its SM2 public key, PEM.")
def regulator_admit(config: Path, regulator_id: str, name: str, sign_key: Path) -> None:
    """Admit a regulator, or give an admitted one another key."""
    settings = load_settings(config, TrustSettings)
    with plain_errors():
        admitted = admission.admit_regulator(settings, regulator_id, name, sign_key.read_bytes())
    click.echo(f"{regulator_id} signs as {admitted.sign_keyid}")


@enterprise.command("apply")
@CONFIG_FILE
@click.argument("enterprise_id")
@click.option("--name", required=True)
@click.option("--sign-key", required=True, type=_FILE, help="Its SM2 public key, PEM.")
def enterprise_apply(config: Path, enterprise_id: str, name: str, sign_key: Path) -> None:
    """Put an enterprise's application on file; it is nobody here until it is approved."""
    settings = load_settings(config, TrustSettings)
    with plain_errors():
        applied = admission.apply_enterprise(settings, enterprise_id, name, sign_key.read_bytes())
    click.echo(f"{enterprise_id} will sign as {applied.sign_keyid} when it is approved")


@enterprise.command("approve")
@CONFIG_FILE
@click.argument("enterprise_id")
def enterprise_approve(config: Path, enterprise_id: str) -> None:
    """Admit an enterprise that applied."""
    settings = load_settings(config, TrustSettings)
    with plain_errors():
        admission.approve_enterprise(settings, enterprise_id)
    click.echo(f"{enterprise_id} is admitted")


@enterprise.command("list")
@CONFIG_FILE
def enterprise_list(config: Path) -> None:
    """Every enterprise with its state, since when, and its name."""
    settings = load_settings(config, TrustSettings)
    with plain_errors():
        for each in admission.list_enterprises(settings):
            since = datetime.fromtimestamp(each.changed_at / 1000, SHANGHAI)
            click.echo(f"{each.id}  {each.state}  {since:%Y-%m-%d %H:%M:%S}  {each.name}")


@enterprise.command("suspend")
@CONFIG_FILE
@click.argument("enterprise_id")
@click.option("--reason", required=True, help="For the record.")
def enterprise_suspend(config: Path, enterprise_id: str, reason: str) -> None:
    """Have every contact for an enterprise refused until it is resumed."""
    settings = load_settings(config, TrustSettings)
    with plain_errors():
        admission.suspend_enterprise(settings, enterprise_id, reason)
    click.echo(f"{enterprise_id} is suspended")


@enterprise.command("resume")
@CONFIG_FILE
@click.argument("enterprise_id")
@click.option("--reason", required=True, help="For the record.")
def enterprise_resume(config: Path, enterprise_id: str, reason: str) -> None:
    """End a suspension."""
    settings = load_settings(config, TrustSettings)
    with plain_errors():
        admission.resume_enterprise(settings, enterprise_id, reason)
    click.echo(f"{enterprise_id} is admitted")


@trust.group()
def party() -> None:
    """Parties of any role."""


@party.command("list")
@CONFIG_FILE
def party_list(config: Path) -> None:
    """Print every party: id, role, state, name, and the names of its keys."""
    settings = load_settings(config, TrustSettings)
    with plain_errors():
        for each in admission.parties(settings):
            click.echo(f"{each.id} {each.role} {each.state} {each.name} {' '.join(each.keyids)}")


@party.command("add-key")
@CONFIG_FILE
@click.argument("party_id")
@click.option("--sign-key", required=True, type=_FILE, help="Its SM2 public key, PEM.")
def party_add_key(config: Path, party_id: str, sign_key: Path) -> None:
    """Give an admitted party a further signing key, such as one for its witness alone."""
    settings = load_settings(config, TrustSettings)
    with plain_errors():
        admitted = admission.add_sign_key(settings, party_id, sign_key.read_bytes())
    click.echo(f"{party_id} signs as {admitted.sign_keyid}")


@trust.group()
def carrier() -> None:
    """Carriers."""


@carrier.command("admit")
@CONFIG_FILE
@click.argument("card", type=_FILE)
@click.option("--name", required=True)
@click.option("--url", required=True, help="https://host:port of the carrier's own routes.")
def carrier_admit(config: Path, card: Path, name: str, url: str) -> None:
    """Admit a carrier by the CARD (carrier.json) that `ascs gateway init` made."""
    settings = load_settings(config, TrustSettings)
    with plain_errors():
        admitted = admit_by_card(settings, card.read_bytes(), name, url)
    party = admitted.sign_keyid.partition("/")[0]
    if admitted.http_keyid is None:
        click.echo(f"{party} signs as {admitted.sign_keyid}; the shared key is still to be delivered")
    else:
        click.echo(f"{party} signs as {admitted.sign_keyid} and {admitted.http_keyid}")
