"""What a profile says, by function and by room, in microseconds a message."""

from __future__ import annotations

import pstats
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

TOP = 25

_ROOT = str(Path(__file__).resolve().parents[1]) + "/"


def _place(file: str, line: int, name: str) -> str:
    if file == "~":
        return name.strip("<>")
    short = re.sub(r".*/(site-packages|python3\.\d+)/", "", file)
    for root in (*sys.path, _ROOT):
        if root and short.startswith(root.rstrip("/") + "/"):
            short = short[len(root.rstrip("/")) + 1 :]
    return f"{short}:{line} {name}"


def report(folder: Path, messages: int) -> None:
    """Print the busiest functions of each profiled thread, and own time by module."""
    for path in sorted(folder.glob("*.prof")):
        stats = pstats.Stats(str(path))
        entries: dict[Any, Any] = stats.stats  # type: ignore[attr-defined]
        total = sum(entry[2] for entry in entries.values())
        print(f"\n{path.stem}: {total * 1e6 / messages:.0f} µs a message under the profiler")
        print(f"{'own µs':>9}{'with calls':>12}{'calls':>8}  function")
        for place, entry in sorted(entries.items(), key=lambda item: -item[1][2])[:TOP]:
            print(
                f"{entry[2] * 1e6 / messages:9.2f}{entry[3] * 1e6 / messages:12.2f}"
                f"{entry[0] / messages:8.2f}  {_place(*place)}"
            )
        rooms: Counter[str] = Counter()
        for place, entry in entries.items():
            if place[0] == "~":
                # A builtin's time belongs to whoever called it.
                for caller, (_, _, own, _) in entry[4].items():
                    rooms[_file(caller[0])] += own
            else:
                rooms[_file(place[0])] += entry[2]
        print(f"{'µs':>9}{'share':>8}  module, with the builtins it calls")
        for room, own in rooms.most_common(TOP):
            print(f"{own * 1e6 / messages:9.2f}{own / total:8.1%}  {room}")


def _file(file: str) -> str:
    return _place(file, 0, "").rsplit(":", 1)[0] if file != "~" else "builtins"
