"""The channel between two processes, here both ends in one loop."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable

import pytest

from gateway.workers import channel as channels
from gateway.workers.channel import MESSAGE_OCTETS_MAX, Channel, Message
from tests.gateway.carrier import until


class End:
    """One end, and what it was told."""

    def __init__(self) -> None:
        self.batches: list[list[Message]] = []
        self.lost = 0
        self.resumed = 0
        self.channel = Channel(self.batches.append, self._lost, self._resumed)

    def _lost(self) -> None:
        self.lost += 1

    def _resumed(self) -> None:
        self.resumed += 1

    @property
    def messages(self) -> list[Message]:
        return [each for batch in self.batches for each in batch]


@pytest.fixture
async def ends() -> AsyncIterator[tuple[End, End]]:
    loop = asyncio.get_running_loop()
    made = (End(), End())
    for end, sock in zip(made, socket.socketpair(), strict=True):
        await loop.create_unix_connection(_factory(end), sock=sock)
    yield made
    for end in made:
        end.channel.abort()
    await until(lambda: all(end.lost for end in made))


def _factory(end: End) -> Callable[[], Channel]:
    return lambda: end.channel


async def test_what_is_sent_in_one_turn_arrives_as_one_batch(ends: tuple[End, End]) -> None:
    ours, theirs = ends
    for number in range(100):
        ours.channel.send(1, number, b"a", b"b")
    ours.channel.send(2)
    await until(lambda: bool(theirs.batches))
    [batch] = theirs.batches
    assert batch == [*(Message(1, number, b"ab") for number in range(100)), Message(2, 0, b"")]


async def test_both_ways_at_once_and_in_order(ends: tuple[End, End]) -> None:
    for number in range(10):
        for end in ends:
            end.channel.send(number, 7, bytes(100_000))
        await asyncio.sleep(0)
    await until(lambda: all(len(end.messages) == 10 for end in ends))
    for end in ends:
        assert [each.kind for each in end.messages] == list(range(10))


async def test_a_message_may_come_in_pieces() -> None:
    end = End()
    octets = struct.pack(">IBI", 3, 9, 5) + b"abc" + struct.pack(">IBI", 0, 8, 6)
    for octet in octets:
        end.channel.data_received(bytes((octet,)))
    assert end.messages == [Message(9, 5, b"abc"), Message(8, 6, b"")]


async def test_a_length_that_cannot_be_ends_the_channel(ends: tuple[End, End]) -> None:
    ours, theirs = ends
    ours.channel.data_received(struct.pack(">IBI", MESSAGE_OCTETS_MAX + 1, 1, 0))
    await until(lambda: bool(ours.lost and theirs.lost))
    assert ours.batches == []


async def test_an_end_that_does_not_read_chokes_the_other_until_it_does(
    ends: tuple[End, End], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = ends
    assert theirs.channel._transport is not None
    assert channels.CHOKED_OCTETS < 8_000_000
    theirs.channel._transport.pause_reading()
    await asyncio.sleep(0)
    for _ in range(8):
        ours.channel.send(1, 0, bytes(1_000_000))
    await until(lambda: ours.channel.is_choked)
    theirs.channel._transport.resume_reading()
    await until(lambda: ours.resumed == 1)
    assert not ours.channel.is_choked
    await until(lambda: len(theirs.messages) == 8)


async def test_the_end_of_one_is_told_the_other_after_what_was_sent(ends: tuple[End, End]) -> None:
    ours, theirs = ends
    ours.channel.send(1)
    ours.channel.close()
    await until(lambda: bool(ours.lost and theirs.lost))
    assert theirs.messages == [Message(1, 0, b"")]
    ours.channel.send(2)  # to nobody
    await asyncio.sleep(0)
