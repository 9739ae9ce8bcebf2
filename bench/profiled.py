"""Run `ascs` with a profile of the main thread and of each store's thread.

`python -m bench.profiled FOLDER ARGUMENTS...` runs `ascs ARGUMENTS` and leaves main.prof and
store-<file>.prof (cProfile) in FOLDER. Times are CPU seconds of the thread alone, so that waiting for the
other thread, for the disk or for the interpreter's lock does not count.
"""

from __future__ import annotations

import cProfile
import sys
import threading
import time
from pathlib import Path

from ascs.main import main


def _profile_stores(folder: Path) -> None:
    run = threading.Thread.run

    def profiled(self: threading.Thread) -> None:
        if not self.name.startswith("store:"):
            run(self)
            return
        profile = cProfile.Profile(time.thread_time)
        try:
            profile.runcall(run, self)
        finally:
            profile.dump_stats(folder / f"{self.name.replace(':', '-')}.prof")

    threading.Thread.run = profiled  # type: ignore[method-assign]


if __name__ == "__main__":
    target = Path(sys.argv[1])
    sys.argv = ["ascs", *sys.argv[2:]]
    _profile_stores(target)
    whole = cProfile.Profile(time.thread_time)
    try:
        whole.runcall(main)
    finally:
        whole.dump_stats(target / "main.prof")
