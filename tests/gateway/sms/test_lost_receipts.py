"""The SMSC is asked what became of a message whose receipt never came."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.sms import lost_receipts
from gateway.sms.lost_receipts import ASK_AFTER_S, LostReceipts
from gateway.store.domain import Domain
from gateway.store.messages import State
from smpp.aio.connection import RequestFailed
from smpp.constants import CommandStatus, MessageState
from smpp.pdu import Pdu, QuerySmResp
from tests.gateway.carrier import NOW_MS, NUMBER, Clock, rows, until
from tests.gateway.sms.desk import SETTINGS, Desk

VALID_MS = 3_600_000
ASK_MS = ASK_AFTER_S * 1000


class World(Desk):
    """A message that the SMSC took as "00AB", and an SMSC that can be asked."""

    def __init__(self, domain: Domain, clock: Clock) -> None:
        super().__init__(domain, clock)
        self.is_there = True
        self.queries: list[tuple[str, str, str]] = []
        self._waiting: list[Callable[[Any], None]] = []
        self.lost = LostReceipts(domain, self, SETTINGS, self.delivered, self._count)

    def query(self, name: str, upstream_id: str, source: str, done: Callable[[Any], None]) -> bool:
        if self.is_there:
            self.queries.append((name, upstream_id, source))
            self._waiting.append(done)
        return self.is_there

    def answer(self, state: int, status: int = 0) -> None:
        body = QuerySmResp(message_id=b"00AB", message_state=state)
        self._waiting.pop(0)(Pdu(body, 1, status))

    def fail(self) -> None:
        self._waiting.pop(0)(RequestFailed("timeout"))

    async def at_smsc(self) -> int:
        message_id = await self.accepted(registered_delivery=1)
        await self.taken(b"00AB")
        return message_id

    async def look_after(self, late_ms: int) -> None:
        self.clock.now_ms = NOW_MS + VALID_MS + late_ms
        await self.lost.look()


@pytest.fixture
def desk(people: Domain, clock: Clock) -> World:
    return World(people, clock)


async def test_it_is_asked_when_validity_is_over_by_the_id_that_it_gave(desk: World) -> None:
    await desk.at_smsc()
    await desk.look_after(ASK_MS)
    assert desk.queries == []
    await desk.look_after(ASK_MS + 1)
    assert desk.queries == [("smsc", "00AB", NUMBER)]
    await desk.look_after(ASK_MS + 60_000)
    assert len(desk.queries) == 1


@pytest.mark.parametrize("state", [MessageState.DELIVERED, MessageState.EXPIRED, MessageState.UNDELIVERABLE])
async def test_what_it_says_is_the_outcome(desk: World, state: MessageState) -> None:
    message_id = await desk.at_smsc()
    await desk.look_after(ASK_MS + 1)
    desk.answer(state)
    await until(lambda: bool(desk.deliveries))
    assert desk.told() == [(message_id, state)]
    assert [row["result"] for row in await rows(desk.domain, "cdr", "seq")] == [state.name]
    assert desk.trust_rows == 1


@pytest.mark.parametrize(
    ("state", "status"),
    [(MessageState.ENROUTE, 0), (MessageState.ACCEPTED, 0), (77, 0), (0, CommandStatus.ESME_RQUERYFAIL)],
)
async def test_what_it_does_not_know_waits_on(desk: World, state: int, status: int) -> None:
    message_id = await desk.at_smsc()
    await desk.look_after(ASK_MS + 1)
    desk.answer(state, status)
    assert await desk.state(message_id) is State.ACCEPTED
    await desk.look_after(ASK_MS + 60_000)
    assert len(desk.queries) == 1
    await desk.receipt(b"00AB")
    assert desk.told() == [(message_id, MessageState.DELIVERED)]


async def test_a_receipt_that_comes_before_the_answer_stands(desk: World) -> None:
    message_id = await desk.at_smsc()
    await desk.look_after(ASK_MS + 1)
    await desk.receipt(b"00AB")
    desk.answer(MessageState.EXPIRED)
    assert await desk.state(message_id) is None
    assert desk.told() == [(message_id, MessageState.DELIVERED)]


async def test_no_answer_and_no_link_are_tried_again(desk: World) -> None:
    await desk.at_smsc()
    desk.is_there = False
    await desk.look_after(ASK_MS + 1)
    desk.is_there = True
    for count in (1, 2):
        await desk.look_after(ASK_MS + 1)
        assert len(desk.queries) == count
        desk.fail()


async def test_what_is_not_at_an_smsc_or_past_all_waiting_is_not_asked_about(desk: World) -> None:
    await desk.accepted()
    await desk.look_after(ASK_MS + 1)
    await desk.at_smsc()
    await desk.look_after(SETTINGS.receipt_wait_s * 1000 + VALID_MS * 3)
    assert desk.queries == []


async def test_it_looks_on_by_itself(desk: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost_receipts, "LOOK_S", 0.001)
    await desk.at_smsc()
    desk.clock.now_ms += VALID_MS + ASK_MS + 1
    desk.lost.start()
    await until(lambda: bool(desk.queries))
    await desk.lost.stop()
