"""The event loop of a process: uvloop where it installs, asyncio otherwise, and an orderly stop."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

LOOP_VARIABLE = "ASCS_LOOP"
"""Environment variable: "asyncio" or "uvloop" forces that loop; unset, uvloop where it installs."""

GC_THRESHOLDS = (50_000, 20, 50)
"""Collections of cyclic garbage: with the default, a busy process looks at its youngest objects ten times a
millisecond. What a message leaves behind has no cycles."""

SWITCH_SECONDS = 0.0005
"""How long a thread that wants the interpreter waits for another that computes: the store's asks for it after
every commit, and Python's own 5 ms each time would be most of it."""

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run(main: Callable[[asyncio.Event], Coroutine[Any, Any, T]]) -> T:
    """Run `main(stop)` to its end and return its result.

    SIGTERM and SIGINT set `stop`; `main` then drains and returns. A second signal cancels it, and
    `run` raises asyncio.CancelledError.
    """
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_SECONDS)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_with_signals(main))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    choice = os.environ.get(LOOP_VARIABLE, "")
    if choice != "asyncio":
        try:
            import uvloop
        except ImportError:
            if choice == "uvloop":
                raise
        else:
            return uvloop.new_event_loop
    return asyncio.new_event_loop


async def _with_signals(main: Callable[[asyncio.Event], Coroutine[Any, Any, T]]) -> T:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    task = loop.create_task(main(stop))

    def on_signal() -> None:
        if stop.is_set():
            task.cancel()
        stop.set()

    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, on_signal)
    try:
        return await task
    finally:
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)
