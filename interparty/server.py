"""Serving routes to other parties: HTTPS with mutual TLS, every request verified, every response signed.

uvicorn does not hand the peer certificate on, so its protocol is subclassed: each request's scope holds
the certificate's party in ``scope["extensions"]["ascs.peer"]``, and every decrypted byte received can be
captured. The application behind it sees only authentic requests, with ``request.state.party`` and
``request.state.keyid``.
"""

import asyncio
import contextlib
import functools
import logging
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

import httptools
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from foundation.pki import PkiError, party_of_certificate
from interparty import websocket
from interparty.bodies import PROBLEM_JSON, problem_body
from interparty.signed_http import (
    KeyLookup,
    NonceCache,
    SignatureError,
    Signer,
    SignerSource,
    VerifiedRequest,
    sign_response,
    signer_of,
    verify_request,
)
from interparty.stream import SUBPROTOCOL, Channel, Receiver, stream_key
from interparty.websocket import accept_of, is_key

BODY_MAX: Final = 8 * 1024 * 1024
"""Bytes of the largest request body."""
BODIES_MAX: Final = 256 * 1024 * 1024
"""Bytes of all request bodies that one listener holds at a time; more are answered 503."""
HEADER_MAX: Final = 16 * 1024
"""Bytes of request line and headers."""
CONNECTIONS_MAX: Final = 1000
"""Connections, and requests under way, of one listener; more are answered 503."""
RECEIVE_SECONDS: Final = 30.0
"""From the first byte of a request, or the start of a connection, to the last byte of the request."""
IDLE_SECONDS: Final = 75
"""How long a kept-alive connection may rest. Clients let go earlier, so that none sends into a close."""
STOP_SECONDS: Final = 5
"""How long requests under way may take to finish when the server stops."""
BACKLOG: Final = 512

PEER: Final = "ascs.peer"
HEALTH: Final = "/health"
"""GET of this path needs the certificate but no signature."""

StreamOpener = Callable[[Channel, VerifiedRequest], Receiver]
"""Takes a new stream of an authentic peer, and gives its owner. Raises SignatureError to refuse it."""

_log = logging.getLogger(__name__)


class _PeerProtocol(HttpToolsProtocol):
    """HTTP/1.1 of one connection, bounded in header size and time, that knows who the peer is."""

    def __init__(
        self,
        *args: Any,
        capture: Callable[[bytes], None] | None,
        signed: "SignedApp",
        streams: Mapping[str, StreamOpener],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._capture = capture
        self._signed = signed
        self._streams = streams
        self._served = self.app
        self._party = ""
        self._header_bytes = 0
        self._read_bytes = 0
        """Of the read under way, unless a message ended in it: then part of it was that one's."""
        self._in_headers = True
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        try:
            self._party = party_of_certificate(transport.get_extra_info("peercert") or {})
        except PkiError as error:
            _log.warning("connection refused: %s", error)
            transport.abort()
            return
        self._arm_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._drop_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._capture is not None:
            self._capture(data)
        if self._in_headers:
            # The parser itself accepts headers without end. Counting whole reads may count the first
            # bytes of a body too, so the bound holds only while headers stay incomplete.
            self._header_bytes += len(data)
        self._read_bytes = len(data)
        super().data_received(data)
        if self._in_headers and self._header_bytes > HEADER_MAX and not self.transport.is_closing():
            _log.warning("connection closed: headers too long, party=%s", self._party)
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "request line and headers are too long")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {PEER: {"party": self._party}}
        self._in_headers = True
        self._header_bytes = self._read_bytes
        self._arm_deadline()

    def on_headers_complete(self) -> None:
        self._in_headers = False
        busy = len(self.connections) > CONNECTIONS_MAX or len(self.tasks) >= CONNECTIONS_MAX
        self.app = _too_many if busy else self._served
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_headers = True
        self._header_bytes = self._read_bytes = 0
        self._drop_deadline()
        super().on_message_complete()

    def _should_upgrade(self) -> bool:
        return bool(self._streams) and self._get_upgrade() == b"websocket"

    def handle_websocket_upgrade(self) -> None:
        """Turn the connection into a stream, or refuse and close it."""
        self._drop_deadline()
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()  # it may not come before the answer to another request
            return
        try:
            channel, receiver = self._open_stream()
        except SignatureError as error:
            _log.warning("stream refused: %s, party=%s", error.reason, self._party)
            self.transport.write(_plain_problem(error.status, error.reason))
            self.transport.close()
            return
        self.connections.discard(self)
        self.connections.add(channel)  # type: ignore[arg-type]  # has what the server asks: shutdown()
        self.transport.set_protocol(channel)
        channel.begin(receiver)

    def _open_stream(self) -> tuple[Channel, Receiver]:
        """Check the opening handshake, the client's side (RFC 6455, 4.2.1), and answer it. Raises SignatureError."""
        try:
            url = httptools.parse_url(self.url)
        except httptools.HttpParserInvalidURLError:
            raise SignatureError("not a request target", HTTPStatus.BAD_REQUEST) from None
        path = (url.path or b"").decode("latin-1")
        header = _single(self.headers).get
        key = header("sec-websocket-key")
        if self.scope["method"] != "GET" or self.scope["http_version"] != "1.1" or not key or not is_key(key):
            raise SignatureError("not the opening handshake of a WebSocket", HTTPStatus.BAD_REQUEST)
        if header("content-length") is not None or header("transfer-encoding") is not None:
            raise SignatureError("an opening handshake has no body", HTTPStatus.BAD_REQUEST)
        if header("sec-websocket-version") != websocket.VERSION:
            raise SignatureError("this WebSocket version is not spoken", HTTPStatus.UPGRADE_REQUIRED)
        offered = [each.strip() for each in (header("sec-websocket-protocol") or "").split(",")]
        if SUBPROTOCOL not in offered:
            raise SignatureError("this subprotocol is not spoken", HTTPStatus.BAD_REQUEST)
        query = (url.query or b"").decode("latin-1")
        request = self._signed.verify(self._party, header, "GET", path, query, b"")
        opener = self._streams.get(path)
        if opener is None:
            raise SignatureError("no such stream", HTTPStatus.NOT_FOUND)
        if not isinstance(request.key, bytes):
            raise SignatureError("a stream is opened under an HMAC key", HTTPStatus.FORBIDDEN)
        channel = Channel(
            self.transport,
            stream_key(request.key, request.signature),
            opener=False,
            capture=self._capture,
            forget=self.connections.discard,
        )
        receiver = opener(channel, request)
        signed = sign_response(
            Signer(request.keyid, request.key),
            status=HTTPStatus.SWITCHING_PROTOCOLS,
            body=b"",
            request_signature=request.signature,
            created=int(time.time()),
        )
        head = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
        self.transport.write(
            (
                "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
                f"sec-websocket-accept: {accept_of(key)}\r\nsec-websocket-protocol: {SUBPROTOCOL}\r\n{head}\r\n"
            ).encode()
        )
        return channel, receiver

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP/1.1, as a problem."""
        self._refuse(HTTPStatus.BAD_REQUEST, "not an HTTP/1.1 request")

    def _refuse(self, status: int, detail: str) -> None:
        """A problem in place of an answer, on a connection that then closes. Not where an answer is due first."""
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_plain_problem(status, detail))
            self.transport.close()
        else:
            self.transport.abort()

    def _arm_deadline(self) -> None:
        self._drop_deadline()
        self._deadline = self.loop.call_later(RECEIVE_SECONDS, self.transport.abort)

    def _drop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class SignedApp:
    """ASGI layer around a party's routes: reads and verifies each request, signs each response.

    A request under an HMAC key is answered under that key, one under SM2 under `signer`. Responses that
    are errors and not yet problem documents become such.
    """

    def __init__(self, app: ASGIApp, *, keys: KeyLookup, signer: SignerSource, nonces: NonceCache) -> None:
        self._app = app
        self._keys = keys
        self._signer = signer
        self._nonces = nonces
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError("only HTTP is served")
        parts: list[bytes] = []
        try:
            await self._answer(scope, receive, send, parts)
        finally:
            self._held -= sum(map(len, parts))

    async def _answer(self, scope: Scope, receive: Receive, send: Send, parts: list[bytes]) -> None:
        party: str = scope["extensions"][PEER]["party"]
        try:
            await self._read_body(receive, parts)
            body = b"".join(parts)
            if scope["path"] == HEALTH and scope["method"] == "GET":
                signer, signature = None, ""
            else:
                signer, signature = self._verify(scope, body, party)
        except SignatureError as error:
            _log.warning("request refused: %s, party=%s", error.reason, party)
            await _send_whole(send, *_problem(error.status, error.reason))
            return
        except _DisconnectedError:
            return
        status, headers, answer = await _run(self._app, scope, body, receive)
        if signer is not None:
            signed = sign_response(
                signer, status=status, body=answer, request_signature=signature, created=int(time.time())
            )
            headers += [(name.encode(), value.encode()) for name, value in signed.items()]
        await _send_whole(send, status, headers, answer)

    async def _read_body(self, receive: Receive, parts: list[bytes]) -> None:
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _DisconnectedError
            part: bytes = message.get("body", b"")
            parts.append(part)
            size += len(part)
            self._held += len(part)
            if size > BODY_MAX:
                raise SignatureError("body is too long", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            if self._held > BODIES_MAX:
                raise SignatureError("too many requests at once", HTTPStatus.SERVICE_UNAVAILABLE)
            if not message.get("more_body", False):
                return

    def _verify(self, scope: Scope, body: bytes, party: str) -> tuple[Signer, str]:
        request = self.verify(
            party,
            _single(scope["headers"]).get,
            scope["method"],
            scope["raw_path"].decode("ascii"),
            scope["query_string"].decode("latin-1"),
            body,
        )
        scope["state"]["party"] = request.party
        scope["state"]["keyid"] = request.keyid
        if isinstance(request.key, bytes):
            return Signer(request.keyid, request.key), request.signature
        return signer_of(self._signer), request.signature

    def verify(
        self,
        party: str,
        header: Callable[[str], str | None],
        method: str,
        path: str,
        query: str,
        body: bytes,
    ) -> VerifiedRequest:
        """Check a request of `party`, see signed_http.verify_request. Raises SignatureError."""
        return verify_request(
            header,
            method=method,
            path=path,
            query=query,
            body=body,
            party=party,
            keys=self._keys,
            nonces=self._nonces,
            now=time.time(),
        )


def _single(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str | None]:
    """Fields by lower-case name, None where one came more than once."""
    fields: dict[str, str | None] = {}
    for name, value in headers:
        key = name.decode("latin-1")
        fields[key] = None if key in fields else value.decode("latin-1")
    return fields


def _plain_problem(status: int, detail: str) -> bytes:
    """A problem document as the whole answer of a connection that then closes."""
    body = problem_body(status, detail)
    version = (
        f"sec-websocket-version: {websocket.VERSION}\r\n" if status == HTTPStatus.UPGRADE_REQUIRED else ""
    )
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: {PROBLEM_JSON}\r\n{version}"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


class _DisconnectedError(Exception):
    """The peer left before its request was complete."""


_Head = list[tuple[bytes, bytes]]

_KEPT: Final = (b"allow", b"retry-after")
"""Header fields of a route's refusal that its problem document keeps (RFC 9110, 15.5.6 and 10.2.3)."""


def _problem(status: int, detail: str, headers: _Head | None = None) -> tuple[int, _Head, bytes]:
    kept = [(name, value) for name, value in headers or () if name in _KEPT]
    if status == HTTPStatus.SERVICE_UNAVAILABLE and not kept:
        kept = [(b"retry-after", b"1")]
    return status, [(b"content-type", PROBLEM_JSON.encode()), *kept], problem_body(status, detail)


async def _too_many(_scope: Scope, _receive: Receive, send: Send) -> None:
    await _send_whole(send, *_problem(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections"))


async def _send_whole(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _run(
    app: ASGIApp, scope: Scope, body: bytes, receive: Receive
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Run the routes on a body that was read already and gather what they answer."""
    given = False
    status = 0
    headers: list[tuple[bytes, bytes]] = []
    parts: list[bytes] = []

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def gather(message: Message) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status = message["status"]
            headers = [(name.lower(), value) for name, value in message.get("headers", [])]
        elif message["type"] == "http.response.body":
            parts.append(message.get("body", b""))

    try:
        await app(scope, receive_again, gather)
    except Exception:
        _log.exception("route failed: %s %s", scope["method"], scope["path"])
        return _problem(500, "")
    if status == 0:
        _log.error("route gave no answer: %s %s", scope["method"], scope["path"])
        return _problem(500, "")
    answer = b"".join(parts)
    content_type = dict(headers).get(b"content-type", b"")
    if status >= 400 and not content_type.startswith(PROBLEM_JSON.encode()):
        # Of a fault inside, nobody outside is told more than that there is one.
        detail = "" if status == HTTPStatus.INTERNAL_SERVER_ERROR else answer.decode("utf-8", "replace")
        return _problem(status, detail, headers)
    return status, [(name, value) for name, value in headers if name != b"content-length"], answer


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # the process that composes several servers handles its signals itself


class Running:
    """A server that listens."""

    def __init__(self, server: _Server, task: asyncio.Task[None], host: str, port: int) -> None:
        self._server = server
        self._task = task
        self.host = host
        self.port = port

    async def stop(self) -> None:
        """Stop listening, let requests under way finish (at most STOP_SECONDS), close all connections."""
        self._server.should_exit = True
        await self._task


async def serve(
    app: ASGIApp,
    host: str,
    port: int,
    ssl_context: ssl.SSLContext,
    *,
    keys: KeyLookup,
    signer: SignerSource,
    streams: Mapping[str, StreamOpener] = MappingProxyType({}),
    capture: Callable[[bytes], None] | None = None,
) -> Running:
    """Serve `app` to other parties, and `streams` by path; returns when it listens. Port 0 takes a free one.

    `ssl_context` must require peer certificates (foundation.pki.server_context); `keys` are the other
    parties' keys; `signer` is this party's SM2 key for responses; `capture` gets every decrypted byte
    received. Raises OSError when the address cannot be bound, ValueError for a context without mutual TLS.
    """
    if ssl_context.verify_mode is not ssl.CERT_REQUIRED:
        raise ValueError("the TLS context does not require a peer certificate")
    signed = SignedApp(app, keys=keys, signer=signer, nonces=NonceCache(time.time()))
    config = uvicorn.Config(
        signed,
        http=functools.partial(_PeerProtocol, capture=capture, signed=signed, streams=streams),  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        limit_concurrency=None,  # see _PeerProtocol.on_headers_complete
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
        backlog=BACKLOG,
    )
    config.load()
    config.ssl = ssl_context
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    listener.setblocking(False)
    bound: int = listener.getsockname()[1]
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name=f"serve:{bound}")
    while not server.started:
        if task.done():
            task.result()
            raise OSError("server did not start")
        await asyncio.sleep(0)
    return Running(server, task, host, bound)
