"""What the samples of bench.profiled say: shares by stage, by module and by function."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

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
    """Print each profile in `folder`: stages, modules and functions by their share of the samples."""
    for path in sorted(folder.glob("*.samples")):
        samples: list[tuple[int, list[tuple[str, str, int]]]] = json.loads(path.read_text())
        total = sum(count for count, _ in samples) or 1
        stages: Counter[str] = Counter()
        modules: Counter[str] = Counter()
        own: Counter[str] = Counter()
        whole: Counter[str] = Counter()
        for count, stack in samples:
            # What is compiled has no frame: its time is that of the line that called it.
            module = _module(stack[0][0])
            stages[_stage(module)] += count
            modules[module] += count
            own[f"{module} {stack[0][1]}"] += count
            for name in {f"{_module(file)} {function}" for file, function, _ in stack}:
                whole[name] += count
        print(f"\n{path.stem}: {total} samples, {messages} messages")
        _table("stage", stages, total)
        _table("module", modules, total)
        print(f"{'own':>8}{'whole':>8}  function, by what is its own")
        for name, count in own.most_common(TOP):
            print(f"{count / total:8.1%}{whole[name] / total:8.1%}  {name}")
        _table("function, with all that it calls", whole, total)


def _table(heading: str, parts: Counter[str], total: int) -> None:
    print(f"{'share':>8}  {heading}")
    for name, count in parts.most_common(TOP):
        print(f"{count / total:8.1%}  {name}")
