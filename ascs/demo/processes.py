"""The demo's processes: each its own, started in its own folder, watched, and ended in order."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

STOP_S = 10.0
PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that a process gets when its parent ends."""
COMMAND_S = 120.0

Wrap = Callable[[str, Sequence[str]], Sequence[str]]
"""(folder's name, command) to the command that is really run: how a test hides the other folders."""


class ProcessEnded(Exception):
    """A process of the demo ended when it should not have."""


def _bound_to_parent() -> Callable[[], None] | None:
    """What a child does before it runs: ask the kernel to kill it when this process ends, even by SIGKILL.

    None where the kernel has no such thing. The setting outlives exec, so that wrappers keep it.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def bind() -> None:
        if prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0 or os.getppid() != parent:
            os._exit(1)

    return bind


@dataclass(slots=True)
class _Process:
    name: str
    process: asyncio.subprocess.Process
    output: Path


class Processes:
    """Starts processes; their stderr goes to a file in their own folder. None outlives this process (Linux)."""

    def __init__(self, wrap: Wrap | None = None) -> None:
        self._wrap = wrap
        self._running: list[_Process] = []
        self._bind = _bound_to_parent()

    async def start(self, name: str, owner: str, folder: Path, *arguments: str) -> None:
        """Start `ascs ARGUMENTS` with `folder` (the party `owner`'s) as its working directory."""
        await self._start(name, owner, folder, arguments)

    async def _start(self, name: str, owner: str, folder: Path, arguments: Sequence[str]) -> _Process:
        command: Sequence[str] = [sys.executable, "-m", "ascs", *arguments]
        if self._wrap is not None:
            command = self._wrap(owner, command)
        logs = folder / "logs"
        logs.mkdir(exist_ok=True)
        output = logs / f"{name}.out"
        with output.open("ab") as sink:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
                preexec_fn=self._bind,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )
        started = _Process(name, process, output)
        self._running.append(started)
        return started

    async def run_once(self, owner: str, folder: Path, *arguments: str) -> None:
        """Run `ascs ARGUMENTS` to its end. Raises ProcessEnded when it fails."""
        each = await self._start(f"{owner}-command", owner, folder, arguments)
        async with asyncio.timeout(COMMAND_S):
            status = await each.process.wait()
        self._running.remove(each)
        if status != 0:
            raise ProcessEnded(f"ascs {' '.join(arguments[:2])} failed: see {each.output}")

    def check(self) -> None:
        """Raises ProcessEnded, with the end of what the process printed, if one is gone."""
        for each in self._running:
            if each.process.returncode is not None:
                tail = each.output.read_text(errors="replace").strip().splitlines()[-5:]
                said = "\n    ".join(tail)
                raise ProcessEnded(f"{each.name} ended with status {each.process.returncode}:\n    {said}")

    async def stop(self, *names: str) -> None:
        """End the named processes, or all, the last started first."""
        for each in reversed(self._running):
            if names and each.name not in names:
                continue
            with contextlib.suppress(ProcessLookupError):
                each.process.send_signal(signal.SIGTERM)
        for each in list(self._running):
            if names and each.name not in names:
                continue
            try:
                async with asyncio.timeout(STOP_S):
                    await each.process.wait()
            except TimeoutError:
                each.process.kill()
                await each.process.wait()
            self._running.remove(each)
