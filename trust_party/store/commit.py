"""Changes that something in memory must follow."""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import TypeVar

from foundation.store import Store

T = TypeVar("T")


async def commit_then(store: Store, op: Callable[[sqlite3.Connection], T], follow: Callable[[T], None]) -> T:
    """Run `op` in a transaction of the store; after its commit call `follow(result)`, then return the result.

    `follow` runs in the order of the commits and even when the caller was cancelled meanwhile: memory
    must not keep granting what the store has revoked. Raises what `op` raised, StoreBusy,
    StoreUnavailable.
    """
    future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def done(result: T | None, error: BaseException | None) -> None:
        if error is None:
            follow(result)  # type: ignore[arg-type]  # None only where T allows it
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    store.submit(op, done)
    return await future
