"""RTCP compound packets (RFC 3550, section 6)."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.media.rtcp import (
    Bye,
    ReceiverReport,
    ReportBlock,
    RtcpError,
    SenderReport,
    SourceDescription,
    Unknown,
    build,
    ntp_time,
    parse,
)

u32 = st.integers(0, 0xFFFFFFFF)
blocks = st.lists(
    st.builds(ReportBlock, u32, st.integers(0, 255), st.integers(-0x800000, 0x7FFFFF), u32, u32, u32, u32),
    max_size=3,
).map(tuple)
compound = st.lists(
    st.builds(SenderReport, u32, st.integers(0, 2**64 - 1), u32, u32, u32, blocks)
    | st.builds(ReceiverReport, u32, blocks)
    | st.builds(SourceDescription, u32, st.text(max_size=20))
    | st.builds(Bye, st.lists(u32, min_size=1, max_size=3).map(tuple)),
    min_size=1,
    max_size=5,
)


@given(compound)
def test_any_compound_packet_round_trips(packets: list[SenderReport]) -> None:
    data = build(packets)
    assert len(data) % 4 == 0
    assert parse(data) == packets


@given(st.binary(max_size=120))
def test_any_bytes_parse_or_are_refused(data: bytes) -> None:
    with contextlib.suppress(RtcpError):
        parse(data)


def test_only_the_cname_of_a_description_is_kept() -> None:
    items = b"\1\4user" + b"\2\5Alice" + b"\0"
    body = b"\0\0\0\7" + items
    body += bytes(-len(body) % 4)
    data = bytes([0x81, 202, 0, len(body) // 4]) + body
    assert parse(data) == [SourceDescription(7, "user")]


def test_octets_of_unknown_packets_are_not_kept() -> None:
    assert parse(bytes([0x80, 204, 0, 2]) + b"\0\0\0\1name") == [Unknown(204)]
    with pytest.raises(RtcpError):
        build([Unknown(204)])


def test_a_bye_reason_is_dropped() -> None:
    assert parse(bytes([0x81, 203, 0, 2]) + b"\0\0\0\x09\3bye") == [Bye((9,))]


def test_ntp_time_counts_from_1900() -> None:
    assert ntp_time(0.5) == (2_208_988_800 << 32) | 0x80000000
