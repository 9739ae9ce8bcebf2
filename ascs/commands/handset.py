"""`ascs handset MSISDN …`: what a person does with a simulated phone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from simulators.handsets.client import HandsetClient
from simulators.http_client import ApiError

DEFAULT_URL = "http://127.0.0.1:8071"
DEMO_FILE = Path("var/demo.json")


def _default_url() -> str:
    """The running demo's fleet if there is one, else the fleet of config/handsets.toml."""
    try:
        demo = json.loads(DEMO_FILE.read_text())
        return str(demo["handsets"]["url"]) if demo["ready"] else DEFAULT_URL
    except (OSError, ValueError, KeyError):
        return DEFAULT_URL


@click.group()
@click.argument("msisdn")
@click.option(
    "--url", envvar="ASCS_HANDSETS", help="The fleet's HTTP API; the running demo's when not given."
)
@click.pass_context
def handset(context: click.Context, msisdn: str, url: str | None) -> None:
    """A simulated handset, by its MSISDN (E.164 digits)."""
    context.obj = (msisdn.removeprefix("+"), url or _default_url())


def _ask(context: click.Context, work: Callable[[HandsetClient, str], Coroutine[Any, Any, Any]]) -> Any:
    msisdn, url = context.obj

    async def main() -> Any:
        async with HandsetClient(url) as client:
            return await work(client, msisdn)

    try:
        return asyncio.run(main())
    except ApiError as error:
        raise click.ClickException(str(error)) from error


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000).strftime("%H:%M:%S")


@handset.command()
@click.option("--wait", default=0.0, help="Seconds to wait for a message when there is none.")
@click.pass_context
def inbox(context: click.Context, wait: float) -> None:
    """Show messages and calls."""
    for message in _ask(context, lambda client, msisdn: client.inbox(msisdn, wait=wait)):
        click.echo(f"{_time(message['at'])}  {message['sender']}: {message['text']}")
    for call in _ask(context, lambda client, msisdn: client.calls(msisdn)):
        arrow = "from" if call["direction"] == "in" else "to"
        click.echo(
            f"{_time(call['started'])}  call {arrow} {call['peer']}: {call['state']},"
            f" RTP {call['rtp_received']} packets, digits {call['digits'] or '-'}"
        )


@handset.command()
@click.argument("text")
@click.option("--to", help="Access number; whoever wrote last when not given.")
@click.pass_context
def reply(context: click.Context, text: str, to: str | None) -> None:
    """Send an SMS."""
    sent = _ask(context, lambda client, msisdn: client.reply(msisdn, text, to))
    click.echo(f"sent to {sent['to']}")


@handset.command()
@click.argument("access_number")
@click.pass_context
def call(context: click.Context, access_number: str) -> None:
    """Call an access number."""
    record = _ask(context, lambda client, msisdn: client.call(msisdn, access_number))
    click.echo(f"calling {record['peer']}")


@handset.command()
@click.pass_context
def answer(context: click.Context) -> None:
    """Answer the call that rings."""
    click.echo(_ask(context, lambda client, msisdn: client.answer(msisdn))["state"])


@handset.command()
@click.pass_context
def reject(context: click.Context) -> None:
    """Refuse the call that rings."""
    click.echo(_ask(context, lambda client, msisdn: client.reject(msisdn))["state"])


@handset.command()
@click.pass_context
def hangup(context: click.Context) -> None:
    """End the call."""
    click.echo(_ask(context, lambda client, msisdn: client.hangup(msisdn))["state"])


@handset.command()
@click.argument("digits")
@click.pass_context
def press(context: click.Context, digits: str) -> None:
    """Press keys during the call."""
    _ask(context, lambda client, msisdn: client.digits(msisdn, digits))


@handset.command()
@click.option("--answer-after", type=float, help="Answer after so many seconds.")
@click.option("--never", is_flag=True, help="Let it ring.")
@click.option("--busy", is_flag=True, help="Be busy.")
@click.pass_context
def behave(context: click.Context, answer_after: float | None, never: bool, busy: bool) -> None:
    """What the handset does from now on when it is called."""
    if sum((answer_after is not None, never, busy)) != 1:
        raise click.UsageError("one of --answer-after, --never, --busy")
    _ask(
        context,
        lambda client, msisdn: client.behave(msisdn, answer_after=answer_after, never=never, busy=busy),
    )
