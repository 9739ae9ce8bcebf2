"""`ascs trust aid`: what becomes of AIDs, for the trust party's operator and for an enterprise."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import click

from ascs.commands.common import CONFIG_FILE, load_settings, plain_errors
from gm.sm2 import PrivateKey
from interparty.aid import is_aid
from interparty.deposit_messages import RotationResult
from interparty.party_link import connect, sign_key_of
from simulators.enterprise.settings import EnterpriseSettings
from trust_client.enterprise import EnterpriseClient
from trust_party import derivation, orders
from trust_party.settings import TrustSettings

ORDER_WAIT_S = 10.0
"""How long a running trust party is given to carry an order out."""
ORDER_LOOK_S = 0.2


@click.group()
def aid() -> None:
    """AIDs."""


@aid.command()
@CONFIG_FILE
@click.argument("enterprise_id")
@click.argument("aids", nargs=-1, required=True, metavar="AID...")
@click.option("--order", required=True, help="Number of the order, for the record.")
def cancel(config: Path, enterprise_id: str, aids: tuple[str, ...], order: str) -> None:
    """End an enterprise's AIDs by order of the trust party, whose configuration CONFIG is."""
    _order(config, "cancel", enterprise_id, aids, order)


@aid.command()
@CONFIG_FILE
@click.argument("enterprise_id")
@click.argument("aids", nargs=-1, required=True, metavar="AID...")
@click.option("--order", required=True, help="Number of the order, for the record.")
def unlink(config: Path, enterprise_id: str, aids: tuple[str, ...], order: str) -> None:
    """Erase the consents of AIDs that are over, before their retention ends: nothing links the AIDs any more."""
    _order(config, "unlink", enterprise_id, aids, order)


def _order(config: Path, kind: orders.Kind, enterprise_id: str, aids: tuple[str, ...], order: str) -> None:
    settings = load_settings(config, TrustSettings)
    with plain_errors():
        numbers = orders.put(settings, kind, enterprise_id, aids, order)
        until = time.monotonic() + ORDER_WAIT_S
        while None in (came := orders.results(settings, numbers)) and time.monotonic() < until:
            time.sleep(ORDER_LOOK_S)
    for each, result in zip(aids, came, strict=True):
        click.echo(f"{each} {result or 'waits until the trust party runs'}")
    if "UNKNOWN" in came or "LIVE" in came:
        raise click.ClickException("UNKNOWN: not an AID of this enterprise; LIVE: not over, cancel it first")


@aid.command()
@CONFIG_FILE
@click.argument("aid_text", metavar="AID")
def audit(config: Path, aid_text: str) -> None:
    """Derive an AID again from what is on record, with the trust party's keys."""
    settings = load_settings(config, TrustSettings)
    if not is_aid(aid_text):
        raise click.BadParameter("an AID has 18 digits, the last of which checks the others")
    with plain_errors():
        found = derivation.audit(settings, aid_text)
    for line in found.findings:
        click.echo(line)
    if found.verdict in ("DIFFERS", "KEY_DESTROYED"):
        raise click.ClickException(f"{aid_text}: {found.verdict}")


@aid.command()
@CONFIG_FILE
@click.argument("aids", nargs=-1, required=True, metavar="AID...")
def rotate(config: Path, aids: tuple[str, ...]) -> None:
    """Give consents other AIDs, as the enterprise whose configuration CONFIG is."""
    settings = load_settings(config, EnterpriseSettings)
    with plain_errors():
        results = asyncio.run(_rotate(settings, aids))
    for each, result in zip(aids, results, strict=True):
        click.echo(f"{each} {result.status}" if result.aid is None else f"{each} is now {result.aid}")
    if any(result.aid is None for result in results):
        raise click.ClickException("UNKNOWN: not an active AID of this enterprise")


async def _rotate(settings: EnterpriseSettings, aids: tuple[str, ...]) -> list[RotationResult]:
    key = sign_key_of(settings.trust)
    if not isinstance(key, PrivateKey):
        raise ValueError("trust.sign_key: an enterprise signs with SM2")
    peer = connect(settings.trust)
    try:
        client = EnterpriseClient(peer, key)
        return await client.rotate(aids, enterprise=settings.id, at_ms=time.time_ns() // 1_000_000)
    finally:
        await peer.close()
