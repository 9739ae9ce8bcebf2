"""From the outbox to the enterprise: done on its response alone, tried again, in order, over any bind."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

import pytest

from gateway.sms import deliver
from gateway.sms.deliver import Deliveries
from gateway.sms.final import Delivery, put_deliveries
from gateway.store.domain import Domain
from smpp.codec import EncodeError, decode, encode
from smpp.constants import CommandStatus, Tag
from smpp.pdu import DeliverSm, Pdu
from tests.gateway.carrier import AID, NUMBER, Clock, FakeConnection, rows, settled, until


class Desk:
    """Deliveries of one account and a bind of it."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self.deliveries = Deliveries(domain)
        self.bind = FakeConnection()

    async def commit(self, text: str, account: str = "sms-a", validity_s: int = 100) -> Delivery:
        body = DeliverSm(
            source_addr=AID.encode(), destination_addr=NUMBER.encode(), short_message=text.encode()
        )
        drafts = [(account, encode(Pdu(body, 0)), False)]
        (delivery,) = await self.domain.store.write(
            lambda conn: put_deliveries(conn, self.domain, drafts, validity_s)
        )
        return delivery

    async def offer(self, text: str) -> None:
        self.deliveries.offer([await self.commit(text)])

    async def bound(self, bind: FakeConnection | None = None) -> None:
        self.deliveries.bound("sms-a", bind or self.bind)
        await settled(self.domain)

    def texts(self, bind: FakeConnection | None = None) -> list[str]:
        return [body.short_message.decode() for body in (bind or self.bind).bodies()]

    async def answer(self, index: int = 0, status: int = 0, bind: FakeConnection | None = None) -> None:
        self.deliveries.answered([((bind or self.bind).requests[index][1], status)])
        await settled(self.domain)

    async def left(self) -> int:
        return len(await rows(self.domain, "enterprise_outbox"))


@pytest.fixture
async def desk(domain: Domain, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr(deliver, "RETRY_S", 0.005)
    monkeypatch.setattr(deliver, "SWEEP_S", 0.005)
    desk = Desk(domain)
    yield desk
    await desk.deliveries.stop()


async def test_done_only_when_the_enterprise_has_answered(desk: Desk) -> None:
    await desk.bound()
    await desk.offer("one")
    assert (desk.texts(), await desk.left()) == (["one"], 1)
    await desk.answer()
    assert await desk.left() == 0


@pytest.mark.parametrize(
    "status", [CommandStatus.ESME_RX_T_APPN, CommandStatus.ESME_RSYSERR, CommandStatus.ESME_RMSGQFUL]
)
async def test_an_error_is_tried_again(desk: Desk, status: int) -> None:
    await desk.bound()
    await desk.offer("one")
    await desk.answer(status=status)
    assert await desk.left() == 1
    await until(lambda: desk.texts() == ["one", "one"])


async def test_a_response_that_never_came_is_tried_again(desk: Desk) -> None:
    await desk.bound()
    await desk.offer("one")
    desk.deliveries.failed(desk.bind.requests[0][1], "timeout")
    await until(lambda: desk.texts() == ["one", "one"])
    assert await desk.left() == 1


async def test_a_generic_nack_is_tried_again(desk: Desk) -> None:
    await desk.bound()
    await desk.offer("one")
    desk.deliveries.answered([(desk.bind.requests[0][1], CommandStatus.ESME_RINVCMDID)])
    await until(lambda: desk.texts() == ["one", "one"])


@pytest.mark.parametrize("status", sorted(deliver.REFUSED_FOR_GOOD))
async def test_what_the_enterprise_will_never_take_is_not_tried_again(desk: Desk, status: int) -> None:
    await desk.bound()
    await desk.offer("one")
    await desk.answer(status=status)
    assert await desk.left() == 0


async def test_an_account_without_a_bind_gets_everything_in_order_when_it_returns(desk: Desk) -> None:
    for text in ("one", "two", "three"):
        await desk.offer(text)
    assert desk.texts() == []
    await desk.bound()
    assert desk.texts() == ["one", "two", "three"]
    await desk.offer("four")
    assert desk.texts() == ["one", "two", "three", "four"]


async def test_a_bind_that_went_leaves_its_messages_to_the_next(desk: Desk) -> None:
    await desk.bound()
    await desk.offer("one")
    desk.deliveries.unbound("sms-a", desk.bind)
    desk.deliveries.failed(desk.bind.requests[0][1], "closed")
    await desk.offer("two")
    assert desk.texts() == ["one"]
    again = FakeConnection()
    await desk.bound(again)
    await until(lambda: desk.texts(again) == ["one", "two"])
    assert await desk.left() == 2


async def test_binds_take_turns(desk: Desk) -> None:
    other = FakeConnection()
    await desk.bound()
    await desk.bound(other)
    for text in ("one", "two", "three"):
        await desk.offer(text)
    assert sorted(map(len, (desk.bind.requests, other.requests))) == [1, 2]


@pytest.mark.parametrize("shut", [{"window_free": 0}, {"can_send": False}])
async def test_a_bind_without_room_waits(desk: Desk, shut: dict[str, int | bool]) -> None:
    desk.bind = FakeConnection(**shut)  # type: ignore[arg-type]
    await desk.bound()
    await desk.offer("one")
    assert desk.texts() == []
    desk.bind.window_free, desk.bind.can_send = 1, True
    desk.deliveries.pump("sms-a")
    assert desk.texts() == ["one"]


async def test_another_accounts_messages_are_not_this_ones(desk: Desk) -> None:
    await desk.bound()
    desk.deliveries.offer([await desk.commit("theirs", "sms-b")])
    await settled(desk.domain)
    assert desk.texts() == []


async def test_what_the_store_gave_is_not_sent_again_when_its_commit_offers_it(desk: Desk) -> None:
    """A bind's read of the store may see a row before its own commit's offer arrives."""
    delivery = await desk.commit("one")
    await desk.bound()
    assert desk.texts() == ["one"]
    desk.deliveries.offer([delivery])
    assert desk.texts() == ["one"]


async def test_what_is_offered_while_the_store_is_read_is_not_forgotten(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The read is older than the offer. No sweep runs that would find it later."""
    late: list[Callable[[], None]] = []
    submit = desk.domain.store.submit

    def slow(op: Any, done: Callable[[Any, BaseException | None], None]) -> None:
        submit(op, lambda result, error: late.append(partial(done, result, error)))

    await desk.commit("one")
    with monkeypatch.context() as patch:
        patch.setattr(desk.domain.store, "submit", slow)
        desk.deliveries.bound("sms-a", desk.bind)  # type: ignore[arg-type]
    await settled(desk.domain)
    await desk.offer("two")
    assert (desk.texts(), len(late)) == ([], 1)
    late.pop()()
    await settled(desk.domain)
    assert desk.texts() == ["one", "two"]


async def test_more_than_memory_holds_comes_from_the_store(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "HELD_MAX", 2)
    texts = ["one", "two", "three", "four", "five"]
    await desk.bound()
    for text in texts:
        await desk.offer(text)
    for index in range(len(texts)):
        await until(lambda index=index: len(desk.bind.requests) > index)
        await desk.answer(index)
    assert desk.texts() == texts
    await settled(desk.domain)
    assert await desk.left() == 0


async def test_what_waited_beyond_its_validity_is_dropped(desk: Desk, clock: Clock) -> None:
    await desk.commit("old", validity_s=1)
    await desk.commit("new", validity_s=100)
    clock.now_ms += 1001
    desk.deliveries.start()
    async with asyncio.timeout(5):
        while True:
            if await desk.left() == 1:
                break
            await asyncio.sleep(0.002)
    await desk.bound()
    await until(lambda: desk.texts() == ["new"])


class OldBind(FakeConnection):
    """A session of 3.3: what is longer than short_message holds cannot be sent to it."""

    def request_messages(self, messages: Sequence[tuple[bytes, Any]]) -> int:
        for place, (frame, _) in enumerate(messages):
            if decode(frame).body.tlvs:
                if place:
                    return super().request_messages(messages[:place])
                raise EncodeError("message_payload to a peer of version 3.3")
        return super().request_messages(messages)


async def test_a_reply_that_a_session_takes_no_tlvs_for_holds_nothing_up_and_waits_for_another(
    desk: Desk,
) -> None:
    old = OldBind()
    await desk.commit("first")
    long = DeliverSm(source_addr=AID.encode(), tlvs=[(Tag.MESSAGE_PAYLOAD, b"x" * 300)])
    drafts = [("sms-a", encode(Pdu(long, 0)), False)]
    await desk.domain.store.write(lambda conn: put_deliveries(conn, desk.domain, drafts, 100))
    await desk.commit("last")
    await desk.bound(old)
    await until(lambda: desk.texts(old) == ["first", "last"])
    await asyncio.sleep(0.02)  # nothing is tried again and again
    assert desk.texts(old) == ["first", "last"]
    await desk.bound()
    await until(lambda: len(desk.bind.requests) == 1)
    assert desk.bind.bodies() == [long]


async def test_what_no_session_can_be_sent_expires(desk: Desk, clock: Clock) -> None:
    long = DeliverSm(source_addr=AID.encode(), tlvs=[(Tag.MESSAGE_PAYLOAD, b"x" * 300)])
    drafts = [("sms-a", encode(Pdu(long, 0)), False)]
    await desk.domain.store.write(lambda conn: put_deliveries(conn, desk.domain, drafts, 100))
    await desk.bound(OldBind())
    await until(lambda: bool(desk.deliveries._accounts["sms-a"].unfit))
    clock.now_ms += 100_001
    desk.deliveries.start()
    await until(lambda: not desk.deliveries._accounts["sms-a"].held)
    assert await desk.left() == 0
    await desk.bound()
    assert desk.bind.requests == []
