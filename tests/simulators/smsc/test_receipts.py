"""Receipts in every dialect: what the ESME reads, and what is on the wire."""

from datetime import datetime

import pytest

from simulators.smsc.dialect import PRESETS, Dialect
from simulators.smsc.messages import Message
from simulators.smsc.outcomes import PLAIN, Plan
from simulators.smsc.receipts import ReceiptWriter, owes_receipt
from smpp import receipts
from smpp.codec import decode
from smpp.constants import EsmClass, MessageState, Tag
from smpp.pdu import DataSm, DeliverSm, SubmitSm, tlv
from smpp.segmentation import payload_of
from tests.simulators.smsc.bench import ACCESS_NUMBER, HANDSET

AT = 1_790_000_000_000
"""2026-09-21 14:13:20 UTC."""


def message(state: MessageState = MessageState.DELIVERED, error: int = 0, plan: Plan = PLAIN) -> Message:
    body = SubmitSm(
        source_addr=ACCESS_NUMBER,
        source_addr_ton=3,
        destination_addr=HANDSET,
        dest_addr_ton=1,
        dest_addr_npi=1,
        short_message=b"a text of thirty octets or so",
    )
    made = Message(48879, "esme", False, body, AT, AT, AT + 1000, state, error, AT + 61_000)
    made.public_id, made.plan = 48879, plan
    return made


def written(dialect: Dialect, one: Message | None = None) -> DeliverSm | DataSm:
    body = decode(ReceiptWriter(dialect).receipt(one or message())).body
    assert isinstance(body, DeliverSm | DataSm)
    return body


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_well_formed_pdu_from_the_phone_to_the_sender(name: str) -> None:
    body = written(PRESETS[name])
    assert (body.source_addr, body.source_addr_ton, body.source_addr_npi) == (HANDSET, 1, 1)
    assert (body.destination_addr, body.dest_addr_ton) == (ACCESS_NUMBER, 3)


@pytest.mark.parametrize("name", sorted(set(PRESETS) - {"sparse", "no-esm-class"}))
def test_every_preset_but_the_barest_is_read_as_a_receipt(name: str) -> None:
    told = receipts.parse(written(PRESETS[name]))
    assert told is not None
    assert told.state == MessageState.DELIVERED
    assert 48879 in {
        int(told.message_id, base) for base in (10, 16) if told.message_id.isdigit() or base == 16
    }


def test_the_plain_text_is_that_of_appendix_b() -> None:
    body = written(PRESETS["plain"])
    assert payload_of(body) == (
        b"id:48879 sub:001 dlvrd:001 submit date:2609211413 done date:2609211414 stat:DELIVRD err:000 text:"
    )
    assert body.esm_class == EsmClass.DELIVERY_RECEIPT
    assert tlv(body, Tag.RECEIPTED_MESSAGE_ID) == b"48879\0"
    assert tlv(body, Tag.MESSAGE_STATE) == b"\x02"
    told = receipts.parse(body)
    assert told is not None
    assert told.submit_date == datetime(2026, 9, 21, 14, 13)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("hex-receipt", b"id:BEEF "),
        ("leading-zeros", b"id:0000048879 "),
        ("zeros-in-receipt", b"id:00000000000000048879 "),
        ("case-differs", b"id:beef "),
        ("lower-case", b"stat:delivrd "),
        ("long-states", b"done date:20260921141421 stat:DELIVERED"),
        ("sparse", b"id:48879 done date:2609211414 stat:DELIVRD"),
        ("message-payload", b"done date:260921141421 stat:DELIVRD err:000 text:a text of thirty oct"),
    ],
)
def test_dialects_differ_in_the_text(name: str, text: bytes) -> None:
    assert text in payload_of(written(PRESETS[name]))


def test_text_only_has_no_tlvs_and_tlv_only_no_text() -> None:
    assert written(PRESETS["text-only"]).tlvs == []
    assert payload_of(written(PRESETS["tlv-only"])) == b""


def test_the_id_may_be_missing_from_the_text() -> None:
    body = written(PRESETS["no-id-in-text"])
    assert b"id:" not in payload_of(body)
    assert tlv(body, Tag.RECEIPTED_MESSAGE_ID) == b"48879\0"


def test_the_payload_may_be_a_tlv_and_the_pdu_a_data_sm() -> None:
    body = written(PRESETS["message-payload"])
    assert isinstance(body, DeliverSm)
    assert body.short_message == b""
    assert isinstance(written(PRESETS["data-sm"]), DataSm)


def test_esm_class_may_say_nothing() -> None:
    assert written(PRESETS["no-esm-class"]).esm_class == 0


def test_a_failure_has_its_error_and_network_error_code() -> None:
    failed = message(
        MessageState.UNDELIVERABLE, 11, Plan(MessageState.UNDELIVERABLE, 11, 0, True, True, 3, 300, True)
    )
    body = written(PRESETS["plain"], failed)
    assert b"dlvrd:000 " in payload_of(body)
    assert b"stat:UNDELIV err:011" in payload_of(body)
    assert tlv(body, Tag.NETWORK_ERROR_CODE) == b"\x03\x01\x2c"


def test_an_intermediate_notice_is_told_by_its_esm_class() -> None:
    body = decode(ReceiptWriter(PRESETS["plain"]).notice(message(MessageState.ENROUTE), AT)).body
    assert isinstance(body, DeliverSm)
    assert body.esm_class == EsmClass.INTERMEDIATE_NOTIFICATION
    assert b"stat:ENROUTE" in body.short_message


@pytest.mark.parametrize(
    ("asked", "delivered", "failed"),
    [(0, False, False), (1, True, True), (2, False, True), (3, True, False), (0x10, False, False)],
)
def test_registered_delivery_says_which_ends_are_told(asked: int, delivered: bool, failed: bool) -> None:
    assert owes_receipt(asked, MessageState.DELIVERED) is delivered
    assert owes_receipt(asked, MessageState.UNDELIVERABLE) is failed
