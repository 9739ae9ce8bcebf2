"""What a simulator takes of the machine, and a line about it every so often."""

import asyncio
import resource
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

_STATUS = Path("/proc/self/status")


class Usage(NamedTuple):
    """CPU seconds of this process so far, user and system; its resident memory now in MB, 0 where it is not known."""

    cpu_s: float
    memory_mb: float


def usage() -> Usage:
    """Of this process."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    memory = 0.0
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmRSS:"):
                memory = int(line.split()[1]) / 1024
    return Usage(round(spent.ru_utime + spent.ru_stime, 2), round(memory, 1))


async def report(every_s: float, describe: Callable[[], str], write: Callable[[str], None]) -> None:
    """Write what `describe` says with CPU and memory, until cancelled."""
    before = usage().cpu_s
    while True:
        await asyncio.sleep(every_s)
        now = usage()
        share = (now.cpu_s - before) / every_s
        before = now.cpu_s
        write(f"{describe()}; CPU {share:.0%} of a core, memory {now.memory_mb:.0f} MB")
