"""`ascs trust evidence`: what is on record about an AID, for the trust party's own people."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from ascs.commands.common import CONFIG_FILE, load_settings, plain_errors
from ascs.commands.evidence_query import show
from trust_client.evidence import ConsentEvidence
from trust_party import desk
from trust_party.settings import TrustSettings


@click.command()
@CONFIG_FILE
@click.argument("aid")
@click.option("--case", required=True, help="Number of the complaint or file, for the record.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the bundles, each a file AID-1.json, … for `ascs evidence verify`.",
)
def evidence(config: Path, aid: str, case: str, out: Path | None) -> None:
    """Print what is on record about an AID. The query is a record itself."""
    settings = load_settings(config, TrustSettings)
    with plain_errors():
        pages = asyncio.run(desk.evidence_of(settings, aid, case))
        if not pages:
            raise click.ClickException("nothing is on record about this AID, or it was erased")
        last = pages[-1]
        bundles = [page.bundle for page in pages if page.bundle is not None]
        show(ConsentEvidence(last.aids, last.enterprise, last.status, bundles), out)
