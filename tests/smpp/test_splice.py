"""Splicing is decoding, changing the named fields and encoding, without doing so."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpp.codec import EncodeError, PduError, decode, encode
from smpp.constants import CommandStatus, Tag
from smpp.pdu import DataSm, DeliverSm, Pdu, SubmitSm
from smpp.splice import locate, set_sequence_number, set_types, splice_submit
from tests.smpp import strategies

MESSAGE = SubmitSm(
    service_type=b"CMT",
    source_addr=b"10690000",
    destination_addr=b"888112345678901234",
    esm_class=0x40,
    protocol_id=3,
    schedule_delivery_time=b"261124010203000+",
    registered_delivery=1,
    data_coding=8,
    short_message=bytes.fromhex("050003070201") + "你好".encode("utf-16-be"),
    tlvs=[(Tag.USER_MESSAGE_REFERENCE, b"\0\7"), (0x1401, b"vendor"), (Tag.SOURCE_PORT, b"\0\1")],
)
messages = strategies.body(SubmitSm) | strategies.body(DeliverSm)


@given(messages, strategies.c_octets(21), st.integers(0, 255), st.integers(0, 2**32 - 1))
def test_it_equals_decode_change_encode(body: SubmitSm, address: bytes, octet: int, number: int) -> None:
    frame = encode(Pdu(body, 7))
    spliced = splice_submit(
        frame,
        sequence_number=number,
        source_addr=address,
        source_addr_ton=octet,
        source_addr_npi=octet,
        dest_addr_ton=octet,
        dest_addr_npi=octet,
        destination_addr=address,
        registered_delivery=octet,
        schedule_delivery_time=b"",
        validity_period=b"000001000000000R",
        keep_tlvs=lambda tag: tag % 2 == 0,
    )
    expected = replace(
        body,
        source_addr=address,
        source_addr_ton=octet,
        source_addr_npi=octet,
        dest_addr_ton=octet,
        dest_addr_npi=octet,
        destination_addr=address,
        registered_delivery=octet,
        schedule_delivery_time=b"",
        validity_period=b"000001000000000R",
        tlvs=[(tag, value) for tag, value in body.tlvs if tag % 2 == 0],
    )
    assert spliced == encode(Pdu(expected, number))


@given(messages)
def test_nothing_named_is_nothing_changed(body: SubmitSm) -> None:
    frame = encode(Pdu(body, 7))
    assert splice_submit(frame) == frame


def test_header_and_payload_stay_octet_for_octet() -> None:
    frame = encode(Pdu(MESSAGE, 7))
    spliced = splice_submit(frame, destination_addr=b"8613800000001", dest_addr_ton=1, dest_addr_npi=1)
    at, before = locate(spliced), locate(frame)
    assert spliced[at.sm_length :] == frame[before.sm_length :]
    assert b"888112345678901234" not in spliced


def test_tlvs_that_are_not_kept_are_gone_and_extra_ones_follow() -> None:
    spliced = splice_submit(
        encode(Pdu(MESSAGE, 7)), keep_tlvs=lambda tag: tag == Tag.SOURCE_PORT, extra_tlvs=b"\x04\x26\0\1\1"
    )
    body = decode(spliced).body
    assert isinstance(body, SubmitSm)
    assert body.tlvs == [(Tag.SOURCE_PORT, b"\0\1"), (Tag.MORE_MESSAGES_TO_SEND, b"\1")]


@given(messages, st.binary(min_size=2, max_size=2), st.binary(min_size=2, max_size=2))
def test_types_alone(body: SubmitSm, source: bytes, destination: bytes) -> None:
    frame = encode(Pdu(body, 7))
    typed = set_types(frame, source, destination)
    assert typed == splice_submit(
        frame,
        source_addr_ton=source[0],
        source_addr_npi=source[1],
        dest_addr_ton=destination[0],
        dest_addr_npi=destination[1],
    )
    assert set_types(typed, source, destination) is typed


def test_types_need_their_fields() -> None:
    with pytest.raises(ValueError):
        set_types(encode(Pdu(SubmitSm()))[:17], b"\1\1", b"\1\1")


def test_sequence_number_alone() -> None:
    frame = encode(Pdu(MESSAGE, 7))
    assert set_sequence_number(frame, 99) == encode(Pdu(MESSAGE, 99))


@pytest.mark.parametrize(
    "change",
    [
        {"destination_addr": b"1" * 21},
        {"source_addr": b"1\x002"},
        {"dest_addr_ton": 256},
        {"registered_delivery": -1},
        {"validity_period": b"1" * 17},
    ],
)
def test_a_value_that_does_not_fit_is_refused(change: dict[str, bytes]) -> None:
    with pytest.raises(EncodeError):
        splice_submit(encode(Pdu(MESSAGE, 7)), **change)  # type: ignore[arg-type]


def test_other_pdus_are_refused() -> None:
    with pytest.raises(PduError) as caught:
        locate(encode(Pdu(DataSm(), 7)))
    assert caught.value.status == CommandStatus.ESME_RINVCMDID


@given(st.binary(max_size=120))
def test_any_octets_never_crash_it(body: bytes) -> None:
    frame = (16 + len(body)).to_bytes(4, "big") + b"\0\0\0\4" + bytes(8) + body
    with suppress(PduError):
        assert locate(frame).tlvs <= len(frame)
