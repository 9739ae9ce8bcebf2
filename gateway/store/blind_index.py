"""Numbers and identifiers by which people are found: each has a name of 16 random bytes, which all other tables use.

This table alone knows which name is whose. It is looked up by tag, `u32 key version | HMAC-SM3[16]` under the index
key: a bare hash of a number falls in hours. What a row stands for lies sealed beside it, so that when the index key is
rotated each row gets its tag anew (`renew`), a few at a time, while everything is found under the key of before too.
Names never change: what was decided about a person by name (blocks, contacts, EDIs) is not touched by that, and nothing
in the other tables can be told with an index key that was replaced.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence
from typing import Final

from foundation.rows import execute_rows, select_keys
from foundation.seal import Sealer, version_prefix

NAME_SIZE: Final = 16
SEAL: Final = b"blind_index.sealed"
_END: Final = b"\0"
"""Between label and value; no label has one."""

Value = tuple[str, bytes]
"""Label and value: a number, or an identifier of one type."""


def find(conn: sqlite3.Connection, sealer: Sealer, label: str, value: bytes) -> bytes | None:
    """The name of a value, None for one that nobody put here. `label` tells kinds of values apart."""
    return _find(conn, sealer, [(label, value)])[0].get((label, value))


def names_of(conn: sqlite3.Connection, sealer: Sealer, values: Sequence[Value]) -> list[bytes]:
    """The names of values, in order; those that are new are put here."""
    names, tags = _find(conn, sealer, values)
    rows = []
    for value in tags:
        if value not in names:
            label, octets = value
            name = names[value] = secrets.token_bytes(NAME_SIZE)
            sealed = sealer.seal(label.encode("ascii") + _END + octets, SEAL + name)
            rows.append((tags[value], name, sealed))
    rows.sort()  # next to each other in the table's order: many fall on one page
    execute_rows(conn, "INSERT INTO blind_index (tag, name, sealed) VALUES @rows", rows)
    return [names[value] for value in values]


def _find(
    conn: sqlite3.Connection, sealer: Sealer, values: Sequence[Value]
) -> tuple[dict[Value, bytes], dict[Value, bytes]]:
    """The names of those that have one; and the current tag of each."""
    names, tags = _found(conn, sealer, values)
    # A row that another process renewed is under a key that this one may not have seen.
    if len(names) < len(tags) and sealer.refresh():
        names, tags = _found(conn, sealer, values)
    return names, tags


def _found(
    conn: sqlite3.Connection, sealer: Sealer, values: Sequence[Value]
) -> tuple[dict[Value, bytes], dict[Value, bytes]]:
    tags: dict[Value, bytes] = {}
    by_tag: dict[bytes, Value] = {}
    for value in values:
        if value not in tags:
            usable = sealer.tags(*value)
            tags[value] = usable[0]
            by_tag.update(dict.fromkeys(usable, value))
    # In the caller's transaction nobody renews a row between two statements.
    rows = select_keys(conn, "SELECT tag, name FROM blind_index WHERE tag IN (@keys)", list(by_tag))
    return {by_tag[bytes(tag)]: bytes(name) for tag, name in rows}, tags


def renew(conn: sqlite3.Connection, sealer: Sealer, limit: int) -> int:
    """Bring up to `limit` rows that are under another key than the current one under that; how many there were.

    Begun, killed and begun again it goes on where it was: a row says itself under which key it is. Raises
    gm.errors.DecryptError, KeyStoreError.
    """
    sealer.refresh()
    version = sealer.index_version
    rows = conn.execute(
        "SELECT tag, name, sealed FROM blind_index WHERE tag < ? LIMIT ?", (version_prefix(version), limit)
    ).fetchall()
    # Above it there is something only where the key store came from a backup.
    rows += conn.execute(
        "SELECT tag, name, sealed FROM blind_index WHERE tag >= ? LIMIT ?",
        (version_prefix(version + 1), limit - len(rows)),
    ).fetchall()
    renewed = []
    for tag, name, sealed in rows:
        label, _, value = sealer.open(sealed, SEAL + name).partition(_END)
        renewed.append((sealer.tags(label.decode("ascii"), value)[0], tag))
    conn.executemany("UPDATE blind_index SET tag = ? WHERE tag = ?", renewed)
    return len(renewed)


def count_under(conn: sqlite3.Connection, version: int) -> int:
    """How many values are found under a version of the index key."""
    row = conn.execute(
        "SELECT COUNT(*) FROM blind_index WHERE tag >= ? AND tag < ?",
        (version_prefix(version), version_prefix(version + 1)),
    ).fetchone()
    return int(row[0])


def is_stale(conn: sqlite3.Connection, sealer: Sealer) -> bool:
    """Whether a row is under another version of the index key than the current one. Raises KeyStoreError."""
    sealer.refresh()
    version = sealer.index_version
    row = conn.execute(
        "SELECT EXISTS (SELECT 1 FROM blind_index WHERE tag < ?) OR EXISTS (SELECT 1 FROM blind_index WHERE tag >= ?)",
        (version_prefix(version), version_prefix(version + 1)),
    ).fetchone()
    return bool(row[0])
