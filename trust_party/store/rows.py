"""Small helpers for queries over many keys at once."""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from foundation.store import Store

KEYS_MAX: Final = 1024
"""Keys in one query; a caller's batch is never larger."""


def padded(keys: Sequence[Any]) -> tuple[str, list[Any]]:
    """Placeholders and parameters for `IN (...)`, filled up to a power of two by repeating the last key.

    So a handful of statements serves all sizes, each prepared once. Raises ValueError for no keys, or
    more than KEYS_MAX.
    """
    if not 0 < len(keys) <= KEYS_MAX:
        raise ValueError(f"1 to {KEYS_MAX} keys")
    size = 1 << (len(keys) - 1).bit_length()
    return ",".join("?" * size), [*keys, *[keys[-1]] * (size - len(keys))]


async def read_nearest(store: Store, columns: str, joins: str, aids: Sequence[int]) -> list[sqlite3.Row]:
    """One row of `authorizations a` for each AID: its own or, where there is none, its neighbour's, so that no AID
    takes longer than another. Raises what Store.read raises.
    """
    marks, params = padded(aids)
    # Not by AID itself, since a miss would skip the joins and the row: the time would tell that an AID never existed.
    sql = (
        f"WITH asked (aid) AS (VALUES {marks.replace('?', '(?)')}) SELECT {columns} FROM asked"  # noqa: S608
        " JOIN authorizations a ON a.aid = COALESCE("
        "(SELECT n.aid FROM authorizations n WHERE n.aid >= asked.aid ORDER BY n.aid LIMIT 1),"
        f" (SELECT MAX(aid) FROM authorizations)){joins}"
    )
    return await store.read(sql, params)


async def read_in(store: Store, sql: str, keys: Sequence[Any]) -> list[sqlite3.Row]:
    """Run `sql`, which holds "IN ({})", for these keys. Raises what Store.read raises."""
    marks, params = padded(keys)
    return await store.read(sql.replace("{}", marks), params)
