"""A script's hands on the phones ask for what the fleet offers."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.requests import Request

from simulators.handsets.api import HandsetApi
from simulators.handsets.client import HandsetClient
from simulators.http_api import HttpApi, body_of, route, serve

MSISDN = "8613800000001"


class Fleet:
    """The fleet's routes with canned answers; remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.answer: dict[str, Any] = {}
        self.api: HttpApi

    async def take(self, request: Request) -> Any:
        query = dict(request.query_params)
        self.asked.append((request.method, request.url.path, query or await body_of(request)))
        return self.answer


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    made = Fleet()
    offered = HandsetApi(*([None] * 5)).routes()  # type: ignore[arg-type]
    routes = [
        route(each.path, method, made.take)
        for each in offered
        for method in (each.methods or set()) - {"HEAD"}
    ]
    made.api = await serve(routes, "127.0.0.1", 0)
    yield made
    await made.api.stop()


@pytest.fixture
async def client(fleet: Fleet) -> AsyncIterator[HandsetClient]:
    async with HandsetClient(f"http://127.0.0.1:{fleet.api.port}") as made:
        yield made


async def test_what_came_is_asked_for_from_where_it_was_left(fleet: Fleet, client: HandsetClient) -> None:
    fleet.answer = {"messages": [1], "calls": [2], "handsets": [3]}
    assert await client.inbox(MSISDN, after=4, wait=0.1) == [1]
    assert await client.calls(MSISDN) == [2]
    assert await client.handsets(limit=5) == [3]
    path = f"/handsets/{MSISDN}"
    assert fleet.asked == [
        ("GET", f"{path}/messages", {"after": "4", "wait": "0.1"}),
        ("GET", f"{path}/calls", {"after": "0", "wait": "0"}),
        ("GET", "/handsets", {"offset": "0", "limit": "5"}),
    ]


@pytest.mark.parametrize(
    ("name", "arguments", "sent"),
    [
        ("reply", ("TD",), {"text": "TD"}),
        ("reply", ("TD", "1069880001"), {"text": "TD", "to": "1069880001"}),
        ("call", ("1069880001",), {"to": "1069880001"}),
        ("answer", (), {}),
        ("reject", (), {}),
        ("hangup", (), {}),
        ("digits", ("12#",), {"digits": "12#"}),
    ],
)
async def test_what_a_person_does(
    fleet: Fleet, client: HandsetClient, name: str, arguments: tuple[str, ...], sent: dict[str, str]
) -> None:
    await getattr(client, name)(MSISDN, *arguments)
    assert fleet.asked == [("POST", f"/handsets/{MSISDN}/{name}", sent)]


@pytest.mark.parametrize(
    ("options", "sent"),
    [({"busy": True}, {"busy": True}), ({"never": True}, {"never": True}), ({"answer_after": 2}, {"answer_after": 2})],
)  # fmt: skip
async def test_how_a_phone_behaves(
    fleet: Fleet, client: HandsetClient, options: dict[str, Any], sent: dict[str, Any]
) -> None:
    await client.behave(MSISDN, **options)
    assert fleet.asked == [("PUT", f"/handsets/{MSISDN}/behaviour", sent)]


async def test_the_app_seals_and_the_network_asserts(fleet: Fleet, client: HandsetClient) -> None:
    fleet.answer = {"edi": "E", "edis": ["E", "F"], "accepted": 2}
    assert await client.seal(MSISDN, "ent-a", "00") == "E"
    assert await client.seal_batch([{"msisdn": MSISDN}]) == ["E", "F"]
    assert await client.assert_batch([{"msisdn": MSISDN}]) == 2
    assert [path for _, path, _ in fleet.asked] == [
        f"/handsets/{MSISDN}/seal",
        "/seal-batch",
        "/assert-batch",
    ]
