"""The codec against the specification's own rules (SMPP 3.4 unless 5.0 is said)."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smpp.codec import EncodeError, Framer, PduError, decode, encode, encode_body
from smpp.constants import MAX_PDU_OCTETS, CommandStatus, Tag
from smpp.pdu import (
    BODY_OF,
    BindTransceiver,
    BindTransceiverResp,
    DataSm,
    DeliverSmResp,
    EnquireLink,
    GenericNack,
    ListDest,
    Pdu,
    SmeDest,
    SubmitMulti,
    SubmitSm,
    SubmitSmResp,
)
from tests.smpp import strategies


def frame_of(command_id: int, body: bytes, status: int = 0, sequence_number: int = 1) -> bytes:
    return struct.pack(">IIII", 16 + len(body), command_id, status, sequence_number) + body


def submit(**field: bytes) -> bytes:
    """An encoded submit_sm body whose named fields are replaced by raw octets."""
    parts = {
        "service_type": b"\0",
        "source": b"\0\0",
        "source_addr": b"106\0",
        "dest": b"\0\0",
        "destination_addr": b"888\0",
        "flags": b"\0\0\0",
        "schedule_delivery_time": b"\0",
        "validity_period": b"\0",
        "more": b"\0\0\0\0",
        "short_message": b"\x02hi",
        "tlvs": b"",
    } | field
    return b"".join(parts.values())


def refusal(frame: bytes) -> PduError:
    with pytest.raises(PduError) as caught:
        decode(frame)
    return caught.value


def test_the_specifications_own_example_of_a_bind() -> None:
    # 3.4, 3.2.3: the bind_transmitter example, octet by octet.
    frame = bytes.fromhex(
        "0000002F 00000002 00000000 00000001"
        "534D50503354455354 00 7365637265743038 00 5355424D495431 00 00 01 01 00".replace(" ", "")
    )
    pdu = decode(frame)
    assert pdu.sequence_number == 1
    bind = pdu.body
    assert type(bind) is BODY_OF[2]
    assert (bind.system_id, bind.password, bind.system_type) == (b"SMPP3TEST", b"secret08", b"SUBMIT1")  # type: ignore[attr-defined]
    assert (bind.interface_version, bind.addr_ton, bind.addr_npi) == (0, 1, 1)  # type: ignore[attr-defined]
    assert encode(pdu) == frame


@given(strategies.pdu())
@settings(max_examples=200, derandomize=True)
def test_any_pdu_round_trips(pdu: Pdu) -> None:
    assert decode(encode(pdu)) == pdu


@given(st.sampled_from(sorted(BODY_OF)) | st.integers(0, 2**32 - 1), st.binary(max_size=200))
@settings(max_examples=300, derandomize=True)
def test_any_octets_are_a_pdu_or_a_bad_pdu(command_id: int, body: bytes) -> None:
    try:
        pdu = decode(frame_of(command_id, body))
    except PduError as caught:
        error = caught
    else:
        assert decode(encode(pdu)) == pdu
        return
    assert (error.sequence_number, error.command_id) == (1, command_id)


@given(strategies.pdu(), st.data())
def test_a_truncated_pdu_never_crashes(pdu: Pdu, data: st.DataObject) -> None:
    frame = encode(pdu)
    cut = frame[: data.draw(st.integers(0, len(frame)))]
    for whole in (cut, struct.pack(">I", len(cut)) + cut[4:]):
        with suppress(PduError):
            decode(whole)


CLAUSES = [
    # clause, what is wrong, the body, the status that answers it
    ("5.2.11", "service_type of 6 and no NUL", submit(service_type=b"ABCDEF\0"), "ESME_RINVSERTYP"),
    ("5.2.8", "source_addr of 21", submit(source_addr=b"1" * 21 + b"\0"), "ESME_RINVSRCADR"),
    ("5.2.9", "destination_addr of 21", submit(destination_addr=b"1" * 21 + b"\0"), "ESME_RINVDSTADR"),
    ("5.2.15", "schedule of 17", submit(schedule_delivery_time=b"1" * 17 + b"\0"), "ESME_RINVSCHED"),
    ("5.2.16", "validity of 17", submit(validity_period=b"1" * 17 + b"\0"), "ESME_RINVEXPIRY"),
    ("5.2.21", "sm_length beyond the PDU", submit(short_message=b"\x05hi"), "ESME_RINVMSGLEN"),
    ("3.2.4", "half a TLV header", submit(tlvs=b"\x04\x24\x00"), "ESME_RINVTLVSTREAM"),
    ("5.3.1", "TLV beyond the PDU", submit(tlvs=b"\x04\x24\x00\x05hi"), "ESME_RINVTLVSTREAM"),
    ("5.3.2.17", "user_message_reference of 1", submit(tlvs=b"\x02\x04\x00\x01a"), "ESME_RINVPARLEN"),
    ("5.3.2.20", "source_port of 3", submit(tlvs=b"\x02\x0a\x00\x03abc"), "ESME_RINVPARLEN"),
    ("3.2", "the body ends inside the flags", b"\0\0\0001\0\0\0008\0\0", "ESME_RINVCMDLEN"),
    ("3.2", "no body", b"", "ESME_RINVCMDLEN"),
]


@pytest.mark.parametrize(
    ("body", "status"), [row[2:] for row in CLAUSES], ids=[f"{row[0]} {row[1]}" for row in CLAUSES]
)
def test_a_bad_submit_sm_gets_the_status_of_its_field(body: bytes, status: str) -> None:
    assert refusal(frame_of(4, body, sequence_number=9)).status == CommandStatus[status]


def test_5_2_1_and_5_2_2_bind_fields_have_their_own_statuses() -> None:
    rest = b"\0\0\x34\0\0\0"
    assert refusal(frame_of(9, b"x" * 16 + b"\0" + rest)).status == CommandStatus.ESME_RINVSYSID
    assert refusal(frame_of(9, b"x\0" + b"p" * 9 + b"\0" + rest)).status == CommandStatus.ESME_RINVPASWD
    assert refusal(frame_of(9, b"x\0p\0" + b"t" * 13 + b"\0" + rest)).status == CommandStatus.ESME_RINVSYSTYP


def test_5_1_2_an_unknown_command_is_named() -> None:
    error = refusal(frame_of(0x0000_0777, b"anything", sequence_number=44))
    assert (error.status, error.sequence_number) == (CommandStatus.ESME_RINVCMDID, 44)


def test_3_2_command_length_must_be_the_length() -> None:
    frame = encode(Pdu(EnquireLink(), 3))
    assert refusal(frame + b"\0").status == CommandStatus.ESME_RINVCMDLEN
    assert refusal(frame[:12]).status == CommandStatus.ESME_RINVCMDLEN
    assert refusal(frame_of(0x15, b"\0\0")).status == CommandStatus.ESME_RINVTLVSTREAM


def test_4_4_2_an_error_response_has_no_body() -> None:
    frame = encode(Pdu(SubmitSmResp(), 5, CommandStatus.ESME_RINVDSTADR))
    assert len(frame) == 16
    assert decode(frame).body == SubmitSmResp()
    assert decode(frame_of(0x8000_0004, b"\0", status=0x0B)).body == SubmitSmResp()


def test_a_response_without_body_is_tolerated_with_any_status() -> None:
    assert decode(frame_of(0x8000_0005, b"")).body == DeliverSmResp()
    assert decode(frame_of(0x8000_0009, b"")).body == BindTransceiverResp()


def test_a_response_with_tlvs_keeps_them_whatever_their_length() -> None:
    frame = frame_of(0x8000_0004, b"id\0" + b"\x04\x28\x00\x02ab", status=0x58)
    assert decode(frame).body == SubmitSmResp(b"id", [(Tag.CONGESTION_STATE, b"ab")])
    assert encode(decode(frame)) == frame


def test_vendor_values_survive() -> None:
    body = SubmitSm(
        source_addr_ton=77,
        source_addr_npi=200,
        dest_addr_ton=255,
        data_coding=0xC3,
        tlvs=[(0x1401, b""), (0x3FFF, b"\0\1"), (0x1401, b"again"), (0xFFFE, b"x")],
    )
    pdu = Pdu(body, 1, 0x0000_0455)
    assert decode(encode(pdu)) == pdu
    assert type(decode(encode(pdu)).body.source_addr_ton) is int  # type: ignore[attr-defined]


def test_message_payload_of_65535_octets() -> None:
    pdu = Pdu(DataSm(tlvs=[(Tag.MESSAGE_PAYLOAD, b"x" * 65535)]), 1)
    assert decode(encode(pdu)) == pdu


def test_a_memoryview_is_taken() -> None:
    frame = encode(Pdu(BindTransceiver(b"a", b"b"), 1))
    assert decode(memoryview(frame)) == decode(frame)


class TestSubmitMulti:
    """4.5.1: addresses and distribution lists, each with a flag."""

    HEAD = b"\0\0\0106\0"
    TAIL = b"\0\0\0\0\0\0\0\0\0\0"

    def multi(self, dests: bytes) -> bytes:
        return frame_of(0x21, self.HEAD + dests + self.TAIL)

    def test_both_kinds(self) -> None:
        body = decode(self.multi(b"\x02\x01\x01\x01861\0\x02team\0")).body
        assert isinstance(body, SubmitMulti)
        assert body.dests == [SmeDest(1, 1, b"861"), ListDest(b"team")]

    def test_statuses(self) -> None:
        assert refusal(self.multi(b"\x00")).status == CommandStatus.ESME_RINVNUMDESTS
        assert refusal(self.multi(b"\x01\x03\0\0x\0")).status == CommandStatus.ESME_RINVDESTFLAG
        assert refusal(self.multi(b"\x01\x02" + b"n" * 30 + b"\0")).status == CommandStatus.ESME_RINVDLNAME
        assert (
            refusal(self.multi(b"\x01\x01\0\0" + b"1" * 30 + b"\0")).status == CommandStatus.ESME_RINVDSTADR
        )
        assert refusal(self.multi(b"\x09\x01\0\0x\0")).status != CommandStatus.ESME_ROK


@pytest.mark.parametrize(
    "body",
    [
        SubmitSm(destination_addr=b"1" * 21),
        SubmitSm(destination_addr=b"1\x002"),
        SubmitSm(short_message=b"x" * 256),
        SubmitSm(esm_class=256),
        SubmitSm(data_coding=-1),
        SubmitSm(tlvs=[(0x10000, b"")]),
        SubmitSm(tlvs=[(1, b"x" * 65536)]),
        SubmitMulti(dests=[SmeDest(1, 1, b"1" * 21)]),
        SubmitMulti(dests=[ListDest(b"1" * 21)]),
        SubmitMulti(dests=[SmeDest(1, 1, b"1")] * 256),
        SubmitSm(tlvs=[(Tag.MESSAGE_PAYLOAD, b"x" * 60_000)] * 2),
    ],
)
def test_what_does_not_fit_is_not_encoded(body: SubmitSm | SubmitMulti) -> None:
    with pytest.raises(EncodeError):
        encode_body(body, 1)


class TestFramer:
    FRAMES = (
        encode(Pdu(SubmitSm(short_message=b"x" * 100), 1)),
        encode(Pdu(EnquireLink(), 2)),
        encode(Pdu(GenericNack(), 3)),
    )

    @given(st.lists(st.integers(1, 60), min_size=1))
    def test_however_the_stream_is_cut_the_frames_are_the_same(self, cuts: list[int]) -> None:
        stream, framer, got, pos = b"".join(self.FRAMES), Framer(), [], 0
        for cut in [*cuts, len(stream)]:
            got += framer.feed(stream[pos : pos + cut])
            pos += cut
        assert got == list(self.FRAMES)
        assert (framer.fatal, framer.buffered) == (None, 0)

    @given(st.lists(st.binary(max_size=300), max_size=20))
    def test_any_octets_never_crash_it(self, reads: list[bytes]) -> None:
        framer = Framer()
        for read in reads:
            for frame in framer.feed(read):
                assert 16 <= len(frame) <= MAX_PDU_OCTETS
            assert framer.buffered <= MAX_PDU_OCTETS

    @pytest.mark.parametrize("length", [0, 4, 15, MAX_PDU_OCTETS + 1, 0x47455420])
    def test_a_length_that_cannot_be_is_fatal_after_the_frames_before_it(self, length: int) -> None:
        framer = Framer()
        good = self.FRAMES[1]
        assert framer.feed(good + struct.pack(">I", length) + good) == [good]
        assert framer.fatal is not None
        assert framer.feed(good) == []

    def test_it_waits_for_the_largest_pdu_and_holds_no_more(self) -> None:
        framer = Framer()
        frame = struct.pack(">I", MAX_PDU_OCTETS) + bytes(MAX_PDU_OCTETS - 4)
        assert framer.feed(frame[:-1]) == []
        assert framer.buffered == MAX_PDU_OCTETS - 1
        assert framer.feed(frame[-1:]) == [frame]
