from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from foundation.seal import add_missing_keys
from foundation.store import Store
from gm.keystore import ITERATIONS_MIN, KeyStore

FIRST = """
from alembic import op
revision = "0001"
down_revision = None
def upgrade():
    op.execute("CREATE TABLE message (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)")
"""


@pytest.fixture
def keystore(tmp_path: Path) -> KeyStore:
    store = KeyStore.create(tmp_path / "keys.store", "passphrase", iterations=ITERATIONS_MIN)
    add_missing_keys(store)
    return store


@pytest.fixture
def revisions(tmp_path: Path) -> Path:
    folder = tmp_path / "revisions"
    folder.mkdir()
    (folder / "r0001_first.py").write_text(FIRST)
    return folder


@pytest.fixture
async def store(tmp_path: Path, revisions: Path) -> AsyncIterator[Store]:
    store = Store.open(tmp_path / "data" / "a.db", revisions)
    yield store
    await store.close()
