"""`ascs evidence query`: what is on record, for whoever may ask."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from ascs.commands import evidence_text
from ascs.commands.asker import AskerSettings
from ascs.commands.common import CONFIG_FILE, load_settings, plain_errors
from foundation.atomic import write_atomic
from interparty.party_link import connect
from trust_client.evidence import ConsentEvidence, EvidenceClient


@click.command()
@CONFIG_FILE
@click.argument("aids", nargs=-1, metavar="AID...")
@click.option("--edi", "edi_ids", multiple=True, help="An edi_id that a carrier found, for a regulator.")
@click.option("--case", help="Number of the complaint or file; a regulator must name one.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the bundles, each a file AID-1.json, … for `ascs evidence verify`.",
)
def query(
    config: Path, aids: tuple[str, ...], edi_ids: tuple[str, ...], case: str | None, out: Path | None
) -> None:
    """Print what is on record about AIDs, after checking that it is in the log.

    CONFIG says who asks: an enterprise of its own AIDs, a regulator of any.
    """
    if not aids and not edi_ids:
        raise click.UsageError("give an AID, or --edi")
    settings = load_settings(config, AskerSettings)

    async def ask() -> list[ConsentEvidence]:
        async with connect(settings.trust) as peer:
            client = EvidenceClient(peer, settings.log_public_keys())
            return [
                *[await client.of_aid(aid, case) for aid in aids],
                *[await client.of_edi(edi_id, case) for edi_id in edi_ids],
            ]

    with plain_errors():
        for found in asyncio.run(ask()):
            show(found, out)


def show(found: ConsentEvidence, out: Path | None = None) -> None:
    """Print a consent's evidence; with `out` write its bundles there. Raises OSError."""
    for line in evidence_text.lines(found):
        click.echo(line)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for number, bundle in enumerate(found.bundles, 1):
            file = out / f"{found.aids[-1]}-{number}.json"
            write_atomic(file, bundle.model_dump_json(exclude_none=True).encode())
            click.echo(f"  {file}")
