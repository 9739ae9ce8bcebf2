"""The listener, spoken to by our client, by smpplib and by raw sockets."""

from __future__ import annotations

import asyncio
import ssl
import struct
from pathlib import Path

import pytest
import smpplib.client
import smpplib.consts
import smpplib.exceptions
import smpplib.smpp

from foundation.pki import client_context, make_ca, make_party, public_context
from smpp.aio.client import Client
from smpp.aio.connection import Connection
from smpp.codec import decode
from smpp.constants import CommandStatus
from smpp.events import BindRequested
from smpp.pdu import DeliverSm, SubmitSm
from smpp.session import SessionConfig
from tests.smpp.aio.centre import BIND, Centre, until


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


async def test_two_listeners_share_their_connections_and_caps() -> None:
    async with Centre(connections_max=2) as centre:
        second = await centre.server.listen("127.0.0.1", 0)
        assert second != centre.port
        clients = [Client(BIND), Client(BIND)]
        await clients[0].connect("127.0.0.1", centre.port)
        await clients[1].connect("127.0.0.1", second)
        assert len(centre.server.connections) == 2
        reader, writer = await asyncio.open_connection("127.0.0.1", second)
        assert await reader.read() == b""
        writer.close()
        for client in clients:
            await client.close()


async def test_one_address_holds_no_more_than_its_share() -> None:
    async with Centre(address_connections_max=2) as centre:
        streams = [await asyncio.open_connection("127.0.0.1", centre.port) for _ in range(3)]
        assert await streams[2][0].read() == b""
        other = await asyncio.open_connection("127.0.0.1", centre.port, local_addr=("127.0.0.2", 0))
        await until(lambda: len(centre.server.connections) == 3)
        streams[0][1].close()
        await until(lambda: len(centre.server.connections) == 2)
        client = Client(BIND)
        await client.connect("127.0.0.1", centre.port)
        assert centre.server.refused == 1
        await client.close()
        for _, writer in (*streams, other):
            writer.close()


async def test_after_stop_listening_nobody_comes_in_and_who_is_bound_stays() -> None:
    async with Centre() as centre:
        port = centre.port
        client = Client(BIND)
        await client.connect("127.0.0.1", port)
        await centre.server.stop_listening()
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", port)
        assert (await client.call(SubmitSm(destination_addr=b"1"))).command_status == 0
        await client.close()


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    make_ca(folder / "ca", "test")
    make_party(folder, folder / "ca", "centre")
    make_party(folder, folder / "ca", "esme")
    return folder


class TestTls:
    @pytest.fixture
    def server_side(self, pki: Path) -> ssl.SSLContext:
        return public_context(pki / "centre.pem", pki / "centre.key", pki / "ca.pem", required=False)

    @pytest.fixture
    def client_side(self, pki: Path) -> ssl.SSLContext:
        return client_context(pki / "ca.pem", pki / "esme.pem", pki / "esme.key")

    async def test_both_kinds_of_listener_at_once(
        self, server_side: ssl.SSLContext, client_side: ssl.SSLContext
    ) -> None:
        async with Centre() as centre:
            port = await centre.server.listen("127.0.0.1", 0, ssl=server_side)
            clients = [Client(BIND, ssl=client_side), Client(BIND)]
            await clients[0].connect("127.0.0.1", port)
            await clients[1].connect("127.0.0.1", centre.port)
            assert [connection.certificate is None for connection in centre.bound] == [False, True]
            for client in clients:
                assert (await client.call(SubmitSm(destination_addr=b"1"))).command_status == 0
                await client.close()
            await until(lambda: not centre.server.connections)

    @pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01", struct.pack(">IIII", 16, 0x15, 0, 7)])
    async def test_a_handshake_that_never_ends_gives_its_place_back(
        self, server_side: ssl.SSLContext, sent: bytes
    ) -> None:
        async with Centre(SessionConfig(session_init_s=0.2)) as centre:
            port = await centre.server.listen("127.0.0.1", 0, ssl=server_side)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            await until(lambda: len(centre.server.connections) == 1)
            await reader.read()
            await until(lambda: not centre.server.connections)
            writer.close()

    async def test_a_peer_that_leaves_in_its_handshake_gives_its_place_back(
        self, server_side: ssl.SSLContext
    ) -> None:
        async with Centre(connections_max=1) as centre:
            port = await centre.server.listen("127.0.0.1", 0, ssl=server_side)
            for _ in range(3):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"\x16\x03\x01")
                await until(lambda: len(centre.server.connections) == 1)
                writer.transport.abort()
                await until(lambda: not centre.server.connections)
            assert centre.server.refused == 0

    async def test_stopping_does_not_wait_for_a_handshake(self, server_side: ssl.SSLContext) -> None:
        centre = Centre()
        port = await centre.server.listen("127.0.0.1", 0, ssl=server_side)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        await until(lambda: len(centre.server.connections) == 1)
        async with asyncio.timeout(2):
            await centre.server.stop()
        assert not centre.server.connections
        writer.close()
