"""Loads the relay's process alone: both sides of many calls from a few sockets, a share of them timed on their way.

`python -m bench.relay_load CALLS SECONDS`. A call is 50 packets of 160 octets a second each way (G.711, 20 ms), sent in
ticks of a millisecond, so that packets come as evenly as from many phones. Where there are two cores or more the
relay has one to itself and this process another: so the delay is the relay's and not a wait for a core.

To be light, this process builds one packet a tick for all calls but each SAMPLEth, and leaves what the relay sends for
those in a socket that nobody reads: the relay works for each of them all the same. The calls of the sample get packets
of their own, with the time at which they went; loss and delay are theirs. The delay is from before the send to after
the receive in this process, and so holds the rest of this process's own tick as well.
"""

from __future__ import annotations

import asyncio
import os
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
UNREAD_OCTETS = 4096
SAMPLE = 10
"""Of so many calls one is timed."""
Address = tuple[str, int]
_HEADER = struct.Struct("!BBHIId")
"""RTP (RFC 3550, 5.1) with the time of sending at the payload's beginning."""
_REST = bytes(PAYLOAD_OCTETS - 8)


def _socket(buffer_octets: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_octets)
    opened.bind((HOST, 0))
    opened.setblocking(False)
    return opened


class _Sides:
    """The phones' ends: of the calls that are timed, and of all others. Each is one socket a side."""

    def __init__(self) -> None:
        self.timed = _socket(BUFFER_OCTETS), _socket(BUFFER_OCTETS)
        self.plain = _socket(UNREAD_OCTETS), _socket(UNREAD_OCTETS)

    def close(self) -> None:
        for each in (*self.timed, *self.plain):
            each.close()


def _cpu_s(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _drive(calls: list[MediaPorts], sides: _Sides, seconds: float) -> dict[str, Any]:
    """Send for `seconds` and receive what comes back of the sample; nothing else runs in this process meanwhile."""
    monotonic, pack, rest = time.monotonic, _HEADER.pack, _REST
    plain: list[list[tuple[Any, Address]]] = [[] for _ in range(TICKS_A_PACKET)]
    timed: list[list[tuple[Any, Address, int]]] = [[] for _ in range(TICKS_A_PACKET)]
    # Every tick has its calls; within one a side follows the other.
    for number, each in enumerate(calls):
        for at, local in ((0, each.a), (1, each.b)):
            slot = (number * 2 + at) * TICKS_A_PACKET // (2 * len(calls))
            target = local.host, local.rtp_port
            if number % SAMPLE:
                plain[slot].append((sides.plain[at].sendto, target))
            else:
                timed[slot].append((sides.timed[at].sendto, target, number * 2 + at + 1))
    poll = select.epoll()
    receivers = {side.fileno(): side.recv_into for side in sides.timed}
    for fd in receivers:
        poll.register(fd, select.EPOLLIN)
    buffer = bytearray(2048)
    view = memoryview(buffer)
    unpack = struct.Struct("!d").unpack_from
    delays: list[float] = []

    def receive_for(wait: float) -> None:
        for fd, _ in poll.poll(max(0.0, wait)):
            receive = receivers[fd]
            for _ in range(64):
                try:
                    receive(view)
                except BlockingIOError:
                    break
                delays.append((monotonic() - unpack(buffer, 12)[0]) * 1000)

    late = 0.0
    sent = sampled = tick = 0
    began = due = monotonic()
    end = began + seconds
    while True:
        now = monotonic()
        if now >= due:
            if due >= end:
                break
            late = max(late, now - due)
            sequence, slot = tick // TICKS_A_PACKET, tick % TICKS_A_PACKET
            shared = pack(0x80, 8, sequence & 0xFFFF, sequence * 160, 7, now) + rest
            for send, target, ssrc in timed[slot]:
                send(pack(0x80, 8, sequence & 0xFFFF, sequence * 160, ssrc, monotonic()) + rest, target)
            for send, target in plain[slot]:
                send(shared, target)
            sampled += len(timed[slot])
            sent += len(timed[slot]) + len(plain[slot])
            tick += 1
            due = began + tick * PACKET_S / TICKS_A_PACKET
        receive_for(due - monotonic())
    until = monotonic() + WARM_S
    while monotonic() < until:
        receive_for(until - monotonic())
    poll.close()
    delays.sort()
    return {
        "sent": sent,
        "sampled": sampled,
        "received": len(delays),
        "late_ms": round(late * 1000, 2),
        "delay_ms": percentiles(delays),
    }


def _apart(relay: int) -> bool:
    """Give the relay one core and this process another; False where there is but one."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return False
    os.sched_setaffinity(relay, {cores[0]})
    os.sched_setaffinity(0, set(cores[1:2]))
    return True


async def measure(calls: int, seconds: float) -> dict[str, Any]:
    """One relay process with that many calls for `seconds`: CPU, loss, delay."""
    config = RelayConfig(port_min=40_000, port_max=59_998, sessions_max=calls + 1)
    relay = await RelayClient.start(config)
    sides, before_cores = _Sides(), os.sched_getaffinity(0)
    try:
        apart = _apart(relay.pid)
        ports = []
        for number in range(calls):
            call_id = f"call-{number}"
            ports.append(await relay.create(call_id))
            ends = sides.plain if number % SAMPLE else sides.timed
            await relay.update(call_id, "a", RemoteMedia(HOST, ends[0].getsockname()[1]))
            await relay.update(call_id, "b", RemoteMedia(HOST, ends[1].getsockname()[1]))
        _drive(ports, sides, WARM_S)
        before, own, began = _cpu_s(relay.pid), time.process_time(), time.monotonic()
        driven = _drive(ports, sides, seconds)
        took = time.monotonic() - began - WARM_S
        cpu_s, own = _cpu_s(relay.pid) - before, time.process_time() - own
    finally:
        os.sched_setaffinity(0, before_cores)
        sides.close()
        await relay.stop()
    lost = 1 - driven["received"] / driven["sampled"]
    delay = driven["delay_ms"]
    return {
        "calls": calls,
        **driven,
        "lost_share": lost,
        "core": round(cpu_s / took, 3),
        "load_core": round(own / took, 3),
        "us_a_packet": round(cpu_s / driven["sent"] * 1e6, 2),
        "apart": apart,
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
