"""Processes of a bench: each in a session of its own, so that what it starts is counted with it."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")
STOP_S = 20.0
LINES_SHOWN = 12
PR_SET_PDEATHSIG = 1

_prctl = ctypes.CDLL(None).prctl


class Thread(NamedTuple):
    """One thread of a process and the CPU seconds it has used."""

    tid: int
    cpu_s: float


class Used(NamedTuple):
    """What one process has used so far: CPU of all its threads (utime and stime), and its memory's peak."""

    pid: int
    command: str
    cpu_s: float
    peak_mb: float
    threads: list[Thread]
    resident_mb: float = 0.0


def _stat(path: Path) -> tuple[int, float]:
    """(session, CPU seconds) of /proc/.../stat; proc(5)."""
    fields = path.read_text().rpartition(")")[2].split()
    return int(fields[3]), (int(fields[11]) + int(fields[12])) / TICKS


def used_by_session(session: int) -> list[Used]:
    """Every living process of a session, the first started first."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            of, cpu = _stat(folder / "stat")
            if of != session:
                continue
            peak = resident = 0.0
            for line in (folder / "status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    peak = int(line.split()[1]) / 1024
                elif line.startswith("VmRSS:"):
                    resident = int(line.split()[1]) / 1024
            threads = [
                Thread(int(each.name), _stat(each / "stat")[1]) for each in (folder / "task").iterdir()
            ]
            words = (folder / "cmdline").read_bytes().split(b"\0")
            command = b" ".join(words[1:6]).decode(errors="replace")
            found.append(Used(int(folder.name), command, cpu, peak, sorted(threads), resident))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
    return sorted(found)


class ProcessEnded(Exception):
    """A process of the bench ended when it should not have."""


@dataclass(slots=True)
class Running:
    """One process that the bench started."""

    name: str
    process: asyncio.subprocess.Process
    output: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def used(self) -> list[Used]:
        """Itself and what it started."""
        return used_by_session(self.pid)

    def said(self) -> str:
        """The end of what it printed."""
        return "\n".join(self.output.read_text(errors="replace").strip().splitlines()[-LINES_SHOWN:])


def _end_with_parent() -> None:
    """Run in the child: it is told to end when the bench is gone, however it went; prctl(2)."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


class Processes:
    """What a bench started; ended in reverse order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[Running] = []

    async def start(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        loop: str = "",
        talks: bool = False,
        program: str = sys.executable,
    ) -> Running:
        """Start `program ARGUMENTS`, in the bench's folder unless it is Python.

        `loop` forces an event loop; `talks` pipes stdin and stdout to here.
        """
        output = self._folder / f"{name}.out"
        environment = {key: value for key, value in os.environ.items() if key != "ASCS_LOOP"}
        if loop:
            environment["ASCS_LOOP"] = loop
        with output.open("ab") as sink:
            process = await asyncio.create_subprocess_exec(
                program,
                *arguments,
                cwd=None if program == sys.executable else self._folder,
                stdin=asyncio.subprocess.PIPE if talks else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if talks else sink,
                stderr=sink,
                start_new_session=True,
                preexec_fn=_end_with_parent,
                env=environment,
                limit=1 << 24,
            )
        running = Running(name, process, output)
        self._running.append(running)
        return running

    def check(self) -> None:
        """Raises ProcessEnded when one is gone, with what all of them said last."""
        for each in self._running:
            if each.process.returncode is not None:
                raise ProcessEnded(
                    f"{each.name} ended with status {each.process.returncode}\n"
                    + "\n".join(f"--- {one.name}\n{one.said()}" for one in self._running)
                )

    def forget(self, which: Running) -> None:
        """It ended as it should."""
        self._running.remove(which)

    async def stop(self, *which: Running) -> None:
        """End these processes, or all, the last started first."""
        for each in reversed(which or list(self._running)):
            if each.process.returncode is None:
                each.process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_S):
                    await each.process.wait()
            except TimeoutError:
                each.process.kill()
                await each.process.wait()
            # What it started and did not end itself.
            for left in each.used():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(left.pid, signal.SIGKILL)
            self._running.remove(each)
