"""A process runs on uvloop where it installs, and a signal asks it to stop."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from foundation import loop


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """A process has one main; the tests have many."""
    thresholds, interval = gc.get_threshold(), sys.getswitchinterval()
    yield
    gc.set_threshold(*thresholds)
    sys.setswitchinterval(interval)


def test_a_process_is_set_for_a_busy_loop_beside_a_thread_that_waits_for_the_disk() -> None:
    async def main(_stop: asyncio.Event) -> tuple[tuple[int, int, int], float]:
        return gc.get_threshold(), sys.getswitchinterval()

    thresholds, interval = loop.run(main)
    assert thresholds == loop.GC_THRESHOLDS
    assert interval == pytest.approx(loop.SWITCH_SECONDS)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sets_stop_and_the_result_comes_back(number: int) -> None:
    async def main(stop: asyncio.Event) -> str:
        os.kill(os.getpid(), number)
        await stop.wait()
        return "drained"

    assert loop.run(main) == "drained"


def test_a_second_signal_ends_a_main_that_hangs() -> None:
    async def main(stop: asyncio.Event) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    with pytest.raises(asyncio.CancelledError):
        loop.run(main)


@pytest.mark.parametrize(("choice", "module"), [("", "uvloop"), ("uvloop", "uvloop"), ("asyncio", "asyncio")])
def test_the_environment_chooses_the_loop(monkeypatch: pytest.MonkeyPatch, choice: str, module: str) -> None:
    monkeypatch.setenv(loop.LOOP_VARIABLE, choice)

    async def main(_stop: asyncio.Event) -> str:
        return type(asyncio.get_running_loop()).__module__

    assert loop.run(main).startswith(module)


STOPS = """
import asyncio, os, signal, sys, time
from pathlib import Path
from foundation import loop
from foundation.store import Store

loop.STOP_S = 0.1
loop.CANCELLED_S = {cancelled_s}

async def main(stop):
    os.kill(os.getpid(), signal.SIGTERM)
    await stop.wait()
    {then}

try:
    loop.run(main)
except asyncio.CancelledError:
    sys.exit(130)
"""


@pytest.mark.parametrize(
    ("then", "status"),
    [
        ("await asyncio.Event().wait()", 130),
        ("await asyncio.to_thread(time.sleep, 60)", loop.EXIT_STUCK),
        ("time.sleep(60)", loop.EXIT_STUCK),
        (
            "while True:\n        try:\n            await asyncio.sleep(1)\n"
            "        except asyncio.CancelledError:\n            pass",
            loop.EXIT_STUCK,
        ),
    ],
    ids=["it waits", "a thread does", "the loop stands still", "it loses each cancellation"],
)
def test_a_stop_has_an_end_whatever_hangs(then: str, status: int) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", STOPS.format(then=then, cancelled_s=10 if status == 130 else 0.2)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == status
    assert ("does not stop and is ended" in ended.stderr) == (status == loop.EXIT_STUCK)


def test_a_process_ends_although_its_store_was_not_closed(tmp_path: Path, revisions: Path) -> None:
    """aiosqlite's thread waits for more, and the interpreter for the thread."""
    then = f"""store = Store.open(Path({str(tmp_path / "s.db")!r}), Path({str(revisions)!r}))
    await store.read("SELECT 1")
    main.kept = store
    await asyncio.Event().wait()"""
    ended = subprocess.run(
        [sys.executable, "-c", STOPS.format(then=then, cancelled_s=10)], timeout=30, check=False
    )
    assert ended.returncode == 130
