"""aiosmpplib, an asyncio SMPP client that nobody here wrote, as an enterprise's ESME against the whole house."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiosmpplib import (
    ESME,
    AbstractCorrelator,
    AbstractHook,
    DeliverSm,
    PhoneNumber,
    SmppMessage,
    SubmitSm,
    SubmitSmResp,
)
from aiosmpplib.correlator import SegmentStatus

from ascs.demo.layout import HOST
from smpp.constants import CommandStatus, EsmClass
from tests.e2e.house import ENT_A, ENT_B, House, until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

BURST = 200
BURST_S = 12.0
"""For all responses and receipts of the burst."""
STOP_S = 5.0


class Tables(AbstractCorrelator):
    """Requests and receipts by key. The library's own walks through all that it holds at every message, and
    shows only the last response of a long text; this one shows each part's."""

    def __init__(self) -> None:
        self._requests: dict[int, SmppMessage] = {}
        self._sent: dict[str, SubmitSm] = {}

    def get_cumulated_status(self, ref_num: int) -> int:
        return 0

    async def expired(self, smpp_message: SmppMessage) -> None:
        """Nothing expires within a test."""

    async def put(self, smpp_message: SmppMessage) -> None:
        self._requests[smpp_message.sequence_num] = smpp_message

    async def get(self, response: SmppMessage) -> SmppMessage | None:
        return self._requests.pop(response.sequence_num, None)

    async def put_delivery(self, smsc_message_id: str, submit_sm: SubmitSm) -> None:
        self._sent[smsc_message_id] = submit_sm

    async def get_delivery(self, receipt: DeliverSm) -> SubmitSm | None:
        return self._sent.pop(str(receipt.parse_receipt()["id"]), None)

    async def put_delivery_segmented(self, deliver_sm: DeliverSm) -> DeliverSm | None:
        return deliver_sm

    async def get_segmented(
        self, smpp_seq_num: int, remove: bool = False
    ) -> tuple[SegmentStatus | None, int]:
        return None, 0


class Client(AbstractHook):
    """One transceiver's session, and what it received."""

    def __init__(self, port: int) -> None:
        self.responses: list[SubmitSmResp] = []
        self.delivered: list[DeliverSm] = []
        self.errors: list[Exception] = []
        self.octets = b""
        self.esme = ESME(
            HOST,
            port,
            ENT_A.system_id,
            ENT_A.smpp_password,
            hook=self,
            correlator=Tables(),
            log_level="ERROR",
        )

    async def sending(self, smpp_message: SmppMessage, pdu: bytes, client_id: str) -> None:
        """Required by the interface."""

    async def received(self, smpp_message: SmppMessage | None, pdu: bytes, client_id: str) -> None:
        self.octets += pdu
        if isinstance(smpp_message, DeliverSm):
            self.delivered.append(smpp_message)
        elif isinstance(smpp_message, SubmitSmResp):
            self.responses.append(smpp_message)

    async def send_error(self, smpp_message: SmppMessage, error: Exception, client_id: str) -> None:
        self.errors.append(error)

    async def send(self, aid: str, text: str, log_id: str, *, in_parts: bool = False) -> None:
        """submit_sm with a receipt asked for; `in_parts` cuts a long text into parts with a UDH."""
        await self.esme.broker.enqueue(
            SubmitSm(
                short_message=text,
                source=PhoneNumber(ENT_A.access_number),
                destination=PhoneNumber(aid),
                esm_class=EsmClass.UDHI.value if in_parts else 0,
                auto_message_payload=not in_parts,
                registered_delivery=1,
                log_id=log_id,
            )
        )

    async def answers(self, log_id: str, count: int = 1, seconds: float = BURST_S) -> list[SubmitSmResp]:
        """The first `count` responses or more to what was sent as `log_id`."""

        async def ask() -> list[SubmitSmResp] | None:
            found = [each for each in self.responses if each.log_id == log_id]
            return found if len(found) >= count else None

        found: list[SubmitSmResp] = await until(ask, f"{count} responses to {log_id}", seconds)
        return found

    async def receipts(self, ids: set[str], count: int, seconds: float = BURST_S) -> list[DeliverSm]:
        """`count` receipts or more that bear one of `ids`."""

        async def ask() -> list[DeliverSm] | None:
            found = [
                each for each in self.delivered if each.is_receipt() and each.parse_receipt()["id"] in ids
            ]
            return found if len(found) >= count else None

        found: list[DeliverSm] = await until(ask, f"{count} receipts", seconds)
        return found


@pytest_asyncio.fixture(loop_scope="session")
async def client(house: House) -> AsyncIterator[Client]:
    bound = Client(house.ports.smpp)
    running = asyncio.create_task(bound.esme.start())
    try:
        yield bound
    finally:
        async with asyncio.timeout(STOP_S):
            await bound.esme.stop()
            await running
    assert bound.errors == []


@pytest_asyncio.fixture(loop_scope="session")
async def aid(house: House) -> str:
    return await house.active_aid(ENT_A, house.people[-1])


async def test_every_message_of_a_burst_gets_its_response_and_its_receipt(client: Client, aid: str) -> None:
    for number in range(BURST):
        await client.send(aid, f"第{number}件", "burst")
    responses = await client.answers("burst", BURST)
    assert {each.command_status for each in responses} == {CommandStatus.ESME_ROK}
    ids = {each.message_id for each in responses}
    assert len(responses) == len(ids) == BURST

    receipts = await client.receipts(ids, BURST)
    assert len(receipts) == BURST
    assert {each.parse_receipt()["id"] for each in receipts} == ids
    assert {each.parse_receipt()["stat"] for each in receipts} == {"DELIVRD"}
    assert {(each.source.number, each.destination.number) for each in receipts} == {
        (aid, ENT_A.access_number)
    }


async def test_a_chinese_text_shows_and_the_reply_comes_back_under_the_aid(
    house: House, client: Client, aid: str
) -> None:
    person = house.people[-1]
    text = "您的快件已到，取件码 7-3-9912。"
    await client.send(aid, text, "chinese")
    [response] = await client.answers("chinese")
    assert response.command_status == CommandStatus.ESME_ROK
    shown = await house.message(person, lambda each: each["text"] == text, "the text")
    assert shown["sender"].endswith(ENT_A.access_number)

    await house.handsets.reply(person.msisdn, "好的，今晚去取", ENT_A.access_number)

    async def ask() -> DeliverSm | None:
        return next((each for each in client.delivered if not each.is_receipt()), None)

    reply: DeliverSm = await until(ask, "the reply")
    assert reply.short_message == "好的，今晚去取"
    assert (reply.source.number, reply.destination.number) == (aid, ENT_A.access_number)
    assert person.msisdn[2:].encode() not in client.octets


async def test_a_long_text_in_several_parts_arrives_whole(house: House, client: Client, aid: str) -> None:
    text = "长文" + "您的订单已发货，请留意查收。" * 12
    await client.send(aid, text, "long", in_parts=True)
    responses = await client.answers("long", 3)
    assert {each.command_status for each in responses} == {CommandStatus.ESME_ROK}
    await house.message(house.people[-1], lambda each: each["text"] == text, "the whole text")
    await client.receipts({each.message_id for each in responses}, 1)


async def test_an_aid_that_may_not_be_written_to_is_refused(house: House, client: Client, aid: str) -> None:
    pending = await house.deposit(ENT_B, house.people[-2])
    unknown = aid[:-1] + str((int(aid[-1]) + 1) % 10)
    for refused, log_id in ((pending, "another's"), (unknown, "unknown")):
        await client.send(refused, "您好", log_id)
        [response] = await client.answers(log_id)
        assert (response.command_status, response.message_id) == (CommandStatus.ESME_RINVDSTADR, "")
