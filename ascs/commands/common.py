"""What the commands share: settings from a file, a process that runs until it is told to stop, plain errors."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic import BaseModel

from foundation import logs, loop
from foundation.config import ConfigError, load
from foundation.migrate import MigrationError
from foundation.pki import PkiError
from gm.errors import GmError
from interparty.client import PeerProblem, PeerUnavailable
from interparty.number_query import QueryError
from trust_client.evidence import EvidenceFault

M = TypeVar("M", bound=BaseModel)

OPERATOR_ERRORS = (
    ConfigError,
    GmError,
    MigrationError,
    PkiError,
    PeerUnavailable,
    PeerProblem,
    QueryError,
    EvidenceFault,
    OSError,
    ValueError,
    sqlite3.Error,
)
"""What an operator can mend: files, keys, addresses, another party that does not answer."""

CONFIG_FILE = click.argument("config", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@contextmanager
def plain_errors() -> Iterator[None]:
    """What an operator can mend is said in one line on stderr, with exit status 1."""
    try:
        yield
    except OSError as error:
        said = f"{error.filename}: {error.strerror}" if error.filename is not None else str(error)
        raise click.ClickException(said) from error
    except OPERATOR_ERRORS as error:
        raise click.ClickException(str(error)) from error


def load_settings(path: Path, model: type[M]) -> M:
    """Settings from a TOML file, or the file, line and key at fault."""
    with plain_errors():
        return load(path.resolve(), model)


def run_process(
    component: str,
    log_folder: Path,
    log_level: str,
    main: Callable[[asyncio.Event], Coroutine[Any, Any, None]],
) -> None:
    """Set up the logs with the number filter, then run until SIGTERM or SIGINT; what stops it is logged."""
    with plain_errors():
        logs.setup(component, log_folder, log_level)
        try:
            loop.run(main)
        except asyncio.CancelledError:
            sys.exit(130)
