"""Brings a database to the newest schema. One runner for every platform; a platform keeps only its
numbered revision files (`revision`, `down_revision`, `upgrade()`), with no environment script of its own."""

import sqlite3
from pathlib import Path
from typing import Any

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

LOCK_WAIT_S = 30.0
"""How long a start waits for another process that migrates the same database."""


class MigrationError(Exception):
    """The database could not be brought to the newest schema; it is as it was before."""


def upgrade(database: Path, revisions: Path) -> None:
    """Run the revision files in `revisions` that `database` (SQLite) has not seen, in one transaction.

    Raises MigrationError when a revision fails, or when the database was written by a newer product.
    """
    engine = create_engine(f"sqlite:///{database}", poolclass=NullPool, connect_args={"timeout": LOCK_WAIT_S})

    @event.listens_for(engine, "connect")
    def _leave_transactions_to_us(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # else DDL is committed statement by statement

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # IMMEDIATE: of two processes that start together, the second waits and then finds nothing to do.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    # No `%` interpolation and no ini file: the folder is all there is to know.
    script = ScriptDirectory(str(revisions), version_locations=[str(revisions)])
    try:
        with engine.begin() as connection:
            _run(connection, script)
    except (CommandError, SQLAlchemyError, sqlite3.Error) as error:
        raise MigrationError(f"{database}: {error}") from error
    finally:
        engine.dispose()


def _run(connection: Connection, script: ScriptDirectory) -> None:
    def steps(revision: Any, _context: MigrationContext) -> Any:
        return script._upgrade_revs("heads", revision)

    context = MigrationContext.configure(
        connection, opts={"fn": steps, "script": script, "transactional_ddl": True}
    )
    with Operations.context(context):
        context.run_migrations()
