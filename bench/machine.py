"""What else the machine does while a bench runs, and how fast its disk is: a number without them says little."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.processes import TICKS

FSYNCS = 100
TURNS = 20
BLOCK = b"x" * 8192
HALT_POLL = Path("/sys/module/haltpoll/parameters/guest_halt_poll_ns")
"""How long a virtual processor of Linux looks for work before it is given back to the machine under it."""


def busy_s() -> float:
    """CPU seconds that all processes together have used since the machine started; proc(5), /proc/stat."""
    fields = [int(each) for each in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle, waiting = fields[3], fields[4]
    return (sum(fields) - idle - waiting) / TICKS


@contextlib.contextmanager
def awake() -> Iterator[None]:
    """No processor rests meanwhile: each turns in a process that gets only what nobody else wants (sched(7),
    SCHED_IDLE). A virtual processor that rests is given back to the machine under it, and begins again with cold
    caches and after a while."""
    turning = [
        subprocess.Popen(
            [sys.executable, "-c", "while True: pass"],
            preexec_fn=lambda: os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0)),
        )
        for _ in range(os.cpu_count() or 1)
    ]
    try:
        yield
    finally:
        for each in turning:
            each.kill()
            each.wait()


def fsync_ms(folder: Path) -> tuple[float, float]:
    """Median and 99th percentile of appending 8 KiB and having it on the disk."""
    took = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(FSYNCS):
            began = time.perf_counter()
            os.write(file.fileno(), BLOCK)
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    took.sort()
    return took[FSYNCS // 2] * 1000, took[FSYNCS * 99 // 100] * 1000


def interpreter_ms() -> float:
    """Least of twenty times that a fixed piece of ordinary Python takes. How the interpreter was built makes half as
    much again of it, and so do the machine's neighbours: what another run is compared by."""
    least = float("inf")
    for _ in range(TURNS):
        began = time.perf_counter()
        _work()
        least = min(least, time.perf_counter() - began)
    return least * 1000


class _Item:
    __slots__ = ("number", "text")

    def __init__(self, number: int, text: str) -> None:
        self.number = number
        self.text = text

    def key(self, seed: int) -> int:
        return (self.number ^ seed) & 1023


def _work() -> None:
    kept: dict[int, tuple[str, bytes]] = {}
    for at in range(20_000):
        item = _Item(at, f"{at}:{at + 1}")
        first, _, second = item.text.partition(":")
        kept[item.key(77)] = (first, second.encode() + b"x")


def halt_poll_us(setting: Path = HALT_POLL) -> int | None:
    """Microseconds that a virtual processor looks for work before it rests; None where Linux has no such setting."""
    try:
        return int(setting.read_text()) // 1000
    except (OSError, ValueError):
        return None


def describe() -> dict[str, object]:
    """For the record of a run."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    return {
        "python": platform.python_version(),
        "interpreter_ms": round(interpreter_ms(), 2),
        "cpu": model,
        "cores": os.cpu_count(),
        "halt_poll_us": halt_poll_us(),
        "load_average": [round(each, 2) for each in os.getloadavg()],
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def line(about: dict[str, object]) -> str:
    """What `describe` gave, to be printed: with `interpreter_ms` behind the version."""
    halt_poll = about["halt_poll_us"]
    polls = "" if halt_poll is None else f" halt polling {halt_poll} us,"
    return (
        f"Python {about['python']} ({about['interpreter_ms']} ms), {about['cores']} cores ({about['cpu']}),{polls}"
        f" load average {about['load_average']}"
    )
