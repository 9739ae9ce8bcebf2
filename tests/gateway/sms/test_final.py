"""A message's one outcome: CDR, which is the report, and receipt, in one commit, and never a number outwards."""

import pytest

from gateway.records import metrics
from gateway.sms import final
from gateway.sms.final import (
    Delivery,
    End,
    finish_messages,
    finish_one,
    guarded_frame,
    open_delivery,
    put_deliveries,
    put_intermediate,
    receipt_draft,
    wants_receipt,
)
from gateway.store import outbox
from gateway.store.domain import Domain
from gateway.store.ids import text_of
from gateway.store.messages import Kind, MessageRow, State
from smpp.codec import decode
from smpp.constants import EsmClass
from smpp.pdu import DeliverSm
from smpp.receipts import MessageState, parse
from tests.gateway.carrier import (
    AID,
    DIGEST,
    EDI_BLOCKED,
    EDI_ID,
    ENTERPRISE,
    MSISDN,
    NOW_MS,
    NUMBER,
    Clock,
    add_message,
    message_row,
    rows,
)

VALIDITY_S = 3600
ID = 7


async def accepted(domain: Domain, message_id: int = ID, **fields: object) -> MessageRow:
    row = message_row(message_id, **fields)
    await add_message(domain, row, state=State.ACCEPTED)
    return row


async def finished(domain: Domain, *ends: End) -> list[Delivery]:
    return await domain.store.write(lambda conn: finish_messages(conn, domain, ends, VALIDITY_S))


async def finished_one(domain: Domain, row: MessageRow, state: MessageState) -> list[Delivery]:
    return await domain.store.write(lambda conn: finish_one(conn, domain, End(row, state), VALIDITY_S))


def alarms(field: str) -> float:
    labels = {"leg": "smpp", "field": field}
    return metrics.REGISTRY.get_sample_value("ascs_egress_alarms_total", labels) or 0.0


@pytest.mark.parametrize(
    ("registered_delivery", "on_success", "on_failure"),
    [(0, False, False), (1, True, True), (2, False, True), (3, True, False), (0x11, True, True), (0x10, False, False)],
)  # fmt: skip
def test_registered_delivery_says_which_ends_are_told(
    registered_delivery: int, on_success: bool, on_failure: bool
) -> None:
    assert wants_receipt(registered_delivery, MessageState.DELIVERED) is on_success
    assert wants_receipt(registered_delivery, MessageState.UNDELIVERABLE) is on_failure


async def test_an_outcome_is_cdr_and_receipt(people: Domain, clock: Clock) -> None:
    row = await accepted(people)
    clock.now_ms = NOW_MS + 1500
    (delivery,) = await finished(people, End(row, MessageState.DELIVERED))

    assert await rows(people, "message") == []
    [cdr] = await rows(people, "cdr")
    assert (cdr["id"], cdr["kind"], cdr["result"]) == (ID, "mt", "DELIVERED")
    assert (cdr["aid"], cdr["edi_id"], cdr["enterprise_id"]) == (AID, EDI_ID, ENTERPRISE)
    assert (cdr["started_at"], cdr["ended_at"]) == (NOW_MS, NOW_MS + 1500)
    assert (cdr["parts"], cdr["octets"], cdr["digest"]) == (1, 5, DIGEST)

    assert (delivery.account, delivery.expires_at) == (row.account, clock.now_ms + VALIDITY_S * 1000)
    [waiting] = await people.store.write(lambda conn: outbox.for_account(conn, row.account, 0, 10))
    assert open_delivery(people, waiting) == delivery
    body = decode(delivery.frame).body
    assert isinstance(body, DeliverSm)
    assert (body.source_addr, body.destination_addr) == (AID.encode(), NUMBER.encode())
    receipt = parse(body)
    assert receipt is not None
    assert (receipt.message_id, receipt.state) == (text_of(ID).encode(), MessageState.DELIVERED)
    assert MSISDN.encode() not in delivery.frame


async def test_many_outcomes_in_one_commit(people: Domain) -> None:
    ends = [
        End(await accepted(people, 1), MessageState.DELIVERED),
        End(await accepted(people, 2), MessageState.UNDELIVERABLE, 11),
        End(await accepted(people, 3, registered_delivery=0), MessageState.EXPIRED),
    ]
    assert len(await finished(people, *ends)) == 2
    assert [(cdr["result"], cdr["error"]) for cdr in await rows(people, "cdr")] == [
        ("DELIVERED", 0),
        ("UNDELIVERABLE", 11),
        ("EXPIRED", 0),
    ]


async def test_messages_of_one_submit_multi_are_told_under_the_id_they_share(people: Domain) -> None:
    ends = [End(await accepted(people, each, public_id=1), MessageState.DELIVERED) for each in (1, 2)]
    receipts = [parse(decode(each.frame).body) for each in await finished(people, *ends)]
    assert [receipt.message_id for receipt in receipts if receipt] == [text_of(1).encode()] * 2


async def test_a_second_outcome_changes_nothing(people: Domain) -> None:
    row = await accepted(people)
    assert len(await finished_one(people, row, MessageState.DELIVERED)) == 1
    assert await finished_one(people, row, MessageState.EXPIRED) == []
    [cdr] = await rows(people, "cdr")
    assert cdr["result"] == "DELIVERED"
    assert len(await rows(people, "enterprise_outbox")) == 1


async def test_who_asked_for_no_receipt_gets_none_but_is_billed(people: Domain) -> None:
    row = await accepted(people, registered_delivery=0)
    assert await finished(people, End(row, MessageState.DELIVERED)) == []
    assert len(await rows(people, "cdr")) == 1
    assert await rows(people, "enterprise_outbox") == []


async def test_the_carriers_own_messages_are_nobodys_bill(people: Domain) -> None:
    row = await accepted(people, kind=Kind.CARRIER, account="", aid="", edi_id=None)
    assert await finished(people, End(row, MessageState.DELIVERED)) == []
    assert await rows(people, "cdr") == []
    assert await rows(people, "message") == []


async def test_an_intermediate_notification_ends_nothing(people: Domain) -> None:
    row = await accepted(people)
    (told,) = await people.store.write(
        lambda conn: put_intermediate(conn, people, End(row, MessageState.ENROUTE), VALIDITY_S)
    )
    body = decode(told.frame).body
    assert isinstance(body, DeliverSm)
    assert body.esm_class == EsmClass.INTERMEDIATE_NOTIFICATION
    receipt = parse(body)
    assert receipt is not None
    assert (receipt.message_id, receipt.state) == (text_of(ID).encode(), MessageState.ENROUTE)
    assert await rows(people, "cdr") == []
    assert len(await rows(people, "message")) == 1


# --- the egress guard -------------------------------------------------------------------------------


def test_a_field_that_the_gateway_filled_with_the_number_is_emptied_and_alarms() -> None:
    before = alarms("source_addr")
    body = DeliverSm(source_addr=MSISDN.encode(), destination_addr=NUMBER.encode(), short_message=b"hello")
    sent = decode(guarded_frame(body, MSISDN)).body
    assert isinstance(sent, DeliverSm)
    assert sent.source_addr == b""
    assert sent.short_message == b"hello"
    assert alarms("source_addr") == before + 1


def test_a_number_that_got_into_a_tlv_is_dropped_on_the_way_out() -> None:
    frame = guarded_frame(DeliverSm(source_addr=AID.encode(), tlvs=[(0x1400, MSISDN.encode())]), MSISDN)
    assert MSISDN.encode() not in frame
    assert AID.encode() in frame


def test_a_receipt_is_guarded_too() -> None:
    """Were a person's number ever on a row in the AID's place, it would not go out."""
    before = alarms("source_addr")
    end = End(message_row(ID, aid=MSISDN), MessageState.DELIVERED)
    _, frame, _ = receipt_draft(end, NOW_MS, {EDI_ID: MSISDN})
    assert MSISDN.encode() not in frame
    assert alarms("source_addr") == before + 1
    assert receipt_draft(end, NOW_MS, {EDI_BLOCKED: MSISDN})[1] != frame


async def test_the_number_to_guard_against_comes_from_the_store_when_nobody_remembers_it(
    people: Domain,
) -> None:
    row = await accepted(people, aid=MSISDN)
    assert people.subscribers.get(EDI_ID, 0) is None
    (delivery,) = await finished(people, End(row, MessageState.DELIVERED))
    assert MSISDN.encode() not in delivery.frame


async def test_a_persons_own_words_are_sealed_and_a_receipt_is_not(people: Domain) -> None:
    frame = guarded_frame(DeliverSm(short_message=b"my words"), None)
    for is_sealed in (True, False):
        drafts = [("sms-a", frame, is_sealed)]
        await people.store.write(
            lambda conn, drafts=drafts: put_deliveries(conn, people, drafts, VALIDITY_S)  # type: ignore[misc]
        )
    sealed, plain = await people.store.write(lambda conn: outbox.for_account(conn, "sms-a", 0, 10))
    assert frame not in sealed.body
    assert people.vault.open(final.SEAL_OUTBOX, sealed.body) == frame
    assert plain.body == frame
    assert [open_delivery(people, row).frame for row in (sealed, plain)] == [frame, frame]
