"""`ascs evidence`: check what the evidence log proves, and watch it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from ascs.commands.common import plain_errors
from gm.sm2 import PublicKey
from trust_client import bundle as bundles
from trust_client.bundle import Finding, Trusted

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

NOT_CHECKED: Final = 3
"""Exit status when nothing is wrong and something could not be checked for want of a key."""
_MARKS: Final = {True: "proved ", False: "WRONG  ", None: "open   "}
_LIMITS: Final = """
What no bundle proves: that these are all records about this AID (what was never recorded is in no log), and that what a
party signed is true. A carrier's word that its subscriber confirmed is the carrier's word."""


@click.group()
def evidence() -> None:
    """The evidence log."""


def party_keys(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> dict[str, list[PublicKey]]:
    """Options PARTY=FILE as the SM2 keys of each party."""
    keys: dict[str, list[PublicKey]] = {}
    for text in texts:
        party, separator, name = text.partition("=")
        path = Path(name)
        if not separator or not party or not path.is_file():
            raise click.BadParameter(f"PARTY=FILE expected, with a file that is there: {text}")
        with plain_errors():
            keys.setdefault(party, []).append(PublicKey.from_pem(path.read_bytes()))
    return keys


@evidence.command()
@click.argument("bundle", type=_FILE)
@click.option(
    "--log-key", "log_keys", multiple=True, required=True, type=_FILE, help="Public key of the log, PEM."
)
@click.option(
    "--key",
    "parties",
    multiple=True,
    metavar="PARTY=PEM",
    callback=party_keys,
    help="SM2 public key of one who signs.",
)
@click.option(
    "--witness",
    "witnesses",
    multiple=True,
    metavar="PARTY=PEM",
    callback=party_keys,
    help="SM2 public key of a witness whose word counts for you.",
)
@click.option(
    "--quorum",
    type=click.IntRange(min=1),
    help="How many witnesses must have cosigned; more than half of them unless given.",
)
def verify(
    bundle: Path,
    log_keys: tuple[Path, ...],
    parties: dict[str, list[PublicKey]],
    witnesses: dict[str, list[PublicKey]],
    quorum: int | None,
) -> None:
    """Check a BUNDLE offline and say in plain words what it proves.

    Nothing is asked of anyone, and no key is believed that is not given here. Ends with 0 when everything is proved, 1
    when something is wrong, 3 when something could not be checked for want of a key.
    """
    if quorum is not None and quorum > len(witnesses):
        raise click.UsageError(f"--quorum {quorum} of {len(witnesses)} witnesses can never be reached")
    with plain_errors():
        keys = [PublicKey.from_pem(path.read_bytes()) for path in log_keys]
        read = bundles.read(bundle.read_bytes())
    wanted = quorum if quorum is not None else len(witnesses) // 2 + 1
    report = bundles.verify(read, Trusted(keys, witnesses, wanted, parties))
    for finding in report.findings:
        click.echo(_line(finding))
    click.echo(_LIMITS)
    if not report.holds:
        click.echo("\nThis bundle is WRONG: see above.", err=True)
        sys.exit(1)
    if not report.complete:
        click.echo("\nNothing is wrong; what is marked open was not checked for want of a key.", err=True)
        sys.exit(NOT_CHECKED)
    click.echo("\nEverything in this bundle is proved.")


def _line(finding: Finding) -> str:
    return f"{_MARKS[finding.holds]} {finding.text}"
