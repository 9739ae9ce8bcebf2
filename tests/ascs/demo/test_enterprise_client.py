"""The script's hands at an enterprise ask for what the enterprise's systems offer."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.requests import Request

from ascs.demo.enterprise_client import EnterpriseClient
from simulators.enterprise.api import EnterpriseApi
from simulators.http_api import HttpApi, body_of, route, serve
from simulators.http_client import ApiError

AID = "888132341582397708"


class Systems:
    """An enterprise's routes with canned answers; remembers what was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, Any]] = []
        self.api: HttpApi

    async def answer(self, request: Request) -> Any:
        path = request.url.path
        asked = dict(request.query_params) if request.method == "GET" else await body_of(request)
        self.asked.append((path, asked))
        given = self.answers.get(path, {})
        return given.pop(0) if isinstance(given, list) else given


@pytest.fixture
async def systems() -> AsyncIterator[Systems]:
    made = Systems()
    offered = EnterpriseApi(*([None] * 5)).routes()  # type: ignore[arg-type]
    routes = [
        route(each.path, method, made.answer)
        for each in offered
        for method in (each.methods or set()) - {"HEAD"}
    ]
    made.api = await serve(routes, "127.0.0.1", 0)
    yield made
    await made.api.stop()


@pytest.fixture
async def client(systems: Systems) -> AsyncIterator[EnterpriseClient]:
    made = EnterpriseClient(f"http://127.0.0.1:{systems.api.port}")
    yield made
    await made.close()


async def test_a_consent_from_nonce_to_result(systems: Systems, client: EnterpriseClient) -> None:
    systems.answers = {"/nonces": {"nonces": ["00"]}, "/deposit": {"results": [{"aid": AID}]}}
    nonces = await client.nonces(1)
    results = await client.deposit([{"nonce": nonces[0], "edis": ["E"]}])
    assert results == [{"aid": AID}]
    assert systems.asked == [
        ("/nonces", {"count": 1}),
        ("/deposit", {"items": [{"nonce": "00", "edis": ["E"]}]}),
    ]


async def test_it_asks_until_all_are_active(systems: Systems, client: EnterpriseClient) -> None:
    def statuses(*names: str) -> dict[str, Any]:
        return {"statuses": [{"status": name} for name in names]}

    systems.answers["/aids/status"] = [statuses("PENDING", "ACTIVE"), statuses("ACTIVE", "ACTIVE")]
    assert await client.until_active([AID, AID], 10.0)
    assert len(systems.asked) == 2


async def test_it_gives_up_in_time(systems: Systems, client: EnterpriseClient) -> None:
    systems.answers["/aids/status"] = {"statuses": [{"status": "PENDING"}]}
    assert not await client.until_active([AID], 0.05)


async def test_messages_and_calls(systems: Systems, client: EnterpriseClient) -> None:
    systems.answers = {
        "/sms": {"status": 0},
        "/receipts": {"receipts": [1]},
        "/replies": {"replies": [2]},
        "/calls": {"calls": [3]},
        "/call": {"id": "c"},
    }
    assert (await client.sms(AID, "hi"))["status"] == 0
    assert (await client.receipts(), await client.replies(after=4), await client.calls()) == ([1], [2], [3])
    assert (await client.call(AID))["id"] == "c"
    await client.digits("12#")
    await client.hangup()
    asked = dict(systems.asked)
    assert asked["/sms"] == {"aid": AID, "text": "hi", "receipt": True}
    assert asked["/replies"]["after"] == "4"
    assert (asked["/call"], asked["/digits"], asked["/hangup"]) == ({"aid": AID}, {"digits": "12#"}, {})


async def test_systems_that_are_gone_are_an_error(systems: Systems, client: EnterpriseClient) -> None:
    await systems.api.stop()
    with pytest.raises(ApiError):
        await client.health()
