"""A peer is sent what its interface version knows: no TLVs before 3.4, congestion_state from 5.0 on."""

import pytest

from smpp.codec import decode, encode
from smpp.constants import VERSION_3_4, VERSION_5_0, CommandId, Tag
from smpp.errors import EncodeError
from smpp.pdu import BindTransceiver, BindTransceiverResp, Body, Pdu, SubmitSm, SubmitSmResp
from smpp.versions import Dialect, negotiated

VERSION_3_3 = 0x33
REFERENCE = (int(Tag.USER_MESSAGE_REFERENCE), b"\x00\x07")
PAYLOAD = (int(Tag.MESSAGE_PAYLOAD), b"hello")


@pytest.mark.parametrize(
    ("theirs", "ours", "spoken"),
    [(VERSION_5_0, VERSION_3_4, VERSION_3_4), (VERSION_3_3, VERSION_5_0, VERSION_3_3), (0x34, 0x50, 0x34)],
)
def test_the_lower_version_is_spoken(theirs: int, ours: int, spoken: int) -> None:
    assert negotiated(BindTransceiver(interface_version=theirs), None, ours, VERSION_3_4) == spoken


def test_a_message_centre_says_its_version_or_is_taken_for_what_is_set() -> None:
    bind = BindTransceiver(interface_version=VERSION_5_0)
    told = BindTransceiverResp(tlvs=[(int(Tag.SC_INTERFACE_VERSION), b"\x34")])
    assert negotiated(bind, told, VERSION_5_0, VERSION_3_3) == VERSION_3_4
    assert negotiated(bind, BindTransceiverResp(), VERSION_5_0, VERSION_3_3) == VERSION_3_3


def dialect(version: int, congestion: int | None = None) -> Dialect:
    made = Dialect()
    made.agree(version)
    made.congestion = congestion
    return made


def heard(made: Dialect, body: Body) -> Body:
    return decode(made.response(body, 1)).body


def test_congestion_is_told_to_those_who_understand_it() -> None:
    told = [(int(Tag.CONGESTION_STATE), b"\x5a")]
    for version, congestion, tlvs in (
        (VERSION_5_0, 90, told),
        (VERSION_3_4, 90, []),
        (VERSION_5_0, None, []),
    ):
        made = dialect(version, congestion)
        assert heard(made, SubmitSmResp(b"1")).tlvs == tlvs
        assert decode(made.message_response(CommandId.SUBMIT_SM_RESP, 1, b"1")).body.tlvs == tlvs


def test_a_response_has_no_tlvs_for_an_old_peer() -> None:
    body = SubmitSmResp(message_id=b"1", tlvs=[REFERENCE])
    assert heard(dialect(VERSION_3_3), body).tlvs == []
    assert heard(dialect(VERSION_3_4), body).tlvs == [REFERENCE]
    assert body.tlvs == [REFERENCE], "the caller's own is left as it was"


def test_a_request_loses_its_tlvs_but_never_its_text() -> None:
    assert dialect(VERSION_3_3).request(SubmitSm(tlvs=[REFERENCE])).tlvs == []
    assert dialect(VERSION_3_4).request(SubmitSm(tlvs=[PAYLOAD])).tlvs == [PAYLOAD]
    with pytest.raises(EncodeError):
        dialect(VERSION_3_3).request(SubmitSm(tlvs=[PAYLOAD]))


def test_a_frame_likewise_octet_for_octet_otherwise() -> None:
    body = SubmitSm(source_addr=b"1", destination_addr=b"2", short_message=b"hi", tlvs=[REFERENCE])
    frame = encode(Pdu(body, 7))
    assert dialect(VERSION_3_4).frame(frame, CommandId.SUBMIT_SM) == frame
    short = decode(dialect(VERSION_3_3).frame(frame, CommandId.SUBMIT_SM))
    assert short == Pdu(SubmitSm(source_addr=b"1", destination_addr=b"2", short_message=b"hi"), 7)
    with pytest.raises(EncodeError):
        dialect(VERSION_3_3).frame(encode(Pdu(SubmitSm(tlvs=[PAYLOAD]), 1)), CommandId.SUBMIT_SM)
