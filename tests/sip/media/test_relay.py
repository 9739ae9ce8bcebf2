"""The relay's core: latching, headers built anew, RTCP built anew, counts, caps."""

import pytest

from sip.media import rtcp, rtp
from sip.media.control import MediaError, RemoteMedia
from sip.media.relay import CANDIDATES_MAX, PACKET_RATE_MAX, RTCP_RATE_MAX, SOURCES_MAX, RelayCore, Session

PBX = ("192.0.2.10", 4000)
PBX_RTCP = ("192.0.2.10", 4001)
PHONE = ("198.51.100.7", 5000)
PHONE_RTCP = ("198.51.100.7", 5001)
INTRUDER = ("203.0.113.66", 4000)


@pytest.fixture
def session() -> Session:
    session = RelayCore().create("call", 0.0)
    session.a.update(RemoteMedia(*PBX))
    session.b.update(RemoteMedia(*PHONE))
    return session


def audio(sequence: int = 1, **fields: object) -> bytes:
    packet = rtp.RtpPacket(0, sequence, sequence * 160, 0x1111, b"\x55" * 160)
    for name, value in fields.items():
        setattr(packet, name, value)
    return rtp.build(packet)


def from_a(session: Session, data: bytes, source: tuple[str, int] = PBX, now: float = 0.0):
    return session.a.receive_rtp(data, source, now, session.b)


def test_payload_crosses_under_a_header_of_ours(session: Session) -> None:
    out = from_a(session, audio(marker=True))
    assert out is not None
    packet, destination = rtp.parse(out[0]), out[1]
    assert destination == PHONE
    assert (packet.payload, packet.payload_type, packet.marker) == (b"\x55" * 160, 0, True)
    assert packet.ssrc != 0x1111


def test_extension_contributors_and_padding_do_not_cross(session: Session) -> None:
    data = bytearray(
        audio(csrcs=(0xC0FFEE, 0xBEEF), extension=(0xBEDE, b"8613800000001\0\0\0")) + b"\0\0\0\4"
    )
    data[0] |= 0x20
    out = from_a(session, bytes(data))
    assert out is not None
    assert len(out[0]) == 12 + 160
    assert out[0][0] == 0x80
    assert b"8613800000001" not in out[0]


def test_distances_of_sequence_and_timestamp_stay(session: Session) -> None:
    """What was lost before the relay is seen as lost behind it."""
    sent = [from_a(session, audio(sequence)) for sequence in (65535 - 2, 65535, 0)]
    first, second, third = (rtp.parse(out[0]) for out in sent if out)
    assert (second.sequence - first.sequence) & 0xFFFF == 2
    assert (third.sequence - second.sequence) & 0xFFFF == 1
    assert (second.timestamp - first.timestamp) & 0xFFFFFFFF == 320


def test_nothing_is_taken_before_the_side_announced_itself() -> None:
    session = RelayCore().create("call", 0.0)
    session.b.update(RemoteMedia(*PHONE))
    assert from_a(session, audio()) is None
    assert session.a.refused == 1


def test_an_intruder_is_not_latched_before_or_after(session: Session) -> None:
    assert from_a(session, audio(), INTRUDER) is None
    assert from_a(session, audio()) is not None
    assert from_a(session, audio(2), INTRUDER) is None
    assert session.a.stats(0.0).latched == "192.0.2.10:4000"
    assert session.a.refused == 2


def test_another_port_of_the_announced_host_latches_until_the_announced_one_speaks(session: Session) -> None:
    mapped, other = (PBX[0], 61000), (PBX[0], 61001)
    from_a(session, audio(1), mapped)
    assert from_a(session, audio(2), mapped) is not None
    assert from_a(session, audio(2), other) is None
    assert from_a(session, audio(3), other) is None
    back = session.b.receive_rtp(audio(1), PHONE, 0.0, session.a)
    assert back is not None
    assert back[1] == mapped
    assert from_a(session, audio(3), PBX) is not None
    assert from_a(session, audio(4), mapped) is None


def test_another_port_is_latched_by_two_packets_of_one_stream_alone(session: Session) -> None:
    """RFC 3550, A.1: one stray or forged packet proves nothing, and keeps nobody from proving himself."""
    mapped, stray = (PBX[0], 61000), (PBX[0], 61001)
    assert from_a(session, audio(7), mapped) is None
    assert from_a(session, audio(8, ssrc=0x2222), mapped) is None
    assert from_a(session, audio(30), mapped) is None
    assert from_a(session, audio(31), stray) is None
    for number in range(CANDIDATES_MAX * 2):
        assert from_a(session, audio(number), (PBX[0], 50000 + number)) is None
    assert from_a(session, audio(40), mapped) is None
    assert from_a(session, audio(1), stray) is None
    assert from_a(session, audio(41), mapped) is not None
    assert session.a.rtp.source == mapped
    assert len(session.a.rtp._candidates) == 0


def test_behind_nat_the_host_that_signals_may_send() -> None:
    session = RelayCore().create("call", 0.0)
    session.b.update(RemoteMedia(*PHONE))
    session.a.update(RemoteMedia("10.0.0.5", 4000, also_from=("192.0.2.99",)))
    assert from_a(session, audio(), INTRUDER) is None
    assert from_a(session, audio(2), INTRUDER) is None
    from_a(session, audio(1), ("192.0.2.99", 33333))
    assert from_a(session, audio(2), ("192.0.2.99", 33333)) is not None
    for number in (1, 2, 3):
        assert from_a(session, audio(number), ("192.0.2.99", 33334)) is None


def test_only_a_valid_packet_latches(session: Session) -> None:
    mapped = (PBX[0], 61000)
    assert from_a(session, b"\x80", mapped) is None
    assert from_a(session, bytes(172), mapped) is None
    assert session.a.rtp.source is None


def test_the_same_announcement_keeps_the_latch_and_another_frees_it(session: Session) -> None:
    from_a(session, audio())
    session.a.update(RemoteMedia(*PBX))
    assert session.a.rtp.source == PBX
    moved = ("192.0.2.11", 4000)
    session.a.update(RemoteMedia(*moved))
    assert from_a(session, audio(2)) is None
    assert from_a(session, audio(3), moved) is not None


def test_hold_by_the_null_address_sends_nothing(session: Session) -> None:
    session.b.update(RemoteMedia("0.0.0.0", 5000))
    assert from_a(session, audio()) is None
    assert session.a.packets == 1
    session.b.update(RemoteMedia(PHONE[0], 0))
    assert from_a(session, audio(2)) is None


def test_a_closed_gate_withholds_what_the_side_sends() -> None:
    """Early media of the core is withheld until answer: announcements can name a person."""
    session = RelayCore().create("call", 0.0, gate_b=False)
    session.a.update(RemoteMedia(*PBX))
    session.b.update(RemoteMedia(*PHONE))
    assert session.b.receive_rtp(audio(), PHONE, 0.0, session.a) is None
    report = rtcp.build([rtcp.ReceiverReport(1)])
    assert session.b.receive_rtcp(report, PHONE_RTCP, 0.0, session.a) is None
    assert from_a(session, audio()) is not None
    session.b.open = True
    assert session.b.receive_rtp(audio(2), PHONE, 0.0, session.a) is not None


def test_jitter_is_counted_at_the_negotiated_clock_rate(session: Session) -> None:
    session.a.update(RemoteMedia(*PBX, clock_rates={97: 16000}))
    for number in range(20):
        from_a(session, audio(number, payload_type=97, timestamp=number * 320), now=number * 0.02)
    assert session.a.stats(1.0).jitter_ms < 0.01
    assert from_a(session, audio(20, payload_type=98), now=0.4) is not None


def test_rate_is_capped(session: Session) -> None:
    taken = sum(from_a(session, audio(n), now=0.5) is not None for n in range(PACKET_RATE_MAX + 50))
    assert taken == PACKET_RATE_MAX
    assert from_a(session, audio(999), now=1.6) is not None


def test_a_new_source_gets_a_new_name_and_is_counted(session: Session) -> None:
    first = from_a(session, audio(1))
    assert from_a(session, audio(1, ssrc=0x2222)) is None
    second = from_a(session, audio(2, ssrc=0x2222))
    again = from_a(session, audio(2))
    assert first
    assert second
    assert again
    assert rtp.parse(first[0]).ssrc != rtp.parse(second[0]).ssrc
    assert rtp.parse(first[0]).ssrc == rtp.parse(again[0]).ssrc
    assert session.a.ssrc_changes == 2
    for ssrc in range(20):
        from_a(session, audio(1, ssrc=ssrc))
        from_a(session, audio(2, ssrc=ssrc))
    assert len(session.a.sources) == SOURCES_MAX


def test_a_new_source_is_on_probation_while_another_speaks(session: Session) -> None:
    """RFC 3550, A.1: two packets in sequence; forged ones in between take nothing over."""
    from_a(session, audio(1))
    for number in (2, 3, 4):
        assert from_a(session, audio(number * 1000, ssrc=0x6666)) is None
        assert from_a(session, audio(number)) is not None
    assert session.a.ssrc_changes == 0


def test_a_far_sequence_number_is_a_stray_unless_the_next_follows(session: Session) -> None:
    assert from_a(session, audio(1)) is not None
    assert from_a(session, audio(30_000)) is None
    assert from_a(session, audio(2)) is not None
    assert from_a(session, audio(50_000)) is None
    assert from_a(session, audio(50_001)) is not None
    assert session.a.stats(0.0).lost == 0


def test_ipv6_is_compared_as_an_address_however_it_is_written(session: Session) -> None:
    session.a.update(RemoteMedia("2001:DB8:0::0001", 4000))
    out = from_a(session, audio(), ("2001:db8::1", 4000))
    assert out is not None
    back = session.b.receive_rtp(audio(1), PHONE, 0.0, session.a)
    assert back is not None
    assert back[1] == ("2001:db8::1", 4000)


def test_a_name_is_not_looked_up(session: Session) -> None:
    with pytest.raises(MediaError, match="no IP address"):
        session.a.update(RemoteMedia("pbx.example", 4000))
    with pytest.raises(MediaError, match="no IP address"):
        session.a.update(RemoteMedia(*PBX, also_from=("pbx.example",)))


def test_counts_loss_and_jitter(session: Session) -> None:
    for sequence in (1, 2, 4, 5):
        from_a(session, audio(sequence), now=sequence * 0.02)
    stats = session.a.stats(1.1)
    assert (stats.packets, stats.octets, stats.lost, stats.forwarded) == (4, 640, 1, 4)
    assert stats.jitter_ms < 0.01
    assert stats.silent_s == pytest.approx(1.0)


def test_rtcp_crosses_without_any_name(session: Session) -> None:
    out = from_a(session, audio(10))
    assert out
    sent = rtp.parse(out[0])
    names = rtcp.build(
        [
            rtcp.SenderReport(0x1111, 77 << 32, 1600, 500, 80000),
            rtcp.SourceDescription(0x1111, "8613800000001@ims.example"),
        ]
    )
    app = bytes([0x80, 204, 0, 5]) + b"\0\0\x11\x11NAME8613800000001\0"[:20]
    result = session.a.receive_rtcp(names + app.ljust(24, b"\0"), PBX_RTCP, 0.0, session.b)
    assert result is not None
    data, destination = result
    assert destination == PHONE_RTCP
    assert b"86138" not in data
    assert b"NAME" not in data
    report, description = rtcp.parse(data)
    assert isinstance(report, rtcp.SenderReport)
    assert report.ssrc == sent.ssrc
    assert report.rtp_timestamp == sent.timestamp
    assert (report.packets, report.octets) == (1, 160)
    assert description == rtcp.SourceDescription(sent.ssrc, session.a.cname)


def test_a_report_comes_back_in_the_numbers_of_the_side_it_is_about(session: Session) -> None:
    out = from_a(session, audio(10))
    assert out
    sent = rtp.parse(out[0])
    about = rtcp.ReportBlock(sent.ssrc, 5, 3, sent.sequence, 40, 0xABCD, 9)
    other = rtcp.ReportBlock(0x9999, 1, 1, 1)
    data = rtcp.build([rtcp.ReceiverReport(0x5555, (other, about))])
    result = session.b.receive_rtcp(data, PHONE_RTCP, 0.0, session.a)
    assert result
    report = rtcp.parse(result[0])[0]
    assert isinstance(report, rtcp.ReceiverReport)
    assert report.ssrc != 0x5555
    (block,) = report.reports
    assert (block.ssrc, block.lost, block.last_sr, block.highest_sequence & 0xFFFF) == (0x1111, 3, 0xABCD, 10)


def test_bye_crosses_under_our_ssrc(session: Session) -> None:
    out = from_a(session, audio())
    assert out
    result = session.a.receive_rtcp(rtcp.build([rtcp.Bye((0x1111, 0x7777))]), PBX_RTCP, 0.0, session.b)
    assert result
    assert rtcp.parse(result[0])[-1] == rtcp.Bye((rtp.parse(out[0]).ssrc,))


def test_rtcp_is_latched_and_capped_on_its_own(session: Session) -> None:
    report = rtcp.build([rtcp.ReceiverReport(1)])
    assert session.a.receive_rtcp(report, INTRUDER, 0.0, session.b) is None
    assert session.a.receive_rtcp(b"junk", PBX_RTCP, 0.0, session.b) is None
    crossed = [session.a.receive_rtcp(report, PBX_RTCP, 0.0, session.b) for _ in range(RTCP_RATE_MAX + 5)]
    assert sum(result is not None for result in crossed) == RTCP_RATE_MAX


def test_rtcp_comes_from_where_rtp_comes_from(session: Session) -> None:
    report = rtcp.build([rtcp.ReceiverReport(1)])
    session.a.update(RemoteMedia(*PBX, also_from=("192.0.2.99",)))
    from_a(session, audio(1))
    assert session.a.receive_rtcp(report, ("192.0.2.99", 6001), 0.0, session.b) is None
    assert session.a.receive_rtcp(report, (PBX[0], 6001), 0.0, session.b) is not None
    assert session.a.receive_rtcp(report, PBX_RTCP, 0.0, session.b) is not None


def test_rtcp_on_the_rtp_port_is_refused(session: Session) -> None:
    assert from_a(session, rtcp.build([rtcp.ReceiverReport(1), rtcp.ReceiverReport(2)])) is None
    assert session.a.refused == 1


def test_the_table_is_bounded_and_ids_are_unique() -> None:
    core = RelayCore(sessions_max=1)
    core.create("one", 0.0)
    with pytest.raises(MediaError, match="in use"):
        core.create("one", 0.0)
    with pytest.raises(MediaError, match="too many"):
        core.create("two", 0.0)
    core.delete("one")
    with pytest.raises(MediaError, match="unknown"):
        core.delete("one")
    core.create("two", 0.0)


def test_silent_sides_are_named() -> None:
    core = RelayCore()
    session = core.create("call", 0.0)
    session.a.update(RemoteMedia(*PBX))
    assert core.silent(5.0, 4.0) == []
    from_a(session, audio(), now=4.0)
    assert core.silent(5.0, 6.0) == [("call", "b")]
