"""What the gateway tells operators and their tools: 200 while it can take a contact, and what is not well."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from gateway.operations import Health, Operations
from gateway.records import metrics
from gateway.settings import HttpSettings
from tests.gateway.carrier import AID, MSISDN

WELL = {"store": "ok", "trust": "ok", "smsc": "ok", "media": "ok"}
LINKS = {"smsc-a": "bound", "smsc-b": "backoff"}


class Gateway:
    """Says of itself what the test wants."""

    def __init__(self) -> None:
        self.parts = dict(WELL)
        self.operations = Operations(HttpSettings(port=0), self.health)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.operations.port}"

    def health(self) -> Health:
        return Health(self.parts, LINKS)

    async def get(self, path: str) -> tuple[int, str]:
        async with (
            aiohttp.ClientSession(trust_env=False) as session,
            session.get(self.url + path) as response,
        ):
            return response.status, await response.text()

    async def ask(self, **parts: str) -> tuple[int, Any]:
        self.parts = WELL | parts
        async with (
            aiohttp.ClientSession(trust_env=False) as session,
            session.get(self.url + "/health") as response,
        ):
            return response.status, await response.json()


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    made = Gateway()
    await made.operations.start()
    yield made
    await made.operations.stop()


async def test_all_parts_and_links_are_told(gateway: Gateway) -> None:
    assert await gateway.ask() == (200, {"status": "ok", "parts": WELL, "links": LINKS, "core": {}})


@pytest.mark.parametrize(
    ("parts", "status", "code"),
    [
        ({"smsc": "degraded"}, "degraded", 200),  # another link takes the messages
        ({"smsc": "down"}, "degraded", 200),  # messages wait, calls go
        ({"media": "down"}, "degraded", 200),  # messages go
        ({"smsc": "degraded", "media": "down"}, "degraded", 200),
        ({"smsc": "down", "media": "down"}, "failed", 503),
        ({"store": "failed"}, "failed", 503),  # nothing is acknowledged before it is safe
        ({"trust": "down"}, "failed", 503),  # every contact would be answered as not available
        ({"trust": "refuses"}, "failed", 503),
    ],
    ids=str,
)
async def test_503_when_no_contact_can_be_taken(
    gateway: Gateway, parts: dict[str, str], status: str, code: int
) -> None:
    answered, body = await gateway.ask(**parts)
    assert (answered, body["status"]) == (code, status)
    assert body["parts"] == WELL | parts


async def test_metrics_are_for_prometheus_and_name_nobody(gateway: Gateway) -> None:
    metrics.SUBMITS.add("sms-a", "ESME_ROK")
    code, text = await gateway.get("/metrics")
    assert code == 200
    assert 'ascs_sms_submits_total{account="sms-a",status="ESME_ROK"}' in text
    assert MSISDN not in text
    assert AID not in text


async def test_nothing_else_is_served(gateway: Gateway) -> None:
    assert (await gateway.get("/"))[0] == 404


async def test_a_port_that_is_taken_is_an_error_and_not_a_silence(gateway: Gateway) -> None:
    other = Operations(HttpSettings(port=gateway.operations.port), gateway.health)
    with pytest.raises(OSError):
        await other.start()
    await other.stop()
