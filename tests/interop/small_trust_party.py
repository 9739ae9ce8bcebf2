"""A second trust party, as small as can be: written from docs/openapi/trust-party.json and what it refers to.

It imports nothing of this project and checks bodies with the schemas of the document itself. Authorizations, reports
and the log are in memory. It shows that a gateway, an enterprise and a witness work with a trust party of other
hands; what the document does not say shows here first.
"""

import asyncio
import json
import secrets
import ssl
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema_rs
from aiohttp import web

from . import foreign_signatures as signed
from .foreign_log import Log, consistency_path, root_of
from .foreign_signatures import Sm2Key

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs/openapi/trust-party.json").read_text())
STREAM_PATH = "/v1/verifications/stream"
BODY_MAX = 8 << 20
STREAM_MAX = 2 << 20
PAGE = 500
BATCH_ANSWERS = 512
BATCH_S = 1.0
NONCES_MAX = 100_000
DAMM = [[int(digit) for digit in row] for row in (
    "0317598642", "7092154863", "4206871359", "1750983426", "6123045978",
    "3674209581", "5869720134", "8945362017", "9438617205", "2581436790",
)]  # fmt: skip

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


@dataclass
class Authorization:
    """One consent, its AID and what became of it."""

    aid: str
    enterprise: str
    consent: Body
    edis: dict[str, str]  # carrier: EDI
    edi_ids: dict[str, str]  # carrier: edi_id
    consent_sm3: str
    evidence_id: int
    status: str = "PENDING"


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


def schema(name: str) -> Any:
    """The validator of one schema of the document."""
    return jsonschema_rs.validator_for(
        {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    )


def damm(digits: str) -> int:
    """The Damm check digit; 0 over digits that end with theirs."""
    check = 0
    for digit in digits:
        check = DAMM[check][int(digit)]
    return check


def _party_of(keyid: str) -> str:
    return keyid.partition("/")[0]


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def answer_entry(item: Body, answer: Body) -> bytes:
    """What one answer contributes to the tree of its batch."""
    parts = [
        item["aid"],
        item["enterprise"],
        item["channel"],
        item["access_number"],
        item.get("content_digest", ""),
    ]
    if "template_id" in item:
        parts += [item["template_id"], item["template_digest"]]
    grant = answer.get("grant")
    outcome = "G" + grant["edi_id"] if grant else "R" + answer["refusal"]["reason"]
    return b"".join(part.encode() + b"\0" for part in parts) + outcome.encode()


class SmallTrustParty:
    """The parties it knows, the authorizations they made, and the routes by which they ask."""

    def __init__(self, name: str, parties: dict[str, Party], prefix: str = "888") -> None:
        self.name = name
        self.parties = parties
        self.prefix = prefix
        self.sign_key = Sm2Key.make()
        self.envelope_key = Sm2Key.make()
        self.log = Log(Sm2Key.make())
        self.epoch = secrets.token_hex(16)
        self.started_s = int(time.time())
        self.authorizations: dict[str, Authorization] = {}  # by AID
        self.by_nonce: dict[tuple[str, str], Authorization] = {}  # enterprise, consent's nonce
        self.revocations: dict[str, list[Body]] = {}  # by carrier, in their sequence
        self.reports: dict[tuple[str, str], Body] = {}  # carrier, report_id
        self.asked: list[Body] = []  # each VerifyItem that was answered
        self.streams: set[Stream] = set()
        self.streams_frozen = False  # streams take and say nothing
        self._nonces: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._client: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._handlers: dict[str, Callable[[str, Any], Body]] = {
            "deposit": self.deposit, "aidStatus": self.aid_status, "aidStatuses": self.aid_statuses,
            "cancel": self.cancel, "verify": self.verify, "convert": self.convert, "restore": self.restore,
            "confirm": self.confirm, "report": self.report, "revocations": self.revocations_after,
            "checkpoint": self.checkpoint, "candidate": self.checkpoint, "leaves": self.leaves,
            "inclusion": self.inclusion, "consistency": self.consistency, "publicKeys": self.public_keys,
            "logKeys": self.log_keys,
        }  # fmt: skip

    def admit_carrier(self, card: Body, url: str) -> None:
        """Admit a carrier by the card that it handed over; the shared key is in an envelope in it."""
        envelope = signed.from_b64url(card["http_key_envelope"])
        delivery = json.loads(self.envelope_key.open_envelope(envelope))
        notice, sign_key = delivery["statement"], signed.public_hex_of(card["sign_public_key"])
        message = signed.statement_bytes("ASCS-KEY1", notice)
        if not signed.verifies(sign_key, message, signed.from_b64url(delivery["signature"])):
            raise ValueError("the card's envelope is not the carrier's")
        self.parties[card["id"]] = Party(
            "carrier",
            sign_keys={card["sign_keyid"]: sign_key},
            http_keys={f"{card['id']}/http/{notice['version']}": bytes.fromhex(notice["value"])},
            url=url,
        )

    # ---- HTTP

    def application(self) -> web.Application:
        """The routes of the document that it has, behind the signature."""
        app = web.Application(middlewares=[self._authentic], client_max_size=BODY_MAX)
        for path, methods in DOCUMENT["paths"].items():
            for method, operation in methods.items():
                name = operation["operationId"]
                if name in self._handlers:
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

    def _later(self, work: Awaitable[None]) -> None:
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
            f';keyid="{keyid if key else self.name + "/sign/1"}";alg="{"hmac-sm3" if key else "sm2-sm3"}"'
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
        handler = self._handlers[operation["operationId"]]
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
            newest = len(self.revocations.get(stream.carrier, []))
            body = {"epoch": self.epoch, "sequence": newest, "nonce": payload["lease"]}
            await stream.send({"heartbeat": body})
            return
        schema("StreamAsk").validate(payload)
        answers = [self._may_contact(stream.carrier, item) for item in payload["items"]]
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
        await stream.send({"batch": self._batch_head(entries)})

    def _batch_head(self, entries: list[bytes]) -> Body:
        root = root_of([signed.sm3(b"\0" + entry) for entry in entries])
        head = {"root": root.hex(), "count": len(entries), "at": now_ms()}
        signature = self.sign_key.sign(signed.statement_bytes("ASCS-BATCH1", head))
        return {**head, "signature": signed.b64url(signature)}

    # ---- what carriers ask

    def _status(self, authorization: Authorization) -> str:
        consent = authorization.consent
        if authorization.status in ("PENDING", "ACTIVE") and now_ms() >= consent["term_to"]:
            authorization.status = "EXPIRED"
        return authorization.status

    def _may_contact(self, carrier: str, item: Body) -> Body:
        self.asked.append(item)
        reason = self._why_not(carrier, item)
        if reason is not None:
            return {"refusal": {"reason": reason}}
        authorization = self.authorizations[item["aid"]]
        consent = authorization.consent
        terms = {name: consent[name] for name in ("hours", "frequency", "access_numbers")}
        return {"grant": {
            "edi": authorization.edis[carrier], "edi_id": authorization.edi_ids[carrier],
            "consent": {**terms, "not_after": consent["term_to"]},
        }}  # fmt: skip

    def _why_not(self, carrier: str, item: Body) -> str | None:
        authorization = self.authorizations.get(item["aid"])
        if authorization is None or authorization.enterprise != item["enterprise"]:
            return "UNKNOWN"
        status = self._status(authorization)
        if status != "ACTIVE":
            return status
        if now_ms() < authorization.consent["term_from"]:
            return "NOT_YET"
        if item["channel"] not in authorization.consent["channels"]:
            return "CHANNEL"
        if item["access_number"] not in authorization.consent["access_numbers"]:
            return "ACCESS_NUMBER"
        return None if carrier in authorization.edis else "OTHER_CARRIER"

    def verify(self, carrier: str, body: Body) -> Body:
        """One question or a batch, answered and signed together."""
        answers = [self._may_contact(carrier, item) for item in body["items"]]
        entries = list(map(answer_entry, body["items"], answers))
        return {"answers": answers, "batch": self._batch_head(entries)}

    def convert(self, carrier: str, body: Body) -> Body:
        """The EDI behind an AID, to the carrier to which it is sealed."""
        found = self.authorizations.get(body["aid"])
        if found is None or found.enterprise != body["enterprise"] or carrier not in found.edis:
            raise Refused(404, "no such EDI")
        if self._status(found) != "ACTIVE":
            raise Refused(404, "no such EDI")
        return {"edi": found.edis[carrier]}

    def restore(self, carrier: str, body: Body) -> Body:
        """Under which AIDs enterprises know subscribers."""
        return {"answers": [self._restored(carrier, item) for item in body["items"]]}

    def _restored(self, carrier: str, item: Body) -> Body:
        of_edi = [
            found for found in self.authorizations.values()
            if found.enterprise == item["enterprise"] and found.edi_ids.get(carrier) == item["edi_id"]
        ]  # fmt: skip
        if not of_edi:
            return {"refusal": {"reason": "UNKNOWN"}}
        newest = of_edi[-1]
        if self._status(newest) != "ACTIVE":
            return {"refusal": {"reason": newest.status}}
        if item["access_number"] not in newest.consent["access_numbers"]:
            return {"refusal": {"reason": "ACCESS_NUMBER"}}
        return {"aid": newest.aid}

    def confirm(self, carrier: str, body: Body) -> Body:
        """Deposits that the carrier's subscribers confirmed become ACTIVE."""
        results = []
        for confirmation in body["confirmations"]:
            statement = confirmation["statement"]
            found = next((
                deposit for deposit in self.authorizations.values()
                if deposit.consent_sm3 == statement["consent_sm3"]
                and deposit.edi_ids.get(carrier) == statement["edi_id"]
            ), None)  # fmt: skip
            good = statement["carrier"] == carrier and self._stated(carrier, "ASCS-CONFIRM1", confirmation)
            if found is None or not good or found.enterprise != statement["enterprise"]:
                results.append({"status": "UNKNOWN"})
                continue
            if self._status(found) == "PENDING":
                found.status = "ACTIVE"
                self._record(b"confirmed", signed.rfc8785.dumps(confirmation))
            results.append({"status": found.status})
        return {"results": results}

    def report(self, carrier: str, body: Body) -> Body:
        """Communications that are over, each once."""
        for report in body["reports"]:
            if self.reports.setdefault((carrier, report["report_id"]), report) is report:
                self._record(b"communication", signed.rfc8785.dumps(report))
        return {"accepted": len(body["reports"])}

    def revocations_after(self, carrier: str, body: Body) -> Body:
        """Revocations behind a sequence."""
        mine = self.revocations.get(carrier, [])
        page = mine[body["after"] :][:PAGE] if body["epoch"] == self.epoch else []
        return {"epoch": self.epoch, "newest": len(mine), "revoked": page}

    def _stated(self, party: str, tag: str, item: Body) -> bool:
        message = signed.statement_bytes(tag, item["statement"])
        signature = signed.from_b64url(item["signature"])
        return any(signed.verifies(key, message, signature) for key in self.parties[party].sign_keys.values())

    # ---- the life of an authorization

    def deposit(self, enterprise: str, body: Body) -> Body:
        """Consents become evidence and PENDING AIDs; their carriers are asked to have them confirmed."""
        sums = [signed.sm3(signed.rfc8785.dumps(deposit["consent"])).hex() for deposit in body["deposits"]]
        message = signed.statement_bytes("ASCS-CONSENT1", sums)
        signature = signed.from_b64url(body["signature"])
        if not any(
            signed.verifies(key, message, signature) for key in self.parties[enterprise].sign_keys.values()
        ):
            raise Refused(403, "the signature over the consents does not verify")
        taken = [self._deposited(enterprise, *pair) for pair in zip(body["deposits"], sums, strict=True)]
        return {"results": [self._deposit_result(found) for found in taken]}

    def _deposit_result(self, found: Authorization | str) -> Body:
        if isinstance(found, str):
            return {"error": found}
        proof = self.log.inclusion(found.evidence_id, len(self.log.hashes))
        return {
            "aid": found.aid, "evidence_id": str(found.evidence_id), "status": self._status(found),
            "inclusion": {**proof, "checkpoint": self.log.checkpoint(now_ms())},
        }  # fmt: skip

    def _deposited(self, enterprise: str, deposit: Body, consent_sm3: str) -> Authorization | str:
        consent = deposit["consent"]
        if consent["enterprise"] != enterprise:
            return "ENTERPRISE"
        known = self.by_nonce.get((enterprise, consent["nonce"]))
        if known is not None:
            return known if known.consent_sm3 == consent_sm3 else "NONCE_REUSED"
        edis, edi_ids = {}, {}
        for text, edi_id in zip(deposit["edis"], consent["edi_ids"], strict=False):
            edi = signed.from_b64url(text)
            if len(edi) != 209 or edi[:4] != b"EDI1":
                return "EDI_FORMAT"
            if signed.sm3(edi)[:16].hex() != edi_id:
                return "EDI_IDS"
            carrier = edi[5:9].decode("ascii", "replace")
            if self.parties.get(carrier, Party("")).role != "carrier":
                return "EDI_CARRIER"
            edis[carrier], edi_ids[carrier] = text, edi_id
        index = self._record(b"deposit", signed.rfc8785.dumps(consent))
        found = Authorization(self.new_aid(), enterprise, consent, edis, edi_ids, consent_sm3, index)
        self.authorizations[found.aid] = found
        self.by_nonce[enterprise, consent["nonce"]] = found
        for carrier in edis:
            own = [text for text in deposit["edis"] if signed.from_b64url(text)[5:9] == carrier.encode()]
            self._later(self._ask_carrier(carrier, found, own))
        return found

    def new_aid(self) -> str:
        """An AID that nobody has."""
        while True:
            digits = f"{self.prefix}1{secrets.randbelow(10**13):013d}"
            aid = f"{digits}{damm(digits)}"
            if aid not in self.authorizations:
                return aid

    def _record(self, kind: bytes, content: bytes) -> int:
        return self.log.append(kind + b" " + content, secrets.token_bytes(32))

    async def _ask_carrier(self, carrier: str, found: Authorization, edis: list[str]) -> None:
        """Ask a carrier for the subscriber's confirmation until it says that it was asked."""
        party = self.parties[carrier]
        name = self.parties[found.enterprise].name
        request = {
            "deposit_id": f"{found.evidence_id}", "consent": found.consent, "enterprise_name": name, "edis": edis,
        }  # fmt: skip
        body = json.dumps({"requests": [request]}).encode()
        path = "/v1/confirmation-requests"
        while self._client is not None and not self._client.closed:
            digest = signed.content_digest(body)
            given = (
                f'{signed.REQUEST_COVERS};created={int(time.time())};nonce="{secrets.token_urlsafe(18)}"'
                f';keyid="{self.name}/sign/1";alg="sm2-sm3"'
            )
            signature = self.sign_key.sign(signed.request_base("POST", path, digest, given))
            headers = {
                "Content-Type": "application/json", "Content-Digest": digest,
                "Signature-Input": f"sig1={given}", "Signature": f"sig1=:{signed.b64(signature)}:",
            }  # fmt: skip
            with suppress(aiohttp.ClientError, TimeoutError):
                async with self._client.post(party.url + path, data=body, headers=headers) as response:
                    if response.status == 202:
                        return
            await asyncio.sleep(1)

    def aid_status(self, enterprise: str, body: Body) -> Body:
        """What one own AID is now."""
        answer = self._own(enterprise, body["aid"])
        if answer["status"] == "UNKNOWN":
            raise Refused(404, "none of yours")
        return answer

    def aid_statuses(self, enterprise: str, body: Body) -> Body:
        """What AIDs are now."""
        return {"statuses": [self._own(enterprise, aid) for aid in body["aids"]]}

    def _own(self, enterprise: str, aid: str) -> Body:
        found = self.authorizations.get(aid)
        if found is None or found.enterprise != enterprise:
            return {"aid": aid, "status": "UNKNOWN"}
        return {
            "aid": aid, "status": self._status(found), "evidence_id": str(found.evidence_id),
            "not_before": found.consent["term_from"], "not_after": found.consent["term_to"],
        }  # fmt: skip

    def cancel(self, party: str, body: Body) -> Body:
        """End authorizations, and tell their carriers."""
        results = []
        for cancellation in body["cancellations"]:
            statement = cancellation["statement"]
            mine = [
                found for found in self.authorizations.values()
                if found.enterprise == statement["enterprise"]
                and (
                    (found.aid == statement.get("aid") and self.parties[party].role in ("enterprise", "regulator"))
                    or found.edi_ids.get(party) == statement.get("edi_id", "")
                )
                and (self.parties[party].role != "enterprise" or found.enterprise == party)
            ]  # fmt: skip
            if not mine or not self._stated(party, "ASCS-CANCEL1", cancellation):
                results.append({"status": "UNKNOWN"})
                continue
            for found in mine:
                if self._status(found) in ("PENDING", "ACTIVE"):
                    self.revoke(found)
            results.append({"status": "REVOKED"})
        return {"results": results}

    def revoke(self, found: Authorization) -> None:
        """End one authorization: no grant any more, and each of its carriers is told."""
        found.status = "REVOKED"
        self._record(b"cancelled", found.aid.encode())
        for carrier, edi_id in found.edi_ids.items():
            told = self.revocations.setdefault(carrier, [])
            statement = {
                "carrier": carrier, "epoch": self.epoch, "sequence": len(told) + 1, "enterprise": found.enterprise,
                "aid": found.aid, "edi_id": edi_id, "cause": "REVOKED", "at": now_ms(),
            }  # fmt: skip
            signature = self.sign_key.sign(signed.statement_bytes("ASCS-REVOKE1", statement))
            told.append({"statement": statement, "signature": signed.b64url(signature)})
            for stream in self.streams:
                if stream.carrier == carrier:
                    self._later(self._push(stream, told[-1]))

    async def _push(self, stream: Stream, revocation: Body) -> None:
        await self._thaw()
        with suppress(ConnectionError):
            await stream.send({"revoked": [revocation]})

    # ---- keys and the log

    def public_keys(self, party: str, body: Body) -> Body:
        """The sign key and the log's, each under the sign key."""
        notices = []
        for name, key in (
            ("sign", self.sign_key),
            ("envelope", self.envelope_key),
            ("log", self.log.key),
        ):
            notice = {
                "party": self.name, "key": name, "version": 1, "algorithm": "sm2", "value": key.public_hex,
                "state": "active", "at": self.started_s * 1000,
            }  # fmt: skip
            signature = self.sign_key.sign(signed.statement_bytes("ASCS-KEY1", notice))
            notices.append({
                "statement": notice, "keyid": f"{self.name}/sign/1", "signature": signed.b64url(signature)
            })  # fmt: skip
        return {"keys": notices}

    def log_keys(self, party: str, body: Body) -> Body:
        """The one key that its log ever had."""
        return {"keys": [{"log_id": self.log.log_id.hex(), "public_key": self.log.key.public_hex}]}

    def checkpoint(self, party: str, query: Body) -> Body:
        """A signed head; nobody cosigns here."""
        if int(query.get("cosigned", 0)) > 0:
            raise Refused(404, "none has so many cosignatures")
        return {"checkpoint": self.log.checkpoint(now_ms()), "cosignatures": []}

    def leaves(self, party: str, query: Body) -> Body:
        """Leaf hashes from start on."""
        start, count = int(query["start"]), int(query["count"])
        return {"start": start, "leaves": signed.b64url(b"".join(self.log.hashes[start : start + count]))}

    def inclusion(self, party: str, query: Body) -> Body:
        """RFC 9162, 2.1.3."""
        index, size = int(query["index"]), int(query["size"])
        if not index < size <= len(self.log.hashes):
            raise Refused(404, "no such entry or size")
        return self.log.inclusion(index, size)

    def consistency(self, party: str, query: Body) -> Body:
        """RFC 9162, 2.1.4."""
        first, second = int(query["first"]), int(query["second"])
        if not 1 <= first <= second <= len(self.log.hashes):
            raise Refused(404, "no such sizes")
        proof = consistency_path(first, self.log.hashes[:second])
        return {"first": first, "second": second, "proof": [step.hex() for step in proof]}
