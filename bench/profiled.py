"""Run `ascs` and look every few milliseconds of its CPU time at what its main thread does.

`python -m bench.profiled FOLDER ARGUMENTS...` runs `ascs ARGUMENTS` and leaves main.samples in FOLDER: JSON, one
[count, [[file, function, line], ...]] for each stack seen, the innermost frame first. A sample costs microseconds
and comes by the kernel's clock, so that shares are true: a profiler that notes each call costs more than most
functions here and makes of 130 µs a message 1,700.
"""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from ascs.main import main

INTERVAL_S = 0.001
"""Of CPU time; the kernel looks at its own pace, mostly every 4 ms."""

Stack = tuple[tuple[str, str, int], ...]


class Sampler:
    """Counts stacks while it is entered."""

    def __init__(self) -> None:
        self.stacks: Counter[Stack] = Counter()

    def __enter__(self) -> Sampler:
        signal.signal(signal.SIGPROF, self._sample)
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_S, INTERVAL_S)
        return self

    def __exit__(self, *_: Any) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0.0)

    def _sample(self, _signal: int, frame: FrameType | None) -> None:
        stack: list[tuple[str, str, int]] = []
        while frame is not None:
            stack.append((frame.f_code.co_filename, frame.f_code.co_name, frame.f_lineno))
            frame = frame.f_back
        self.stacks[tuple(stack)] += 1

    def save(self, path: Path) -> None:
        path.write_text(json.dumps([[count, stack] for stack, count in self.stacks.items()]))


if __name__ == "__main__":
    target = Path(sys.argv[1])
    sys.argv = ["ascs", *sys.argv[2:]]
    sampler = Sampler()
    try:
        with sampler:
            main()
    finally:
        sampler.save(target / "main.samples")
