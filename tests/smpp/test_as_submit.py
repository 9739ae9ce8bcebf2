"""data_sm (3.4, 4.7.1) and submit_multi (3.4, 4.5.1) said as submit_sm (3.4, 4.4.1)."""

from dataclasses import fields

import pytest

from smpp.as_submit import single_of, submit_of
from smpp.codec import decode, encode
from smpp.constants import SHORT_MESSAGE_OCTETS, Tag
from smpp.pdu import DataSm, Pdu, SmeDest, SubmitMulti, SubmitSm

PAYLOAD, OTHER = int(Tag.MESSAGE_PAYLOAD), (int(Tag.USER_MESSAGE_REFERENCE), b"\x00\x07")


def test_a_text_that_fits_is_the_short_message_and_its_tlv_is_gone() -> None:
    submit = submit_of(DataSm(tlvs=[(PAYLOAD, b"x" * SHORT_MESSAGE_OCTETS), OTHER]))
    assert submit.short_message == b"x" * SHORT_MESSAGE_OCTETS
    assert submit.tlvs == [OTHER]


def test_a_longer_text_stays_a_payload() -> None:
    tlvs = [(PAYLOAD, b"x" * (SHORT_MESSAGE_OCTETS + 1)), OTHER]
    submit = submit_of(DataSm(tlvs=tlvs))
    assert (submit.short_message, submit.tlvs) == (b"", tlvs)


def test_of_two_payloads_the_first_counts_and_none_is_left() -> None:
    submit = submit_of(DataSm(tlvs=[(PAYLOAD, b"one"), (PAYLOAD, b"two")]))
    assert (submit.short_message, submit.tlvs) == (b"one", [])


@pytest.mark.parametrize("name", [field.name for field in fields(DataSm) if field.name != "tlvs"])
def test_what_a_data_sm_says_beside_its_text_is_said(name: str) -> None:
    said = type(getattr(DataSm(), name))
    value = b"7" if said is bytes else 1
    assert getattr(submit_of(DataSm(**{name: value})), name) == value


@pytest.mark.parametrize(
    "name",
    [field.name for field in fields(SubmitMulti) if hasattr(SubmitSm(), field.name) and field.name != "tlvs"],
)
def test_what_a_submit_multi_says_to_all_is_said_to_each(name: str) -> None:
    said = type(getattr(SubmitMulti(), name))
    value = b"7" if said is bytes else 1
    single = single_of(SubmitMulti(**{name: value}, tlvs=[OTHER]), SmeDest(2, 3, b"888"))
    assert getattr(single, name) == value
    assert single.tlvs == [OTHER]
    assert (single.dest_addr_ton, single.dest_addr_npi, single.destination_addr) == (2, 3, b"888")
    assert decode(encode(Pdu(single, 1))).body == single
