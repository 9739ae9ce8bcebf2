"""A message's one outcome: CDR, report and receipt, in one commit, and never a number outwards."""

from typing import Any

import pytest

from gateway.records import metrics
from gateway.sms import final
from gateway.sms.final import Delivery, finish_message, put_delivery, wants_receipt
from gateway.store import messages
from gateway.store.domain import Domain
from gateway.store.ids import text_of
from gateway.store.messages import Kind
from smpp.codec import decode
from smpp.pdu import DeliverSm
from smpp.receipts import MessageState, parse
from tests.gateway.carrier import (
    AID,
    EDI_ID,
    ENTERPRISE,
    MSISDN,
    NOW_MS,
    NUMBER,
    Clock,
    message_row,
    rows,
    submit_frame,
)

VALIDITY_S = 3600
ID = 7


async def accepted(domain: Domain, **fields: Any) -> messages.MessageRow:
    row = message_row(ID, submit_frame(), domain.vault, **fields)
    await domain.store.write(lambda conn: messages.insert(conn, row))
    return row


async def finished(
    domain: Domain, row: messages.MessageRow, state: MessageState, error: int = 0
) -> Delivery | None:
    return await domain.store.write(lambda conn: finish_message(conn, domain, row, state, error, VALIDITY_S))


@pytest.mark.parametrize(
    ("registered_delivery", "on_success", "on_failure"),
    [(0, False, False), (1, True, True), (2, False, True), (3, True, False), (0x11, True, True), (0x10, False, False)],
)  # fmt: skip
def test_registered_delivery_says_which_ends_are_told(
    registered_delivery: int, on_success: bool, on_failure: bool
) -> None:
    assert wants_receipt(registered_delivery, MessageState.DELIVERED) is on_success
    assert wants_receipt(registered_delivery, MessageState.UNDELIVERABLE) is on_failure


async def test_an_outcome_is_cdr_report_and_receipt(people: Domain, clock: Clock) -> None:
    row = await accepted(people)
    clock.now_ms = NOW_MS + 1500
    delivery = await finished(people, row, MessageState.DELIVERED)

    [cdr] = await rows(people, "cdr")
    assert (cdr["id"], cdr["kind"], cdr["result"]) == (ID, "mt", "DELIVERED")
    assert (cdr["aid"], cdr["edi_id"], cdr["enterprise_id"]) == (AID, EDI_ID, ENTERPRISE)
    assert (cdr["started_at"], cdr["ended_at"]) == (NOW_MS, NOW_MS + 1500)

    [report] = await rows(people, "trust_outbox")
    assert EDI_ID.hex() in report["body"]
    assert MSISDN not in report["body"]
    assert AID not in report["body"]

    assert delivery is not None
    assert (delivery.account, delivery.expires_at) == (row.account, clock.now_ms + VALIDITY_S * 1000)
    [waiting] = await rows(people, "enterprise_outbox")
    assert waiting["id"] == delivery.id
    assert people.vault.open(final.SEAL_OUTBOX, waiting["sealed"]) == delivery.frame
    body = decode(delivery.frame).body
    assert isinstance(body, DeliverSm)
    assert (body.source_addr, body.destination_addr) == (AID.encode(), NUMBER.encode())
    receipt = parse(body)
    assert receipt is not None
    assert (receipt.message_id, receipt.state) == (text_of(ID).encode(), MessageState.DELIVERED)
    assert MSISDN.encode() not in delivery.frame


async def test_a_second_outcome_changes_nothing(people: Domain) -> None:
    row = await accepted(people)
    assert await finished(people, row, MessageState.DELIVERED) is not None
    assert await finished(people, row, MessageState.EXPIRED) is None
    [cdr] = await rows(people, "cdr")
    assert cdr["result"] == "DELIVERED"
    assert len(await rows(people, "enterprise_outbox")) == 1
    assert len(await rows(people, "trust_outbox")) == 1


async def test_who_asked_for_no_receipt_gets_none_but_is_billed(people: Domain) -> None:
    row = await accepted(people, registered_delivery=0)
    assert await finished(people, row, MessageState.DELIVERED) is None
    assert len(await rows(people, "cdr")) == 1
    assert await rows(people, "enterprise_outbox") == []


async def test_the_carriers_own_messages_are_nobodys_bill(people: Domain) -> None:
    row = await accepted(people, kind=Kind.CARRIER, account="", aid="", edi_id=None)
    assert await finished(people, row, MessageState.DELIVERED) is None
    assert await rows(people, "cdr") == []
    assert await rows(people, "trust_outbox") == []
    assert (await rows(people, "message"))[0]["state"] == messages.State.FINAL


async def test_a_field_that_the_gateway_filled_with_the_number_is_emptied_and_alarms(people: Domain) -> None:
    def alarms() -> float:
        labels = {"leg": "smpp", "field": "source_addr"}
        return metrics.REGISTRY.get_sample_value("ascs_egress_alarms_total", labels) or 0.0

    before = alarms()
    body = DeliverSm(source_addr=MSISDN.encode(), destination_addr=NUMBER.encode(), short_message=b"hello")
    delivery = await people.store.write(
        lambda conn: put_delivery(conn, people, "sms-a", body, MSISDN, VALIDITY_S)
    )
    sent = decode(delivery.frame).body
    assert isinstance(sent, DeliverSm)
    assert sent.source_addr == b""
    assert sent.short_message == b"hello"
    assert alarms() == before + 1
