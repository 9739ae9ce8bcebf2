"""`ascs regulator`: an order that authorizations end; a query by number, sealed, signed by two people and sent.

Three commands for a query, since three people have a part in it: who asks seals the number to each carrier, two others
sign what they are shown, with keys that the carriers know, where no network is needed; then it is sent.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import click

from ascs.commands.asker import AskerSettings
from ascs.commands.common import CONFIG_FILE, load_settings, plain_errors
from foundation.atomic import write_atomic
from gm.sm2 import PrivateKey
from interparty.deposit_messages import CancellationResult
from interparty.messages import Cancellation, Message
from interparty.party_link import connect, sign_key_of
from interparty.query_messages import ApprovalFile, NumberQueryRequest, NumberQueryResponse, QueryDraft
from trust_client import regulator as house
from trust_client.cancellations import cancel as trust_client_cancel
from trust_client.evidence import EvidenceClient

SHANGHAI = timezone(timedelta(hours=8))
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUT = click.Path(dir_okay=False, path_type=Path)


@click.group()
def regulator() -> None:
    """Queries by number, for one enterprise under complaint, and orders."""


@regulator.command()
@CONFIG_FILE
@click.argument("enterprise_id")
@click.argument("aids", nargs=-1, required=True, metavar="AID...")
@click.option("--order", required=True, help="Number of the order, for the record.")
def cancel(config: Path, enterprise_id: str, aids: tuple[str, ...], order: str) -> None:
    """Order an enterprise's AIDs to end, signed with the regulator's key."""
    settings = load_settings(config, AskerSettings)
    with plain_errors():
        at = time.time_ns() // 1_000_000
        orders = [
            Cancellation(enterprise=enterprise_id, aid=each, cause="REGULATOR", order=order, at=at)
            for each in aids
        ]
        results = asyncio.run(_cancel(settings, orders))
    for each, result in zip(aids, results, strict=True):
        click.echo(f"{each} {result.status}")
    if any(result.status == "UNKNOWN" for result in results):
        raise click.ClickException("UNKNOWN: not an AID of this enterprise")


async def _cancel(settings: AskerSettings, orders: list[Cancellation]) -> list[CancellationResult]:
    key = sign_key_of(settings.trust)
    if not isinstance(key, PrivateKey):
        raise ValueError("trust.sign_key: a regulator signs with SM2")
    peer = connect(settings.trust)
    try:
        return await trust_client_cancel(peer, key, orders)
    finally:
        await peer.close()


@regulator.command()
@CONFIG_FILE
@click.option(
    "--number",
    prompt="number (E.164 digits without +)",
    help="E.164 digits without +: 8613800000001. Asked for when not given, so that no shell keeps it.",
)
@click.option("--enterprise", required=True, help="Party id of the enterprise under complaint.")
@click.option("--from", "start", required=True, help="First day of the period, YYYY-MM-DD in Asia/Shanghai.")
@click.option("--to", "end", required=True, help="Last day of it, included.")
@click.option("--case", required=True, help="Number of the complaint or file.")
@click.option("--reason", help="For the approvers, in words; stays in the house.")
@click.option("--out", required=True, type=_OUT, help="The draft, for two approvers. It holds the number.")
def query(
    config: Path, number: str, enterprise: str, start: str, end: str, case: str, reason: str | None, out: Path
) -> None:
    """Seal a query by number to each carrier of CONFIG."""
    settings = load_settings(config, AskerSettings)
    with plain_errors():
        keys = settings.carrier_keys()
        if not keys:
            raise ValueError(f"{config} names no carrier")
        made = house.draft(
            keys,
            requester=settings.id,
            number=number,
            enterprise=enterprise,
            period_from=_day(start),
            period_to=_day(end) + 86_400_000,
            case=case,
            reason=reason,
        )
        _write(out, made)
    click.echo(
        f"sealed to {', '.join(keys)}; {out} holds the number: give it to the approvers and to nobody else"
    )


@regulator.command()
@click.argument("draft", type=_FILE)
@click.option("--approver", required=True, help="Your id, as the carriers enrolled you.")
@click.option("--key", required=True, type=_FILE, help="Your SM2 private key, PEM.")
@click.option("--out", required=True, type=_OUT, help="Your signatures.")
@click.option("--yes", is_flag=True, help="Sign without being asked.")
def approve(draft: Path, approver: str, key: Path, out: Path, yes: bool) -> None:
    """Show the query in DRAFT, and sign it. Needs no network."""
    with plain_errors():
        shown = QueryDraft.model_validate_json(draft.read_bytes())
        signer = PrivateKey.from_pem(key.read_bytes())
    for line in _lines(shown):
        click.echo(line)
    if not yes:
        click.confirm(f"Does {approver} agree that this is asked?", abort=True)
    with plain_errors():
        _write(out, house.approve(shown, approver, signer, time.time_ns() // 1_000_000))
    click.echo(f"signed by {approver}: {out}")


@regulator.command()
@CONFIG_FILE
@click.argument("draft", type=_FILE)
@click.argument("approvals", type=_FILE, nargs=-1, required=True)
def submit(config: Path, draft: Path, approvals: tuple[Path, ...]) -> None:
    """Send DRAFT with the APPROVALS of two people to the trust party; print the AIDs that it leads to."""
    settings = load_settings(config, AskerSettings)
    with plain_errors():
        shown = QueryDraft.model_validate_json(draft.read_bytes())
        files = [ApprovalFile.model_validate_json(path.read_bytes()) for path in approvals]
        answer = asyncio.run(_ask(settings, house.request(shown, files)))
        found = house.found_by(shown, answer)
    for outcome in answer.outcomes:
        said = outcome.reason or ""
        if outcome.carrier in found:
            said = f"{len(found[outcome.carrier])} found"
        click.echo(f"{outcome.carrier}\t{outcome.outcome}\t{said}".rstrip(), err=True)
    for carrier, edi_ids in found.items():
        for edi_id in sorted(set(edi_ids) - set(answer.joined)):
            click.echo(f"{carrier} found {edi_id}: not in force in the period, erased, or left out", err=True)
    click.echo(f"on record as evidence {answer.evidence_id}", err=True)
    for aid in answer.aids:
        click.echo(aid)
    if not any(outcome.outcome == "ANSWERED" for outcome in answer.outcomes):
        raise click.ClickException("no carrier answered")


async def _ask(settings: AskerSettings, message: NumberQueryRequest) -> NumberQueryResponse:
    async with connect(settings.trust, timeout=house.SUBMIT_SECONDS) as peer:
        return await EvidenceClient(peer, settings.log_public_keys()).by_number(message)


def _lines(shown: QueryDraft) -> list[str]:
    return [
        f"requester   {shown.requester}",
        f"case        {shown.case}",
        f"number      {shown.number}",
        f"enterprise  {shown.enterprise}",
        f"period      {_date(shown.period_from)} to {_date(shown.period_to - 1)}",
        f"carriers    {', '.join(part.carrier for part in shown.parts)}",
        f"reason      {shown.reason or '-'}",
    ]


def _day(text: str) -> int:
    """Midnight of a day in Asia/Shanghai, ms. Raises ValueError."""
    moment = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=SHANGHAI)
    return int(moment.timestamp()) * 1000


def _date(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, SHANGHAI).strftime("%Y-%m-%d %H:%M")


def _write(path: Path, message: Message) -> None:
    write_atomic(path, message.model_dump_json(exclude_none=True, indent=1).encode() + b"\n")
