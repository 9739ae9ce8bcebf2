"""Asking another party: HTTPS with mutual TLS, each request signed, each response verified.

What cannot be had, for whatever cause, is one error, PeerUnavailable; what the peer says no to is
PeerProblem. A response that is not signed as it must be is as good as none.
"""

import asyncio
import functools
import logging
import secrets
import ssl
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, Protocol, Self, TypeVar, runtime_checkable

import aiohttp
from aiohttp.client_proto import ResponseHandler
from pydantic import ValidationError
from yarl import URL

from foundation.pki import PkiError, party_of_certificate
from gm.errors import GmError
from interparty.bodies import JSON, describe, problem_detail
from interparty.key_messages import PublicKeys
from interparty.messages import Message
from interparty.signed_http import (
    KeyLookup,
    SignatureError,
    Signer,
    SignerSource,
    UnknownKey,
    sign_request,
    signer_of,
    verify_response,
)
from interparty.stream import Channel
from interparty.stream_client import StreamRefused, open_channel

CONNECTIONS_MAX: Final = 8
"""Connections to one peer, kept alive and shared by all requests to it."""
WAITING_MAX: Final = 1000
"""Requests to one peer that are under way or wait for a connection; more fail at once."""
ANSWER_MAX: Final = 8 * 1024 * 1024
"""Bytes of the longest response."""
TIMEOUT_SECONDS: Final = 10.0
"""Default for the whole of a request, from the wait for a connection to the last byte."""
CONNECT_SECONDS: Final = 3.0
KEYS_PATH: Final = "/v1/keys"
"""Where every party announces its public keys."""
IDLE_SECONDS: Final = 30.0
"""How long a connection is kept; less than servers keep theirs."""

_log = logging.getLogger(__name__)

A = TypeVar("A", bound=Message)


class PeerUnavailable(Exception):
    """No answer that can be used: refused, timed out, 5xx, not signed, or not the message expected."""


class PeerProblem(Exception):
    """The peer answered and refused (4xx)."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{status} {detail}")
        self.status = status
        self.detail = detail


@runtime_checkable
class LearningKeys(Protocol):
    """A KeyLookup that takes in a peer's new keys."""

    def learn(self, told: PublicKeys, now_ms: int) -> bool:
        """Take what is signed under a key that is known; whether that was anything new."""
        ...


class _Handler(ResponseHandler):
    """One connection, refused unless the certificate names the expected party; can be captured."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, party: str | None, capture: Callable[[bytes], None] | None
    ) -> None:
        super().__init__(loop)
        self._party = party
        self._capture = capture

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._party is None:
            return
        try:
            named = party_of_certificate(transport.get_extra_info("peercert") or {})
        except PkiError:
            named = ""
        if named != self._party:
            _log.warning("connection closed: the certificate is not that of party=%s", self._party)
            self.abort()

    def data_received(self, data: bytes) -> None:
        if self._capture is not None and data:
            self._capture(data)
        super().data_received(data)


class Peer:
    """Another party's routes. Use one for the life of the process, from one event loop."""

    def __init__(
        self,
        url: str,
        ssl_context: ssl.SSLContext,
        signer: SignerSource,
        keys: KeyLookup,
        *,
        party: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
        connections: int = CONNECTIONS_MAX,
        capture: Callable[[bytes], None] | None = None,
        refresh_keys: Callable[[], object] | None = None,
    ) -> None:
        """`url` is "https://host:port"; `party` the id that the peer's certificate and SM2 keyids must
        name (without it the certificate only has to be valid for the host and the keyid known to `keys`);
        `timeout` is in seconds; `capture` gets every decrypted byte received; `refresh_keys` looks whether
        another process changed the keys that `signer` reads, in a thread (it may raise GmError).
        """
        self._url = URL(url)
        if self._url.scheme != "https" or self._url.path not in ("", "/"):
            raise ValueError("a peer's URL is https://host:port")
        self._ssl = ssl_context
        self._signer = signer
        self._keys = keys
        self._party = party
        self._timeout = timeout
        self._connections = connections
        self._capture = capture
        self._refresh_keys = refresh_keys
        self._session: aiohttp.ClientSession | None = None
        self._waiting = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; requests under way fail."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def request(
        self,
        method: str,
        path: str,
        message: Message | None,
        answer: type[A],
        *,
        query: str = "",
        timeout: float | None = None,
        unsigned: bool = False,
    ) -> A:
        """Send one request and return the peer's message.

        `path` and `query` are percent-encoded already, `query` without "?". `timeout` (seconds) may
        shorten the peer's own. `unsigned`: the answer is not signed, and TLS alone says whose it is (/health).
        Raises PeerUnavailable or PeerProblem.
        """
        body = message.model_dump_json(exclude_none=True).encode() if message is not None else b""
        received = await self.request_bytes(
            method, path, body, query=query, timeout=timeout, unsigned=unsigned
        )
        try:
            return answer.model_validate_json(received)
        except ValidationError as error:
            _log.warning("answer not understood: %s %s: %s", method, path, describe(error))
            raise PeerUnavailable("answer is not the message of this route") from None

    async def open_stream(self, path: str) -> tuple[Channel, bytes]:
        """A stream at `path`, see stream_client.open_channel. Raises PeerUnavailable."""
        host, port = self._url.host, self._url.port
        assert host is not None
        assert port is not None  # https has a default one
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await open_channel(
                    host,
                    port,
                    path,
                    self._ssl,
                    signer_of(self._signer),
                    self._keys,
                    party=self._party,
                    capture=self._capture,
                )
        except TimeoutError:
            raise PeerUnavailable("no stream in time") from None
        except StreamRefused as error:
            raise PeerUnavailable(f"no stream: {error}") from None

    async def request_bytes(
        self,
        method: str,
        path: str,
        body: bytes,
        *,
        query: str = "",
        timeout: float | None = None,
        unsigned: bool = False,
    ) -> bytes:
        """As `request`, with the JSON bytes of both sides."""
        if self._waiting >= WAITING_MAX:
            raise PeerUnavailable("too many requests wait for this peer")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._timeout if timeout is None else min(timeout, self._timeout)):
                return await self._exchange(method, path, query, body, unsigned)
        except TimeoutError:
            raise PeerUnavailable("no answer in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise PeerUnavailable(f"no answer: {type(error).__name__}") from error
        finally:
            self._waiting -= 1

    async def _exchange(self, method: str, path: str, query: str, body: bytes, unsigned: bool) -> bytes:
        signer = signer_of(self._signer)
        response, received, signature = await self._send(signer, method, path, query, body)
        if response.status == HTTPStatus.UNAUTHORIZED:
            newer = await self._newer_signer(signer)
            if newer is not None:
                # What was refused unread may be asked again.
                signer = newer
                response, received, signature = await self._send(signer, method, path, query, body)
        if response.status >= 500:
            raise PeerUnavailable(f"peer answered {response.status}")
        try:
            try:
                self._verify(response, received, signature, signer)
            except UnknownKey:
                # The peer may have another sign key since: then the one before vouches for it.
                if not isinstance(self._keys, LearningKeys) or not await self._learn(self._keys, signer):
                    raise
                self._verify(response, received, signature, signer)
        except SignatureError as error:
            # What refuses a request before it is authentic cannot be signed; a refusal opens nothing.
            if response.status < 400 and not unsigned:
                _log.warning("answer not accepted: %s %s: %s", method, path, error.reason)
                raise PeerUnavailable(f"answer not accepted: {error.reason}") from None
        if response.status >= 400:
            raise PeerProblem(response.status, problem_detail(received))
        if response.status >= 300:
            raise PeerUnavailable(f"peer answered {response.status}")
        return received

    async def _send(
        self, signer: Signer, method: str, path: str, query: str, body: bytes
    ) -> tuple[aiohttp.ClientResponse, bytes, str]:
        """One request; its response, the body of that, and the request's Signature field."""
        headers = sign_request(
            signer,
            method=method,
            path=path,
            query=query,
            body=body,
            created=int(time.time()),
            nonce=secrets.token_urlsafe(16),
        )
        signature = headers["signature"]
        if body:
            headers["content-type"] = JSON
        target = URL(f"{self._url.origin()}{path}{'?' + query if query else ''}", encoded=True)
        async with self._connected().request(
            method, target, data=body or None, headers=headers, allow_redirects=False
        ) as response:
            return response, await _read_bounded(response), signature

    async def _newer_signer(self, refused: Signer) -> Signer | None:
        """Another process may have made our next key, and had this one destroyed, since we looked last: the signer of
        now, None when it is still the one whose request was refused."""
        if self._refresh_keys is None:
            return None
        try:
            await asyncio.to_thread(self._refresh_keys)
            signer = signer_of(self._signer)
        except GmError as error:
            _log.warning("own keys not looked at: %s", error)
            return None
        return signer if signer.keyid != refused.keyid else None

    async def _learn(self, keys: "LearningKeys", signer: Signer) -> bool:
        """Ask for the peer's keys. The answer proves itself: each key by one that is known."""
        _, received, _ = await self._send(signer, "GET", KEYS_PATH, "", b"")
        try:
            told = PublicKeys.model_validate_json(received)
        except ValidationError:
            return False
        return keys.learn(told, time.time_ns() // 1_000_000)

    def _verify(
        self, response: aiohttp.ClientResponse, received: bytes, signature: str, signer: Signer
    ) -> None:
        def header(name: str) -> str | None:
            values = response.headers.getall(name, [])
            return values[0] if len(values) == 1 else None

        verify_response(
            header,
            status=response.status,
            body=received,
            request_signature=signature,
            signer=signer,
            party=self._party,
            keys=self._keys,
            now=time.time(),
        )

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            loop = asyncio.get_running_loop()
            connector = aiohttp.TCPConnector(
                ssl=self._ssl, limit=self._connections, keepalive_timeout=IDLE_SECONDS, ttl_dns_cache=60
            )
            # The one place where aiohttp lets a connection's bytes and certificate be seen.
            connector._factory = functools.partial(_Handler, loop, self._party, self._capture)  # type: ignore[assignment]
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("User-Agent", "Accept-Encoding"),
                trust_env=False,
            )
        return self._session


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes:
    if response.content_length is not None and response.content_length > ANSWER_MAX:
        raise PeerUnavailable("answer is too long")
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > ANSWER_MAX:
            raise PeerUnavailable("answer is too long")
        parts.append(part)
    return b"".join(parts)
