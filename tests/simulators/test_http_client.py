"""What a script gets from an API: an object, or one kind of error that says what was wrong."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from simulators.http_api import BadInput, HttpApi, body_of, route, serve
from simulators.http_client import ApiError, JsonClient


async def echo(request: Request) -> Any:
    return {"method": request.method, "body": await body_of(request), "query": request.url.query}


async def refuse(_: Request) -> Any:
    raise BadInput("no such call", 409)


async def text(_: Request) -> Response:
    return PlainTextResponse("hello")


async def listing(_: Request) -> Response:
    return Response(b"[1]", media_type="application/json")


@pytest.fixture
async def api() -> AsyncIterator[HttpApi]:
    routes = [route("/echo", method, echo) for method in ("GET", "POST", "PUT")]
    routes += [route("/refuse", "POST", refuse), route("/text", "GET", text), route("/list", "GET", listing)]
    running = await serve(routes, "127.0.0.1", 0)
    yield running
    await running.stop()


@pytest.fixture
async def client(api: HttpApi) -> AsyncIterator[JsonClient]:
    made = JsonClient(f"http://127.0.0.1:{api.port}/")
    yield made
    await made.close()


async def test_objects_go_and_come(client: JsonClient) -> None:
    assert await client.get("/echo?a=1") == {"method": "GET", "body": {}, "query": "a=1"}
    assert await client.post("/echo", {"b": 2}) == {"method": "POST", "body": {"b": 2}, "query": ""}
    assert (await client.put("/echo", {"c": 3}))["method"] == "PUT"


async def test_a_refusal_has_its_status_and_reason(client: JsonClient) -> None:
    with pytest.raises(ApiError, match="no such call") as raised:
        await client.post("/refuse", {})
    assert raised.value.status == 409


@pytest.mark.parametrize("path", ["/text", "/list"])
async def test_what_is_no_object_is_an_error(client: JsonClient, path: str) -> None:
    with pytest.raises(ApiError, match="did not answer"):
        await client.get(path)


async def test_no_answer_has_no_status(client: JsonClient, api: HttpApi) -> None:
    await api.stop()
    with pytest.raises(ApiError, match="no answer from") as raised:
        await client.get("/echo")
    assert raised.value.status == 0


async def test_it_can_be_used_again_after_it_was_closed(client: JsonClient) -> None:
    await client.close()
    assert (await client.get("/echo"))["method"] == "GET"
