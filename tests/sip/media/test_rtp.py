"""RTP packets and reception counts (RFC 3550)."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.media.rtp import Reception, RtpError, RtpPacket, build, is_rtcp, parse

PACKET = RtpPacket(0, 1, 160, 0xDEADBEEF, b"audio", marker=True)

packets = st.builds(
    RtpPacket,
    # 64 to 95 with the marker look like RTCP (RFC 5761, section 4) and are not to be used.
    payload_type=st.integers(0, 63) | st.integers(96, 127),
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    ssrc=st.integers(0, 0xFFFFFFFF),
    payload=st.binary(max_size=200),
    marker=st.booleans(),
    csrcs=st.lists(st.integers(0, 0xFFFFFFFF), max_size=15).map(tuple),
    extension=st.none() | st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=5).map(lambda word: word * 4)),
)


@given(packets)
def test_any_packet_round_trips(packet: RtpPacket) -> None:
    assert parse(build(packet)) == packet


@given(st.binary(max_size=64))
def test_any_bytes_parse_or_are_refused(data: bytes) -> None:
    with contextlib.suppress(RtpError):
        parse(data)


def test_padding_is_counted_by_its_last_octet() -> None:
    """5.1: with the padding bit the last octet says how many to ignore."""
    padded = bytearray(build(PACKET) + b"\0\0\0\4")
    padded[0] |= 0x20
    assert parse(bytes(padded)).payload == b"audio"
    padded[-1] = 200
    with pytest.raises(RtpError):
        parse(bytes(padded))


def test_rtcp_is_no_rtp() -> None:
    report = bytes([0x80, 201, 0, 1]) + bytes(8)
    assert is_rtcp(report)
    with pytest.raises(RtpError):
        parse(report)


def test_loss_is_expected_minus_received_over_the_wrap() -> None:
    reception = Reception(1, 65534)
    for index, sequence in enumerate((65534, 65535, 1, 2)):
        reception.receive(sequence, index * 160, 160, index * 0.02)
    assert reception.extended_sequence == 0x10002
    assert (reception.lost, reception.received, reception.octets) == (1, 4, 640)
    assert reception.fraction_lost() == 256 // 5
    assert reception.fraction_lost() == 0


def test_reordering_is_no_loss() -> None:
    reception = Reception(1, 10)
    for sequence in (10, 12, 11, 13):
        reception.receive(sequence, 0, 0, 0.0)
    assert reception.lost == 0


def test_jitter_is_zero_when_arrival_follows_the_timestamps() -> None:
    reception = Reception(1, 0)
    for index in range(50):
        reception.receive(index, (0xFFFFFF00 + index * 160) & 0xFFFFFFFF, 160, 5.0 + index * 0.02)
    assert reception.jitter_ms < 0.01


def test_jitter_follows_a_8() -> None:
    """J += (|D| - J) / 16, in timestamp units."""
    reception = Reception(1, 0)
    reception.receive(0, 0, 160, 0.0)
    reception.receive(1, 160, 160, 0.030)
    assert reception.jitter == pytest.approx(80 / 16)
    assert reception.jitter_ms == pytest.approx(80 / 16 / 8)


def test_a_far_packet_alone_is_not_counted_and_two_in_sequence_begin_anew() -> None:
    """RFC 3550, A.1. What was lost before stays lost."""
    reception = Reception(1, 10)
    assert reception.receive(10, 0, 160, 0.0)
    assert reception.receive(13, 480, 160, 0.06)
    assert not reception.receive(40_000, 0, 160, 0.08)
    assert (reception.received, reception.lost) == (2, 2)
    assert not reception.receive(50_000, 0, 160, 0.1)
    assert reception.receive(50_001, 160, 160, 0.12)
    assert (reception.received, reception.lost, reception.extended_sequence) == (1, 2, 50_001)


def test_packets_of_one_event_are_no_jitter() -> None:
    """RFC 4733, 2.5.1.2: all bear the timestamp of the event's start."""
    reception = Reception(1, 0)
    for index in range(10):
        reception.receive(index, 0, 4, index * 0.02)
    reception.receive(10, 1600, 160, 0.2)
    assert reception.jitter == 0.0
