"""Connections of an endpoint, with a bare client at the other end: what bounds them, and what ends them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from sip.aio import streams
from sip.aio.endpoint import Listener, SipEndpoint
from sip.events import Event, RequestReceived

DEADLINE = 10.0

OPTIONS = (
    b"OPTIONS sip:a@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.2;branch=z9hG4bK%d\r\n"
    b"From: <sip:b@192.0.2.2>;tag=1\r\nTo: <sip:a@192.0.2.1>\r\nCall-ID: %d\r\nCSeq: 1 OPTIONS\r\n"
    b"Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


@pytest.fixture
async def server() -> AsyncIterator[SipEndpoint]:
    made: list[SipEndpoint] = []

    def on_event(event: Event) -> None:
        if isinstance(event, RequestReceived):
            made[0].agent.answer_options(event.transaction, made[0].now())

    made.append(await SipEndpoint.open([Listener("TCP", "127.0.0.1", 0)], on_event))
    yield made[0]
    made[0].close()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not is_so():  # noqa: ASYNC110  # what is watched has no event of its own
            await asyncio.sleep(0)


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, server: SipEndpoint) -> Client:
        return cls(*await asyncio.open_connection(*server.local))

    async def response(self) -> bytes:
        async with asyncio.timeout(DEADLINE):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def is_closed(self) -> bool:
        async with asyncio.timeout(DEADLINE):
            try:
                return not await self.reader.read(1)
            except ConnectionError:
                return True


async def test_many_requests_on_one_connection_are_answered_on_it(server: SipEndpoint) -> None:
    client = await Client.connect(server)
    client.writer.write(b"".join(OPTIONS % (number, number) for number in range(20)))
    answers = [await client.response() for _ in range(20)]
    assert all(answer.startswith(b"SIP/2.0 200 ") for answer in answers)
    client.writer.close()


async def test_a_ping_is_answered(server: SipEndpoint) -> None:
    client = await Client.connect(server)
    client.writer.write(b"\r\n\r\n")
    async with asyncio.timeout(DEADLINE):
        assert await client.reader.readexactly(2) == b"\r\n"
    client.writer.close()


async def test_a_bad_message_is_answered_and_the_connection_goes_on(server: SipEndpoint) -> None:
    client = await Client.connect(server)
    client.writer.write((OPTIONS % (1, 1)).replace(b"CSeq: 1 OPTIONS", b"CSeq: 1 INVITE") + OPTIONS % (2, 2))
    assert (await client.response()).startswith(b"SIP/2.0 400 ")
    assert (await client.response()).startswith(b"SIP/2.0 200 ")
    client.writer.close()


async def test_where_a_message_ends_nobody_can_tell_it_is_answered_and_the_connection_closed(
    server: SipEndpoint,
) -> None:
    client = await Client.connect(server)
    client.writer.write((OPTIONS % (1, 1)).replace(b"Content-Length: 0\r\n", b""))
    assert (await client.response()).startswith(b"SIP/2.0 400 ")
    assert await client.is_closed()
    assert server.agent.layer.counters["stream_faults"] == 1


async def test_one_address_has_so_many_connections(
    server: SipEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "ADDRESS_CONNECTIONS_MAX", 2)
    clients = [await Client.connect(server) for _ in range(2)]
    for number, client in enumerate(clients):
        client.writer.write(OPTIONS % (number, number))
        await client.response()
    one_more = await Client.connect(server)
    assert await one_more.is_closed()
    clients[0].writer.close()
    assert await clients[0].is_closed()
    again = await Client.connect(server)
    again.writer.write(OPTIONS % (9, 9))
    assert (await again.response()).startswith(b"SIP/2.0 200 ")
    for client in (*clients, again):
        client.writer.close()


async def test_a_response_whose_connection_is_gone_takes_a_new_one(server: SipEndpoint) -> None:
    """RFC 3261 18.2.2: to received, at the port of sent-by."""
    got: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.put_nowait(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    held: list[RequestReceived] = []
    server._on_event = lambda event: held.append(event) if isinstance(event, RequestReceived) else None
    client = await Client.connect(server)
    client.writer.write((OPTIONS % (1, 1)).replace(b"TCP 192.0.2.2", b"TCP 192.0.2.2:%d" % port))
    async with asyncio.timeout(DEADLINE):
        await until(lambda: bool(held))
        client.writer.close()
        await until(lambda: not len(server._streams))
        server.agent.answer_options(held[0].transaction, server.now())
        assert (await got.get()).startswith(b"SIP/2.0 200 ")
    listening.close()


async def test_a_message_that_does_not_end_and_a_silent_connection_are_given_up(
    server: SipEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, silent = await Client.connect(server), await Client.connect(server)
    slow.writer.write(b"OPTIONS sip:a@192")
    silent.writer.write(OPTIONS % (1, 1))
    await silent.response()
    await until(lambda: any(each.begun_at for each in server._streams._connections.values()))
    monkeypatch.setattr(streams, "MESSAGE_S", -1.0)
    server._streams._sweep()
    assert await slow.is_closed()
    assert server.agent.layer.counters["slow_messages"] == 1
    monkeypatch.setattr(streams, "IDLE_S", -1.0)
    server._streams._sweep()
    assert await silent.is_closed()
