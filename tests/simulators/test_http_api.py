"""The simulators' JSON APIs: what is asked wrongly is answered plainly."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.requests import Request

from simulators.http_api import (
    BODY_MAX,
    BadInput,
    HttpApi,
    body_of,
    items_field,
    number_field,
    poll_query,
    route,
    serve,
    text_field,
)
from simulators.http_client import ApiError, JsonClient


async def echo(request: Request) -> Any:
    return {"got": await body_of(request)}


async def poll(request: Request) -> Any:
    return {"poll": poll_query(request)}


@pytest.fixture
async def api() -> AsyncIterator[HttpApi]:
    running = await serve([route("/echo", "POST", echo), route("/poll", "GET", poll)], "127.0.0.1", 0)
    yield running
    await running.stop()


@pytest.fixture
async def client(api: HttpApi) -> AsyncIterator[JsonClient]:
    client = JsonClient(f"http://127.0.0.1:{api.port}/")
    yield client
    await client.close()


async def test_a_body_is_a_json_object(client: JsonClient) -> None:
    assert await client.post("/echo", {"a": 1}) == {"got": {"a": 1}}
    with pytest.raises(ApiError, match="too long") as long:
        await client.post("/echo", {"a": "x" * BODY_MAX})
    assert long.value.status == 413


async def test_an_unknown_path_is_answered_in_json(client: JsonClient) -> None:
    with pytest.raises(ApiError) as missing:
        await client.get("/nothing")
    assert missing.value.status == 404


async def test_polling_takes_numbers(client: JsonClient) -> None:
    assert await client.get("/poll?after=3&wait=1.5") == {"poll": [3, 1.5]}
    with pytest.raises(ApiError, match="numbers"):
        await client.get("/poll?after=-1")


async def test_nobody_there_is_an_error_without_status() -> None:
    client = JsonClient("http://127.0.0.1:9")
    with pytest.raises(ApiError, match="no answer") as nobody:
        await client.get("/")
    assert nobody.value.status == 0
    await client.close()


async def test_a_tap_gets_every_byte() -> None:
    seen = bytearray()
    running = await serve([route("/echo", "POST", echo)], "127.0.0.1", 0, seen.extend)
    client = JsonClient(f"http://127.0.0.1:{running.port}")
    await client.post("/echo", {"edi": "sealed"})
    await client.close()
    await running.stop()
    assert b"POST /echo" in seen
    assert b'{"edi": "sealed"}' in seen


def test_fields_are_checked() -> None:
    assert text_field({}, "to", "default") == "default"
    assert number_field({"n": 2}, "n") == 2
    assert items_field({"items": [1]}, "items", 1) == [1]
    for check in (
        lambda: text_field({"to": 1}, "to"),
        lambda: number_field({"n": True}, "n"),
        lambda: items_field({"items": []}, "items", 1),
        lambda: items_field({"items": [1, 2]}, "items", 1),
    ):
        with pytest.raises(BadInput):
            check()
