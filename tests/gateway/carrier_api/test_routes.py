"""Who may ask what of the carrier."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from foundation.store import StoreBusy
from gateway.carrier_api.routes import carrier_api
from interparty.key_delivery import DeliveryError
from interparty.query_messages import CarrierNumberReply
from tests.interparty.test_query_messages import APPROVAL

SETTINGS: Any = SimpleNamespace(
    trust=SimpleNamespace(id="ttp"), confirm=SimpleNamespace(network_peers=("network",))
)
ASSERTIONS = {"assertions": [{"edi_id": "0" * 32, "msisdn": "8613800000001", "at": 1}]}


class Confirmations:
    """Takes everything, or fails as told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def assert_sessions(self, items: Any) -> int:
        if self.error is not None:
            raise self.error
        return len(items)


class Queries:
    """Refuses every query."""

    async def answer(self, _: Any) -> CarrierNumberReply:
        return CarrierNumberReply(refusal="STALE")


class Keys:
    """Takes no key."""

    async def take(self, _party: str, _delivery: Any) -> Any:
        raise DeliveryError("the envelope does not open")


async def post(party: str, path: str, body: Any, error: Exception | None = None) -> tuple[int, bytes]:
    """Status and body of a request that interparty.server let in as one of `party`."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "state": {"party": party},
    }
    await carrier_api(SETTINGS, Confirmations(error), Queries(), Keys())(scope, receive, send)  # type: ignore[arg-type]
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


@pytest.mark.parametrize("party", ["ent-a", "network", "CMCC"])
async def test_only_the_trust_party_asks_for_confirmations(party: str) -> None:
    assert (await post(party, "/v1/confirmation-requests", {}))[0] == 403


QUERY = {"requester": "regulator", "sealed": "A" * 998, "approvals": [APPROVAL]}


@pytest.mark.parametrize("party", ["ent-a", "network", "CMCC", "regulator"])
async def test_only_the_trust_party_passes_on_queries_by_number(party: str) -> None:
    assert (await post(party, "/v1/number-queries", QUERY))[0] == 403


async def test_a_query_that_is_refused_says_why() -> None:
    status, body = await post("ttp", "/v1/number-queries", QUERY)
    assert (status, json.loads(body)) == (200, {"refusal": "STALE"})


@pytest.mark.parametrize("party", ["ent-a", "ttp", "CMCC"])
async def test_only_a_configured_network_peer_asserts_sessions(party: str) -> None:
    assert (await post(party, "/v1/assertions", ASSERTIONS))[0] == 403


async def test_what_is_taken_is_accepted_and_nothing_more_is_said() -> None:
    status, body = await post("network", "/v1/assertions", ASSERTIONS)
    assert (status, json.loads(body)) == (202, {"accepted": 1})


async def test_a_store_that_takes_nothing_asks_to_come_back() -> None:
    assert (await post("network", "/v1/assertions", ASSERTIONS, StoreBusy("full")))[0] == 503


async def test_only_the_trust_party_delivers_keys_and_a_refusal_is_a_conflict() -> None:
    assert (await post("network", "/v1/keys", {"envelope": "AAAA"}))[0] == 403
    assert (await post("ttp", "/v1/keys", {"envelope": "AAAA"}))[0] == 409
