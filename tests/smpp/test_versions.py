"""A peer is sent what its interface version knows: no TLVs before 3.4, congestion_state from 5.0 on."""

import pytest

from smpp.codec import decode, encode
from smpp.constants import VERSION_3_4, VERSION_5_0, CommandId, Tag
from smpp.errors import EncodeError
from smpp.pdu import BindTransceiver, BindTransceiverResp, Pdu, SubmitSm, SubmitSmResp
from smpp.versions import congestion_tlv, frame_for, negotiated, request_for, response_for

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


def test_congestion_is_told_to_those_who_understand_it() -> None:
    assert congestion_tlv(90, VERSION_5_0) == [(int(Tag.CONGESTION_STATE), b"\x5a")]
    assert congestion_tlv(90, VERSION_3_4) == []
    assert congestion_tlv(None, VERSION_5_0) == []


def test_a_response_has_no_tlvs_for_an_old_peer() -> None:
    body = SubmitSmResp(message_id=b"1", tlvs=[REFERENCE])
    assert response_for(body, VERSION_3_3, [REFERENCE]).tlvs == []
    assert response_for(body, VERSION_3_4, [PAYLOAD]).tlvs == [REFERENCE, PAYLOAD]
    assert body.tlvs == [REFERENCE], "the caller's own is left as it was"


def test_a_request_loses_its_tlvs_but_never_its_text() -> None:
    assert request_for(SubmitSm(tlvs=[REFERENCE]), VERSION_3_3).tlvs == []
    assert request_for(SubmitSm(tlvs=[PAYLOAD]), VERSION_3_4).tlvs == [PAYLOAD]
    with pytest.raises(EncodeError):
        request_for(SubmitSm(tlvs=[PAYLOAD]), VERSION_3_3)


def test_a_frame_likewise_octet_for_octet_otherwise() -> None:
    body = SubmitSm(source_addr=b"1", destination_addr=b"2", short_message=b"hi", tlvs=[REFERENCE])
    frame = encode(Pdu(body, 7))
    assert frame_for(frame, CommandId.SUBMIT_SM, VERSION_3_4) == frame
    short = decode(frame_for(frame, CommandId.SUBMIT_SM, VERSION_3_3))
    assert (short.sequence_number, short.body.tlvs, short.body.short_message) == (7, [], b"hi")
    with pytest.raises(EncodeError):
        frame_for(encode(Pdu(SubmitSm(tlvs=[PAYLOAD]), 1)), CommandId.SUBMIT_SM, VERSION_3_3)
