"""OpenAPI 3.1 documents of the parties' routes, made from the tables that serve them.

What a document says of a route is what `interparty.operations` does with it; what it says of a message is its pydantic
model and docstrings. The rest, which no schema can say, is in `interparty.openapi_words`, and bytes to check an
implementation with are in `openapi_vectors.json`.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from interparty import carrier_routes, openapi_words, trust_routes
from interparty.key_messages import CarrierCard
from interparty.messages import Message, Problem
from interparty.operations import Nothing, Operation, Role, Stream
from interparty.signed_http import REQUEST_COMPONENTS

VECTORS: Final = Path(__file__).with_name("openapi_vectors.json")
EXAMPLES: Final = Path(__file__).with_name("openapi_examples.json")

_NULL: Final = {"type": "null"}
REF: Final = "#/components/schemas/{model}"

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
        ("parties", "statements", "serving", "identifiers", "batches", "evidence", "numbers", "broker"),
        files={"carrier.json": CarrierCard},
        asked=[each for each in carrier_routes.OPERATIONS if "trust party" in each.callers],
    )


def carrier() -> dict[str, Any]:
    """A carrier's document."""
    return _document(
        "Carrier",
        "What the trust party and the carrier's own network ask of a carrier of T/ISC 0049-2024.",
        carrier_routes.OPERATIONS,
        (),
        "https://carrier.example:8444",
        ("parties", "statements", "identifiers", "numbers"),
        files={"carrier.json": CarrierCard},
    )


@cache
def vectors() -> Mapping[str, Any]:
    """Bytes to check an implementation with, by name."""
    found: dict[str, Any] = json.loads(VECTORS.read_text())
    return found


@cache
def examples() -> Mapping[str, Any]:
    """Of each operation a `request` where it has a body, and a `response`; of the same people as the vectors."""
    found: dict[str, Any] = json.loads(EXAMPLES.read_text())
    return found


@cache
def _words() -> Mapping[str, str]:
    [stream] = trust_routes.STREAMS
    sends, receives = (
        ", ".join(f"`{each.__name__}`" for each in messages) for messages in (stream.sends, stream.receives)
    )
    return openapi_words.sections(vectors(), sends, receives)


def text(document: dict[str, Any]) -> str:
    """A document as it is kept in docs/openapi: JSON that people can read and compare."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _document(
    title: str,
    about: str,
    operations: Sequence[Operation[Any, Any]],
    streams: Sequence[Stream],
    server: str,
    sections: Sequence[str],
    files: Mapping[str, type[Message]],
    asked: Sequence[Operation[Any, Any]] = (),
) -> dict[str, Any]:
    """`asked`: routes of another party's that this one asks."""
    words = _words()
    described = ("encodings", "signatures", *sections, "refusals")
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
            "description": "\n\n".join((about, *(words[each] for each in described))),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server}],
        "security": [{"certificate": [], "signature": []}],
        "tags": [
            {"name": role, "description": f"What a party in the role of {role} may ask."}
            for role in _roles(operations, streams)
        ],
        "paths": paths,
        **({"webhooks": {_at_the_carrier(each): _webhook(each) for each in asked}} if asked else {}),
        "components": {
            "schemas": _schemas((*operations, *asked), streams, list(files.values())),
            "parameters": _HEADERS_OF_REQUESTS,
            "headers": _HEADERS_OF_RESPONSES,
            "responses": {
                _response_name(status): _problem_response(cause, signed=status != 401)
                for status, cause in _COMMON.items()
            },
            "securitySchemes": _SECURITY,
        },
        "x-files": {name: {"$ref": REF.format(model=model.__name__)} for name, model in files.items()},
        "x-test-vectors": vectors(),
    }


def _roles(operations: Sequence[Operation[Any, Any]], streams: Sequence[Stream]) -> list[Role]:
    found: dict[Role, None] = {}
    for callers in (*(each.callers for each in operations), *(each.callers for each in streams)):
        found.update(dict.fromkeys(callers))
    return list(found)


def _at_the_carrier(operation: Operation[Any, Any]) -> str:
    return f"carrier{operation.id[0].upper()}{operation.id[1:]}"


def _webhook(operation: Operation[Any, Any]) -> dict[str, Any]:
    """A route of a carrier's, in the document of the trust party that asks it."""
    described = _operation(operation)
    words = described["description"]
    return {
        operation.method.lower(): described
        | {
            "operationId": _at_the_carrier(operation),
            "description": f"`{operation.method} {operation.path}` of the carrier.\n\n{words}",
            "tags": [],
        }
    }


def _operation(operation: Operation[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": f"{operation.description}\n\nFor: {_for(operation.callers)}. Repeated: {operation.repeats}",
        "tags": list(operation.callers),
    }
    example = examples().get(operation.id, {})
    parameters = _parameters(operation) if operation.method == "GET" else []
    if operation.signed:
        parameters += [{"$ref": f"#/components/parameters/{name}"} for name in _HEADERS_OF_REQUESTS]
    else:
        described["security"] = [{"certificate": []}]
    if parameters:
        described["parameters"] = parameters
    if operation.method == "POST":
        described["requestBody"] = {
            "required": True,
            "content": _json(operation.asks, example.get("request")),
        }
    headers = {"headers": _signed_headers()} if operation.signed else {}
    described["responses"] = {
        str(int(operation.status)): {
            "description": (operation.answers.__doc__ or "").strip(),
            **headers,
            "content": _json(operation.answers, example.get("response")),
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
    how = _words()["stream"]
    words = f"{stream.description}\n\n{how}\n\nFor: {_for(stream.callers)}."
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


def _json(model: type[Message], example: Any) -> dict[str, Any]:
    schema = {"schema": {"$ref": REF.format(model=model.__name__)}}
    return {"application/json": schema | ({} if example is None else {"example": example})}


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


def _schemas(
    operations: Sequence[Operation[Any, Any]], streams: Sequence[Stream], files: Sequence[type[Message]]
) -> dict[str, Any]:
    models: dict[type[Message], None] = dict.fromkeys((Problem, *files))
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
