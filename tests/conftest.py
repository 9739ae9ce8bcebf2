"""Peers: programs nobody here wrote, against which some tests run. tests/peers.txt lists them.

And what makes all tests quicker: their key stores' passphrases are turned into keys in a thousand steps, not in the
product's hundreds of thousands, which are to cost time.
"""

import logging
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gm.keystore import ITERATIONS_MIN, KeyStore

PEERS_FILE = Path(__file__).with_name("peers.txt")
_SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"

_missing = pytest.StashKey[dict[str, list[str]]]()


def read_peers(text: str) -> dict[str, str]:
    """Program to Debian package, from the text of tests/peers.txt."""
    rows = (line.split("#")[0].split() for line in text.splitlines())
    return {program: package for package, program in (row for row in rows if row)}


def find_program(program: str) -> str | None:
    """Where the program is; daemons are in folders that only root has on its path."""
    return shutil.which(program) or shutil.which(program, path=_SYSTEM_FOLDERS)


@pytest.fixture
def own_logs() -> Iterator[None]:
    """For a test that sets up a process's logs: they are as they were afterwards."""
    root, hooks = logging.getLogger(), (sys.excepthook, threading.excepthook)
    handlers, level = list(root.handlers), root.level
    yield
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    sys.excepthook, threading.excepthook = hooks


def pytest_configure(config: pytest.Config) -> None:
    KeyStore.create.__func__.__kwdefaults__["iterations"] = ITERATIONS_MIN  # type: ignore[attr-defined]
    config.stash[_missing] = {}


def pytest_runtest_setup(item: pytest.Item) -> None:
    peers = read_peers(PEERS_FILE.read_text())
    for marker in item.iter_markers("peer"):
        (program,) = marker.args
        if program not in peers:
            pytest.fail(f"{program} is not listed in tests/peers.txt", pytrace=False)
        if find_program(program) is None:
            reason = f"needs {program} (Debian package {peers[program]}), which is not installed"
            if os.environ.get("CI") == "true":
                pytest.fail(reason, pytrace=False)
            item.config.stash[_missing].setdefault(program, []).append(item.nodeid)
            pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    missing = config.stash[_missing]
    if not missing:
        return
    peers = read_peers(PEERS_FILE.read_text())
    terminalreporter.section("skipped for want of a peer")
    for program, tests in sorted(missing.items()):
        terminalreporter.line(f"{program}: apt-get install {peers[program]}")
        for test in tests:
            terminalreporter.line(f"    {test}")
