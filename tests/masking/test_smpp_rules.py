"""What of a submit_sm may go towards the SMSC."""

from dataclasses import replace

import pytest

from masking.smpp_rules import DEFAULT_ALLOW, Refusal, refusal_of
from smpp.constants import CommandStatus, Tag
from smpp.pdu import SubmitSm
from smpp.segmentation import build_udh


def submit(**fields: object) -> SubmitSm:
    return SubmitSm(destination_addr=b"888112345678901234", short_message=b"hello", **fields)  # type: ignore[arg-type]


def with_udh(*elements: tuple[int, bytes]) -> SubmitSm:
    return SubmitSm(esm_class=0x40, short_message=build_udh(elements) + b"hello")


@pytest.mark.parametrize("data_coding", [0, 1, 2, 3, 4, 8])
def test_plain_texts_pass(data_coding: int) -> None:
    assert refusal_of(submit(data_coding=data_coding, esm_class=3, service_type=b"CMT")) is None


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"protocol_id": 0x40}, CommandStatus.ESME_RSUBMITFAIL),  # 23.040: type 0, the silent message
        ({"protocol_id": 0x41}, CommandStatus.ESME_RSUBMITFAIL),  # replace type 1
        ({"protocol_id": 0x7D}, CommandStatus.ESME_RSUBMITFAIL),  # ME data download
        ({"protocol_id": 0x7F}, CommandStatus.ESME_RSUBMITFAIL),  # (U)SIM data download
        ({"data_coding": 0xF6}, CommandStatus.ESME_RINVDCS),  # class 2, to the SIM
        ({"data_coding": 0x10}, CommandStatus.ESME_RINVDCS),  # class 0, on the screen
        ({"data_coding": 0xC8}, CommandStatus.ESME_RINVDCS),  # message waiting
        ({"service_type": b"USSD"}, CommandStatus.ESME_RINVSERTYP),
        ({"esm_class": 0x01}, CommandStatus.ESME_RINVESMCLASS),  # datagram mode
        ({"esm_class": 0x08}, CommandStatus.ESME_RINVESMCLASS),  # delivery acknowledgement
        ({"esm_class": 0x80}, CommandStatus.ESME_RINVESMCLASS),  # reply path
        ({"sm_default_msg_id": 3}, CommandStatus.ESME_RINVDFTMSGID),
        ({"tlvs": [(Tag.DESTINATION_PORT, b"\x0b\x84")]}, CommandStatus.ESME_RTLVNOTALLWD),
        ({"tlvs": [(Tag.DEST_ADDR_SUBUNIT, b"\x03")]}, CommandStatus.ESME_RTLVNOTALLWD),  # the SIM
    ],
)
def test_what_acts_on_the_telephone_is_refused(fields: dict[str, object], status: CommandStatus) -> None:
    refusal = refusal_of(submit(**fields))
    assert refusal is not None
    assert refusal.status == status


@pytest.mark.parametrize("iei", [0x01, 0x04, 0x05, 0x0A, 0x22, 0x70, 0x7F])
def test_header_elements_off_the_list_are_refused(iei: int) -> None:
    expected = Refusal(CommandStatus.ESME_RSUBMITFAIL, "user data header")
    assert refusal_of(with_udh((0, b"\1\2\1"), (iei, b"\0\0"))) == expected


def test_concatenation_and_national_shifts_pass() -> None:
    assert refusal_of(with_udh((0, b"\1\2\1"), (0x24, b"\1"))) is None
    assert refusal_of(with_udh((8, b"\0\1\2\1"), (0x25, b"\1"))) is None


def test_a_broken_header_is_refused() -> None:
    assert refusal_of(SubmitSm(esm_class=0x40, short_message=b"\x20hello")) is not None


def test_an_access_number_may_be_given_more() -> None:
    ported = replace(
        DEFAULT_ALLOW,
        udh_elements=DEFAULT_ALLOW.udh_elements | {0x05},
        tlvs_kept=frozenset((Tag.DESTINATION_PORT,)),
    )
    assert refusal_of(with_udh((5, b"\x0b\x84\x23\xf0")), ported) is None
    assert refusal_of(submit(tlvs=[(Tag.DESTINATION_PORT, b"\x0b\x84")]), ported) is None
    assert ported.keeps_tlv(Tag.DESTINATION_PORT)


def test_vendor_and_unknown_tags_fall_away_without_refusal() -> None:
    assert refusal_of(submit(tlvs=[(0x1501, b"x"), (0x7777, b"y")])) is None
    assert not DEFAULT_ALLOW.keeps_tlv(0x1501)
    assert DEFAULT_ALLOW.keeps_tlv(Tag.MESSAGE_PAYLOAD)
