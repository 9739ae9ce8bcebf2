"""A process runs on uvloop where it installs, and a signal asks it to stop."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Iterator

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
