"""A program that nobody here wrote, on a terminal of its own, as a person would run it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import re
from collections.abc import AsyncIterator
from pathlib import Path

from tests.conftest import find_program
from tests.e2e.house import until

STOP_S = 5.0
SAID_MAX = 1_000_000


class Peer:
    """What runs on the terminal. Its words stay for the message of a failure."""

    def __init__(self, process: asyncio.subprocess.Process, terminal: int) -> None:
        self.process = process
        self._terminal = terminal
        self._octets = b""

    @property
    def said(self) -> str:
        """Everything that it printed."""
        return self._octets.decode(errors="replace")

    def read(self) -> None:
        """Take what it printed; at its end the terminal fails."""
        try:
            self._octets = (self._octets + os.read(self._terminal, 65_536))[-SAID_MAX:]
        except OSError:
            asyncio.get_running_loop().remove_reader(self._terminal)

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._terminal, text.encode())

    async def until_said(self, pattern: str, what: str) -> re.Match[str]:
        """The first match in all that it said."""

        async def ask() -> re.Match[str] | None:
            found = re.search(pattern, self.said)
            ended = self.process.returncode
            assert found or ended is None, f"{what}: it ended with {ended} and said\n{self.said[-3000:]}"
            return found

        try:
            found: re.Match[str] = await until(ask, what)
        except AssertionError as error:
            raise AssertionError(f"{error}; it said\n{self.said[-3000:]}") from None
        return found


@contextlib.asynccontextmanager
async def running(folder: Path, name: str, *arguments: str) -> AsyncIterator[Peer]:
    """The program in `folder`, until the end of the block at the latest."""
    program = find_program(name)
    assert program is not None
    ours, theirs = pty.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            cwd=folder,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
    finally:
        os.close(theirs)
    peer = Peer(process, ours)
    loop = asyncio.get_running_loop()
    loop.add_reader(ours, peer.read)
    try:
        yield peer
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        loop.remove_reader(ours)
        os.close(ours)
