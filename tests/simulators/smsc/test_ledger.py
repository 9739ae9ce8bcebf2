"""What is kept where: the disk before an acknowledgement, and what a restart finds."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from foundation.store import Store
from simulators.smsc.app import MIGRATIONS
from simulators.smsc.ledger import CHUNKS, PRUNE_EVERY, DiskLedger, MemoryLedger
from simulators.smsc.messages import RECEIPT_OWED, Message
from simulators.smsc.outcomes import Plan
from smpp.constants import MessageState
from smpp.pdu import SubmitSm


def message(serial: int, **fields: object) -> Message:
    made = Message(serial, "esme", False, SubmitSm(destination_addr=b"1", short_message=b"x"), 1, 2, 3)
    made.public_id = serial
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def ended(one: Message, receipt: int = 0) -> Message:
    one.state, one.final_at, one.receipt = MessageState.DELIVERED, 9, receipt
    return one


class Disk:
    """A ledger on the disk and what it told."""

    def __init__(self, folder: Path, history: int = 1000) -> None:
        self.told: list[tuple[list[int], bool]] = []
        self.store = Store.open(folder / "smsc.db", MIGRATIONS)
        self.ledger = DiskLedger(self.store, history, self._stored)

    def _stored(self, messages: list[Message], safe: bool) -> None:
        self.told.append(([each.id for each in messages], safe))

    async def rows(self) -> list[int]:
        await self.ledger.flush()
        return [row[0] for row in await self.store.read("SELECT id FROM message ORDER BY id")]


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Disk]:
    disk = Disk(tmp_path)
    yield disk
    await disk.ledger.close()


async def test_a_message_is_told_as_stored_only_when_its_row_is_there(disk: Disk) -> None:
    disk.ledger.insert(message(1))
    assert (disk.told, disk.ledger.waiting) == ([], 1)
    assert await disk.rows() == [1]
    assert (disk.told, disk.ledger.waiting) == ([([1], True)], 0)


async def test_what_comes_during_a_commit_goes_together_into_the_next(disk: Disk) -> None:
    disk.ledger.insert(message(1))
    await asyncio.sleep(0)  # handed over
    for serial in range(2, 5):
        disk.ledger.insert(message(serial))
    await disk.ledger.flush()
    assert disk.told == [([1], True), ([2, 3, 4], True)]


@pytest.mark.parametrize("count", [1, 15, 16, CHUNKS[0] + CHUNKS[1] + 3])
async def test_any_number_of_rows_is_cut_into_statements(disk: Disk, count: int) -> None:
    messages = [message(serial) for serial in range(1, count + 1)]
    for one in messages:
        disk.ledger.insert(one)
    for one in messages:
        disk.ledger.update(ended(one))
    assert await disk.rows() == list(range(1, count + 1))
    assert await disk.ledger.load() == (count, [])


async def test_a_restart_finds_what_is_open_as_it_was(disk: Disk) -> None:
    plan = Plan(5, 11, 2, True, True, 3, 4, True)
    for serial in (1, 2, 3, 4):
        disk.ledger.insert(message(serial, plan=plan, public_id=7))
    disk.ledger.update(ended(message(2)))
    disk.ledger.update(ended(message(3), RECEIPT_OWED))
    disk.ledger.replace(message(4, body=SubmitSm(destination_addr=b"2"), public_id=7))
    await disk.ledger.flush()
    last, found = await disk.ledger.load()
    assert (last, [each.id for each in found]) == (4, [1, 3, 4])
    assert (found[0].plan, found[0].public_id, found[0].body.short_message) == (plan, 7, b"x")
    assert (found[1].state, found[1].receipt) == (MessageState.DELIVERED, RECEIPT_OWED)
    assert found[2].body.destination_addr == b"2"


async def test_finished_messages_beyond_the_history_are_forgotten(tmp_path: Path) -> None:
    disk = Disk(tmp_path, history=10)
    try:
        for serial in range(1, PRUNE_EVERY):
            disk.ledger.insert(message(serial))
            if serial != 7:
                disk.ledger.update(ended(message(serial)))
        await disk.ledger.flush()
        disk.ledger.insert(message(PRUNE_EVERY))
        assert await disk.rows() == [7, *range(PRUNE_EVERY - 10, PRUNE_EVERY + 1)]
    finally:
        await disk.ledger.close()


async def test_a_closed_store_is_told_to_those_who_wait(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    await disk.ledger.close()
    done: list[bool] = []
    disk.ledger.insert(message(1))
    disk.ledger.update(ended(message(1)), done.append)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (disk.told, done) == ([([1], False)], [False])


async def test_find_and_accepted_read_what_is_stored(disk: Disk) -> None:
    for serial in (1, 2, 3):
        disk.ledger.insert(message(serial))
    await disk.ledger.flush()
    found = await disk.ledger.find(2)
    assert found is not None
    assert found.id == 2
    assert await disk.ledger.find(9) is None
    assert [each.id for each in await disk.ledger.accepted(1, 1)] == [2]


async def test_memory_remembers_the_last_ones_only() -> None:
    told: list[int] = []
    ledger = MemoryLedger(2, lambda messages, _safe: told.extend(each.id for each in messages))
    for serial in (1, 2, 3):
        ledger.insert(message(serial))
    assert told == [1, 2, 3]
    assert [each.id for each in await ledger.accepted(0, 10)] == [2, 3]
    assert [each.id for each in await ledger.accepted(0, 1)] == [2]
    assert await ledger.find(1) is None
    assert await ledger.load() == (0, [])
