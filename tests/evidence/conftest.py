import sqlite3
from collections.abc import Iterator

import pytest

from evidence import log


@pytest.fixture
def conn() -> Iterator[sqlite3.Connection]:
    """A log's tables in memory."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for statement in log.SCHEMA:
        connection.execute(statement)
    yield connection
    connection.close()
