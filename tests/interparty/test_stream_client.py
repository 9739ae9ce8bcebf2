"""Opening a stream over real TLS on loopback, with aiohttp as the other implementation on either side."""

import asyncio
import time

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from foundation import pki
from interparty import server, signed_http
from interparty.client import PeerUnavailable
from interparty.signed_http import SignatureError, sign_request, sign_response
from interparty.stream import ANSWERER, OPENER, SUBPROTOCOL, Authenticator, stream_key
from tests.interparty.conftest import HMAC_KEY, Keys, signer_of
from tests.interparty.exchange import APP, ask, raw

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATH = "/v1/echo"
BOUND = 5


class Echo:
    """Gives every payload back."""

    def __init__(self, channel) -> None:
        self.channel = channel

    def received(self, payload: bytes) -> None:
        self.channel.send(b"echo " + payload)

    def closing(self) -> None:
        self.channel.send(b"bye")

    def lost(self, reason: str) -> None:
        pass


class Listener(Echo):
    def __init__(self, channel, data=b"") -> None:
        super().__init__(channel)
        self.heard = asyncio.Queue()
        channel.begin(self, data)

    def received(self, payload: bytes) -> None:
        self.heard.put_nowait(payload)

    def lost(self, reason: str) -> None:
        self.heard.put_nowait(None)

    async def next(self):
        return await asyncio.wait_for(self.heard.get(), BOUND)


def opener(channel, request):
    if request.party == "ent-a":
        raise SignatureError("not for you", 403)
    return Echo(channel)


async def start(context_of, **options):
    return await server.serve(
        APP,
        "127.0.0.1",
        0,
        context_of("ttp", "server"),
        keys=Keys(),
        signer=signer_of("ttp"),
        **{"streams": {PATH: opener}} | options,
    )


@pytest_asyncio.fixture(loop_scope="module")
async def echo(context_of):
    started = await start(context_of)
    yield started
    await started.stop()


def signed(nonce="a-nonce-of-16-chars", path=PATH):
    return sign_request(
        signer_of("CMCC", "hmac"),
        method="GET",
        path=path,
        query="",
        body=b"",
        created=int(time.time()),
        nonce=nonce,
    )


HANDSHAKE = {
    "host": "x",
    "upgrade": "websocket",
    "connection": "Upgrade",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version": "13",
    "sec-websocket-protocol": SUBPROTOCOL,
}


def request(**changed) -> bytes:
    fields = HANDSHAKE | signed() | {name.replace("_", "-"): value for name, value in changed.items()}
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join([f"GET {PATH} HTTP/1.1", *lines, "", ""]).encode()


async def test_payloads_go_both_ways_beside_requests(echo, peer_to):
    async with peer_to(echo.port, signer_of("CMCC", "hmac")) as peer:
        first, second = [Listener(*await peer.open_stream(PATH)) for _ in range(2)]
        for size in (0, 10, 200, 100_000):
            first.channel.send(b"x" * size)
            second.channel.send(b"y" * size)
            assert await first.next() == b"echo " + b"x" * size
            assert await second.next() == b"echo " + b"y" * size
        assert await ask(peer)
        first.channel.close()
        assert await first.next() is None
        second.channel.send(b"still there")
        assert await second.next() == b"echo still there"


async def test_a_server_that_stops_says_so(context_of, peer_to):
    started = await start(context_of)
    async with peer_to(started.port, signer_of("CMCC", "hmac")) as peer:
        listener = Listener(*await peer.open_stream(PATH))
        await started.stop()
        assert await listener.next() == b"bye"
        assert await listener.next() is None


async def test_who_may_open_which_stream(echo, running, peer_to):
    cases = [
        (echo, signer_of("CMCC", "sign"), PATH, {}, "HMAC"),
        (echo, signer_of("CMCC", "hmac"), "/v1/other", {}, "404"),
        (echo, signer_of("CMCC", "hmac"), PATH, {"certificate": "ent-a"}, "403"),
        (echo, signed_http.Signer("CMCC/other/1", b"a key that the server lacks"), PATH, {}, "401"),
        (echo, signer_of("CMCC", "hmac"), PATH, {"party": "ent-a"}, "certificate"),
        # A server without streams answers as it would any request.
        (running, signer_of("CMCC", "hmac"), PATH, {}, "404"),
    ]
    for where, signer, path, options, reason in cases:
        async with peer_to(where.port, signer, **options) as peer:
            with pytest.raises(PeerUnavailable, match=reason):
                await peer.open_stream(path)
    async with peer_to(1, signer_of("CMCC", "hmac")) as peer:
        with pytest.raises(PeerUnavailable, match="no connection"):
            await peer.open_stream(PATH)


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"sec_websocket_key": None}, 400),
        ({"sec_websocket_key": "short"}, 400),
        ({"sec_websocket_version": "12"}, 426),
        ({"sec_websocket_protocol": "chat"}, 400),
        ({"content_length": "0"}, 400),
        ({"signature": None}, 401),
        ({"signature": "sig1=:" + "A" * 43 + "=:"}, 401),
    ],
)
async def test_an_opening_handshake_that_is_none_is_refused_and_closed(echo, context_of, changed, status):
    answer = await raw(echo.port, context_of("CMCC", "client"), request(**changed))
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in answer


async def test_the_same_handshake_opens_no_second_stream(echo, context_of):
    context = context_of("CMCC", "client")
    data = HANDSHAKE | signed(nonce="used-for-two-streams")
    lines = [f"{name}: {value}" for name, value in data.items()]
    whole = "\r\n".join([f"GET {PATH} HTTP/1.1", *lines, "", ""]).encode()
    assert (await raw(echo.port, context, whole)).startswith(b"HTTP/1.1 101")
    assert (await raw(echo.port, context, whole)).startswith(b"HTTP/1.1 401")


async def test_aiohttp_as_client(echo, context_of):
    headers = signed(nonce="opened-by-aiohttp")
    key = stream_key(HMAC_KEY, headers["signature"])
    outgoing, incoming = Authenticator(key, OPENER), Authenticator(key, ANSWERER)
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(
            f"https://127.0.0.1:{echo.port}{PATH}",
            ssl=context_of("CMCC", "client"),
            headers=headers,
            protocols=[SUBPROTOCOL],
        ) as socket,
    ):
        for size in (0, 130, 70_000):
            await socket.send_bytes(outgoing.seal(b"z" * size))
            answer = await asyncio.wait_for(socket.receive_bytes(), BOUND)
            assert incoming.open(answer) == b"echo " + b"z" * size
        await socket.send_bytes(b"not authentic")
        closed = await asyncio.wait_for(socket.receive(), BOUND)
        assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, 1008)


@pytest_asyncio.fixture(loop_scope="module")
async def foreign(pki_folder):
    """A server of another make, and what changes the fields of its 101."""
    spoil = {}

    async def echo(request):
        signature = request.headers["signature"]
        fields = sign_response(
            signer_of("CMCC", "hmac"),
            status=101,
            body=b"",
            request_signature=signature,
            created=int(time.time()),
        )
        socket = web.WebSocketResponse(protocols=[SUBPROTOCOL])
        socket.headers.update(fields | spoil)
        await socket.prepare(request)
        key = stream_key(HMAC_KEY, signature)
        incoming, outgoing = Authenticator(key, OPENER), Authenticator(key, ANSWERER)
        await socket.send_bytes(outgoing.seal(b"first"))
        async for message in socket:
            await socket.send_bytes(outgoing.seal(b"echo " + incoming.open(message.data)))
        return socket

    foreign_app = web.Application()
    foreign_app.router.add_get(PATH, echo)
    runner = web.AppRunner(foreign_app)
    await runner.setup()
    folder = pki_folder / "ttp"
    context = pki.server_context(folder / "ca.pem", folder / "ttp.pem", folder / "ttp.key")
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    yield runner.addresses[0][1], spoil
    await runner.cleanup()


async def test_aiohttp_as_server(foreign, peer_to):
    port, _ = foreign
    async with peer_to(port, signer_of("CMCC", "hmac")) as peer:
        listener = Listener(*await peer.open_stream(PATH))
        assert await listener.next() == b"first"
        for size in (0, 130, 70_000):
            listener.channel.send(b"z" * size)
            assert await listener.next() == b"echo " + b"z" * size
        listener.channel.close()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("signature", "sig1=:" + "A" * 43 + "=:", "signature does not verify"),
        ("content-digest", "sm3=::", "signature does not verify"),
        ("signature-input", "", "signature does not cover"),
        ("sec-websocket-extensions", "permessage-deflate", "extension"),
    ],
)
async def test_an_answer_that_proves_nothing_opens_nothing(foreign, peer_to, name, value, reason):
    port, spoil = foreign
    spoil[name] = value
    async with peer_to(port, signer_of("CMCC", "hmac")) as peer:
        with pytest.raises(PeerUnavailable, match=reason):
            await peer.open_stream(PATH)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.0 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nno colon\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"x" * 20_000,
        b"",
    ],
)
async def test_whatever_is_answered_instead_opens_nothing(context_of, peer_to, answer):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context_of("ttp", "server"))
    async with listener, peer_to(listener.sockets[0].getsockname()[1], signer_of("CMCC", "hmac")) as peer:
        with pytest.raises(PeerUnavailable, match="no stream"):
            await peer.open_stream(PATH)


async def test_a_peer_that_says_nothing_is_waited_for_only_so_long(context_of, peer_to, monkeypatch):
    monkeypatch.setattr("interparty.client.CONNECT_SECONDS", 0.05)
    silent = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context_of("ttp", "server"))
    async with silent, peer_to(silent.sockets[0].getsockname()[1], signer_of("CMCC", "hmac")) as peer:
        with pytest.raises(PeerUnavailable, match="in time"):
            await peer.open_stream(PATH)
