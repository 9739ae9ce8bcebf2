"""`ascs trust log`: the evidence log, shown to an auditor by its owner."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import click

from ascs.commands.common import CONFIG_FILE, load_settings, plain_errors
from evidence.inspection import inspect
from foundation.seal import Sealer
from trust_party.keys import open_store
from trust_party.settings import TrustSettings


@click.group()
def log() -> None:
    """The evidence log."""


@log.command("inspect")
@CONFIG_FILE
def log_inspect(config: Path) -> None:
    """Show that every leaf is a record that is there, one that was erased, or padding.

    Goes through the whole log, beside a running trust party or without one; needs the key store. Ends with 1 if
    anything is not as it must be.
    """
    settings = load_settings(config, TrustSettings)
    with plain_errors():
        sealer = Sealer(open_store(settings))
        conn = sqlite3.connect(f"file:{settings.database}?mode=ro", uri=True, isolation_level=None)
        try:
            conn.execute("BEGIN")  # one state of the log, whatever is appended meanwhile
            found = inspect(conn, sealer=sealer)
        finally:
            conn.close()
    click.echo(
        f"{found.leaves} leaves in {found.batches} batches: {found.records} records, of which {found.erased} erased,"
        f" and {found.padding} padding; {found.pending} records wait for the next batch"
    )
    for fault in found.faults:
        click.echo(fault, err=True)
    if found.faults:
        sys.exit(1)
    click.echo("every leaf is accounted for, and their root is that of the newest checkpoint")
