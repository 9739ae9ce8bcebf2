import asyncio
import sqlite3

import pytest

from tests.trust_party.world import Party
from trust_party.store.commit import commit_then
from trust_party.store.rows import KEYS_MAX, padded, read_in


@pytest.mark.parametrize(("count", "size"), [(1, 1), (2, 2), (3, 4), (5, 8), (500, 512), (1024, 1024)])
def test_keys_are_padded_to_a_power_of_two_with_the_last(count: int, size: int) -> None:
    marks, params = padded(range(count))
    assert marks.count("?") == len(params) == size
    assert set(params) == set(range(count))


@pytest.mark.parametrize("count", [0, KEYS_MAX + 1])
def test_no_keys_and_too_many_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match="keys"):
        padded(range(count))


async def test_a_padded_query_gives_each_row_once(party: Party) -> None:
    rows = await read_in(party.store, "SELECT id FROM enterprises WHERE id IN ({})", ["ent-b", "x", "ent-a"])
    assert sorted(row["id"] for row in rows) == ["ent-a", "ent-b"]


async def test_memory_follows_commits_in_their_order(party: Party) -> None:
    followed: list[int] = []
    await asyncio.gather(
        *[commit_then(party.store, lambda conn, at=at: at, followed.append) for at in range(20)]  # type: ignore[misc]
    )
    assert followed == list(range(20))


async def test_memory_does_not_follow_what_was_not_committed(party: Party) -> None:
    followed: list[object] = []

    def failing(conn: sqlite3.Connection) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        await commit_then(party.store, failing, followed.append)
    assert followed == []
