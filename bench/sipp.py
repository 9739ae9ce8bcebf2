"""sipp as a load generator: its scenarios with what a run adds to them, its command lines, what it counted."""

from __future__ import annotations

import contextlib
import csv
import random
import socket
from dataclasses import dataclass
from pathlib import Path

from ascs.demo.layout import HOST

SCENARIOS = Path(__file__).with_name("scenarios")
RECV_TIMEOUT_MS = 4_000
"""A call in which the next message takes longer has failed."""
CALLS_OPEN_S = 10
"""Calls that may be open at one time, as a multiple of the calls a second."""
MEDIA_PORTS = range(29_000, 32_000, 10)
"""Where the first port of RTP is looked for; the port after it and the two after those are taken too."""
PORT_TRIES = 10
AUDIO_OCTETS = 8_000 * 60
"""A minute of G.711 A-law: longer than any call of a bench."""
SILENCE = b"\xd5"
"""Zero in A-law (G.711, with the even bits inverted)."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What a caller counted in one run."""

    created: int
    good: int
    failed: int
    retransmissions: int

    @property
    def failed_share(self) -> float:
        """Of the calls that ended, how many failed; 1 when none ended."""
        ended = self.good + self.failed
        return self.failed / ended if ended else 1.0


def write_scenarios(folder: Path) -> None:
    """caller.xml, caller_rtp.xml (talks audio while it waits) and answerer.xml, and the audio, into `folder`."""
    caller = (SCENARIOS / "caller.xml").read_text()
    (folder / "caller.xml").write_text(caller.replace("{media_port}", "[media_port]"))
    (folder / "audio.raw").write_bytes(SILENCE * AUDIO_OCTETS)
    talk = '<nop><action><exec rtp_stream="audio.raw,-1,8,PCMA/8000"/></action></nop>'
    with_audio = caller.replace("{media_port}", "[rtpstream_audio_port]").replace("<!-- media -->", talk)
    (folder / "caller_rtp.xml").write_text(with_audio)
    (folder / "answerer.xml").write_text((SCENARIOS / "answerer.xml").read_text())


def media_port() -> int:
    """The first of four ports that are free now. Raises OSError when there are none."""
    for first in random.sample(MEDIA_PORTS, len(MEDIA_PORTS)):
        with contextlib.ExitStack() as held:
            try:
                for port in range(first, first + 4):
                    held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).bind((HOST, port))
            except OSError:
                continue
            return first
    raise OSError("no free media port")


def free_ports(count: int) -> list[int]:
    """Ports that nobody has, for TCP and UDP both. Raises OSError when there are none."""
    with contextlib.ExitStack() as held:
        found: list[int] = []
        for _ in range(count * PORT_TRIES):
            taken = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            taken.bind((HOST, 0))
            port: int = taken.getsockname()[1]
            try:
                held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM)).bind((HOST, port))
            except OSError:
                continue
            found.append(port)
            if len(found) == count:
                return found
    raise OSError("no free ports")


def answerer(port: int) -> list[str]:
    """Arguments of the answering side. It sends back each RTP packet that comes."""
    return [
        "-sf", "answerer.xml", "-i", HOST, "-p", str(port), "-nostdin", "-rtp_echo",
        "-mi", HOST, "-mp", str(media_port()), "-deadcall_wait", "0",
    ]  # fmt: skip


def caller(
    port: int,
    own_port: int,
    aid: str,
    *,
    rate: float,
    calls: int,
    talk_s: float,
    access_number: str,
    user: str,
    password: str,
    rtp: bool,
    trace: bool,
) -> list[str]:
    """Arguments of the calling side: `calls` calls to `aid`, `rate` a second, each of which talks for `talk_s`.

    sipp signs one URI in a run, whatever it calls: so there is one AID a run.
    """
    most = max(100, int(rate * (CALLS_OPEN_S + talk_s)))
    return [
        f"{HOST}:{port}", "-sf", "caller_rtp.xml" if rtp else "caller.xml", "-i", HOST, "-p", str(own_port),
        "-s", aid, "-auth_uri", f"{aid}@{HOST}:{port}", "-key", "access_number", access_number,
        "-au", user, "-ap", password,
        "-r", str(max(1, round(rate))), "-m", str(calls), "-l", str(most), "-d", str(int(talk_s * 1000)),
        "-recv_timeout", str(RECV_TIMEOUT_MS), "-deadcall_wait", "0",
        "-nostdin", "-trace_err", "-error_file", "errors", "-trace_stat", "-stf", "stat.csv", "-fd", "1",
"-mi", HOST, "-mp", str(media_port()),
        *(("-trace_shortmsg", "-shortmessage_file", "short.csv") if trace else ()),
    ]  # fmt: skip


def counted(path: Path) -> Counted:
    """The last line of the statistics that a caller wrote."""
    with path.open(newline="") as file:
        last = list(csv.DictReader(file, delimiter=";"))[-1]
    return Counted(
        created=int(last["TotalCallCreated"]),
        good=int(last["SuccessfulCall(C)"]),
        failed=int(last["FailedCall(C)"]),
        retransmissions=int(last["Retransmissions(C)"]),
    )


def post_dial_ms(path: Path) -> list[float]:
    """From each call's first INVITE to its 180, in milliseconds, sorted; of the trace of short messages."""
    asked: dict[str, float] = {}
    delays: list[float] = []
    with path.open() as file:
        for line in file:
            fields = line.rstrip("\n").split("\t")
            if len(fields) < 7:
                continue
            at, way, call, what = float(fields[2]), fields[3], fields[4], fields[6]
            if way == "S" and what.startswith("INVITE "):
                asked.setdefault(call, at)
            elif way == "R" and what.startswith("SIP/2.0 180") and call in asked:
                delays.append((at - asked.pop(call)) * 1000)
    return sorted(delays)


def percentiles(ordered: list[float]) -> dict[str, float]:
    """Median and 99th percentile of sorted values; nothing of none."""
    if not ordered:
        return {}
    return {
        "p50": round(ordered[len(ordered) // 2], 3),
        "p99": round(ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)], 3),
    }
