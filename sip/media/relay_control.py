"""The relay's control channel: length-framed JSON over a Unix stream socket.

A frame is u32 length, then one JSON object. Request: {"id", "op", ...}; answer: {"id", "result"} or
{"id", "error"}. The channel's end is the relay's end.
"""

import struct
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json, to_json

from sip.media.control import LocalMedia, MediaPorts, MediaStats, RemoteMedia, SideStats

__all__ = [
    "ControlFrameTooLong",
    "ControlFramer",
    "RelayConfig",
    "frame",
    "ports_from",
    "ports_to",
    "remote_from",
    "remote_to",
    "stats_from",
    "stats_to",
]

MAX_FRAME_OCTETS = 1 << 20
_LENGTH = struct.Struct("!I")


class ControlFrameTooLong(ValueError):
    """A frame announces more than MAX_FRAME_OCTETS: the channel is out of step."""


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """Where the relay listens, and how much it may take."""

    host_a: str = "127.0.0.1"
    """IP address that side a's sockets bind to."""
    host_b: str = "127.0.0.1"
    advertise_a: str | None = None
    """What side a is told instead of host_a (behind NAT)."""
    advertise_b: str | None = None
    port_min: int = 20000
    """First port; RTP takes even ports, RTCP the next."""
    port_max: int = 29999
    sessions_max: int = 2000
    packet_rate_max: int = 200
    """RTP packets a second taken from one side of a call."""

    def __post_init__(self) -> None:
        """Raises ValueError for a range that holds no pair of ports."""
        if not 1024 <= self.port_min < self.port_max <= 65535:
            raise ValueError("port_min and port_max: 1024 <= port_min < port_max <= 65535")
        if self.sessions_max < 1 or self.packet_rate_max < 1:
            raise ValueError("sessions_max and packet_rate_max: at least 1")


class ControlFramer:
    """Cuts the stream into JSON objects."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Whole objects so far. Raises ControlFrameTooLong, or ValueError when one is no JSON object."""
        self._buffer += data
        objects = []
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > MAX_FRAME_OCTETS:
                raise ControlFrameTooLong
            if len(self._buffer) < _LENGTH.size + length:
                break
            value = from_json(self._buffer[_LENGTH.size : _LENGTH.size + length])
            if not isinstance(value, dict):
                raise ValueError("not a JSON object")
            objects.append(value)
            del self._buffer[: _LENGTH.size + length]
        return objects


def frame(value: dict[str, Any]) -> bytes:
    """One object as a frame."""
    text = to_json(value)
    return _LENGTH.pack(len(text)) + text


def remote_to(remote: RemoteMedia) -> dict[str, Any]:
    """A side's announcement as JSON."""
    return {
        "host": remote.host,
        "rtp_port": remote.rtp_port,
        "rtcp_port": remote.rtcp_port,
        "also_from": list(remote.also_from),
        "clock_rates": {str(number): rate for number, rate in remote.clock_rates.items()},
    }


def remote_from(value: dict[str, Any]) -> RemoteMedia:
    """Back from JSON."""
    return RemoteMedia(
        host=value["host"],
        rtp_port=value["rtp_port"],
        rtcp_port=value["rtcp_port"],
        also_from=tuple(value["also_from"]),
        clock_rates={int(number): rate for number, rate in value["clock_rates"].items()},
    )


def ports_to(ports: MediaPorts) -> dict[str, Any]:
    """Both sides' ports as JSON."""
    return {"a": _local_to(ports.a), "b": _local_to(ports.b)}


def _local_to(local: LocalMedia) -> dict[str, Any]:
    return {"host": local.host, "rtp_port": local.rtp_port, "rtcp_port": local.rtcp_port}


def ports_from(value: dict[str, Any]) -> MediaPorts:
    """Back from JSON."""
    return MediaPorts(LocalMedia(**value["a"]), LocalMedia(**value["b"]))


def stats_to(stats: MediaStats) -> dict[str, Any]:
    """Counters as JSON."""
    return {"a": _side_to(stats.a), "b": _side_to(stats.b), "age_s": stats.age_s}


def _side_to(side: SideStats) -> dict[str, Any]:
    return side._asdict()


def stats_from(value: dict[str, Any]) -> MediaStats:
    """Back from JSON."""
    return MediaStats(SideStats(**value["a"]), SideStats(**value["b"]), value["age_s"])
