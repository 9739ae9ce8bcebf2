"""Every field that SMPP has is decided, in both directions, and the code does as the tables say."""

import pytest

from masking.smpp_leg import (
    ReceiptModel,
    ReplyModel,
    build_receipt,
    build_reply,
    check_submit,
    reply_of,
    towards_smsc,
)
from masking.smpp_rules import DEFAULT_ALLOW
from masking.smpp_tables import (
    DATA_CODINGS,
    FIELDS,
    PROTOCOL_IDS,
    RECEIPT_FIELDS,
    TLVS,
    UDH_ELEMENTS,
    UNKNOWN_TLV,
    Action,
    Span,
    Ways,
)
from smpp.codec import encode, field_table
from smpp.constants import EsmClass, MessageState, Tag
from smpp.pdu import DeliverSm, Pdu, SubmitSm
from smpp.segmentation import build_udh, parse_udh, user_data
from smpp.splice import locate

AID = "888112345678901234"
MSISDN = "8613812345678"
SPANS = {"protocol_id": PROTOCOL_IDS, "data_coding": DATA_CODINGS, "UDH": UDH_ELEMENTS}
RECEIPT_TAGS = {Tag.RECEIPTED_MESSAGE_ID, Tag.MESSAGE_STATE}
SAR_TAGS = {Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM}


def ways_of(spans: tuple[Span, ...], value: int) -> Ways:
    (span,) = (span for span in spans if span.first <= value <= span.last)
    return span.ways


@pytest.mark.parametrize("spans", SPANS.values(), ids=SPANS)
def test_each_octet_is_decided_once(spans: tuple[Span, ...]) -> None:
    assert [value for span in spans for value in range(span.first, span.last + 1)] == list(range(256))


def test_each_tag_and_each_field_is_decided() -> None:
    assert TLVS.keys() == set(Tag)
    for body in (SubmitSm, DeliverSm):
        names = {name for name, _ in field_table(body)} - {"tlvs"}
        assert {name for together in FIELDS for name in together.split(", ")} == names


def test_each_decision_has_its_reason() -> None:
    ways = [*TLVS.values(), *FIELDS.values(), UNKNOWN_TLV]
    ways += [span.ways for spans in SPANS.values() for span in spans]
    rules = [rule for both in ways for rule in both] + list(RECEIPT_FIELDS.values())
    assert all(rule.reason and isinstance(rule.action, Action) for rule in rules)


def test_backwards_nothing_is_kept_but_the_persons_own_text() -> None:
    assert not [tag for tag, ways in TLVS.items() if ways.back.action is Action.KEEP]
    assert not [span for span in UDH_ELEMENTS if span.ways.back.action is Action.KEEP]
    kept = {name for name, ways in FIELDS.items() if ways.back.action is Action.KEEP}
    assert kept == {"data_coding", "short_message"}


@pytest.mark.parametrize("value", range(256))
def test_towards_the_smsc_each_octet_is_treated_as_the_table_says(value: int) -> None:
    def passes(body: SubmitSm) -> bool:
        return check_submit(body) is None

    def kept(spans: tuple[Span, ...]) -> bool:
        return ways_of(spans, value).towards.action is Action.KEEP

    header = SubmitSm(esm_class=EsmClass.UDHI, short_message=build_udh([(value, b"\0")]))
    assert passes(SubmitSm(protocol_id=value)) == kept(PROTOCOL_IDS)
    assert passes(SubmitSm(data_coding=value)) == kept(DATA_CODINGS)
    assert passes(header) == kept(UDH_ELEMENTS)


@pytest.mark.parametrize("tag", [*Tag, 0x1501, 0x7777], ids=hex)
def test_towards_the_smsc_each_tlv_is_treated_as_the_table_says(tag: int) -> None:
    action = TLVS.get(tag, UNKNOWN_TLV).towards.action
    body = SubmitSm(destination_addr=AID.encode(), tlvs=[(tag, b"\1")])
    assert (check_submit(body) is not None) == (action is Action.REFUSE)
    frame = towards_smsc(encode(Pdu(body, 1)), msisdn=MSISDN, source="1", sequence_number=1)
    sent = tag.to_bytes(2) + b"\0\1\1" if action is Action.KEEP else b""
    assert frame[locate(frame).tlvs :] == sent
    assert DEFAULT_ALLOW.keeps_tlv(tag) == (action is Action.KEEP)


@pytest.mark.parametrize("tag", [*Tag, 0x1501, 0x7777], ids=hex)
def test_back_from_the_smsc_each_tlv_is_treated_as_the_table_says(tag: int) -> None:
    action = TLVS.get(tag, UNKNOWN_TLV).back.action
    value = MSISDN.encode()
    reply = replied(DeliverSm(short_message=b"hello", tlvs=[(tag, value)]))
    assert reply.tlvs == []
    # message_payload is the text itself, what the person wrote.
    assert (value in encode(Pdu(reply, 1))) == (tag == Tag.MESSAGE_PAYLOAD)
    assert (action is Action.BUILD) == (tag in RECEIPT_TAGS | SAR_TAGS | {Tag.MESSAGE_PAYLOAD})


def replied(received: DeliverSm) -> DeliverSm:
    parts = reply_of(received)
    return build_reply(ReplyModel(AID, "10690001", parts.payload, parts.data_coding, parts.udh))


@pytest.mark.parametrize("value", range(256))
def test_back_from_the_smsc_each_octet_is_treated_as_the_table_says(value: int) -> None:
    assert replied(DeliverSm(protocol_id=value)).protocol_id == 0
    assert replied(DeliverSm(data_coding=value)).data_coding == value
    content = {0x00: b"\1\2\1", 0x08: b"\0\1\2\1"}.get(value, b"\1")
    body = replied(DeliverSm(esm_class=EsmClass.UDHI, short_message=build_udh([(value, content)]) + b"hello"))
    elements, text = user_data(body)
    assert text == b"hello"
    built = ways_of(UDH_ELEMENTS, value).back.action is Action.BUILD
    assert bool(elements) == built


def test_a_receipts_fields_are_those_of_the_table() -> None:
    body = build_receipt(ReceiptModel(AID, "1", "7", MessageState.DELIVERED))
    text = body.short_message.decode()
    assert all(f"{name}:" in text for name in RECEIPT_FIELDS)
    assert {tag for tag, _ in body.tlvs} == RECEIPT_TAGS


def test_mandatory_fields_of_a_reply_are_built() -> None:
    odd = DeliverSm(
        service_type=b"VMN",
        source_addr_ton=5,
        source_addr_npi=9,
        source_addr=MSISDN.encode(),
        dest_addr_ton=6,
        dest_addr_npi=14,
        destination_addr=MSISDN.encode(),
        esm_class=0x83,
        protocol_id=0x7F,
        priority_flag=3,
        schedule_delivery_time=b"251124000000000+",
        validity_period=b"251124000000000+",
        registered_delivery=0x1F,
        replace_if_present_flag=1,
        data_coding=0,
        sm_default_msg_id=9,
        short_message=b"hello",
    )
    plain = DeliverSm(source_addr=AID.encode(), destination_addr=b"10690001", short_message=b"hello")
    assert replied(odd) == plain


def test_concatenation_is_rebuilt_from_its_numbers_alone() -> None:
    body = replied(
        DeliverSm(
            esm_class=EsmClass.UDHI, short_message=build_udh([(0, b"\7\2\1"), (0x22, MSISDN.encode())]) + b"x"
        )
    )
    assert parse_udh(body.short_message)[0] == [(8, b"\0\7\2\1")]
