"""OpenAPI 3.1 documents of the parties' routes, made from the tables that serve them.

What a document says of a route is what `interparty.operations` does with it; what it says of a message is its pydantic
model and docstrings. The rest, which no schema can say, is here in words: certificates, signatures, streams.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from interparty import carrier_routes, trust_routes
from interparty.messages import Message, Problem
from interparty.operations import Nothing, Operation, Role, Stream
from interparty.server import BODY_MAX, HEADER_MAX, RECEIVE_SECONDS
from interparty.signed_http import (
    NONCE_CHARS,
    REQUEST_COMPONENTS,
    RESPONSE_COMPONENTS,
    WINDOW_SECONDS,
)
from interparty.stream import SUBPROTOCOL

_NULL: Final = {"type": "null"}
REF: Final = "#/components/schemas/{model}"

_ENCODINGS: Final = f"""\
Every body is one JSON object in UTF-8, `application/json`. Fields that are unknown, missing, of another type or out of
bounds are refused; nothing is converted; an optional field is left out when it has no value, never null. Integers are
below 2^53 and written without fraction or exponent.
Times are milliseconds since 1970-01-01 UTC. Hashes and ids of hashes are lower-case hex; EDIs and signatures base64url
without padding (RFC 4648, 5), and nothing but their canonical form. Hashes are SM3, MACs HMAC-SM3, signatures SM2 with
SM3 under the id 1234567812345678, in the form r[32] | s[32]. Answers of a batch are in the order of what was asked.

A request has at most {HEADER_MAX // 1024} KiB of request line and headers and {BODY_MAX // 2**20} MiB of body, and
arrives whole within {RECEIVE_SECONDS:.0f} s."""

_STATEMENTS: Final = """\
## Signed statements

What a party can later be held to is a statement: a JSON object whose SM2 signature is over `tag 00 | JCS`, where `tag`
is ASCII, `00` one zero byte and JCS the canonical form of the object (RFC 8785) in UTF-8. Each operation names the tag
of what it takes or gives."""

_SIGNATURES: Final = f"""\
## Certificates and signatures

TLS 1.2 or higher, both sides with certificates of the common authority (ECDSA P-256). A certificate names its party as
subject CN and as URI `urn:ascs:party:<id>` in subjectAltName; both must agree.

Each request and each response is signed after RFC 9421, label `sig1`, with a `Content-Digest` (RFC 9530) of algorithm
`sm3`, also over an empty body: `Content-Digest: sm3=:<base64 of SM3(body)>:`.

| | covers, in this order | parameters, each once |
|---|---|---|
| request | `{REQUEST_COMPONENTS}` | `created`, `nonce`, `keyid`, `alg` |
| response | `{RESPONSE_COMPONENTS}` | `created`, `keyid`, `alg` |

`alg` is `hmac-sm3` (32 bytes) or `sm2-sm3` (64 bytes) and must agree with the key. `keyid` is
`<party>/<key>/<version>`; its party must be that of the certificate, else 403. `created` is Unix seconds, at most
{WINDOW_SECONDS} from the receiver's clock either way. `nonce` is {NONCE_CHARS[0]} to {NONCE_CHARS[1]} characters, new
for each request. `@path` and `@query` are as sent, percent-encoded; without a query `@query` is `?`. The response
covers the request's whole `Signature` field, label included. A request under HMAC is answered under the same key; one
under SM2 under an SM2 key of the answering party. Carriers and the trust party share HMAC keys; enterprises sign with
SM2. What was signed before this server started is answered 503: sign it again."""

_IDENTIFIERS: Final = """\
## AIDs and EDIs

An AID is 18 digits `P(3) V(1) B(13) C(1)`: a prefix that no country code begins, version `1`, 13 digits that tell
nobody anything, a Damm check digit over the others. How B is made is the trust party's own affair, as long as an AID is
unique and never issued again. What fails the check is no AID.

An EDI is 209 bytes: `header[17] | X[32] | Y[32] | C3[32] | C2[96]`, with `header = "EDI1" | u8 id_type | carrier[4] |
carrier_key_id[4] | u32 as_of`. `carrier` is the carrier's party id, `as_of` a date YYYYMMDD in Asia/Shanghai. The rest
is SM2 to that carrier's EDI key and tells the trust party nothing. `edi_id = SM3(EDI)[:16]`; `consent_sm3` is SM3 over
the JCS form of one consent, without a tag."""

_EVIDENCE: Final = """\
## Evidence log

Each step of an authorization, each communication, each query and each step of a key is a record; a record's leaf is a
salted commitment, and leaves come in padded batches, so that a witness learns neither what nor how much.

```
entry      = "ASCS-LEAF1" 00 | SM3("ASCS-REC1" 00 | salt[32] | record)[32]
leaf hash  = SM3(00 | entry)      node hash = SM3(01 | left | right)      empty root = SM3("")
log_id     = SM3(SubjectPublicKeyInfo DER of the log's SM2 key)
checkpoint = "ASCS-STH1" 00 | log_id[32] | u64 size | u64 time_ms | root[32], signed with SM2
```

Tree, inclusion and consistency: RFC 9162, 2.1. Integers are big-endian. `evidence_id` of a record is its leaf's index.
A witness checks that each candidate extends the last that it cosigned; two checkpoints that contradict each other are
proof against the log's operator."""

_BROKER: Final = """\
## Revocations over MQTT 5

Where there is a broker, revocations and the lease go over it in place of the stream, over mutual TLS, each party by its
certificate's name: `ascs/<carrier>/revocations` (QoS 1) and `ascs/<carrier>/heartbeat` from the trust party,
`ascs/<carrier>/lease` (QoS 0) from the carrier. Payloads are those of the stream (Revoked, Heartbeat, LeaseNonce), each
message `payload | HMAC-SM3[32] over ("ASCS-MQTT1" 00 | topic | 00 | payload)` under an HMAC key that both share."""

_REFUSALS: Final = """\
## Refusals

A refusal is a problem document (RFC 9457), signed like any response once the request was authentic. A 503 may say in
`Retry-After` (seconds) when to come back. Any 5xx, a connection that fails, and an answer that is late, not signed or
not understood are the same to the asker: not available. Where it was asked whether someone may be contacted: nobody."""

_COMMON: Final[dict[int, str]] = {
    400: "the body is not JSON, or the request is not HTTP/1.1",
    401: "not signed, not fresh, used before, key unknown, signature or digest wrong",
    403: "key and certificate name different parties, or this party may not ask this",
    404: "no such route",
    405: "this path has another method; `Allow` says which",
    413: "the body is too long",
    415: "the body is not application/json",
    422: "the body, or the parameters, are not the message of this route; the detail names field and rule",
    429: "too often; `Retry-After` says when to come back",
    431: "request line and headers are too long",
    500: "a fault inside; not available",
    503: "not available now; ask again later",
}
"""What any signed operation may answer, and why."""

_UNSIGNED: Final = (400, 404, 405, 431, 500, 503)


def trust_party() -> dict[str, Any]:
    """The trust party's document."""
    return _document(
        "Trust party",
        "The trust party of T/ISC 0049-2024: consents become evidence, evidence gives anonymous identifiers (AIDs),"
        " and carriers ask whether an AID may be contacted.",
        trust_routes.OPERATIONS,
        trust_routes.STREAMS,
        "https://trust-party.example:8443",
        (_IDENTIFIERS, _EVIDENCE, _BROKER),
    )


def carrier() -> dict[str, Any]:
    """A carrier's document."""
    return _document(
        "Carrier",
        "What the trust party and the carrier's own network ask of a carrier of T/ISC 0049-2024.",
        carrier_routes.OPERATIONS,
        (),
        "https://carrier.example:8444",
        (_IDENTIFIERS,),
    )


def text(document: dict[str, Any]) -> str:
    """A document as it is kept in docs/openapi: JSON that people can read and compare."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _document(
    title: str,
    about: str,
    operations: Sequence[Operation[Any, Any]],
    streams: Sequence[Stream],
    server: str,
    more: Sequence[str] = (),
) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    for stream in streams:
        paths.setdefault(stream.path, {})["get"] = _stream(stream)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"ascs-gateway: {title}",
            "version": "1",
            "summary": about,
            "description": "\n\n".join((about, _ENCODINGS, _SIGNATURES, _STATEMENTS, *more, _REFUSALS)),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server}],
        "security": [{"certificate": [], "signature": []}],
        "tags": [
            {"name": role, "description": f"What a party in the role of {role} may ask."}
            for role in _roles(operations, streams)
        ],
        "paths": paths,
        "components": {
            "schemas": _schemas(operations, streams),
            "parameters": _HEADERS_OF_REQUESTS,
            "headers": _HEADERS_OF_RESPONSES,
            "responses": {
                _response_name(status): _problem_response(cause, signed=status != 401)
                for status, cause in _COMMON.items()
            },
            "securitySchemes": _SECURITY,
        },
    }


def _roles(operations: Sequence[Operation[Any, Any]], streams: Sequence[Stream]) -> list[Role]:
    found: dict[Role, None] = {}
    for callers in (*(each.callers for each in operations), *(each.callers for each in streams)):
        found.update(dict.fromkeys(callers))
    return list(found)


def _operation(operation: Operation[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": f"{operation.description}\n\nFor: {_for(operation.callers)}. Repeated: {operation.repeats}",
        "tags": list(operation.callers),
    }
    parameters = _parameters(operation) if operation.method == "GET" else []
    if operation.signed:
        parameters += [{"$ref": f"#/components/parameters/{name}"} for name in _HEADERS_OF_REQUESTS]
    else:
        described["security"] = [{"certificate": []}]
    if parameters:
        described["parameters"] = parameters
    if operation.method == "POST":
        described["requestBody"] = {"required": True, "content": _json(operation.asks)}
    headers = {"headers": _signed_headers()} if operation.signed else {}
    described["responses"] = {
        str(int(operation.status)): {
            "description": (operation.answers.__doc__ or "").strip(),
            **headers,
            "content": _json(operation.answers),
        }
    }
    common = _COMMON if operation.signed else {status: _COMMON[status] for status in _UNSIGNED}
    for status in sorted({*common, *operation.refusals}):
        if operation.method == "GET" and status in (413, 415):
            continue
        causes = [each[status] for each in (common, operation.refusals) if status in each]
        described["responses"][str(status)] = (
            _problem_response("; ".join(causes))
            if status in operation.refusals
            else {"$ref": f"#/components/responses/{_response_name(status)}"}
        )
    return described


def _stream(stream: Stream) -> dict[str, Any]:
    def listed(messages: Sequence[type[Message]]) -> str:
        return ", ".join(f"`{each.__name__}`" for each in messages)

    words = (
        f"{stream.description}\n\nA WebSocket (RFC 6455, version 13, HTTP/1.1) with subprotocol `{SUBPROTOCOL}`, no"
        " extensions, binary messages alone. It is opened by this GET, signed like any request, over an empty body"
        " and under the shared HMAC key, and answered by a 101 that is signed like any response; anything else is no"
        ' stream. Then `stream key = HMAC-SM3(shared key, "ASCS-STREAM1" 00 | Signature field of the request)` and'
        " `message = payload | HMAC-SM3(stream key, u8 direction | u64 counter | payload)[32]`: direction is 1 from"
        " the one who opened it and 2 to that one, counter is 0, 1, 2, … in each direction. The receiver takes the"
        " next message alone; anything else closes the stream with 1008. Either side pings after 5 s of silence and"
        " gives the stream up after 15 s. A message is at most 2 MiB. The stream is closed with 1008 when its key or"
        " its party is no longer admitted; what was under way is asked again in a request.\n\n"
        f"From the one who opened it: {listed(stream.sends)}. To that one: {listed(stream.receives)}.\n\n"
        f"For: {_for(stream.callers)}."
    )
    refused = (400, 401, 403, 404, 426, 431, 503)
    return {
        "operationId": stream.id,
        "summary": stream.summary,
        "description": words,
        "tags": list(stream.callers),
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in _HEADERS_OF_REQUESTS],
        "responses": {
            "101": {"description": "The stream is open.", "headers": _signed_headers()},
            **{
                str(status): _problem_response("another version of WebSocket than 13", signed=False)
                if status == 426
                else {"$ref": f"#/components/responses/{_response_name(status)}"}
                for status in refused
            },
        },
        "x-websocket": {
            "sends": [{"$ref": REF.format(model=each.__name__)} for each in stream.sends],
            "receives": [{"$ref": REF.format(model=each.__name__)} for each in stream.receives],
        },
    }


def _for(callers: Sequence[Role]) -> str:
    return ", ".join(callers) if callers else "whoever has a certificate"


def _parameters(operation: Operation[Any, Any]) -> list[dict[str, Any]]:
    schema = operation.asks.model_json_schema(ref_template=REF)
    found = []
    for name, described in schema.get("properties", {}).items():
        kept = {key: value for key, value in described.items() if key not in ("title", "description")}
        place = "path" if f"{{{name}}}" in operation.path else "query"
        found.append(
            {
                "name": name,
                "in": place,
                "required": name in schema.get("required", ()),
                "description": described.get("description", ""),
                "schema": kept,
            }
        )
    return found


def _json(model: type[Message]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": REF.format(model=model.__name__)}}}


def _signed_headers() -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in _HEADERS_OF_RESPONSES}


def _response_name(status: int) -> str:
    return f"Problem{status}"


def _problem_response(cause: str, *, signed: bool = True) -> dict[str, Any]:
    said = "" if signed else " Not signed: the request was not authentic."
    return {
        "description": f"{cause[0].upper()}{cause[1:]}.{said}",
        "content": {"application/problem+json": {"schema": {"$ref": REF.format(model=Problem.__name__)}}},
    }


def _schemas(operations: Sequence[Operation[Any, Any]], streams: Sequence[Stream]) -> dict[str, Any]:
    models: dict[type[Message], None] = {Problem: None}
    for operation in operations:
        if operation.asks is not Nothing and operation.method == "POST":
            models[operation.asks] = None
        models[operation.answers] = None
    for stream in streams:
        models.update(dict.fromkeys((*stream.sends, *stream.receives)))
    queries = [each.asks for each in operations if each.method == "GET"]
    _, made = models_json_schema([(model, "validation") for model in (*models, *queries)], ref_template=REF)
    unused = {query.__name__ for query in queries}
    return {name: _plain(schema) for name, schema in sorted(made["$defs"].items()) if name not in unused}


def _plain(schema: Any) -> Any:
    """Without pydantic's titles, which only repeat the names of fields, and without null: an optional field is left
    out."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if _NULL in schema.get("anyOf", ()):
        (value,) = (each for each in schema["anyOf"] if each != _NULL)
        schema = {**value, **{key: each for key, each in schema.items() if key != "anyOf"}}
    return {
        key: {name: _plain(each) for name, each in value.items()} if key == "properties" else _plain(value)
        for key, value in schema.items()
        if key != "title" and not (key == "default" and value is None)
    }


_HEADERS_OF_REQUESTS: Final[dict[str, Any]] = {
    "Content-Digest": {
        "name": "Content-Digest",
        "in": "header",
        "required": True,
        "description": "RFC 9530 with SM3, over the body's bytes, also over an empty body.",
        "schema": {"type": "string", "pattern": "^sm3=:[A-Za-z0-9+/]{43}=:$"},
    },
    "Signature-Input": {
        "name": "Signature-Input",
        "in": "header",
        "required": True,
        "description": "RFC 9421: label sig1, what is covered, and the parameters.",
        "schema": {"type": "string", "maxLength": 1024},
        "example": f"sig1={REQUEST_COMPONENTS};created=1795500000;"
        'nonce="bm9uY2Utb2YtMTYtYnl0ZQ";keyid="CMCC/http/1";alg="hmac-sm3"',
    },
    "Signature": {
        "name": "Signature",
        "in": "header",
        "required": True,
        "description": "RFC 9421: 32 bytes (HMAC-SM3) or 64 (SM2) in base64.",
        "schema": {"type": "string", "pattern": "^sig1=:[A-Za-z0-9+/]+={0,2}:$"},
    },
}

_HEADERS_OF_RESPONSES: Final[dict[str, Any]] = {
    name: {key: value for key, value in header.items() if key in ("description", "schema")}
    for name, header in _HEADERS_OF_REQUESTS.items()
}

_SECURITY: Final[dict[str, Any]] = {
    "certificate": {
        "type": "mutualTLS",
        "description": "A certificate of the common authority that names one party: subject CN, and URI"
        " urn:ascs:party:<id> in subjectAltName.",
    },
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "Signature",
        "description": "HTTP Message Signature (RFC 9421) under a key of the certificate's party: see info.description,"
        " Certificates and signatures.",
    },
}
