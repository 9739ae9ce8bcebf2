"""`ascs trust aid`: what becomes of AIDs, for the trust party's operator and for an enterprise."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import click

from ascs.commands.common import CONFIG_FILE, load_settings, plain_errors
from gm.sm2 import PrivateKey
from interparty.messages import RotationResult
from interparty.party_link import connect, sign_key_of
from simulators.enterprise.settings import EnterpriseSettings
from trust_client.enterprise import EnterpriseClient
from trust_party import orders
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
    settings = load_settings(config, TrustSettings)
    with plain_errors():
        numbers = orders.put(settings, enterprise_id, aids, order)
        until = time.monotonic() + ORDER_WAIT_S
        while None in (came := orders.results(settings, numbers)) and time.monotonic() < until:
            time.sleep(ORDER_LOOK_S)
    for each, result in zip(aids, came, strict=True):
        click.echo(f"{each} {result or 'waits until the trust party runs'}")
    if "UNKNOWN" in came:
        raise click.ClickException("UNKNOWN: not an AID of this enterprise")


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
