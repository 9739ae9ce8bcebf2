"""The two SMPP legs: spliced towards the SMSC, built towards the enterprise."""

from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.egress_guard import EgressGuard, Secrets
from masking.resolve import SHANGHAI
from masking.smpp_leg import (
    NumberForm,
    ReceiptModel,
    ReplyModel,
    build_receipt,
    build_reply,
    check_submit,
    encode_receipt,
    guarded_fields,
    is_receipt,
    reply_of,
    towards_smsc,
)
from smpp.codec import EncodeError, decode, encode
from smpp.constants import CommandStatus, EsmClass, MessageState, Tag
from smpp.pdu import DeliverSm, Pdu, SubmitSm
from smpp.receipts import Receipt, parse, receipt_tlvs
from smpp.receipts import build as build_text
from smpp.segmentation import build_udh, part_info, user_data

AID = "888112345678901234"
MSISDN = "8613812345678"
TEXT = "您好".encode("utf-16-be")


def test_towards_the_smsc_addresses_change_and_the_payload_does_not() -> None:
    udh = build_udh([(0, b"\7\2\1")])
    sent = SubmitSm(
        source_addr=b"10690001",
        destination_addr=AID.encode(),
        esm_class=0x40,
        data_coding=8,
        validity_period=b"000001000000000R",
        registered_delivery=0,
        short_message=udh + TEXT,
        tlvs=[
            (Tag.USER_MESSAGE_REFERENCE, b"\0\1"),
            (Tag.CALLBACK_NUM, b"\1\1\x0013900000000"),
            (0x1501, b"v"),
        ],
    )
    frame = towards_smsc(encode(Pdu(sent, 5)), msisdn=MSISDN, source="10690001", sequence_number=77)
    pdu = decode(frame)
    body = pdu.body
    assert isinstance(body, SubmitSm)
    assert (pdu.sequence_number, body.destination_addr) == (77, MSISDN.encode())
    assert (body.dest_addr_ton, body.dest_addr_npi, body.registered_delivery) == (1, 1, 1)
    assert body.short_message == udh + TEXT
    assert body.validity_period == b"000001000000000R"
    assert body.tlvs == [(Tag.USER_MESSAGE_REFERENCE, b"\0\1")]


def test_each_link_writes_numbers_its_own_way() -> None:
    frame = encode(Pdu(SubmitSm(destination_addr=AID.encode()), 1))
    form = NumberForm(ton=2, npi=8, prefix="00")
    body = decode(towards_smsc(frame, msisdn=MSISDN, source="1", sequence_number=1, form=form)).body
    assert isinstance(body, SubmitSm)
    assert (body.destination_addr, body.dest_addr_ton, body.dest_addr_npi) == (b"008613812345678", 2, 8)


def test_check_submit_gives_the_status() -> None:
    assert check_submit(SubmitSm()) is None
    assert check_submit(SubmitSm(protocol_id=0x40)) == CommandStatus.ESME_RSUBMITFAIL


def test_a_receipt_holds_the_aid_our_id_and_no_text() -> None:
    model = ReceiptModel(AID, "10690001", "1234", MessageState.DELIVERED, 0, 1763946000_000, 1763946060_000)
    body = build_receipt(model)
    assert is_receipt(body)
    assert (body.source_addr, body.source_addr_ton, body.source_addr_npi) == (AID.encode(), 0, 0)
    assert body.destination_addr == b"10690001"
    assert body.short_message == (
        b"id:1234 sub:001 dlvrd:001 submit date:2511240900 done date:2511240901 stat:DELIVRD err:000 text:"
    )
    assert [tag for tag, _ in body.tlvs] == [Tag.RECEIPTED_MESSAGE_ID, Tag.MESSAGE_STATE]
    read = parse(body)
    assert read is not None
    assert (read.message_id, read.state) == (b"1234", MessageState.DELIVERED)


def test_a_receipt_of_failure_delivered_nothing() -> None:
    body = build_receipt(ReceiptModel(AID, "1", "9", MessageState.UNDELIVERABLE, error=5000))
    assert b"dlvrd:000" in body.short_message
    assert b"stat:UNDELIV err:999" in body.short_message


digits = st.text("0123456789", max_size=22)
models = st.builds(
    ReceiptModel,
    aid=digits,
    access_number=digits,
    message_id=st.text(st.characters(max_codepoint=0x7F), max_size=200),
    state=st.sampled_from(MessageState),
    error=st.integers(-5, 2000),
    submitted_at=st.integers(-(10**9), 1 << 42),
    done_at=st.integers(0, 1 << 42),
    intermediate=st.booleans(),
)


@given(models)
def test_a_receipt_is_encoded_at_once_as_it_is_built(model: ReceiptModel) -> None:
    body = build_receipt(model)
    try:
        frame = encode(Pdu(body, 0))
    except EncodeError:
        with pytest.raises(EncodeError):
            encode_receipt(model)
        return
    assert encode_receipt(model) == (frame, b"\n".join(guarded_fields(body).values()))


@given(models)
def test_a_receipts_text_is_that_of_the_appendix(model: ReceiptModel) -> None:
    dates = [datetime.fromtimestamp(at / 1000, SHANGHAI) for at in (model.submitted_at, model.done_at)]
    expected = Receipt(
        message_id=model.message_id.encode(),
        state=model.state,
        error=f"{min(max(model.error, 0), 999):03}",
        submit_date=dates[0],
        done_date=dates[1],
        delivered=int(model.state is MessageState.DELIVERED),
    )
    body = build_receipt(model)
    assert body.short_message == build_text(expected)
    assert body.tlvs == receipt_tlvs(expected)


def test_a_notification_of_what_is_not_the_end_is_guarded_as_a_receipt_is() -> None:
    model = ReceiptModel(AID, "10690001", "1234", MessageState.ENROUTE, intermediate=True)
    body = build_receipt(model)
    assert body.esm_class == EsmClass.INTERMEDIATE_NOTIFICATION
    assert is_receipt(body)
    assert guarded_fields(body)["short_message"] == body.short_message
    assert (
        guarded_fields(body).keys()
        == guarded_fields(build_receipt(model._replace(intermediate=False))).keys()
    )
    long = replace(body, tlvs=[(Tag.MESSAGE_PAYLOAD, MSISDN.encode())])
    assert EgressGuard().check("smpp", guarded_fields(long), Secrets(MSISDN)) == {"tlvs"}
    body.short_message += MSISDN.encode()
    assert EgressGuard().check("smpp", guarded_fields(body), Secrets(MSISDN)) == {"short_message"}


def test_a_reply_keeps_the_users_text_and_nothing_else() -> None:
    received = DeliverSm(
        service_type=b"VMA",
        source_addr_ton=1,
        source_addr=MSISDN.encode(),
        destination_addr=b"10690001",
        protocol_id=0x20,
        priority_flag=2,
        data_coding=8,
        short_message=TEXT,
        tlvs=[(Tag.SOURCE_SUBADDRESS, b"\x80" + MSISDN.encode()), (0x1501, MSISDN.encode())],
    )
    parts = reply_of(received)
    body = build_reply(ReplyModel(AID, "10690001", parts.payload, parts.data_coding, parts.udh))
    expected = DeliverSm(
        source_addr=AID.encode(), destination_addr=b"10690001", data_coding=8, short_message=TEXT
    )
    assert body == expected
    assert MSISDN.encode() not in encode(Pdu(body, 1))


def test_a_replys_header_is_built_anew_from_concatenation_and_shifts() -> None:
    """IEI 22 is a reply address: a number in the header."""
    udh = build_udh([(0, b"\7\3\2"), (0x22, b"\x0b\x91\x68\x31\x18\x32\x54\x76\xf8"), (0x24, b"\1")])
    parts = reply_of(DeliverSm(esm_class=0x40, short_message=udh + b"text"))
    body = build_reply(ReplyModel(AID, "1", parts.payload, parts.data_coding, parts.udh))
    elements, text = user_data(body)
    assert elements == [(8, b"\0\7\3\2"), (0x24, b"\1")]
    assert text == b"text"


def test_a_reply_in_sar_parts_becomes_concatenation() -> None:
    tlvs = [(Tag.SAR_MSG_REF_NUM, b"\1\2"), (Tag.SAR_TOTAL_SEGMENTS, b"\2"), (Tag.SAR_SEGMENT_SEQNUM, b"\1")]
    parts = reply_of(DeliverSm(short_message=b"text", tlvs=tlvs))
    body = build_reply(ReplyModel(AID, "1", parts.payload, parts.data_coding, parts.udh))
    part = part_info(body)
    assert part is not None
    assert (part.reference, part.total, part.sequence) == (0x0102, 2, 1)
    assert body.tlvs == []


def test_a_long_reply_goes_as_payload() -> None:
    parts = reply_of(DeliverSm(tlvs=[(Tag.MESSAGE_PAYLOAD, b"x" * 300)]))
    body = build_reply(ReplyModel(AID, "1", parts.payload, parts.data_coding, parts.udh))
    assert (body.short_message, body.tlvs) == (b"", [(Tag.MESSAGE_PAYLOAD, b"x" * 300)])


def test_a_reply_with_a_broken_header_is_delivered_as_octets() -> None:
    parts = reply_of(DeliverSm(esm_class=0x40, short_message=b"\xf0abc"))
    assert (parts.payload, parts.data_coding, parts.udh) == (b"\xf0abc", 4, False)


def test_the_guard_searches_what_the_gateway_introduced_only() -> None:
    reply = build_reply(ReplyModel(AID, "10690001", b"call me: 13812345678", 0, False))
    assert b"13812345678" not in b"".join(guarded_fields(reply).values())
    receipt = build_receipt(ReceiptModel(AID, "10690001", "1", MessageState.DELIVERED))
    assert guarded_fields(receipt)["short_message"] == receipt.short_message
    assert all(hasattr(receipt, name) for name in guarded_fields(receipt))
