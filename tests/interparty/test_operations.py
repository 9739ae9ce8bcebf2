"""A table of operations serves what it says, to whom it says, and refuses everything else as a problem."""

import json
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from foundation.store import StoreBusy
from interparty.messages import Accepted, Message
from interparty.operations import HEALTH, Nothing, Operation, Role, application, bind, bind_bytes
from interparty.values import Label, QueryCount


class Greeting(Message):
    """What to say."""

    name: Label


class Place(Message):
    """Where."""

    at: Label
    index: QueryCount


GREET = Operation(
    "greet", "POST", "/v1/greetings", ("carrier",), Greeting, Accepted, "Greet", "Greets.", "Again.", 202
)
FETCH = Operation(
    "fetch", "GET", "/v1/places/{at}", ("carrier", "enterprise"), Place, Accepted, "F", "F.", "Again."
)
RAW = Operation("raw", "POST", "/v1/raw", (), Greeting, Accepted, "Raw", "Raw.", "Again.")
TABLE = (GREET, FETCH, RAW)

ROLES: dict[str, tuple[Role, ...]] = {"CMCC": ("carrier",), "ent-a": ("enterprise",)}


async def greet(party: str, asked: Greeting) -> Accepted:
    if asked.name == "busy":
        raise StoreBusy("full")
    if asked.name == "often":
        raise HTTPException(429, "too often", {"retry-after": "7"})
    return Accepted(accepted=len(party + asked.name))


async def fetch(_party: str, asked: Place) -> Accepted:
    return Accepted(accepted=asked.index)


async def raw(_party: str, body: bytes) -> bytes:
    Greeting.model_validate_json(body)
    return body


BOUND = (bind(GREET, greet), bind(FETCH, fetch), bind_bytes(RAW, raw))
APP = application(TABLE, BOUND, lambda party: ROLES.get(party, ()))


async def ask(
    method: str,
    path: str,
    body: bytes = b"",
    *,
    party: str = "CMCC",
    query: str = "",
    media_type: str = "application/json",
) -> tuple[int, dict[str, str], bytes]:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(b"content-type", media_type.encode())],
        "state": {"party": party},
    }
    await APP(scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(each.get("body", b"") for each in sent[1:])


async def test_the_handler_gets_party_and_message_and_its_answer_goes_out() -> None:
    status, _, body = await ask("POST", "/v1/greetings", b'{"name":"abc"}')
    assert (status, json.loads(body)) == (202, {"accepted": 7})


async def test_parameters_come_from_path_and_query() -> None:
    status, _, body = await ask("GET", "/v1/places/x", query="index=12", party="ent-a")
    assert (status, json.loads(body)) == (200, {"accepted": 12})


@pytest.mark.parametrize(
    "query",
    ["", "index=", "index=-1", "index=+1", "index=1.0", "index=%31%20", "index=1_0", "index=1&index=1"],
)
async def test_parameters_that_are_not_those_of_the_route(query: str) -> None:
    assert (await ask("GET", "/v1/places/x", query=query))[0] == 422


async def test_a_parameter_of_the_path_does_not_come_again_in_the_query() -> None:
    assert (await ask("GET", "/v1/places/x", query="index=1&at=y"))[0] == 422


@pytest.mark.parametrize("path", ["/v1/greetings", "/v1/raw"])
@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"name":"\\ud800"}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"null", "application/json", 422),
        (b"{}", "application/json", 422),
        (b'{"name":1}', "application/json", 422),
        (b'{"name":"a","more":1}', "application/json", 422),
        (b'{"name":"a"}', "text/plain", 415),
        (b'{"name":"a"}', "", 415),
    ],
)
async def test_a_body_that_is_not_the_message(path: str, body: bytes, media_type: str, status: int) -> None:
    assert (await ask("POST", path, body, media_type=media_type))[0] == status


async def test_a_charset_does_not_make_it_another_media_type() -> None:
    assert (await ask("POST", "/v1/raw", b'{"name":"a"}', media_type="Application/JSON; charset=utf-8"))[
        0
    ] == 200


@pytest.mark.parametrize("party", ["ent-a", "stranger"])
async def test_who_is_not_in_the_role_is_refused_before_the_body_is_read(party: str) -> None:
    assert (await ask("POST", "/v1/greetings", b"{", party=party))[0] == 403


@pytest.mark.parametrize(("method", "allowed"), [("PUT", "POST"), ("GET", "POST"), ("HEAD", "POST")])
async def test_another_method_is_told_the_one_there_is(method: str, allowed: str) -> None:
    status, headers, _ = await ask(method, "/v1/greetings")
    assert (status, headers["allow"]) == (405, allowed)


async def test_no_head_where_there_is_a_get() -> None:
    assert (await ask("HEAD", "/v1/places/x", query="index=1"))[0] == 405


@pytest.mark.parametrize("path", ["/", "/v1/greetings/", "/v1/Greetings", "/v1/nothing"])
async def test_another_path_is_not_found_and_not_redirected(path: str) -> None:
    assert (await ask("POST", path, b'{"name":"a"}'))[0] == 404


async def test_a_store_that_takes_nothing_says_when_to_come_back() -> None:
    status, headers, body = await ask("POST", "/v1/greetings", b'{"name":"busy"}')
    assert (status, headers["retry-after"]) == (503, "1")
    assert json.loads(body)["status"] == 503


async def test_a_table_and_its_handlers_are_of_the_same_operations() -> None:
    with pytest.raises(ValueError, match="raw"):
        application(TABLE, BOUND[:2], lambda _: ())
    with pytest.raises(ValueError, match="health"):
        application(
            TABLE, (*BOUND, bind(HEALTH, lambda party, asked: greet(party, Greeting(name="x")))), lambda _: ()
        )  # type: ignore[arg-type]


def test_no_parameters_are_none() -> None:
    assert Nothing().fields() == {}
