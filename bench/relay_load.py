"""Loads the relay's process alone: both sides of many calls from two sockets, each packet timed on its way.

`python -m bench.relay_load CALLS SECONDS`. A call is 50 packets of 160 octets a second each way (G.711, 20 ms). The
sender works in ticks of a millisecond, so that packets come as evenly as from many phones; the delay is from
before the send to after the receive in this process, and so holds this process's own waits as well.
"""

from __future__ import annotations

import asyncio
import select
import socket
import struct
import sys
import time
from typing import Any

from ascs.demo.layout import HOST
from bench.processes import TICKS
from bench.sipp import percentiles
from sip.media.control import MediaPorts, RemoteMedia
from sip.media.relay_client import RelayClient, RelayConfig

PACKET_S = 0.020
TICKS_A_PACKET = 20
WARM_S = 0.5
PAYLOAD_OCTETS = 160
LOST_MAX = 0.005
DELAY_MAX_MS = 20.0
"""Delay at the 99th percentile above which a load did not hold: one packet's time."""
FIRST_CALLS, CALLS_STEP, CALLS_MAX = 100, 100, 2_000
BUFFER_OCTETS = 16 * 1024 * 1024
_HEADER = struct.Struct("!BBHIId")
"""RTP (RFC 3550, 5.1) with the time of sending at the payload's beginning."""
_REST = bytes(PAYLOAD_OCTETS - 8)


def _socket() -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_OCTETS)
    opened.bind((HOST, 0))
    opened.setblocking(False)
    return opened


def _cpu_s(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _drive(
    sides: tuple[socket.socket, socket.socket], ports: list[MediaPorts], seconds: float
) -> dict[str, Any]:
    """Send for `seconds` and receive what comes back; nothing else runs in this process meanwhile."""
    monotonic, pack, rest = time.monotonic, _HEADER.pack, _REST
    sends = [sides[0].sendto, sides[1].sendto]
    # Every tick has its calls; within one a side follows the other.
    slots: list[list[tuple[Any, tuple[str, int], int]]] = [[] for _ in range(TICKS_A_PACKET)]
    for number, each in enumerate(ports):
        for at, local in ((0, each.a), (1, each.b)):
            slot = (number * 2 + at) * TICKS_A_PACKET // (2 * len(ports))
            slots[slot].append((sends[at], (local.host, local.rtp_port), number * 2 + at + 1))
    poll = select.epoll()
    receivers = {side.fileno(): side.recv_into for side in sides}
    for fd in receivers:
        poll.register(fd, select.EPOLLIN)
    buffer = bytearray(2048)
    view = memoryview(buffer)
    unpack = struct.Struct("!d").unpack_from
    delays: list[float] = []
    late = 0.0
    sent = tick = 0
    began = monotonic()
    end = began + seconds
    due = began
    while True:
        now = monotonic()
        if now >= due:
            if due >= end:
                break
            late = max(late, now - due)
            sequence = tick // TICKS_A_PACKET
            for send, target, ssrc in slots[tick % TICKS_A_PACKET]:
                send(pack(0x80, 8, sequence & 0xFFFF, sequence * 160, ssrc, monotonic()) + rest, target)
            sent += len(slots[tick % TICKS_A_PACKET])
            tick += 1
            due = began + tick * PACKET_S / TICKS_A_PACKET
        for fd, _ in poll.poll(max(0.0, due - monotonic())):
            receive = receivers[fd]
            for _ in range(64):
                try:
                    receive(view)
                except BlockingIOError:
                    break
                delays.append((monotonic() - unpack(buffer, 12)[0]) * 1000)
    until = monotonic() + WARM_S
    while monotonic() < until:
        for fd, _ in poll.poll(max(0.0, until - monotonic())):
            try:
                receivers[fd](view)
                delays.append((monotonic() - unpack(buffer, 12)[0]) * 1000)
            except BlockingIOError:
                pass
    poll.close()
    delays.sort()
    return {
        "sent": sent,
        "received": len(delays),
        "late_ms": round(late * 1000, 2),
        "delay_ms": percentiles(delays),
    }


async def measure(calls: int, seconds: float) -> dict[str, Any]:
    """One relay process with that many calls for `seconds`: CPU, loss, delay."""
    config = RelayConfig(port_min=40_000, port_max=59_998, sessions_max=calls + 1)
    relay = await RelayClient.start(config)
    sides = _socket(), _socket()
    try:
        ports = []
        for number in range(calls):
            call_id = f"call-{number}"
            ports.append(await relay.create(call_id))
            await relay.update(call_id, "a", RemoteMedia(HOST, sides[0].getsockname()[1]))
            await relay.update(call_id, "b", RemoteMedia(HOST, sides[1].getsockname()[1]))
        _drive(sides, ports, WARM_S)
        before, own, began = _cpu_s(relay.pid), time.process_time(), time.monotonic()
        driven = _drive(sides, ports, seconds)
        took = time.monotonic() - began - WARM_S
        cpu_s, own = _cpu_s(relay.pid) - before, time.process_time() - own
    finally:
        for each in sides:
            each.close()
        await relay.stop()
    lost = 1 - driven["received"] / driven["sent"]
    delay = driven["delay_ms"]
    return {
        "calls": calls,
        **driven,
        "lost_share": lost,
        "core": round(cpu_s / took, 3),
        "load_core": round(own / took, 3),
        "us_a_packet": round(cpu_s / driven["sent"] * 1e6, 2),
        "held": lost < LOST_MAX and bool(delay) and delay["p99"] <= DELAY_MAX_MS,
    }


async def search(seconds: float) -> list[dict[str, Any]]:
    """Loads in growing steps, until one does not hold."""
    found: list[dict[str, Any]] = []
    for calls in range(FIRST_CALLS, CALLS_MAX + 1, CALLS_STEP):
        found.append(await measure(calls, seconds))
        if not found[-1]["held"]:
            break
    return found


if __name__ == "__main__":
    print(asyncio.run(measure(int(sys.argv[1]), float(sys.argv[2]))))
