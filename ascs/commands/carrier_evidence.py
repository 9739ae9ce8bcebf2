"""`ascs gateway evidence`: what is on record about the carrier's own subscribers."""

from __future__ import annotations

import time
from pathlib import Path

import click

from ascs.commands.common import CONFIG_FILE, plain_errors
from ascs.commands.evidence_query import show
from ascs.commands.in_domain import in_domain
from gateway.accounts import evidence as own_evidence
from gateway.settings import GatewaySettings
from gateway.store.domain import Domain
from gm.sm2 import PublicKey
from trust_client.evidence import ConsentEvidence

DAY_MS = 86_400_000


@click.command()
@CONFIG_FILE
@click.option("--aid", help="An AID of a subscriber.")
@click.option("--number", help="A subscriber's number, E.164 digits; it stays in the carrier domain.")
@click.option("--days", default=366, show_default=True, help="Of whoever held the number in so many days.")
@click.option(
    "--log-key",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The trust party's public/log-<version>.pem.",
)
def evidence(config: Path, aid: str | None, number: str | None, days: int, log_key: Path) -> None:
    """Print what is on record about a subscriber's consents, after checking that it is in the log."""
    if (aid is None) == (number is None):
        raise click.UsageError("give --aid or --number")
    with plain_errors():
        keys = [PublicKey.from_pem(log_key.read_bytes())]

    async def work(settings: GatewaySettings, domain: Domain) -> list[ConsentEvidence]:
        if aid is not None:
            return [await own_evidence.of_aid(settings, keys, aid)]
        assert number is not None
        now = time.time_ns() // 1_000_000
        return await own_evidence.of_number(settings, domain, keys, number, now - days * DAY_MS, now)

    for found in in_domain(config, work):
        show(found)
