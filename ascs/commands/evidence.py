"""`ascs evidence`: check what the evidence log proves, and watch it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Final

import click
from pydantic import BaseModel, ValidationError

from ascs.commands.common import CONFIG_FILE, load_settings, plain_errors, run_process
from ascs.commands.evidence_query import query
from ascs.commands.key_evidence import keys
from evidence.anchor import AnchorError, read_anchored
from evidence.checkpoint import log_id
from foundation.logs import get_logger
from gm.sm2 import PrivateKey, PublicKey
from interparty import statements
from interparty.evidence_messages import Bundle, Cosignature, SignedCosignature, Views, WitnessedCheckpoint
from interparty.messages import CheckpointBody
from interparty.party_link import connect, sign_key_of
from trust_client import bundle as bundles
from trust_client.bundle import Finding, Trusted
from trust_client.mirror import Mirror
from trust_client.witness import Misbehaviour, Witness, body_of
from trust_client.witness_settings import WitnessSettings
from trust_client.witness_store import WitnessStore

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

NOT_CHECKED: Final = 3
"""Exit status when nothing is wrong and something could not be checked for want of a key."""
MISBEHAVED: Final = 4
"""Exit status of a witness whose log did what no honest log does."""
ANCHORED_MAX: Final = 1000
"""Lines of an anchor's file that are compared, the newest."""
_MARKS: Final = {True: "proved ", False: "WRONG  ", None: "open   "}
_LIMITS: Final = """
What no bundle proves: that these are all records about this AID (what was never recorded is in no log), and that what a
party signed is true. A carrier's word that its subscriber confirmed is the carrier's word."""


@click.group()
def evidence() -> None:
    """The evidence log."""


evidence.add_command(query)
evidence.add_command(keys)


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
    # What a record says was written by others: nothing of it may steer a terminal.
    text = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in finding.text)
    return f"{_MARKS[finding.holds]} {text}"


@evidence.command()
@CONFIG_FILE
def witness(config: Path) -> None:
    """Watch a log: check that it only grows and shows everyone the same, and cosign what it signs.

    Runs until it is told to stop. Ends with 4, and with the proof written down, when the log did what no honest log
    does; then it does not run again until an operator has moved that file away.
    """
    settings = load_settings(config, WitnessSettings)

    async def main(stop: asyncio.Event) -> None:
        async with _watching(settings) as (watcher, _):
            get_logger(__name__).info("witness watches", party=settings.party, every=settings.every_seconds)
            await watcher.run(settings.every_seconds, stop)

    try:
        run_process("witness", settings.logs_folder, settings.log_level, main)
    except Misbehaviour as caught:
        _tell(caught, settings)


@evidence.command()
@CONFIG_FILE
def show(config: Path) -> None:
    """Print the newest checkpoint that this witness cosigned, to be handed to others."""
    settings = load_settings(config, WitnessSettings)
    with plain_errors(), _memory(settings) as store:
        last = store.last()
        if last is None:
            raise click.ClickException("nothing was cosigned yet")
        body = body_of(last[0])
        statement = Cosignature.of(body, settings.party, last[1])
        signature = statements.sign(_sign_key(settings), statements.COSIGN, statement)
        cosignature = SignedCosignature(statement=statement, signature=signature)
        click.echo(WitnessedCheckpoint(checkpoint=body, cosignatures=[cosignature]).model_dump_json(indent=1))


@evidence.command()
@CONFIG_FILE
@click.argument("files", nargs=-1, required=True, type=_FILE)
def compare(config: Path, files: tuple[Path, ...]) -> None:
    """Check what others were shown against what this witness cosigned.

    FILES are what another witness's `show` printed, bundles, or the file of an anchor. Where the sizes differ the
    log is asked for the proof that one extends the other. Ends with 4 when it showed two faces.
    """
    settings = load_settings(config, WitnessSettings)
    with plain_errors():
        shown = [(path, body) for path in files for body in _checkpoints_in(path)]

    async def main() -> None:
        async with _watching(settings) as (watcher, store):
            if store.last() is None:
                raise click.ClickException("nothing was cosigned yet")
            for path, body in shown:
                await watcher.compare(body)
                click.echo(f"{path}: {body.size} leaves of {bundles.time_text(body.time_ms)}: the same log")

    with plain_errors():
        try:
            asyncio.run(main())
        except Misbehaviour as caught:
            _tell(caught, settings)


@contextlib.contextmanager
def _memory(settings: WitnessSettings) -> Iterator[WitnessStore]:
    """A witness's memory. Raises what files and keys raise; ClickException after misbehaviour."""
    store = WitnessStore.open(settings.database, log_id(PublicKey.from_pem(settings.log_key.read_bytes())))
    try:
        if store.caught_file.exists():
            raise click.ClickException(
                f"the log misbehaved: {store.caught_file} says how. It is not watched any more."
            )
        yield store
    finally:
        store.close()


@contextlib.asynccontextmanager
async def _watching(settings: WitnessSettings) -> AsyncIterator[tuple[Witness, WitnessStore]]:
    """A witness and its memory; raises as `_memory`."""
    others = {name: [PublicKey.from_pem(path.read_bytes())] for name, path in settings.witnesses.items()}
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(_memory(settings))
        mirror = None
        if settings.mirror:
            mirror = Mirror.open(settings.mirror_file)
            stack.callback(mirror.close)
        async with connect(settings.trust) as peer:
            watcher = Witness(
                peer,
                party=settings.party,
                sign_key=_sign_key(settings),
                log_key=PublicKey.from_pem(settings.log_key.read_bytes()),
                store=store,
                others=others,
                now_ms=lambda: time.time_ns() // 1_000_000,
                mirror=mirror,
            )
            yield watcher, store


def _sign_key(settings: WitnessSettings) -> PrivateKey:
    key = sign_key_of(settings.trust)
    assert isinstance(key, PrivateKey)  # the settings see to that
    return key


def _checkpoints_in(path: Path) -> Sequence[CheckpointBody]:
    """The checkpoints of a file that another witness or a bundle's owner handed over. Raises ValueError, OSError."""
    text = path.read_bytes()
    for model in (WitnessedCheckpoint, Bundle, Views):
        read = _read(model, text)
        if isinstance(read, Bundle):
            return [read.checkpoint, *([read.later.checkpoint] if read.later is not None else [])]
        if isinstance(read, WitnessedCheckpoint):
            return [read.checkpoint]
        if isinstance(read, Views):
            return [view.checkpoint for view in read.views]
    try:
        return [body_of(signed) for signed in read_anchored(path)[-ANCHORED_MAX:]]
    except AnchorError:
        raise ValueError(f"{path}: neither a witness's checkpoint nor a bundle nor an anchor") from None


def _read(model: type[BaseModel], text: bytes) -> BaseModel | None:
    try:
        return model.model_validate_json(text)
    except ValidationError:
        return None


def _tell(caught: Misbehaviour, settings: WitnessSettings) -> None:
    """Say loudly what the log did, and end."""
    bodies = [CheckpointBody.model_validate(each) for each in caught.proof["checkpoints"]]
    click.echo(
        "\n*** THE LOG SHOWED TWO FACES ***" if len(bodies) > 1 else "\n*** THE LOG LIES ***", err=True
    )
    click.echo(f"{caught.proof['what']}.", err=True)
    for body in bodies:
        click.echo(
            f"  it signed: {body.size} leaves, root {body.root}, at {bundles.time_text(body.time_ms)}",
            err=True,
        )
    where = settings.database.with_name("misbehaviour.json")
    click.echo(f"Both signed checkpoints are in {where}: keep it, and show it to the others.", err=True)
    sys.exit(MISBEHAVED)
