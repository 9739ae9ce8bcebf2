"""Debian's rtpengine-daemon for a test: without its kernel module, on loopback."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ports import free_port, port_range

START_S = 10.0
STOP_S = 5.0
MEDIA_PORTS = 100


@contextmanager
def rtpengine_daemon(folder: Path) -> Iterator[int]:
    """A running daemon with its log in `folder`; the UDP port of its NG protocol."""
    port = free_port(socket.SOCK_DGRAM)
    port_min, port_max = port_range(MEDIA_PORTS)
    options = [
        "--table=-1",
        "--interface=127.0.0.1",
        f"--listen-ng=127.0.0.1:{port}",
        "--foreground",
        "--log-stderr",
        "--endpoint-learning=immediate",
        f"--port-min={port_min}",
        f"--port-max={port_max}",
        "--num-threads=2",
        f"--pidfile={folder / 'pid'}",
    ]
    with (folder / "rtpengine.log").open("wb") as log:
        process = subprocess.Popen(["rtpengine", *options], stdout=log, stderr=log)
        try:
            _wait(port)
            yield port
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(port: int) -> None:
    end = time.monotonic() + START_S
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.1)
        probe.connect(("127.0.0.1", port))
        while time.monotonic() < end:
            try:
                probe.send(b"probe d7:command4:pinge")
                if probe.recv(1000):
                    return
            except OSError:
                time.sleep(0.05)
    pytest.fail("rtpengine does not start")
