"""The relay's control channel: frames, and what goes through it as JSON."""

from typing import Any

import pytest

from sip.media.control import LocalMedia, MediaPorts, MediaStats, RemoteMedia, SideStats
from sip.media.relay_control import (
    ControlFramer,
    ControlFrameTooLong,
    RelayConfig,
    frame,
    ports_from,
    ports_to,
    remote_from,
    remote_to,
    stats_from,
    stats_to,
)


def test_frames_are_cut_from_any_chunks() -> None:
    framer = ControlFramer()
    stream = frame({"id": 1}) + frame({"id": 2})
    objects = [value for octet in stream for value in framer.feed(bytes([octet]))]
    assert objects == [{"id": 1}, {"id": 2}]
    with pytest.raises(ControlFrameTooLong):
        framer.feed(b"\xff\xff\xff\xff")


@pytest.mark.parametrize(
    "wrong", [{"port_min": 80}, {"port_max": 70000}, {"port_min": 30000}, {"sessions_max": 0}]
)
def test_a_configuration_without_ports_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        RelayConfig(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("stream", [frame([1]), b"\0\0\0\1{"])  # type: ignore[arg-type]
def test_what_is_no_json_object_is_an_error(stream: bytes) -> None:
    with pytest.raises(ValueError):
        ControlFramer().feed(stream)


def through(value: Any) -> Any:
    """As the other end reads it."""
    [read] = ControlFramer().feed(frame({"value": value}))
    return read["value"]


@pytest.mark.parametrize(
    "remote",
    [
        RemoteMedia("192.0.2.1", 4000),
        RemoteMedia("2001:db8::1", 0, 4001, ("198.51.100.7",), {0: 8000, 101: 16000}),
    ],
)
def test_an_announcement_arrives_as_it_was(remote: RemoteMedia) -> None:
    assert remote_from(through(remote_to(remote))) == remote


def test_ports_and_counters_arrive_as_they_were() -> None:
    ports = MediaPorts(LocalMedia("127.0.0.1", 20000, 20001), LocalMedia("127.0.0.1", 20002, 20003))
    assert ports_from(through(ports_to(ports))) == ports
    side = SideStats(1, 160, 0, 1.5, 0, 2, 1, 0.25, "192.0.2.1:4000")
    stats = MediaStats(side, SideStats(0, 0, 0, 0.0, 0, 0, 0, 9.0, None), 9.5)
    assert stats_from(through(stats_to(stats))) == stats
