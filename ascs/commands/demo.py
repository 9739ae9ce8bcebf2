"""`ascs demo`: the whole service on one machine."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import click

from ascs.commands.common import plain_errors
from ascs.demo import run as demo_run
from ascs.demo.layout import DemoRefused
from ascs.demo.parties import OtherCore, OtherSmsc
from ascs.demo.processes import ProcessEnded
from foundation import loop

SUBSCRIBERS_MAX = 500_000
INTERRUPTED = 130
"""Exit status of a program that Ctrl-C ended (128 and the signal's number)."""

_SMSC = re.compile(r"([^:@]{1,15}):([^@]{0,8})@(.+):([0-9]{1,5})")
_CORE = re.compile(r"(.+):([0-9]{1,5})")


def _other_smsc(_: click.Context, __: click.Parameter, text: str | None) -> OtherSmsc | None:
    if text is None:
        return None
    match = _SMSC.fullmatch(text)
    if match is None:
        raise click.BadParameter("SYSTEM_ID:PASSWORD@HOST:PORT expected")
    return OtherSmsc(match[1], match[2], match[3], int(match[4]))


def _other_core(_: click.Context, __: click.Parameter, text: str | None) -> OtherCore | None:
    if text is None:
        return None
    match = _CORE.fullmatch(text)
    if match is None:
        raise click.BadParameter("HOST:PORT expected")
    return OtherCore(match[1], int(match[2]))


@click.command()
@click.option("--once", is_flag=True, help="End after the script; exit 0 only if every step held.")
@click.option("--no-script", is_flag=True, help="Start and wait.")
@click.option("--data", default="var", type=click.Path(file_okay=False, path_type=Path), show_default=True)
@click.option(
    "--subscribers",
    default=0,
    type=click.IntRange(0, SUBSCRIBERS_MAX),
    help="So many people beside the three.",
)
@click.option("--smsc", callback=_other_smsc, help="Someone else's SMSC: SYSTEM_ID:PASSWORD@HOST:PORT.")
@click.option("--core", callback=_other_core, help="Someone else's SIP core: HOST:PORT (UDP).")
@click.option(
    "--unknown-aids",
    type=click.IntRange(1, 1_000_000),
    hidden=True,
    help="So many unknown AIDs may an enterprise name at once: for measuring how they are refused.",
)
def demo(
    once: bool,
    no_script: bool,
    data: Path,
    subscribers: int,
    smsc: OtherSmsc | None,
    core: OtherCore | None,
    unknown_aids: int | None,
) -> None:
    """Start trust party, gateway and simulators on loopback, and tell what happens as a ladder."""
    script = not (no_script or smsc is not None or core is not None)
    options = demo_run.Options(data, once, script, subscribers, smsc, core, unknown_aids)
    try:
        with plain_errors():
            prepared = demo_run.prepare(options)
        loop.run(prepared.run)
    except (DemoRefused, demo_run.DemoFailed, ProcessEnded) as error:
        click.echo(f"demo failed: {error}", err=True)
        sys.exit(1)
    except (demo_run.DemoInterrupted, asyncio.CancelledError, KeyboardInterrupt):
        click.echo(
            "the demo was ended before its script was over" if script else "the demo was ended", err=True
        )
        sys.exit(INTERRUPTED)
    if once:
        click.echo("the demo's script passed")
