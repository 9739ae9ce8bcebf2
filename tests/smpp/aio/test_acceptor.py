"""Listeners and caps, without a protocol behind them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from smpp.aio.acceptor import Acceptor
from tests.smpp.aio.centre import until


class Taken:
    """Keeps what was accepted, by a number."""

    def __init__(self) -> None:
        self.open: dict[int, tuple[socket.socket, tuple[str, int], str]] = {}
        self.takes = True
        self._next = 0

    def take(self, sock: socket.socket, peer: tuple[str, int], tag: str) -> int | None:
        if not self.takes:
            sock.close()
            return None
        self._next += 1
        self.open[self._next] = (sock, peer, tag)
        return self._next

    def close(self) -> None:
        for sock, _, _ in self.open.values():
            sock.close()


@pytest.fixture
async def taken() -> AsyncIterator[Taken]:
    made = Taken()
    yield made
    made.close()


async def connect(port: int, source: str = "127.0.0.1") -> asyncio.StreamWriter:
    return (await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0)))[1]


async def test_each_connection_comes_with_its_peer_and_its_listeners_tag(taken: Taken) -> None:
    acceptor = Acceptor(taken.take)
    ports = [await acceptor.listen("127.0.0.1", 0, tag) for tag in ("plain", "tls")]
    writers = [await connect(port) for port in ports]
    await until(lambda: len(taken.open) == 2)
    assert {(tag, peer) for _, peer, tag in taken.open.values()} == {
        (tag, writer.get_extra_info("sockname"))
        for tag, writer in zip(("plain", "tls"), writers, strict=True)
    }
    for writer in writers:
        writer.close()
    await acceptor.stop()


async def test_caps_hold_until_a_connection_is_forgotten(taken: Taken) -> None:
    acceptor = Acceptor(taken.take, connections_max=3, address_connections_max=2)
    port = await acceptor.listen("127.0.0.1", 0, "")
    writers = [await connect(port) for _ in range(3)]
    await until(lambda: acceptor.refused == 1)
    writers += [await connect(port, "127.0.0.2"), await connect(port, "127.0.0.3")]
    await until(lambda: acceptor.refused == 2)
    assert sorted(taken.open) == [1, 2, 3]
    acceptor.forget(1)
    acceptor.forget(1)
    writers.append(await connect(port))
    await until(lambda: 4 in taken.open)
    for writer in writers:
        writer.close()
    await acceptor.stop()


async def test_what_was_not_taken_does_not_count(taken: Taken) -> None:
    acceptor = Acceptor(taken.take, connections_max=1)
    port = await acceptor.listen("127.0.0.1", 0, "")
    taken.takes = False
    for _ in range(2):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        writer.close()
    taken.takes = True
    (await connect(port)).close()
    await until(lambda: len(taken.open) == 1)
    assert acceptor.refused == 0
    await acceptor.stop()


async def test_a_name_is_listened_on_at_each_of_its_addresses(taken: Taken) -> None:
    acceptor = Acceptor(taken.take)
    (await connect(await acceptor.listen("localhost", 0, ""))).close()
    await until(lambda: len(taken.open) == 1)
    await acceptor.stop()
    assert acceptor.port == 0


async def test_an_address_that_is_taken_is_an_error(taken: Taken) -> None:
    acceptor = Acceptor(taken.take)
    port = await acceptor.listen("127.0.0.1", 0, "")
    with pytest.raises(OSError):
        await acceptor.listen("127.0.0.1", port, "")
    await acceptor.stop()
