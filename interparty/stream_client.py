"""Opening a stream to another party: interparty.stream, from the side that opens it."""

import asyncio
import secrets
import ssl
import time
from collections.abc import Callable
from typing import Final

from foundation.pki import PkiError, party_of_certificate
from interparty import websocket
from interparty.signed_http import KeyLookup, SignatureError, Signer, sign_request, verify_response
from interparty.stream import SUBPROTOCOL, Channel, stream_key

HEAD_MAX: Final = 16 * 1024
"""Bytes of the answer to the opening handshake."""


class StreamRefused(Exception):
    """The stream was not opened: the peer is not there, does not offer it, or did not prove who it is."""


async def open_channel(
    host: str,
    port: int,
    path: str,
    ssl_context: ssl.SSLContext,
    signer: Signer,
    keys: KeyLookup,
    *,
    party: str | None,
    capture: Callable[[bytes], None] | None = None,
) -> tuple[Channel, bytes]:
    """A stream at https://host:port/path, and what came behind its opening handshake: give both to its owner by
    `Channel.begin`.

    `signer` holds the HMAC key shared with `party`, whom the peer's certificate must name. Raises StreamRefused; the
    caller bounds the time.
    """
    if not isinstance(signer.key, bytes):
        raise StreamRefused("a stream is opened under an HMAC key")
    loop = asyncio.get_running_loop()
    key = websocket.new_key()
    signed = sign_request(
        signer,
        method="GET",
        path=path,
        query="",
        body=b"",
        created=int(time.time()),
        nonce=secrets.token_urlsafe(16),
    )
    fields = {
        "host": f"{f'[{host}]' if ':' in host else host}:{port}",
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-key": key,
        "sec-websocket-version": websocket.VERSION,
        "sec-websocket-protocol": SUBPROTOCOL,
        **signed,
    }
    request = f"GET {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    try:
        transport, opening = await loop.create_connection(_Opening, host, port, ssl=ssl_context)
    except (OSError, ValueError) as error:
        raise StreamRefused(f"no connection: {type(error).__name__}") from None
    try:
        _check_party(transport, party)
        transport.write(request.encode() + b"\r\n")
        head, rest = await opening.answer
        header = _check_head(head, key)
        try:
            verify_response(
                header.get,
                status=101,
                body=b"",
                request_signature=signed["signature"],
                signer=signer,
                party=party,
                keys=keys,
                now=time.time(),
            )
        except SignatureError as error:
            raise StreamRefused(f"answer not accepted: {error.reason}") from None
    except BaseException:
        transport.abort()
        raise
    channel = Channel(transport, stream_key(signer.key, signed["signature"]), opener=True, capture=capture)
    transport.set_protocol(channel)
    # What came since the head was read, before the channel was there to take it.
    return channel, rest + opening.taken()


def _check_party(transport: asyncio.BaseTransport, party: str | None) -> None:
    if party is None:
        return
    try:
        named = party_of_certificate(transport.get_extra_info("peercert") or {})
    except PkiError:
        named = ""
    if named != party:
        raise StreamRefused("the certificate is another party's")


def _check_head(head: bytes, key: str) -> dict[str, str | None]:
    """The header fields of a 101 (RFC 6455, 4.1), None where one came more than once. Raises StreamRefused."""
    lines = head.decode("latin-1").split("\r\n")
    version, _, status = lines[0].partition(" ")
    if version != "HTTP/1.1" or status.partition(" ")[0] != "101":
        raise StreamRefused(f"peer answered {status.partition(' ')[0][:3]}")
    fields: dict[str, str | None] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        name = name.lower()
        if not colon or not name or name != name.strip():
            raise StreamRefused("answer is malformed")
        fields[name] = None if name in fields else value.strip(" \t")
    expected = {
        "upgrade": "websocket",
        "connection": "upgrade",
        "sec-websocket-accept": websocket.accept_of(key),
        "sec-websocket-protocol": SUBPROTOCOL,
    }
    for name, value in expected.items():
        given = fields.get(name)
        if given is None or (given != value and (name.startswith("sec-") or given.lower() != value)):
            raise StreamRefused(f"answer's {name} is not as it must be")
    if "sec-websocket-extensions" in fields:
        raise StreamRefused("an extension that was not asked for")
    return fields


class _Opening(asyncio.Protocol):
    """A connection until its opening handshake is answered."""

    def __init__(self) -> None:
        self._buffer = b""
        self.answer: asyncio.Future[tuple[bytes, bytes]] = asyncio.get_running_loop().create_future()
        """The head of the answer and what came with it."""

    def taken(self) -> bytes:
        """What came after the answer, once."""
        data, self._buffer = self._buffer, b""
        return data

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self.answer.done():
            return
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if end:
            self._buffer = b""
            self.answer.set_result((head, rest))
        elif len(self._buffer) > HEAD_MAX:
            self.answer.set_exception(StreamRefused("answer is too long"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answer.done():
            self.answer.set_exception(StreamRefused("connection lost"))
            # Nobody may be waiting any more.
            self.answer.exception()
