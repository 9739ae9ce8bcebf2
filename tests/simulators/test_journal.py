"""The journal: bounded, ordered by change, and waited on without sleeping."""

import asyncio
from dataclasses import dataclass

from simulators.journal import WAITERS_MAX, Journal


@dataclass
class Entry:
    name: str
    index: int = 0


def names(entries: list[Entry]) -> list[str]:
    return [entry.name for entry in entries]


def test_an_entry_gets_the_next_index_with_each_change() -> None:
    journal: Journal[Entry] = Journal(10)
    first, second = Entry("first"), Entry("second")
    journal.put(first)
    journal.put(second)
    journal.put(first)
    assert names(journal.since()) == ["second", "first"]
    assert names(journal.since(2)) == ["first"]
    assert journal.last == 3
    assert len(journal) == 2


def test_the_oldest_entry_is_dropped_when_full() -> None:
    journal: Journal[Entry] = Journal(2)
    for name in ("a", "b", "c"):
        journal.put(Entry(name))
    assert names(journal.since()) == ["b", "c"]


async def test_a_reader_gets_at_once_what_is_there() -> None:
    journal: Journal[Entry] = Journal(10)
    journal.put(Entry("a"))
    assert names(await journal.wait(0, 30)) == ["a"]


async def test_a_reader_is_woken_by_the_next_entry() -> None:
    journal: Journal[Entry] = Journal(10)
    journal.put(Entry("a"))
    reader = asyncio.create_task(journal.wait(1, 30))
    await asyncio.sleep(0)
    journal.put(Entry("b"))
    assert names(await reader) == ["b"]


async def test_a_reader_without_an_entry_gets_nothing_in_the_end() -> None:
    journal: Journal[Entry] = Journal(10)
    assert await journal.wait(0, 0.01) == []


async def test_readers_beyond_the_cap_do_not_wait() -> None:
    journal: Journal[Entry] = Journal(10)
    readers = [asyncio.create_task(journal.wait(0, 30)) for _ in range(WAITERS_MAX)]
    await asyncio.sleep(0)
    assert await journal.wait(0, 30) == []
    journal.put(Entry("a"))
    assert all(names(found) == ["a"] for found in await asyncio.gather(*readers))
