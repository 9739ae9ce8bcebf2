"""A trust party in memory: a Peer whose answers the test decides."""

import asyncio
import json

import pytest

from interparty.client import PeerUnavailable
from interparty.messages import ReportRequest
from interparty.verify_messages import VerifyItem, VerifyRequest, VerifyResponse

AID = "888132341582397708"
EDI_ID = "00112233445566778899aabbccddeeff"
EDI_TEXT = "RURJ" + "A" * 275


def item(number: int = 0) -> VerifyItem:
    return VerifyItem(aid=AID, enterprise="ent-a", channel="sms", access_number=f"1069{number}")


def refusal(reason: str) -> dict:
    return {"refusal": {"reason": reason}}


def grant() -> dict:
    return {
        "grant": {
            "edi": EDI_TEXT,
            "edi_id": EDI_ID,
            "consent": {
                "hours": "08:00-21:00",
                "frequency": "20/day",
                "access_numbers": ["10690001"],
                "not_after": 1795500000000,
            },
        }
    }


MESSAGES = {"/v1/verifications": VerifyRequest, "/v1/reports": ReportRequest}
"""Of the routes that are asked in bytes."""


class FakePeer:
    """Answers each route's request with what the test registered; remembers the requests."""

    def __init__(self) -> None:
        self.requests = []
        self.answers = {}
        self.gate = None
        """While a Future is here, requests wait for it."""

    async def request(self, method, path, message, answer, *, query="", timeout=None):
        return answer.model_validate(await self._answer(method, path, message, timeout))

    async def request_bytes(self, method, path, body, *, query="", timeout=None):
        message = MESSAGES[path].model_validate_json(body)
        return json.dumps(await self._answer(method, path, message, timeout)).encode()

    async def _answer(self, method, path, message, timeout):
        self.requests.append((method, path, message))
        if self.gate is not None:
            try:
                await asyncio.wait_for(asyncio.shield(self.gate), timeout)
            except TimeoutError:
                raise PeerUnavailable("no answer in time") from None
        given = self.answers[path]
        if callable(given):
            given = given(message)
        if isinstance(given, Exception):
            raise given
        return given

    @property
    def sizes(self) -> list[int]:
        """How many questions each verification request held."""
        return [len(message.items) for _, _, message in self.requests]


def verification(message: VerifyRequest) -> dict:
    """Refuses each item with its access number as the reason, so that order can be seen."""
    answers = [refusal(f"N{one.access_number}") for one in message.items]
    return {
        "answers": answers,
        "batch": {"root": "0" * 64, "count": len(answers), "at": 0, "signature": "A" * 86},
    }


assert VerifyResponse.model_validate(verification(VerifyRequest(items=[item()])))


@pytest.fixture
def peer() -> FakePeer:
    fake = FakePeer()
    fake.answers["/v1/verifications"] = verification
    return fake
