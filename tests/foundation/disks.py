"""Operations and disks for the tests of the store."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

from foundation.store import Store


def insert(text: str) -> Callable[[sqlite3.Connection], int]:
    def op(connection: sqlite3.Connection) -> int:
        return connection.execute("INSERT INTO message (text) VALUES (?)", (text,)).lastrowid or 0

    return op


async def texts(store: Store) -> list[str]:
    return [row["text"] for row in await store.read("SELECT text FROM message ORDER BY id")]


async def settled(store: Store) -> None:
    """Everything handed over so far is committed and answered."""
    await store.write(lambda _connection: None)
    await until(lambda: store.backlog == 0)
    await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while True:
            if condition():
                return
            await asyncio.sleep(0.001)


def disk_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code  # as sqlite3 sets it
    return error


class FailingWriter:
    """Stands where the disk fails: the connection, with a COMMIT that raises."""

    def __init__(self, connection: sqlite3.Connection, code: int) -> None:
        self._connection = connection
        self.code = code

    def execute(self, sql: str, *params: Any) -> sqlite3.Cursor:
        if sql == "COMMIT" and self.code:
            raise disk_error(self.code)
        return self._connection.execute(sql, *params)

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)


class SlowDisk:
    """The connection with a COMMIT that takes until the test lets it go."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.go_on = threading.Event()
        self.commits = 0

    def execute(self, sql: str, *params: Any) -> sqlite3.Cursor:
        if sql == "COMMIT":
            assert self.go_on.wait(10)
            self.commits += 1
        return self._connection.execute(sql, *params)

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)


class StuckWriter:
    """The connection with an undo that fails too."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, *params: Any) -> sqlite3.Cursor:
        if sql == "ROLLBACK":
            raise disk_error(sqlite3.SQLITE_IOERR_WRITE)
        return self._connection.execute(sql, *params)

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)
