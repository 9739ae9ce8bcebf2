"""What a profile says, by stage, by module and by function, in microseconds a message.

The profiler itself costs more than most functions: the shares are what to read, not the sums.
"""

from __future__ import annotations

import pstats
import re
from collections import Counter
from pathlib import Path
from typing import Any

TOP = 60

STAGES = (
    ("masking/encodings.py", "egress guard"),
    ("masking/egress_guard.py", "egress guard"),
    ("masking/needles.py", "egress guard"),
    ("masking/resolve.py", "policy and resolution"),
    ("gateway/policy/", "policy and resolution"),
    ("gateway/store/subscribers.py", "policy and resolution"),
    ("smpp/receipts.py", "receipts: text to model and back"),
    ("_strptime.py", "receipts: text to model and back"),
    ("smpp/splice.py", "rewriting"),
    ("masking/", "rewriting"),
    ("smpp/", "SMPP codec and sessions"),
    ("gm/", "sealing and signing"),
    ("foundation/seal.py", "sealing and signing"),
    ("cryptography/", "sealing and signing"),
    ("<frozen abc>", "sealing and signing"),
    ("gateway/store/", "statements of the store"),
    ("foundation/store.py", "store engine"),
    ("queue.py", "store engine"),
    ("trust_client/", "verification and reports"),
    ("interparty/", "verification and reports"),
    ("aiohttp/", "verification and reports"),
    ("yarl/", "verification and reports"),
    ("multidict/", "verification and reports"),
    ("pydantic", "verification and reports"),
    ("json/", "verification and reports"),
    ("ssl.py", "verification and reports"),
    ("prometheus_client/", "metrics"),
    ("gateway/records/metrics.py", "metrics"),
    ("gateway/records/", "records and reports written"),
    ("gateway/sms/", "intake, dispatch, delivery"),
    ("asyncio/", "event loop"),
)
"""Beginnings of module paths and what their own time counts as; the first that fits."""

_ROOT = str(Path(__file__).resolve().parents[1]) + "/"


def _module(file: str) -> str:
    """Short path of a module, the same wherever it is installed."""
    short = file.removeprefix(_ROOT)
    return re.sub(r".*/(site-packages|python3\.\d+)/", "", short)


def _stage(module: str) -> str:
    return next((stage for start, stage in STAGES if module.startswith(start)), "other")


def report(folder: Path, messages: int) -> None:
    """Print each profile in `folder`: stages, modules and functions by their own time."""
    for path in sorted(folder.glob("*.prof")):
        entries: dict[Any, Any] = pstats.Stats(str(path)).stats  # type: ignore[attr-defined]
        total = sum(entry[2] for entry in entries.values())
        modules: Counter[str] = Counter()
        for place, (_, _, own, _, callers) in entries.items():
            if place[0] == "~":
                # A builtin's time belongs to whoever called it.
                for caller, (_, _, spent, _) in callers.items():
                    modules[_module(caller[0])] += spent
            else:
                modules[_module(place[0])] += own
        stages: Counter[str] = Counter()
        for module, spent in modules.items():
            stages[_stage(module)] += spent
        calls = sum(entry[0] for entry in entries.values()) / messages
        spent = total * 1e6 / messages
        print(f"\n{path.stem}: {spent:.0f} µs and {calls:.0f} calls a message under the profiler")
        _table("stage, with the builtins it calls", stages, total, messages)
        _table("module, with the builtins it calls", modules, total, messages)
        print(f"{'own µs':>9}{'with calls':>12}{'calls':>9}  function")
        for place, entry in sorted(entries.items(), key=lambda item: -item[1][2])[:TOP]:
            name = place[2] if place[0] == "~" else f"{_module(place[0])}:{place[1]} {place[2]}"
            print(
                f"{entry[2] * 1e6 / messages:9.2f}{entry[3] * 1e6 / messages:12.2f}"
                f"{entry[0] / messages:9.2f}  {name}"
            )


def _table(heading: str, parts: Counter[str], total: float, messages: int) -> None:
    print(f"{'µs':>9}{'share':>8}  {heading}")
    for name, spent in parts.most_common(TOP):
        print(f"{spent * 1e6 / messages:9.2f}{spent / total:8.1%}  {name}")
