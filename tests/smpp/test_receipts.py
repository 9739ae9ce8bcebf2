"""Delivery receipts: appendix B, and what message centres make of it."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpp.constants import EsmClass, MessageState, Tag
from smpp.pdu import DeliverSm
from smpp.receipts import (
    STAT_OF,
    Outcome,
    Receipt,
    build,
    is_receipt,
    outcome_of,
    parse,
    parse_text,
    receipt_tlvs,
    state_of,
)

DONE = datetime(2026, 11, 24, 12, 30)


def test_appendix_b_text() -> None:
    receipt = Receipt(b"0123456789", MessageState.DELIVERED, "000", DONE, DONE, 1, 1, b"Hello")
    text = (
        b"id:0123456789 sub:001 dlvrd:001 submit date:2611241230 done date:2611241230 "
        b"stat:DELIVRD err:000 text:Hello"
    )
    assert build(receipt) == text
    assert parse_text(text) == receipt


@pytest.mark.parametrize("state", list(MessageState))
def test_every_state_round_trips(state: MessageState) -> None:
    parsed = parse_text(build(Receipt(b"1", state)))
    assert parsed is not None
    assert parsed.state is state
    assert state_of(STAT_OF[state].lower()) is state


DIALECTS = [
    (
        b"ID:ab12 SUB:1 DLVRD:1 SUBMIT DATE:20261124123000 DONE DATE:261124123000 STAT:Delivered ERR:0 TEXT:",
        2,
    ),
    (b"id:ab12 stat:EXPIRED", 3),
    (b"stat:UNDELIV err:027 id:ab12", 5),
    (b"id: ab12 done date: 2611241230 stat: REJECTD text:", 8),
    (b"id:ab12 submitdate:2611241230 donedate:2611241230 stat:ACCEPTD", 6),
    (b"id:ab12 sub:000 dlvrd:000 submit date:0000000000 done date: stat:BUFFRED err:", 1),
    (b"id:ab12 stat:SOMETHING", 7),
]


@pytest.mark.parametrize(("text", "state"), DIALECTS)
def test_dialects(text: bytes, state: int) -> None:
    receipt = parse_text(text)
    assert receipt is not None
    assert (receipt.message_id, receipt.state) == (b"ab12", state)


def test_the_text_field_is_not_searched() -> None:
    receipt = parse_text(b"id:1 stat:DELIVRD text:id:2 stat:EXPIRED")
    assert receipt is not None
    assert (receipt.message_id, receipt.state) == (b"1", MessageState.DELIVERED)
    assert receipt.text == b"id:2 stat:EXPIRED"


def test_ordinary_text_is_no_receipt() -> None:
    assert parse_text(b"see you at 8") is None
    assert parse(DeliverSm(short_message=b"id:1 stat:DELIVRD")) is None
    assert parse(DeliverSm(esm_class=EsmClass.DELIVERY_RECEIPT, short_message=b"hello")) is None


def test_tlvs_go_before_the_text() -> None:
    receipt = Receipt(b"A1", MessageState.EXPIRED)
    body = DeliverSm(
        esm_class=EsmClass.DELIVERY_RECEIPT,
        short_message=b"id:161 stat:DELIVRD",
        tlvs=receipt_tlvs(receipt),
    )
    parsed = parse(body)
    assert parsed is not None
    assert (parsed.message_id, parsed.state) == (b"A1", MessageState.EXPIRED)


def test_tlvs_alone_are_a_receipt_even_without_esm_class() -> None:
    parsed = parse(DeliverSm(tlvs=receipt_tlvs(Receipt(b"A1", MessageState.DELIVERED))))
    assert parsed is not None
    assert (parsed.message_id, parsed.state) == (b"A1", MessageState.DELIVERED)
    assert parse(DeliverSm(tlvs=[(Tag.RECEIPTED_MESSAGE_ID, b"A1\0")])) is None


def test_an_unknown_state_number_is_unknown() -> None:
    parsed = parse(
        DeliverSm(esm_class=4, tlvs=[(Tag.RECEIPTED_MESSAGE_ID, b"1"), (Tag.MESSAGE_STATE, b"\x63")])
    )
    assert parsed is not None
    assert parsed.state is MessageState.UNKNOWN


@given(st.binary(max_size=300))
def test_any_octets_never_crash_it(data: bytes) -> None:
    parse_text(data)
    parse_text(b"id:" + data)
    parse(DeliverSm(esm_class=4, short_message=data[:255]))


def test_5_2_12_types() -> None:
    assert is_receipt(0x04)
    assert is_receipt(0x44)
    assert is_receipt(0x20)
    assert not is_receipt(0x00)
    assert not is_receipt(0x08)
    assert not is_receipt(0x40)


def test_only_some_states_are_final() -> None:
    assert Receipt(b"", MessageState.DELIVERED).is_final
    assert not Receipt(b"", MessageState.ENROUTE).is_final
    assert not Receipt(b"", MessageState.ACCEPTED).is_final


def test_an_intermediate_notification_is_never_final() -> None:
    told = Receipt(b"7", MessageState.UNDELIVERABLE, network_error=b"\x03\x00\x1b", intermediate=True)
    body = DeliverSm(esm_class=told.esm_class, short_message=build(told), tlvs=receipt_tlvs(told))
    parsed = parse(body)
    assert parsed is not None
    assert parsed == told
    assert (parsed.esm_class, parsed.is_final) == (EsmClass.INTERMEDIATE_NOTIFICATION, False)


def test_a_receipt_in_ucs2_or_behind_a_header_is_read_too() -> None:
    text = b"id:7f stat:DELIVRD err:000"
    wide = text.decode().encode("utf-16-be")
    headed = b"\x05\x00\x03\x01\x01\x01" + text
    for body in (
        DeliverSm(esm_class=0x04, data_coding=8, short_message=wide),
        DeliverSm(esm_class=0x44, short_message=headed),
        DeliverSm(esm_class=0x44, short_message=b"\xff" + text),
    ):
        parsed = parse(body)
        assert parsed is not None
        assert (parsed.message_id, parsed.state) == (b"7f", MessageState.DELIVERED)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (b"id:0000012345 stat:DELIVRD", b"0000012345"),
        (b"id:0x1A2B stat:DELIVRD", b"0x1A2B"),
        (b"id:DEADBEEF stat:DELIVRD", b"DEADBEEF"),
        (b"id:6f2c-aa-01 stat:DELIVRD", b"6f2c-aa-01"),
        (b"stat:DELIVRD", b""),
    ],
)
def test_an_id_is_kept_as_it_came(text: bytes, kept: bytes) -> None:
    parsed = parse_text(text)
    assert parsed is not None
    assert parsed.message_id == kept


@pytest.mark.parametrize(("err", "kept"), [(b"000", "000"), (b"7", "7"), (b"0x1B", "0x1B"), (b"", "")])
def test_an_error_is_kept_as_it_came(err: bytes, kept: str) -> None:
    parsed = parse_text(b"id:1 stat:UNDELIV err:" + err + b" text:")
    assert parsed is not None
    assert parsed.error == kept


def test_a_text_that_was_cut_is_read_as_far_as_it_goes() -> None:
    whole = b"id:ab12 sub:001 dlvrd:001 submit date:2611241230 done date:2611241231 stat:DELIVRD err:000"
    for end in range(len(b"id:ab12 "), len(whole)):
        parsed = parse_text(whole[:end])
        assert parsed is not None
        assert parsed.message_id == b"ab12"


@given(
    esm_class=st.sampled_from((0, 4, 4, 4, 0x20, 0x44)),
    data_coding=st.sampled_from((0, 0, 0, 3, 8)),
    text=st.one_of(
        st.builds(
            lambda message_id, stat, error, rest: (
                b"id:%b sub:001 dlvrd:001 submit date:2611241230 done date:2611241230 stat:%b err:%b text:%b"
                % (message_id, stat, error, rest)
            ),
            st.binary(min_size=1, max_size=70),
            st.sampled_from((b"DELIVRD", b"UNDELIV", b"ODD", b"delivrd")),
            st.sampled_from((b"000", b"027", b"", b"\xff1")),
            st.binary(max_size=20),
        ),
        st.binary(max_size=200),
        st.sampled_from([text for text, _ in DIALECTS]),
    ),
    tlvs=st.lists(
        st.tuples(
            st.sampled_from((Tag.RECEIPTED_MESSAGE_ID, Tag.MESSAGE_STATE, Tag.NETWORK_ERROR_CODE)),
            st.binary(max_size=4) | st.sampled_from((b"ab\0", b"\0", b"\2", b"\x63")),
        ),
        max_size=4,
    ),
)
def test_the_outcome_is_what_the_whole_receipt_says(
    esm_class: int, data_coding: int, text: bytes, tlvs: list[tuple[int, bytes]]
) -> None:
    body = DeliverSm(
        esm_class=esm_class,
        data_coding=data_coding,
        short_message=text[:254],
        tlvs=[(int(t), v) for t, v in tlvs],
    )
    receipt = parse(body)
    assert outcome_of(body) == (
        None if receipt is None else Outcome(receipt.message_id, receipt.state, receipt.error)
    )
