"""What an operator may allow an access number beyond a plain text."""

import pytest

from masking.smpp_leg import check_submit
from masking.smpp_options import OPTIONS, UnknownOption, allow_of
from masking.smpp_rules import DEFAULT_ALLOW
from smpp.constants import CommandStatus, EsmClass, Tag
from smpp.pdu import SubmitSm


@pytest.mark.parametrize(
    ("option", "body"),
    [
        ("flash", SubmitSm(data_coding=0x10)),
        ("flash", SubmitSm(data_coding=0x18)),
        ("flash", SubmitSm(data_coding=0xF0)),
        ("class-1", SubmitSm(data_coding=0xF1)),
        ("charsets", SubmitSm(data_coding=0x06)),
        ("ports", SubmitSm(tlvs=[(Tag.DESTINATION_PORT, b"\x0b\x84")])),
        ("ports", SubmitSm(esm_class=EsmClass.UDHI, short_message=bytes.fromhex("0605040B8423F0") + b"x")),
        ("wap", SubmitSm(service_type=b"WAP", data_coding=0xF5, tlvs=[(Tag.PAYLOAD_TYPE, b"\0")])),
        ("formatting", SubmitSm(esm_class=EsmClass.UDHI, short_message=bytes.fromhex("050A03000100") + b"x")),
        ("replace", SubmitSm(protocol_id=0x41)),
        ("message-waiting", SubmitSm(data_coding=0xC8)),
        ("silent", SubmitSm(protocol_id=0x40)),
        ("sim", SubmitSm(protocol_id=0x7F, data_coding=0xF6)),
        ("sim", SubmitSm(esm_class=EsmClass.UDHI, short_message=bytes.fromhex("027000") + b"x")),
        ("stored-text", SubmitSm(sm_default_msg_id=3)),
    ],
)
def test_what_is_refused_by_default_passes_under_its_option(option: str, body: SubmitSm) -> None:
    assert check_submit(body) is not None
    assert check_submit(body, allow_of((option,))) is None
    others = allow_of(name for name in OPTIONS if name not in (option, "wap", "ports"))
    assert check_submit(body, others) is not None


@pytest.mark.parametrize(
    ("option", "tag"),
    [("callback-number", Tag.CALLBACK_NUM), ("alert", Tag.DISPLAY_TIME), ("vanish", Tag.MS_VALIDITY)],
)
def test_what_falls_away_by_default_is_kept_under_its_option(option: str, tag: Tag) -> None:
    assert not DEFAULT_ALLOW.keeps_tlv(tag)
    assert allow_of((option,)).keeps_tlv(tag)


def test_no_option_opens_a_way_past_the_gateway() -> None:
    everything = allow_of(OPTIONS)
    for esm_class in (0x80, 0x04, 0x08, 0x20, 0x01, 0x02):
        assert check_submit(SubmitSm(esm_class=esm_class), everything) == CommandStatus.ESME_RINVESMCLASS
    assert check_submit(SubmitSm(service_type=b"USSD"), everything) == CommandStatus.ESME_RINVSERTYP
    assert check_submit(SubmitSm(tlvs=[(Tag.USSD_SERVICE_OP, b"\x02")]), everything) is not None


def test_without_options_it_is_the_carriers_default() -> None:
    assert allow_of(()) == DEFAULT_ALLOW


def test_an_unknown_name_says_which_there_are() -> None:
    with pytest.raises(UnknownOption, match="flash"):
        allow_of(("flash", "flush"))
