"""A pjsua2 handset as a process of its own, and what it says."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.ports import free_port

HOST = "127.0.0.1"
WAIT_S = 20.0

_installed = importlib.util.find_spec("pjsua2") is not None

# It is locked for Linux on x86-64, where CI runs: there it must be installed.
needs_pjsua2 = pytest.mark.skipif(
    not _installed and os.environ.get("CI") != "true", reason="needs pjsua2 (the extra `audio`)"
)


class Handset:
    """The process: commands go in, events come out."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.port = port
        self.said: list[dict[str, Any]] = []

    def tell(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(command.encode() + b"\n")

    async def until(self, event: str) -> dict[str, Any]:
        """The next event of that name. What comes before is kept in `said`."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(WAIT_S):
                while line := await self._process.stdout.readline():
                    self.said.append(json.loads(line))
                    if self.said[-1]["event"] == event:
                        return self.said[-1]
        except TimeoutError:
            pass
        raise AssertionError(f"no {event}; it said {self.said}")


@contextlib.asynccontextmanager
async def handset(*arguments: str, port: int = 0) -> AsyncIterator[Handset]:
    """A handset that is ready, until the end of the block."""
    port = port or free_port(socket.SOCK_DGRAM)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulators.handsets.pjsua",
        "--port", str(port), "--media-port", str(free_port(socket.SOCK_DGRAM) & ~1), *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    running = Handset(process, port)
    try:
        await running.until("ready")
        yield running
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(WAIT_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
