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
BLOCK = b"x" * 8192


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


def describe() -> dict[str, object]:
    """For the record of a run."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    return {
        "python": platform.python_version(),
        "cpu": model,
        "cores": os.cpu_count(),
        "load_average": [round(each, 2) for each in os.getloadavg()],
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
