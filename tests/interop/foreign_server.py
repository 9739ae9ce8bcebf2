"""Serving the trust party's routes: mutual TLS, RFC 9421, problem documents and the stream, from the document alone.

The routes, who may ask them, and the shape of every body come from docs/openapi/trust-party.json itself. Nothing of
this project is imported.
"""

import asyncio
import json
import secrets
import ssl
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema_rs
from aiohttp import web

from . import foreign_signatures as signed
from .foreign_log import leaf_hash, root_of
from .foreign_signatures import Sm2Key

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs/openapi/trust-party.json").read_text())
STREAM_PATH = "/v1/verifications/stream"
BODY_MAX = 8 << 20
STREAM_MAX = 2 << 20
BATCH_ANSWERS = 512
BATCH_S = 1.0
NONCES_MAX = 100_000

Body = dict[str, Any]
KEYID = web.RequestKey("keyid", str)


@dataclass
class Party:
    """What this trust party was told of another when it admitted it."""

    role: str  # enterprise, carrier or regulator
    sign_keys: dict[str, str] = field(default_factory=dict)  # keyid: 04 | X | Y in hex
    http_keys: dict[str, bytes] = field(default_factory=dict)  # keyid: 32 bytes
    url: str = ""  # of a carrier
    name: str = ""  # as subscribers read it


class Refused(Exception):
    """A problem document with this status."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


@dataclass(eq=False)
class Stream:
    """One open stream: messages out in order, and the answers that no batch signs yet."""

    carrier: str
    socket: web.WebSocketResponse
    key: bytes
    sent: int = 0
    taken: int = 0
    unsigned: list[bytes] = field(default_factory=list)
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def send(self, payload: Body) -> None:
        """Send one message under the next counter."""
        data = json.dumps(payload).encode()
        async with self.writing:
            mac = signed.hmac_sm3(self.key, b"\2" + self.sent.to_bytes(8, "big") + data)
            self.sent += 1
            await self.socket.send_bytes(data + mac)

    def open(self, message: bytes) -> Body:
        """The payload of the next message; ValueError if it is not the next one of the other side."""
        data, mac = message[:-32], message[-32:]
        if mac != signed.hmac_sm3(self.key, b"\1" + self.taken.to_bytes(8, "big") + data):
            raise ValueError("not the next message")
        self.taken += 1
        body = json.loads(data)
        if not isinstance(body, dict):
            raise ValueError("not an object")
        return body


@cache
def schema(name: str) -> Any:
    """The validator of one schema of the document."""
    return jsonschema_rs.validator_for(
        {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    )


def _party_of(keyid: str) -> str:
    return keyid.partition("/")[0]


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def answer_entry(item: Body, answer: Body) -> bytes:
    """What one answer contributes to the tree of its batch."""
    parts = [item[name] for name in ("aid", "enterprise", "channel", "access_number")]
    parts.append(item.get("content_digest", ""))
    if "template_id" in item:
        parts += [item["template_id"], item["template_digest"]]
    grant = answer.get("grant")
    outcome = "G" + grant["edi_id"] if grant else "R" + answer["refusal"]["reason"]
    return b"".join(part.encode() + b"\0" for part in parts) + outcome.encode()


class ForeignServer(ABC):
    """The wire of a trust party; what it answers is the subclass's."""

    def __init__(self, name: str, parties: dict[str, Party]) -> None:
        self.name = name
        self.parties = parties
        self.sign_key = Sm2Key.make()
        self.signs_as = f"{name}/sign/1"
        self.batch_key = self.sign_key  # another one, and it does not stand by its answers
        self.started_s = int(time.time())
        self.streams: set[Stream] = set()
        self.streams_frozen = False  # streams take and say nothing
        self.handlers: dict[str, Callable[[str, Any], Body | Awaitable[Body]]] = {}  # by operationId
        self._nonces: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._client: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @abstractmethod
    def may_contact(self, carrier: str, item: Body) -> Body:
        """The VerifyAnswer to a VerifyItem."""

    @abstractmethod
    def heartbeat(self, carrier: str, nonce: str) -> Body:
        """The HeartbeatBody that echoes a nonce."""

    def application(self) -> web.Application:
        """The routes of the document that it has, behind the signature."""
        app = web.Application(middlewares=[self._authentic], client_max_size=BODY_MAX)
        for path, methods in DOCUMENT["paths"].items():
            for method, operation in methods.items():
                name = operation["operationId"]
                if name in self.handlers:
                    app.router.add_route(method.upper(), path, self._route(operation))
        app.router.add_get(STREAM_PATH, self._stream)
        app.router.add_get("/health", self._health)
        return app

    async def serve(self, certificate: Path, key: Path, authority: Path, port: int = 0) -> web.AppRunner:
        """Serve on loopback over TLS with certificates on both sides."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority)
        context.load_cert_chain(certificate, key)
        context.verify_mode = ssl.CERT_REQUIRED
        ours = ssl.create_default_context(cafile=authority)
        ours.load_cert_chain(certificate, key)
        self._client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=ours))
        runner = web.AppRunner(self.application(), access_log=None, handle_signals=False, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
        return runner

    async def close(self) -> None:
        """End what it does in the background."""
        for task in self._tasks:
            task.cancel()
        if self._client is not None:
            await self._client.close()

    def later(self, work: Awaitable[None]) -> None:
        """Do something in the background."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _thaw(self) -> None:
        while self.streams_frozen:  # noqa: ASYNC110 - a test's switch
            await asyncio.sleep(0.02)

    @web.middleware
    async def _authentic(self, request: web.Request, handler: Callable[[web.Request], Awaitable[Any]]) -> Any:
        if request.path == STREAM_PATH:
            await self._thaw()
        if request.path == "/health":
            return await handler(request)
        try:
            self._check_signature(request, await request.read())
        except Refused as refused:
            return self._problem(refused)
        try:
            response = await handler(request)
        except Refused as refused:
            response = self._problem(refused)
        except web.HTTPException as error:  # no such route, another method
            response = self._problem(Refused(error.status, error.reason))
            if isinstance(error, web.HTTPMethodNotAllowed):
                response.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
        if not isinstance(response, web.WebSocketResponse):
            self._sign_response(request, response.status, response.body or b"", response.headers)
        return response

    def _check_signature(self, request: web.Request, body: bytes) -> None:
        digest, field_ = request.headers.get("Content-Digest", ""), request.headers.get("Signature", "")
        given = signed.read_signature_input(request.headers.get("Signature-Input", ""))
        if given is None or given.covers != signed.REQUEST_COVERS:
            raise Refused(401, "not signed as asked for")
        parameters = given.parameters
        if (
            set(parameters) != {"created", "nonce", "keyid", "alg"}
            or not 16 <= len(parameters["nonce"]) <= 64
        ):
            raise Refused(401, "signature parameters")
        if digest != signed.content_digest(body):
            raise Refused(401, "Content-Digest is not that of the body")
        if not (field_.startswith("sig1=:") and field_.endswith(":")):
            raise Refused(401, "Signature")
        created, keyid = int(parameters["created"]), parameters["keyid"]
        if abs(created - time.time()) > signed.SKEW_S:
            raise Refused(401, "not fresh")
        if created < self.started_s:
            raise Refused(503, "signed before this server started")
        owner = self.parties.get(_party_of(keyid), Party(""))
        base = signed.request_base(request.method, request.raw_path, digest, given.value)
        signature = signed.base64.b64decode(field_[6:-1])
        if parameters["alg"] == "hmac-sm3" and keyid in owner.http_keys:
            good = signature == signed.hmac_sm3(owner.http_keys[keyid], base)
        elif parameters["alg"] == "sm2-sm3" and keyid in owner.sign_keys:
            good = signed.verifies(owner.sign_keys[keyid], base, signature)
        else:
            raise Refused(401, "key unknown")
        if not good:
            raise Refused(401, "signature")
        if (keyid, parameters["nonce"]) in self._nonces:
            raise Refused(401, "used before")
        self._nonces[keyid, parameters["nonce"]] = None
        if len(self._nonces) > NONCES_MAX:
            self._nonces.popitem(last=False)
        request[KEYID] = keyid

    def _sign_response(self, request: web.Request, status: int, body: bytes, headers: Any) -> None:
        keyid = request[KEYID]
        key = self.parties[_party_of(keyid)].http_keys.get(keyid)
        digest = signed.content_digest(body)
        given = (
            f"{signed.RESPONSE_COVERS};created={int(time.time())}"
            f';keyid="{keyid if key else self.signs_as}";alg="{"hmac-sm3" if key else "sm2-sm3"}"'
        )
        base = signed.response_base(status, digest, request.headers["Signature"], given)
        signature = signed.hmac_sm3(key, base) if key else self.sign_key.sign(base)
        headers["Content-Digest"] = digest
        headers["Signature-Input"] = f"sig1={given}"
        headers["Signature"] = f"sig1=:{signed.b64(signature)}:"

    @staticmethod
    def _problem(refused: Refused) -> web.Response:
        reasons = {422: "Unprocessable Content"}
        body = {
            "type": "about:blank", "status": refused.status, "detail": refused.detail,
            "title": reasons.get(refused.status) or web.Response(status=refused.status).reason,
        }  # fmt: skip
        return web.json_response(body, status=refused.status, content_type="application/problem+json")

    def _check_party(self, request: web.Request, roles: list[str]) -> str:
        """The asking party: that of key and certificate both, in a role that may ask this."""
        certificate = request.transport.get_extra_info("peercert") if request.transport else {}
        named = {value for kind, value in certificate.get("subjectAltName", ()) if kind == "URI"}
        party = _party_of(request[KEYID])
        if named != {f"urn:ascs:party:{party}"} or self.parties[party].role not in roles:
            raise Refused(403, "another party, or not this party's to ask")
        return party

    def _route(self, operation: Body) -> Callable[[web.Request], Awaitable[web.Response]]:
        handler = self.handlers[operation["operationId"]]
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        takes = schema(content["schema"]["$ref"].rpartition("/")[2]) if content else None
        gives = schema(
            operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        )

        async def route(request: web.Request) -> web.Response:
            party = self._check_party(request, operation["tags"])
            question: Any = {**request.query, **request.match_info}
            if takes is not None:
                if request.content_type != "application/json":
                    raise Refused(415, "application/json")
                try:
                    question = json.loads(await request.read())
                except ValueError:
                    raise Refused(400, "not JSON") from None
                for error in takes.iter_errors(question):
                    raise Refused(422, f"{'/'.join(map(str, error.instance_path))}: not as the schema has it")
            answer = handler(party, question)
            if not isinstance(answer, dict):
                answer = await answer
            gives.validate(answer)
            return web.json_response(answer)

        return route

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    # ---- the stream

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        carrier = self._check_party(request, ["carrier"])
        shared = self.parties[carrier].http_keys.get(request[KEYID])
        if shared is None:
            raise Refused(403, "the stream is under a shared key")
        if request.headers.get("Sec-WebSocket-Version") != "13":
            raise Refused(426, "version 13")
        socket = web.WebSocketResponse(
            protocols=("ascs.stream.1",), compress=False, heartbeat=5, max_msg_size=STREAM_MAX
        )
        self._sign_response(request, 101, b"", socket.headers)
        await socket.prepare(request)
        key = signed.hmac_sm3(shared, b"ASCS-STREAM1\0" + request.headers["Signature"].encode())
        stream = Stream(carrier, socket, key)
        self.streams.add(stream)
        signing = asyncio.ensure_future(self._sign_batches(stream))
        try:
            async for message in socket:
                await self._thaw()
                if message.type is not aiohttp.WSMsgType.BINARY:
                    break
                await self._take(stream, stream.open(message.data))
        except (ValueError, KeyError):
            await socket.close(code=1008)
        finally:
            self.streams.discard(stream)
            signing.cancel()
        return socket

    async def _take(self, stream: Stream, payload: Body) -> None:
        if schema("LeaseNonce").is_valid(payload):
            await stream.send({"heartbeat": self.heartbeat(stream.carrier, payload["lease"])})
            return
        schema("StreamAsk").validate(payload)
        answers = [self.may_contact(stream.carrier, item) for item in payload["items"]]
        await stream.send({"answer": payload["ask"], "answers": answers})
        stream.unsigned += map(answer_entry, payload["items"], answers)
        if len(stream.unsigned) >= BATCH_ANSWERS:
            await self._send_batch(stream)

    async def _sign_batches(self, stream: Stream) -> None:
        while True:
            await asyncio.sleep(BATCH_S)
            await self._thaw()
            if stream.unsigned:
                await self._send_batch(stream)

    async def _send_batch(self, stream: Stream) -> None:
        entries, stream.unsigned = stream.unsigned, []
        await stream.send({"batch": self.batch_head(entries)})

    def batch_head(self, entries: list[bytes]) -> Body:
        """ASCS-BATCH1 over answers."""
        root = root_of(list(map(leaf_hash, entries)))
        head = {"root": root.hex(), "count": len(entries), "at": now_ms()}
        signature = self.batch_key.sign(signed.statement_bytes("ASCS-BATCH1", head))
        return {**head, "signature": signed.b64url(signature)}

    async def push(self, carrier: str, payload: Body) -> None:
        """Send a message on every open stream of a carrier."""
        await self._thaw()
        for stream in list(self.streams):
            if stream.carrier == carrier:
                with suppress(ConnectionError):
                    await stream.send(payload)

    async def ask(self, carrier: str, method: str, path: str, body: Body | None = None) -> tuple[int, Body]:
        """Ask a carrier, under SM2; the HTTP status and the answer, 0 where there is none that is the carrier's."""
        assert self._client is not None
        party = self.parties[carrier]
        data = b"" if body is None else json.dumps(body).encode()
        digest = signed.content_digest(data)
        given = (
            f'{signed.REQUEST_COVERS};created={int(time.time())};nonce="{secrets.token_urlsafe(18)}"'
            f';keyid="{self.signs_as}";alg="sm2-sm3"'
        )
        signature = self.sign_key.sign(signed.request_base(method, path, digest, given))
        headers = {
            "Content-Digest": digest,
            "Signature-Input": f"sig1={given}",
            "Signature": f"sig1=:{signed.b64(signature)}:",
        }
        if data:
            headers["Content-Type"] = "application/json"
        with suppress(aiohttp.ClientError, TimeoutError, ValueError):
            async with self._client.request(
                method, party.url + path, data=data or None, headers=headers
            ) as response:
                answer = await response.read()
                if response.status >= 400 or self._is_answer(party, headers["Signature"], response, answer):
                    return response.status, json.loads(answer)
        return 0, {}

    @staticmethod
    def _is_answer(party: Party, asked: str, response: aiohttp.ClientResponse, body: bytes) -> bool:
        """Whether a response to the request with that Signature field is signed by the party."""
        given = signed.read_signature_input(response.headers.get("Signature-Input", ""))
        digest, field_ = response.headers.get("Content-Digest", ""), response.headers.get("Signature", "")
        if given is None or given.covers != signed.RESPONSE_COVERS or digest != signed.content_digest(body):
            return False
        key = party.sign_keys.get(given.parameters["keyid"])
        base = signed.response_base(response.status, digest, asked, given.value)
        fresh = abs(int(given.parameters["created"]) - time.time()) <= signed.SKEW_S
        return key is not None and fresh and signed.verifies(key, base, signed.base64.b64decode(field_[6:-1]))
