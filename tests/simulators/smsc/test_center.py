"""The message center with injected time: schedules, retries, validity, and what the store remembers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from foundation.store import Store
from simulators.smsc import messages
from simulators.smsc.app import MIGRATIONS
from simulators.smsc.center import HANDSETS, Center
from smpp.aio.connection import Done
from smpp.constants import CommandStatus, MessageState
from smpp.pdu import Body, DeliverSm, DeliverSmResp, Pdu, SubmitSm, SubmitSmResp
from tests.simulators.smsc.test_app import settings_in

HOUR = 3_600_000


@dataclass
class FakeConnection:
    """A bind that keeps what is sent over it."""

    window_free: int = 10
    can_send: bool = True
    answers: list[tuple[Body | None, int]] = field(default_factory=list)
    sent: list[tuple[DeliverSm, Done]] = field(default_factory=list)

    def respond(self, _sequence_number: int, body: Body, status: int = 0) -> None:
        self.answers.append((body, status))

    def reject(self, _request: Pdu, status: int) -> None:
        self.answers.append((None, status))

    def request(self, body: DeliverSm, done: Done) -> int:
        self.sent.append((body, done))
        return len(self.sent)

    def answer(self, status: int) -> None:
        """Answer the oldest deliver_sm."""
        _, done = self.sent.pop(0)
        done(Pdu(DeliverSmResp(), 1, status))


@dataclass
class Bench:
    center: Center
    store: Store
    now: int
    esme: FakeConnection
    handsets: FakeConnection

    def submit(self, **fields: Any) -> None:
        account = settings_in(Path()).accounts[0]
        body = SubmitSm(
            source_addr=b"10690001",
            destination_addr=b"8613800000001",
            registered_delivery=1,
            short_message=b"hello",
            **fields,
        )
        self.center.submit(self.esme, account, Pdu(body, 1), body)  # type: ignore[arg-type]

    async def committed(self) -> None:
        """What was handed to the store before is on the disk and told."""
        await self.store.write(lambda database: None)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    store = Store.open(tmp_path / "smsc.db", MIGRATIONS)
    esme, handsets = FakeConnection(), FakeConnection()
    made = Bench(None, store, 1_790_000_000_000, esme, handsets)  # type: ignore[arg-type]
    made.center = Center(settings_in(tmp_path), store, lambda: made.now)
    made.center.queues["esme"].connections.append(esme)  # type: ignore[arg-type]
    made.center.queues[HANDSETS].connections.append(handsets)  # type: ignore[arg-type]
    await made.center.load()
    yield made
    await store.close()


async def test_nothing_is_acknowledged_or_delivered_before_the_commit(bench: Bench) -> None:
    bench.submit()
    assert bench.esme.answers == []
    assert bench.handsets.sent == []
    await bench.committed()
    [(body, status)] = bench.esme.answers
    assert (body, status) == (SubmitSmResp(message_id=b"1"), 0)
    assert len(bench.handsets.sent) == 1


async def test_a_scheduled_message_waits_for_its_time(bench: Bench) -> None:
    bench.submit(schedule_delivery_time=b"000000010000000R")  # in an hour
    await bench.committed()
    bench.now += HOUR - 1
    bench.center.tick()
    assert bench.handsets.sent == []
    bench.now += 1
    bench.center.tick()
    assert len(bench.handsets.sent) == 1


async def test_a_temporary_failure_is_tried_again_after_the_pause(bench: Bench) -> None:
    bench.submit()
    await bench.committed()
    bench.handsets.answer(CommandStatus.ESME_RX_T_APPN)
    bench.center.tick()
    assert bench.handsets.sent == []
    bench.now += 50
    bench.center.tick()
    assert len(bench.handsets.sent) == 1


async def test_a_receipt_is_sent_only_after_its_state_is_stored_and_until_it_is_answered(
    bench: Bench,
) -> None:
    bench.submit()
    await bench.committed()
    bench.handsets.answer(CommandStatus.ESME_ROK)
    assert bench.esme.sent == []
    await bench.committed()
    bench.esme.answer(CommandStatus.ESME_RSYSERR)
    bench.now += 50
    bench.center.tick()
    bench.esme.answer(CommandStatus.ESME_ROK)
    assert bench.center.open_messages == 0
    await bench.committed()
    assert await bench.store.read(messages.OPEN_QUERY) == []


async def test_a_receipt_that_nobody_takes_is_given_up_in_the_end(bench: Bench) -> None:
    bench.esme.can_send = False
    bench.submit()
    await bench.committed()
    bench.handsets.answer(CommandStatus.ESME_ROK)
    await bench.committed()
    bench.now += 47 * HOUR
    bench.center.expire()
    assert bench.center.open_messages == 1
    bench.now += HOUR
    bench.center.expire()
    assert bench.center.open_messages == 0


async def test_an_expired_message_is_not_delivered_later(bench: Bench) -> None:
    bench.handsets.can_send = False
    bench.submit(validity_period=b"000000010000000R")
    await bench.committed()
    bench.now += HOUR
    bench.center.expire()
    await bench.committed()
    bench.handsets.can_send = True
    bench.center.queues[HANDSETS].pump()
    assert bench.handsets.sent == []
    [row] = await bench.store.read(messages.OPEN_QUERY)
    assert messages.from_row(row).state == MessageState.EXPIRED
    assert len(bench.esme.sent) == 1


async def test_a_malformed_time_is_refused_with_its_fields_own_status(bench: Bench) -> None:
    bench.submit(schedule_delivery_time=b"not a time at all")
    bench.submit(validity_period=b"not a time at all")
    assert bench.esme.answers == [
        (None, CommandStatus.ESME_RINVSCHED),
        (None, CommandStatus.ESME_RINVEXPIRY),
    ]
