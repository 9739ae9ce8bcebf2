"""`ascs evidence keys`, `ascs trust key evidence`, `ascs gateway key evidence`: what is on record about keys."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click

from ascs.commands.asker import AskerSettings
from ascs.commands.common import CONFIG_FILE, load_settings, plain_errors
from foundation.atomic import write_atomic
from gateway import trust_link
from gateway.settings import GatewaySettings
from gm.sm2 import PublicKey
from interparty.evidence_messages import Bundle, BundleRecord
from interparty.party_link import connect
from trust_client.bundle import key_event_text, time_text
from trust_client.evidence import EvidenceClient
from trust_party import desk
from trust_party.settings import TrustSettings

NAMED_MAX: Final = 20
"""Events that are named of those that are missing."""

_OUT = click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the bundles, each a file keys-1.json, … for `ascs evidence verify`.",
)


@click.command()
@CONFIG_FILE
@click.argument("party", required=False)
@click.option("--case", help="Number of the file; a regulator must name one.")
@_OUT
def keys(config: Path, party: str | None, case: str | None, out: Path | None) -> None:
    """Print what became of a PARTY's keys, after checking that it is in the log.

    CONFIG says who asks: an enterprise about its own keys, a regulator about any party's.
    """
    settings = load_settings(config, AskerSettings)

    async def ask() -> list[Bundle]:
        async with connect(settings.trust) as peer:
            return await EvidenceClient(peer, settings.log_public_keys()).of_keys(party, case)

    with plain_errors():
        show(asyncio.run(ask()), out)


@click.command("evidence")
@CONFIG_FILE
@click.argument("party", required=False)
@click.option("--case", required=True, help="Number of the file, for the record.")
@_OUT
def trust_key_evidence(config: Path, party: str | None, case: str, out: Path | None) -> None:
    """Print what is on record about a PARTY's keys, or the trust party's own. The query is a record itself."""
    settings = load_settings(config, TrustSettings)
    with plain_errors():
        show(asyncio.run(desk.key_evidence_of(settings, party or settings.party, case)), out)


@click.command("evidence")
@CONFIG_FILE
@click.option(
    "--log-key",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The trust party's public/log-<version>.pem.",
)
@_OUT
def gateway_key_evidence(config: Path, log_key: Path, out: Path | None) -> None:
    """Print what the evidence log has about the carrier's keys, after checking that it is in the log."""
    settings = load_settings(config, GatewaySettings)
    with plain_errors():
        log_keys = [PublicKey.from_pem(log_key.read_bytes())]

    async def ask() -> list[Bundle]:
        async with trust_link.connect(settings) as peer:
            return await EvidenceClient(peer, log_keys).of_keys()

    with plain_errors():
        show(asyncio.run(ask()), out)


def show(bundles: Sequence[Bundle], out: Path | None) -> None:
    """Print key events; with `out` write their bundles there. Raises OSError."""
    if not bundles:
        click.echo("nothing is on record")
    for number, bundle in enumerate(bundles, 1):
        for line in _lines(bundle):
            click.echo(line)
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            file = out / f"keys-{number}.json"
            write_atomic(file, bundle.model_dump_json(exclude_none=True).encode())
            click.echo(f"  {file}")
    for line in odd_sequences([_fields(record) for bundle in bundles for record in bundle.records]):
        click.echo(line)


def odd_sequences(records: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What a party's count of its events gives away: those that it did not tell, and a ledger that was put back."""
    counted = Counter(record["statement"]["sequence"] for record in records if "statement" in record)
    missing = [each for each in range(1, max(counted, default=0)) if each not in counted]
    if missing:
        named = ", ".join(map(str, missing[:NAMED_MAX])) + (" …" if len(missing) > NAMED_MAX else "")
        yield f"NOT TOLD: {named}. The party told of later events and not of these."
    for sequence, count in sorted(counted.items()):
        if count > 1:
            yield f"TOLD TWICE: {sequence}, {count} different events. The party's database came from a backup."


def _lines(bundle: Bundle) -> Iterator[str]:
    for record in bundle.records:
        fields = _fields(record)
        if "statement" in fields:
            statement = fields["statement"]
            told = f"{statement['sequence']:>4}  {key_event_text(statement)}"
        else:
            told = f"   -  at {time_text(fields['at'])} {fields['keyid']} was taken by the trust party"
        yield f"leaf {record.index:<8} {told}"
    head = bundle.checkpoint
    yield (
        f"{len(bundle.records)} records proved to be in the log of {head.size} leaves,"
        f" signed {time_text(head.time_ms)}, cosigned by {len(bundle.cosignatures)}"
    )


def _fields(record: BundleRecord) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(record.record)
    return fields
