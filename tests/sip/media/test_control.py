"""What signalling asks of media names two sides, and each has its own address and counters."""

from sip.media.control import (
    SIDES,
    LocalMedia,
    MediaError,
    MediaPorts,
    MediaStats,
    MediaUnavailable,
    RemoteMedia,
    SideStats,
)

A = LocalMedia("192.0.2.1", 20000, 20001)
B = LocalMedia("198.51.100.1", 20002, 20003)


def stats(packets: int) -> SideStats:
    return SideStats(packets, packets * 160, 0, 0.0, 0, 0, packets, 0.0, None)


def test_each_side_is_shown_its_own_address_and_counted_by_itself() -> None:
    assert [MediaPorts(A, B).of(side) for side in SIDES] == [A, B]
    assert [MediaStats(stats(1), stats(2), 3.0).of(side).packets for side in SIDES] == [1, 2]


def test_a_relay_that_is_gone_is_one_that_refuses() -> None:
    assert issubclass(MediaUnavailable, MediaError)


def test_an_announcement_needs_no_more_than_an_address() -> None:
    remote = RemoteMedia("192.0.2.9", 4000)
    assert (remote.rtcp_port, remote.also_from, dict(remote.clock_rates)) == (None, (), {})
