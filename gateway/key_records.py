"""Each step in the life of the carrier's keys on its audit chain, and in the ledger that the trust party is told of."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from foundation import audit
from gm.keystore import KeyProvider
from interparty import key_ledger
from interparty.key_ledger import Author
from interparty.key_messages import KeyEvent


def record(conn: sqlite3.Connection, event: KeyEvent) -> None:
    """Put an event of the ledger on the audit chain."""
    audit.append(
        conn,
        at_ms=event.at,
        user=event.by,
        event=f"key.{event.event}",
        success=True,
        detail=key_ledger.detail_of(event),
    )


def settle(
    conn: sqlite3.Connection,
    keys: KeyProvider,
    author: Author,
    *,
    found: bool = False,
    made: Collection[tuple[str, int]] = (),
) -> None:
    """Put on record what became of the carrier's keys and is not on record: `key_ledger.settle`."""
    for event in key_ledger.settle(conn, keys, author, found=found, made=made):
        record(conn, event)
