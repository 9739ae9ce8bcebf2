"""Ports on loopback for a program that must be told its port before it listens.

Each process that runs tests takes a slice of its own, so that several at once never meet. All lie below where the
kernel takes ports for outgoing connections (ip_local_port_range, from 32768): a port from there can be gone between
the look and the program's own bind. And they lie above what a demo takes.
"""

import asyncio
import fcntl
import os
import socket
import tempfile
from functools import cache
from pathlib import Path

_SLICES = range(25_000, 32_200, 600)
_SINGLES = 250
"""Of a slice, for programs that listen on one port; the rest is for ranges."""
LISTENS_S = 15.0
_UDP = Path("/proc/net/udp")
_given = 0
_ranges = 0


@cache
def _slice() -> int:
    """The first port of this process's slice. Its lock is let go of when the process ends."""
    for first in _SLICES:
        path = Path(tempfile.gettempdir()) / f"ascs-test-ports-{os.getuid()}-{first}.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            return first
    raise RuntimeError(f"{len(_SLICES)} processes run tests already")


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of 127.0.0.1 that nothing is bound to, for TCP or UDP; the same one again only after all others."""
    global _given
    for _ in range(_SINGLES):
        port = _slice() + _given % _SINGLES
        _given += 1
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise RuntimeError("all ports for tests are bound")


def port_range(count: int) -> tuple[int, int]:
    """The first, an even one, and the last of `count` ports that a relay may give to calls."""
    global _ranges
    ports = _SLICES.step - _SINGLES
    if _ranges + count > ports:
        _ranges = 0
    first = _slice() + _SINGLES + _ranges
    _ranges += count + count % 2
    return first, first + count - 1


async def listening(port: int) -> None:
    """Returns when a program is bound to that UDP port of 127.0.0.1, for one that does not say so itself."""
    async with asyncio.timeout(LISTENS_S):
        while f" 0100007F:{port:04X} " not in await asyncio.to_thread(_UDP.read_text):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
