"""Brings a database to the newest schema. One runner for every platform; a platform keeps only its
numbered revision files (`revision`, `down_revision`, `upgrade()`), with no environment script of its own.

A start that finds nothing to do reads one row: the tools that migrate are loaded only where something is to do.
"""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

LOCK_WAIT_S = 30.0
"""How long a start waits for another process that migrates the same database."""


class MigrationError(Exception):
    """The database could not be brought to the newest schema; it is as it was before."""


def upgrade(database: Path, revisions: Path) -> None:
    """Run the revision files in `revisions` that `database` (SQLite) has not seen, in one transaction.

    A file is named by its revision: 0001_initial.py. Raises MigrationError when a revision fails, or when the
    database was written by a newer product.
    """
    if not _is_newest(database, revisions):
        _migrate(database, revisions)


def _is_newest(database: Path, revisions: Path) -> bool:
    newest = max((file.name.partition("_")[0] for file in revisions.glob("[0-9]*_*.py")), default=None)
    try:
        with contextlib.closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as conn:
            return conn.execute("SELECT version_num FROM alembic_version").fetchall() == [(newest,)]
    except sqlite3.Error:
        return False  # a new one; or what is wrong with it is said by what migrates it


def _migrate(database: Path, revisions: Path) -> None:
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from alembic.util.exc import CommandError
    from sqlalchemy import create_engine, event
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool

    engine = create_engine(f"sqlite:///{database}", poolclass=NullPool, connect_args={"timeout": LOCK_WAIT_S})

    @event.listens_for(engine, "connect")
    def _leave_transactions_to_us(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # else DDL is committed statement by statement

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        # IMMEDIATE: of two processes that start together, the second waits and then finds nothing to do.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    # No `%` interpolation and no ini file: the folder is all there is to know.
    script = ScriptDirectory(str(revisions), version_locations=[str(revisions)])

    def steps(revision: Any, _context: Any) -> Any:
        return script._upgrade_revs("heads", revision)

    try:
        with engine.begin() as connection:
            context = MigrationContext.configure(
                connection, opts={"fn": steps, "script": script, "transactional_ddl": True}
            )
            with Operations.context(context):
                context.run_migrations()
    except (CommandError, SQLAlchemyError, sqlite3.Error) as error:
        raise MigrationError(f"{database}: {error}") from error
    finally:
        engine.dispose()
