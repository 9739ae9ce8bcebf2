"""What is in memory follows the store: after its commit, in its order, and even if nobody waits any more."""

import asyncio
import sqlite3

import pytest

from tests.trust_party.world import Party
from trust_party.store.commit import commit_then


async def test_memory_follows_the_commit_and_gets_its_result(party: Party) -> None:
    followed: list[int] = []
    assert await commit_then(party.store, lambda conn: 7, followed.append) == 7
    assert followed == [7]


async def test_what_fails_is_not_followed(party: Party) -> None:
    followed: list[object] = []
    with pytest.raises(sqlite3.OperationalError):
        await commit_then(party.store, lambda conn: conn.execute("NO SUCH STATEMENT"), followed.append)
    assert followed == []


async def test_it_follows_in_the_order_of_the_commits(party: Party) -> None:
    followed: list[int] = []
    await asyncio.gather(
        *(commit_then(party.store, lambda conn, n=n: n, followed.append) for n in range(50))  # type: ignore[misc]
    )
    assert followed == list(range(50))


async def test_it_follows_though_the_caller_was_cancelled(party: Party) -> None:
    followed: list[int] = []
    waiting = asyncio.create_task(commit_then(party.store, lambda conn: 1, followed.append))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await party.store.write(lambda conn: None)
    assert followed == [1]
