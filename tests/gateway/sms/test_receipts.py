"""Receipts from the SMSC: to the message they name, before or after its response, answered after the commit."""

from types import SimpleNamespace
from typing import Any

import pytest

from foundation.store import StoreBusy
from gateway.settings import SmsSettings
from gateway.sms.dispatch import Dispatcher, Outgoing
from gateway.sms.final import Delivery
from gateway.sms.receipts import Receipts
from gateway.store import messages
from gateway.store.domain import Domain
from gateway.store.messages import State
from smpp.codec import decode
from smpp.constants import CommandStatus
from smpp.pdu import DataSm, DataSmResp, DeliverSm, DeliverSmResp, Pdu
from smpp.receipts import MessageState, Receipt, parse
from tests.gateway.carrier import (
    AID,
    MSISDN,
    NUMBER,
    FakeConnection,
    FakeSender,
    FakeVerifier,
    message_row,
    rows,
    settled,
    submit_frame,
)


class Desk:
    """Receipts and a dispatcher over one store."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self.deliveries: list[Delivery] = []
        self.connection = FakeConnection()
        self.sender = FakeSender()
        settings = SmsSettings()
        self.receipts = Receipts(domain, settings, self.deliveries.append, lambda: None)
        self.dispatcher = Dispatcher(
            domain, FakeVerifier(), self.sender, settings, self.deliveries.append, lambda: None
        )

    async def send(self, message_id: int = 1) -> None:
        frame = submit_frame()
        row = message_row(message_id, frame, self.domain.vault)
        await self.domain.store.write(lambda conn: messages.insert(conn, row))
        self.dispatcher.offer(Outgoing(row, frame))

    async def receipt(
        self, upstream_id: bytes = b"7", state: MessageState = MessageState.DELIVERED, **fields: Any
    ) -> tuple[int, int, Any]:
        body = fields.pop("body", DeliverSm())
        link = fields.pop("link", "smsc")
        self.receipts.take(link, self.connection, Pdu(body, 5), Receipt(upstream_id, state, **fields))
        assert self.connection.answers == []  # not before the commit
        return await self.connection.answer()

    async def state(self, message_id: int = 1) -> State:
        await settled(self.domain)
        row = await self.domain.store.write(lambda conn: messages.get(conn, message_id))
        assert row is not None
        return State(row.state)


@pytest.fixture
def desk(people: Domain) -> Desk:
    return Desk(people)


async def test_a_receipt_after_its_response(desk: Desk) -> None:
    await desk.send()
    desk.sender.answer(b"7")
    assert await desk.receipt() == (5, 0, DeliverSmResp())
    assert await desk.state() is State.FINAL
    (delivery,) = desk.deliveries
    assert delivery.account == "sms-a"


async def test_a_receipt_before_its_response(desk: Desk) -> None:
    await desk.send()
    assert await desk.receipt() == (5, 0, DeliverSmResp())
    assert (await desk.state(), desk.deliveries) == (State.QUEUED, [])
    desk.sender.answer(b"7")
    assert await desk.state() is State.FINAL
    assert len(desk.deliveries) == 1
    assert await rows(desk.domain, "parked_receipt") == []


async def test_an_intermediate_receipt_does_not_hide_the_final_one_behind_it(desk: Desk) -> None:
    """Both came before the response."""
    await desk.send()
    await desk.receipt(state=MessageState.ENROUTE)
    await desk.receipt(state=MessageState.DELIVERED)
    desk.sender.answer(b"7")
    assert await desk.state() is State.FINAL
    assert len(desk.deliveries) == 1


async def test_an_intermediate_receipt_ends_nothing(desk: Desk) -> None:
    await desk.send()
    desk.sender.answer(b"7")
    assert (await desk.receipt(state=MessageState.ACCEPTED))[1] == 0
    assert (await desk.state(), desk.deliveries) == (State.ACCEPTED, [])


async def test_a_receipt_twice_is_told_once(desk: Desk) -> None:
    await desk.send()
    desk.sender.answer(b"7")
    await desk.receipt()
    assert (await desk.receipt(state=MessageState.UNDELIVERABLE))[1] == 0
    assert len(desk.deliveries) == 1
    assert [row["result"] for row in await rows(desk.domain, "cdr")] == ["DELIVERED"]


@pytest.mark.parametrize(("response", "receipt"), [(b"00AB", b"ab"), (b"1f", b"31"), (b"31", b"1F")])
async def test_ids_that_an_smsc_writes_in_two_ways(desk: Desk, response: bytes, receipt: bytes) -> None:
    await desk.send()
    desk.sender.answer(response)
    await desk.receipt(receipt)
    assert await desk.state() is State.FINAL


async def test_an_id_that_two_messages_answer_to_is_nobodys(desk: Desk) -> None:
    await desk.send(1)
    await desk.send(2)
    desk.sender.answer(b"00ab")
    desk.sender.answer(b"0ab")
    await desk.receipt(b"ab")
    assert [await desk.state(1), await desk.state(2)] == [State.ACCEPTED] * 2


async def test_the_same_id_from_another_smsc_is_another_message(desk: Desk) -> None:
    await desk.send()
    desk.sender.answer(b"7")
    await desk.receipt(link="another")
    assert await desk.state() is State.ACCEPTED


async def test_the_enterprises_receipt_names_the_aid_and_the_gateways_own_id(desk: Desk) -> None:
    await desk.send()
    desk.sender.answer(b"7")
    await desk.receipt(error="005", text=MSISDN.encode())
    body = decode(desk.deliveries[0].frame).body
    assert isinstance(body, DeliverSm)
    assert (body.source_addr, body.destination_addr) == (AID.encode(), NUMBER.encode())
    told = parse(body)
    assert told is not None
    assert (told.message_id, told.state, told.error) == (b"0000000000000001", MessageState.DELIVERED, "005")
    assert MSISDN.encode() not in desk.deliveries[0].frame


async def test_a_data_sm_is_answered_as_one(desk: Desk) -> None:
    assert await desk.receipt(body=DataSm()) == (5, 0, DataSmResp())


async def test_a_receipt_that_could_not_be_stored_is_asked_for_again(people: Domain) -> None:
    def refuse(op: Any, done: Any) -> None:
        raise StoreBusy("full")

    desk = Desk(Domain(SimpleNamespace(submit=refuse), people.vault))  # type: ignore[arg-type]
    desk.receipts.take("smsc", desk.connection, Pdu(DeliverSm(), 5), Receipt(b"7", MessageState.DELIVERED))
    assert desk.connection.answers == [(5, CommandStatus.ESME_RX_T_APPN, None)]
