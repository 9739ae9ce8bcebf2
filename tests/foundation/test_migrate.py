"""A database is brought to the newest schema in one step, or stays as it was."""

import sqlite3
import sys
from pathlib import Path

import pytest

from foundation.migrate import MigrationError, upgrade
from gateway.app import MIGRATIONS as carrier
from simulators.smsc.app import MIGRATIONS as smsc
from trust_party.store import MIGRATIONS as trust

FIRST = """
from alembic import op
revision, down_revision = "0001", None
def upgrade():
    op.execute("CREATE TABLE person (id INTEGER PRIMARY KEY)")
"""
SECOND = """
from alembic import op
revision, down_revision = "0002", "0001"
def upgrade():
    op.execute("ALTER TABLE person ADD COLUMN name TEXT")
    {more}
"""


@pytest.fixture
def revisions(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_first.py").write_text(FIRST)
    return folder


def columns(database: Path) -> list[str]:
    with sqlite3.connect(database) as connection:
        return [row[1] for row in connection.execute("PRAGMA table_info(person)")]


def test_a_new_database_gets_every_revision_and_another_start_none(tmp_path: Path, revisions: Path) -> None:
    database = tmp_path / "x.db"
    (revisions / "0002_second.py").write_text(SECOND.format(more=""))
    upgrade(database, revisions)
    upgrade(database, revisions)
    assert columns(database) == ["id", "name"]


def test_a_start_that_finds_nothing_to_do_loads_nothing_that_migrates(
    tmp_path: Path, revisions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "x.db"
    upgrade(database, revisions)
    monkeypatch.setitem(sys.modules, "alembic.script", None)
    upgrade(database, revisions)
    (revisions / "0002_second.py").write_text(SECOND.format(more=""))
    with pytest.raises(ImportError):
        upgrade(database, revisions)


@pytest.mark.parametrize("folder", [carrier, smsc, trust], ids=lambda folder: folder.parts[-3])
def test_a_revision_file_is_named_by_its_revision(folder: Path) -> None:
    files = list(folder.glob("*.py"))
    assert files
    for file in files:
        assert f'revision = "{file.name.partition("_")[0]}"\n' in file.read_text()


def test_an_older_database_gets_what_it_has_not_seen_and_keeps_its_rows(
    tmp_path: Path, revisions: Path
) -> None:
    database = tmp_path / "x.db"
    upgrade(database, revisions)
    with sqlite3.connect(database) as connection:
        connection.execute("INSERT INTO person (id) VALUES (7)")
    (revisions / "0002_second.py").write_text(SECOND.format(more=""))
    upgrade(database, revisions)
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT id, name FROM person").fetchall() == [(7, None)]


def test_a_revision_that_fails_leaves_nothing_of_itself(tmp_path: Path, revisions: Path) -> None:
    database = tmp_path / "x.db"
    upgrade(database, revisions)
    second = revisions / "0002_second.py"
    second.write_text(SECOND.format(more='op.execute("NO SUCH STATEMENT")'))
    with pytest.raises(MigrationError, match=r"x\.db"):
        upgrade(database, revisions)
    assert columns(database) == ["id"]
    second.write_text(SECOND.format(more=""))
    upgrade(database, revisions)
    assert columns(database) == ["id", "name"]


def test_a_database_of_a_newer_product_is_not_touched(tmp_path: Path, revisions: Path) -> None:
    database = tmp_path / "x.db"
    upgrade(database, revisions)
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0009'")
    with pytest.raises(MigrationError):
        upgrade(database, revisions)
