"""The write-ahead log is carried over to the database beside the commits, and not inside them.

SQLite would do it in the commit that makes the log long enough: that commit, and everyone who waits for it, then
waits for thousands of pages and two more syncs. Here a thread with a connection of its own carries over what is
there, while commits go on behind it. It never quite gets to the end of a log that grows, and only a log without
rest is begun anew; so once the log is long, a commit carries over the little that is left.
"""

import logging
import sqlite3
from pathlib import Path
from threading import Event, Thread
from typing import Final

CHECKPOINT_PAGES: Final = 4_000
"""Pages in the log from which on a commit is asked to finish it."""
INTERVAL_S: Final = 0.25
"""Between two looks at what was committed. At the rate of a busy store so much is a few thousand pages."""

CARRY_OVER: Final = "PRAGMA wal_checkpoint(PASSIVE)"
"""Waits for nobody and makes nobody wait; gives whether it was busy, pages in the log, pages carried over."""

_log = logging.getLogger(__name__)


class Checkpoints:
    """Carries over one database's log. `committed` is called by whoever commits, the rest by its owner."""

    def __init__(self, path: Path, *, pages: int = CHECKPOINT_PAGES, interval_s: float = INTERVAL_S) -> None:
        self._path = path
        self._pages = pages
        self._interval_s = interval_s
        self._over = Event()
        self._is_new = False
        """Something was committed since the last look."""
        self._is_long = False
        """The next commit is to carry over what is left."""
        self._thread = Thread(target=self._run, name=f"checkpoints:{path.name}", daemon=True)
        self._thread.start()

    def committed(self) -> bool:
        """Note a commit; True when its writer is to run CARRY_OVER now."""
        self._is_new = True
        is_long, self._is_long = self._is_long, False
        return is_long

    def close(self) -> None:
        """End it; waits for what is under way."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None)
        try:
            while not self._over.wait(self._interval_s):
                if self._is_new:
                    self._is_new = False
                    self._carry_over(connection)
        finally:
            connection.close()

    def _carry_over(self, connection: sqlite3.Connection) -> None:
        try:
            # The database is synced before its log may be begun anew: each time, since opening may have failed.
            connection.execute("PRAGMA synchronous=FULL")
            _, pages, _ = connection.execute(CARRY_OVER).fetchone()
        except sqlite3.Error as error:
            # The log holds everything that was committed, and grows until this succeeds.
            _log.warning("log of %s not carried over: %s", self._path.name, error)
            self._is_new = True
        else:
            self._is_long = pages > self._pages
