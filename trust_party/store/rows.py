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


async def read_in(store: Store, sql: str, keys: Sequence[Any]) -> list[sqlite3.Row]:
    """Run `sql`, which holds "IN ({})", for these keys. Raises what Store.read raises."""
    marks, params = padded(keys)
    return await store.read(sql.replace("{}", marks), params)
