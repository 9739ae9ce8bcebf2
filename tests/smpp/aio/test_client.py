"""One ESME connection: what connecting and binding can come to."""

from __future__ import annotations

import asyncio
import socket

import pytest

from smpp.aio.client import BindRefusedError, Client, ConnectFailed, NotBound
from smpp.constants import CommandStatus
from smpp.pdu import BindResp, BindTransceiver, DeliverSm, SubmitSm
from tests.smpp.aio.centre import BIND, Centre


async def test_the_bind_response_is_returned() -> None:
    async with Centre() as centre:
        client = Client(BIND)
        answer = await client.connect("127.0.0.1", centre.port)
        assert isinstance(answer.body, BindResp)
        assert answer.body.system_id == b"centre"
        await client.close()


async def test_a_refused_bind() -> None:
    async with Centre() as centre:
        with pytest.raises(BindRefusedError) as caught:
            await Client(BindTransceiver(b"ent-a", b"wrong")).connect("127.0.0.1", centre.port)
        assert caught.value.status == CommandStatus.ESME_RBINDFAIL


async def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectFailed):
            await Client(BIND).connect("127.0.0.1", taken.getsockname()[1])


async def test_a_centre_that_never_answers() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    with pytest.raises(ConnectFailed):
        await Client(BIND).connect("127.0.0.1", server.sockets[0].getsockname()[1], timeout=0.05)
    server.close()


async def test_a_centre_that_hangs_up() -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(rude, "127.0.0.1", 0)
    with pytest.raises(ConnectFailed):
        await Client(BIND).connect("127.0.0.1", server.sockets[0].getsockname()[1])
    server.close()


async def test_before_connecting_nothing_can_be_sent() -> None:
    client = Client(BIND)
    with pytest.raises(NotBound):
        client.request(SubmitSm(), lambda _: None)
    await client.close()


async def test_messages_that_nobody_takes_are_kept_by_the_centre() -> None:
    async with Centre() as centre:
        client = Client(BIND)
        await client.connect("127.0.0.1", centre.port)
        answer = await centre.bound[0].call(DeliverSm(short_message=b"hi"))
        assert answer.command_status == CommandStatus.ESME_RX_T_APPN
        await client.close()
