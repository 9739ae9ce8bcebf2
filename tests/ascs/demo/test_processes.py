"""Children of the demo: started, watched, ended in order, and gone when their parent is."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from ascs.demo.processes import ProcessEnded, Processes

PATIENCE_S = 10.0

PARENT = """
import asyncio, sys
from pathlib import Path
from ascs.demo.processes import Processes

async def main():
    def wrap(owner, command):
        return ["sh", "-c", 'echo $$ >"$0"; exec sleep 60', str(folder / (owner + ".pid"))]

    folder = Path(sys.argv[1])
    processes = Processes(wrap)
    for owner in ("one", "two"):
        await processes.start(owner, owner, folder)
    print("started", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def runs(pid: int) -> bool:
    """Whether a process is there and is not merely waiting for its parent to look."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def gone(pids: Sequence[int]) -> bool:
    """Whether all end within the patience of these tests."""
    deadline = time.monotonic() + PATIENCE_S
    while any(runs(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        os.sched_yield()
    return True


def pid_in(file: Path) -> int:
    """The number that a child writes once it runs."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if file.exists() and (text := file.read_text()).endswith("\n"):
            return int(text)
        os.sched_yield()
    raise AssertionError(f"no {file.name}")


async def there(file: Path) -> None:
    """Wait for a child to write a file."""
    async with asyncio.timeout(PATIENCE_S):
        while not file.exists():  # noqa: ASYNC110, ASYNC240 - another process writes it
            await asyncio.sleep(0.001)


async def until_checked(processes: Processes) -> None:
    """Look until the end of a child is noticed."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            processes.check()
            await asyncio.sleep(0.001)


def instead(script: str):
    """A wrap that runs a shell script in place of the command, its pid written first."""

    def wrap(owner: str, _: Sequence[str]) -> Sequence[str]:
        return ["sh", "-c", f"echo $$ >{owner}.pid; {script}"]

    return wrap


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels do not tell a child that its parent ended")
def test_a_parent_that_is_killed_leaves_no_child(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PARENT), str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "started\n"
        children = [pid_in(tmp_path / f"{owner}.pid") for owner in ("one", "two")]
        assert all(runs(pid) for pid in children)
        parent.kill()
    assert gone(children)


async def test_all_are_ended_on_request(tmp_path: Path) -> None:
    processes = Processes(instead("exec sleep 60"))
    for owner in ("one", "two"):
        await processes.start(owner, owner, tmp_path)
    children = [pid_in(tmp_path / f"{owner}.pid") for owner in ("one", "two")]
    processes.check()
    await processes.stop("one")
    assert not runs(children[0])
    assert runs(children[1])
    await processes.stop()
    assert not runs(children[1])


async def test_one_that_ended_is_told_with_its_last_words(tmp_path: Path) -> None:
    processes = Processes(instead("echo the reason >&2; exit 3"))
    await processes.start("one", "one", tmp_path)
    assert gone([pid_in(tmp_path / "one.pid")])
    with pytest.raises(ProcessEnded, match=r"one ended with status 3:\s+the reason"):
        await until_checked(processes)
    await processes.stop()


async def test_a_command_is_run_to_its_end(tmp_path: Path) -> None:
    await Processes(instead("exit 0")).run_once("one", tmp_path, "gateway", "people")
    with pytest.raises(ProcessEnded, match="ascs gateway people failed"):
        await Processes(instead("exit 1")).run_once("one", tmp_path, "gateway", "people")


async def test_a_command_that_is_left_half_way_is_ended_with_the_others(tmp_path: Path) -> None:
    processes = Processes(instead("exec sleep 60"))
    command = asyncio.create_task(processes.run_once("one", tmp_path))
    await there(tmp_path / "one.pid")
    child = pid_in(tmp_path / "one.pid")  # the file is there before the number is in it
    command.cancel()
    await asyncio.gather(command, return_exceptions=True)
    await processes.stop()
    assert not runs(child)


async def test_one_that_does_not_listen_to_a_request_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ascs.demo.processes.STOP_S", 0.05)
    processes = Processes(instead("trap '' TERM; echo deaf >deaf; while :; do sleep 1; done"))
    await processes.start("one", "one", tmp_path)
    child = pid_in(tmp_path / "one.pid")
    await there(tmp_path / "deaf")
    os.kill(child, signal.SIGTERM)
    assert runs(child)
    await processes.stop()
    assert not runs(child)
