"""Sessions that the message centre begins (3.4, 2.2.1)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from smpp.aio.client import ConnectFailed, NotBound
from smpp.aio.connection import Connection
from smpp.aio.link import LinkState
from smpp.aio.outbind import OutbindConfig, OutbindLink, send_outbind
from smpp.events import BindRequested, Bound, ConnectionMustClose, Event, OutbindReceived, RequestReceived
from smpp.pdu import BindReceiver, BindTransceiver, DeliverSm, DeliverSmResp, Outbind, Pdu, SubmitSm
from smpp.session import SessionConfig
from tests.smpp.aio.centre import BIND, until


class Esme:
    """Waits for outbind with the password secret08 and takes every message."""

    def __init__(self, bind: BindTransceiver | BindReceiver = BIND) -> None:
        self.events: list[Event] = []
        self.states: list[LinkState] = []
        self.link = OutbindLink(
            OutbindConfig("127.0.0.1", 0, bind),
            lambda _, outbind: outbind.password == b"secret08",
            self.on_events,
            on_state=lambda _, state: self.states.append(state),
        )

    def on_events(self, connection: Connection, events: list[Event]) -> None:
        self.events += events
        for event in events:
            if isinstance(event, RequestReceived):
                connection.respond_message(event.pdu.sequence_number)


class Centre:
    """The message centre's end of the connections that it makes."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def on_events(self, connection: Connection, events: list[Event]) -> None:
        self.events += events
        for event in events:
            if isinstance(event, BindRequested):
                connection.accept_bind(b"centre")
            elif isinstance(event, RequestReceived):
                connection.respond_message(event.pdu.sequence_number, b"id-1")

    async def call(self, port: int, password: bytes = b"secret08", session_init_s: float = 10) -> Connection:
        outbind = Outbind(b"centre", password)
        config = SessionConfig(session_init_s=session_init_s)
        return await send_outbind("127.0.0.1", port, outbind, self.on_events, config, timeout=2)

    def ends(self) -> list[str]:
        return [event.reason for event in self.events if isinstance(event, ConnectionMustClose)]


@pytest.fixture
async def esme() -> AsyncIterator[Esme]:
    esme = Esme()
    await esme.link.start()
    yield esme
    await esme.link.stop(0.5)


async def test_outbind_leads_to_a_bound_session_that_carries_both_ways(esme: Esme) -> None:
    centre = Centre()
    with pytest.raises(NotBound):
        esme.link.request(SubmitSm())
    connection = await centre.call(esme.link.port)
    await esme.link.wait_bound(2)
    assert [type(event) for event in esme.events] == [OutbindReceived, Bound]
    answer = await connection.call(DeliverSm(short_message=b"hello"))
    assert isinstance(answer.body, DeliverSmResp)
    outcome: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    esme.link.request(SubmitSm(), outcome.set_result)
    assert isinstance(await outcome, Pdu)
    await connection.close(1)
    await until(lambda: not esme.link.is_bound)
    assert esme.states == [LinkState.LISTENING, LinkState.BOUND, LinkState.LISTENING]


async def test_it_can_be_asked_again_after_the_end(esme: Esme) -> None:
    centre = Centre()
    for _ in range(2):
        connection = await centre.call(esme.link.port)
        await esme.link.wait_bound(2)
        await connection.close(1)
        await until(lambda: esme.link.state is LinkState.LISTENING)


async def test_a_centre_that_is_not_known_is_cut_off(esme: Esme) -> None:
    centre = Centre()
    connection = await centre.call(esme.link.port, password=b"wrong")
    await connection.wait_closed()
    assert centre.ends() == ["closed by peer"]
    assert (esme.link.state, esme.link.window_free) == (LinkState.LISTENING, 0)


async def test_one_session_at_a_time(esme: Esme) -> None:
    first, second = Centre(), Centre()
    await first.call(esme.link.port)
    await esme.link.wait_bound(2)
    kept = esme.link.connection
    refused = await second.call(esme.link.port)
    await refused.wait_closed()
    assert esme.link.connection is kept
    assert esme.link.is_bound


async def test_a_connection_without_outbind_is_nobodys() -> None:
    esme = Esme()
    esme.link.config = OutbindConfig("127.0.0.1", 0, BIND, SessionConfig(session_init_s=0.05))
    await esme.link.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", esme.link.port)
    async with asyncio.timeout(2):
        assert await reader.read() == b""
    writer.close()
    await esme.link.stop(0.5)


async def test_an_esme_that_does_not_bind_is_given_up() -> None:
    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
    centre = Centre()
    connection = await centre.call(server.sockets[0].getsockname()[1], session_init_s=0.05)
    async with asyncio.timeout(2):
        await until(lambda: bool(centre.ends()))
    assert centre.ends() == ["no bind in time"]
    connection.abort("done")
    for writer in held:
        writer.close()
    server.close()


async def test_nobody_listens() -> None:
    esme = Esme()
    await esme.link.start()
    port = esme.link.port
    await esme.link.stop(0.5)
    assert esme.link.port == 0
    with pytest.raises(ConnectFailed):
        await Centre().call(port)
