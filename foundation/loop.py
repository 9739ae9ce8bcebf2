"""The event loop of a process: uvloop where it installs, asyncio otherwise, and an orderly stop that has an end."""

import asyncio
import faulthandler
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from threading import Timer
from typing import Any, Final, NoReturn, TypeVar

T = TypeVar("T")

LOOP_VARIABLE = "ASCS_LOOP"
"""Environment variable: "asyncio" or "uvloop" forces that loop; unset, uvloop where it installs."""

GC_THRESHOLDS = (50_000, 20, 50)
"""Collections of cyclic garbage: with the default, a busy process looks at its youngest objects ten times a
millisecond. What a message leaves behind has no cycles."""

SWITCH_SECONDS = 0.0005
"""How long a thread that wants the interpreter waits for another that computes: the store's asks for it after
every commit, and Python's own 5 ms each time would be most of it."""

STOP_S = 120.0
"""For an orderly stop: more than all drains together, as long as they can be set. Then it is cancelled."""
CANCELLED_S = 10.0
"""For what is cancelled. Then the process ends where it stands: nothing was acknowledged that is not safe."""
EXIT_STUCK: Final = 70
"""Exit status of a process that had to be ended so."""

_log = logging.getLogger(__name__)

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run(main: Callable[[asyncio.Event], Coroutine[Any, Any, T]]) -> T:
    """Run `main(stop)` to its end and return its result.

    SIGTERM and SIGINT set `stop`; `main` then drains and returns. A second signal, or STOP_S without an end,
    cancels it, and `run` raises asyncio.CancelledError. A process that goes on all the same is ended.
    """
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_SECONDS)
    deadline = _Deadline()
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_with_signals(main, deadline))
    finally:
        deadline.drop()


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


class _Deadline:
    """Ends the process, from a thread of its own: the loop may be what stands still."""

    def __init__(self) -> None:
        self._timer: Timer | None = None

    def set(self, seconds: float) -> None:
        self.drop()
        self._timer = Timer(seconds, _leave, (asyncio.get_running_loop(),))
        self._timer.daemon = True
        self._timer.start()

    def drop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


def _leave(loop: asyncio.AbstractEventLoop) -> NoReturn:
    try:
        left = ", ".join(sorted(task.get_name() for task in asyncio.all_tasks(loop)))
        _log.critical("the process does not stop and is ended; tasks: %s", left)
        faulthandler.dump_traceback()
    finally:
        os._exit(EXIT_STUCK)


async def _with_signals(main: Callable[[asyncio.Event], Coroutine[Any, Any, T]], deadline: _Deadline) -> T:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    task = loop.create_task(main(stop))

    def cancel() -> None:
        deadline.set(CANCELLED_S)
        task.cancel()

    def on_signal() -> None:
        if stop.is_set():
            cancel()
        else:
            stop.set()
            deadline.set(STOP_S + CANCELLED_S)
            loop.call_later(STOP_S, cancel)

    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, on_signal)
    try:
        return await task
    finally:
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)
