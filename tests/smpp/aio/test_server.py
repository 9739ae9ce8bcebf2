"""The listener, spoken to by our client, by smpplib and by raw sockets."""

from __future__ import annotations

import asyncio
import struct

import smpplib.client
import smpplib.consts
import smpplib.exceptions
import smpplib.smpp

from smpp.aio.client import Client
from smpp.aio.connection import Connection
from smpp.codec import decode
from smpp.constants import CommandStatus
from smpp.events import BindRequested
from smpp.pdu import DeliverSm, SubmitSm
from smpp.session import SessionConfig
from tests.smpp.aio.centre import BIND, Centre


async def test_smpplib_binds_submits_receives_enquires_and_unbinds() -> None:
    async with Centre() as centre:
        sent_ids: list[bytes] = []
        received: list[bytes] = []
        enquired: list[str] = []
        loop = asyncio.get_running_loop()
        delivered: list[int] = []

        def deliver() -> None:
            centre.bound[0].request(
                DeliverSm(
                    source_addr=b"888112345678901234", destination_addr=b"10690000", short_message=b"TD"
                ),
                lambda outcome: delivered.append(outcome.command_status),  # type: ignore[union-attr]
            )

        def esme() -> None:
            client = smpplib.client.Client("127.0.0.1", centre.port, timeout=5, allow_unknown_opt_params=True)
            client.set_message_sent_handler(lambda pdu: sent_ids.append(pdu.message_id))
            client.set_message_received_handler(lambda pdu: received.append(pdu.short_message))
            client.connect()
            client.bind_transceiver(system_id="ent-a", password="secret08")
            client.send_message(
                source_addr_ton=smpplib.consts.SMPP_TON_UNK,
                source_addr="10690000",
                destination_addr="888112345678901234",
                short_message="你好".encode("utf-16-be"),
                data_coding=smpplib.consts.SMPP_ENCODING_ISO10646,
                registered_delivery=True,
            )
            client.read_once()
            loop.call_soon_threadsafe(deliver)
            client.read_once()
            client.send_pdu(smpplib.smpp.make_pdu("enquire_link", client=client))
            enquired.append(client.read_pdu().command)
            client.unbind()
            client.disconnect()

        await asyncio.to_thread(esme)
        submitted = centre.requests[0].pdu.body
        assert isinstance(submitted, SubmitSm)
        assert submitted.destination_addr == b"888112345678901234"
        assert submitted.short_message == bytes.fromhex("4F60597D")
        assert (submitted.data_coding, submitted.registered_delivery) == (8, 1)
        assert sent_ids == [b"id-%d" % centre.requests[0].pdu.sequence_number]
        assert enquired == ["enquire_link_resp"]
        assert received == [b"TD"]
        assert delivered == [0]


async def test_smpplib_with_a_wrong_password_is_refused() -> None:
    async with Centre() as centre:

        def esme() -> str:
            client = smpplib.client.Client("127.0.0.1", centre.port, timeout=5, allow_unknown_opt_params=True)
            client.connect()
            try:
                client.bind_transceiver(system_id="ent-a", password="wrong")
            except smpplib.exceptions.PDUError as error:
                return str(error.args[1])
            finally:
                client.disconnect()
            return "bound"

        assert await asyncio.to_thread(esme) == str(int(CommandStatus.ESME_RBINDFAIL))


async def test_authentication_may_take_its_time() -> None:
    waiting: asyncio.Queue[Connection] = asyncio.Queue()

    class Slow(Centre):
        def authenticate(self, connection: Connection) -> None:
            waiting.put_nowait(connection)

    async with Slow() as centre:
        client = Client(BIND)
        binding = asyncio.create_task(client.connect("127.0.0.1", centre.port))
        connection = await waiting.get()
        assert not connection.is_bound
        assert connection.bind == BIND
        connection.accept_bind(b"centre")
        await binding
        assert client.connection.is_bound
        await client.close()


async def test_an_answer_for_a_peer_that_has_left_does_nothing() -> None:
    waiting: asyncio.Queue[Connection] = asyncio.Queue()

    class Slow(Centre):
        def authenticate(self, connection: Connection) -> None:
            waiting.put_nowait(connection)

    async with Slow() as centre:
        binding = asyncio.create_task(Client(BIND).connect("127.0.0.1", centre.port))
        connection = await waiting.get()
        binding.cancel()
        await connection.wait_closed()
        connection.accept_bind(b"centre")
        connection.refuse_bind(CommandStatus.ESME_RBINDFAIL)
        assert centre.server.connections == set()


async def test_one_connection_too_many_is_closed() -> None:
    async with Centre(connections_max=1) as centre:
        client = Client(BIND)
        await client.connect("127.0.0.1", centre.port)
        reader, writer = await asyncio.open_connection("127.0.0.1", centre.port)
        assert await reader.read() == b""
        writer.close()
        assert len(centre.server.connections) == 1
        await client.close()


async def test_a_caller_that_never_binds_is_cut() -> None:
    async with Centre(SessionConfig(session_init_s=0.05)) as centre:
        reader, writer = await asyncio.open_connection("127.0.0.1", centre.port)
        assert await reader.read() == b""
        writer.close()


async def test_another_protocol_is_nacked_and_cut() -> None:
    async with Centre() as centre:
        reader, writer = await asyncio.open_connection("127.0.0.1", centre.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        nack = decode(await reader.read())
        assert nack.command_status == CommandStatus.ESME_RINVCMDLEN
        writer.close()
        assert not any(isinstance(event, BindRequested) for event in centre.events)


async def test_octets_one_at_a_time() -> None:
    async with Centre() as centre:
        reader, writer = await asyncio.open_connection("127.0.0.1", centre.port)
        for octet in struct.pack(">IIII", 16, 0x15, 0, 7):
            writer.write(bytes((octet,)))
            await writer.drain()
            await asyncio.sleep(0)
        assert decode(await reader.read(100)).sequence_number == 7
        writer.close()


async def test_stopping_unbinds_everyone() -> None:
    centre = Centre()
    await centre.server.start("127.0.0.1", 0)
    clients = [Client(BIND) for _ in range(3)]
    for client in clients:
        await client.connect("127.0.0.1", centre.port)
    await centre.server.stop()
    for client in clients:
        await client.connection.wait_closed()
    assert centre.server.connections == set()
