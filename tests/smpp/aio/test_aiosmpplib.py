"""The listener spoken to by aiosmpplib, an ESME that nobody here wrote."""

from __future__ import annotations

import asyncio

from aiosmpplib import ESME, AbstractHook, PhoneNumber, SmppMessage
from aiosmpplib import DeliverSm as TheirDeliverSm
from aiosmpplib import SubmitSm as TheirSubmitSm
from aiosmpplib import SubmitSmResp as TheirSubmitSmResp

from smpp.constants import EsmClass
from smpp.pdu import DeliverSm, SubmitSm
from smpp.receipts import MessageState, Receipt, build, receipt_tlvs
from tests.smpp.aio.centre import BIND, Centre, until


class Recorder(AbstractHook):
    """Keeps what the ESME received."""

    def __init__(self) -> None:
        self.received_messages: list[SmppMessage] = []
        self.errors: list[Exception] = []

    async def sending(self, smpp_message: SmppMessage, pdu: bytes, client_id: str) -> None:
        """Required by the interface."""

    async def received(self, smpp_message: SmppMessage | None, pdu: bytes, client_id: str) -> None:
        if smpp_message is not None:
            self.received_messages.append(smpp_message)

    async def send_error(self, smpp_message: SmppMessage, error: Exception, client_id: str) -> None:
        self.errors.append(error)

    def of(self, kind: type[SmppMessage]) -> list[SmppMessage]:
        return [message for message in self.received_messages if isinstance(message, kind)]


async def test_submit_response_and_receipt() -> None:
    async with Centre() as centre:
        hook = Recorder()
        esme = ESME(
            "127.0.0.1",
            centre.port,
            BIND.system_id.decode(),
            BIND.password.decode(),
            hook=hook,
            log_level="ERROR",
        )
        running = asyncio.create_task(esme.start())
        await until(lambda: bool(centre.bound))
        await esme.broker.enqueue(
            TheirSubmitSm(
                short_message="您的订单已发货",
                source=PhoneNumber("10690000"),
                destination=PhoneNumber("888112345678901234"),
                log_id="order-1",
            )
        )
        await until(lambda: bool(hook.of(TheirSubmitSmResp)))
        request = centre.requests[0].pdu
        assert isinstance(request.body, SubmitSm)
        assert request.body.short_message == "您的订单已发货".encode("utf-16-be")
        message_id = b"id-%d" % request.sequence_number
        (response,) = hook.of(TheirSubmitSmResp)
        assert isinstance(response, TheirSubmitSmResp)
        assert response.message_id == message_id.decode()

        receipt = Receipt(message_id, MessageState.DELIVERED, delivered=1)
        answer = await centre.bound[0].call(
            DeliverSm(
                source_addr=b"888112345678901234",
                destination_addr=b"10690000",
                esm_class=EsmClass.DELIVERY_RECEIPT.value,
                short_message=build(receipt),
                tlvs=receipt_tlvs(receipt),
            )
        )
        assert answer.command_status == 0
        (delivered,) = hook.of(TheirDeliverSm)
        assert isinstance(delivered, TheirDeliverSm)
        assert delivered.is_receipt()
        assert delivered.parse_receipt()["id"] == message_id.decode()
        assert delivered.parse_receipt()["stat"] == "DELIVRD"
        await esme.stop()
        await running
        assert hook.errors == []
