"""Memory that active AIDs take: `python -m bench.trust_live COUNT` fills the trust party's index with so many, each as
a row of the store gives it, and prints the megabytes of the process before and after."""

from __future__ import annotations

import gc
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from foundation.loop import GC_THRESHOLDS
from trust_party.aids import State
from trust_party.verification import LiveIndex

ENTERPRISES = 50
TERMS = 200
"""Different terms of contact: services are few, consents many."""


def row(number: int, draw: random.Random) -> dict[str, Any]:
    """What AUTHORIZATION_COLUMNS are for one AID; every value new, as from the store."""
    terms = number % TERMS
    numbers = f'"access_numbers":["1069{terms:06}"]'
    body = f'{{{numbers},"channels":["sms","voice"],"frequency":"20/day","hours":"08:00-21:00"}}'
    return {
        "aid": 888_100_000_000_000_000 + draw.randrange(10**14),
        "enterprise": f"ent-{number % ENTERPRISES}",
        "state": int(State.ACTIVE),
        "not_before": 1_790_000_000_000 + number,
        "not_after": 1_890_000_000_000 + number,
        "pending_until": 1_790_086_400_000 + number,
        "terms_id": terms,
        "terms": body,
        "confirmed_carrier": "CMCC",
        "confirmed_edi_id": os.urandom(16),
        "edi": os.urandom(209),
    }


def resident_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def fill(count: int) -> tuple[float, float]:
    """Megabytes before and after."""
    gc.set_threshold(*GC_THRESHOLDS)
    draw, live = random.Random(1), LiveIndex(count)
    before = resident_mb()
    for number in range(count):
        each = row(number, draw)
        live.put(each["aid"], live.read(each))  # type: ignore[arg-type]
    return before, resident_mb()


def live_figures(count: int) -> dict[str, float]:
    """Measure in a process of its own, and print."""
    ran = subprocess.run(
        [sys.executable, "-m", "bench.trust_live", str(count)], check=True, capture_output=True, text=True
    )
    before, after = map(float, ran.stdout.split())
    each = (after - before) * 1024 * 1024 / count
    print(f"live AIDs: {count:,} take {after - before:,.0f} MB, {each:,.0f} bytes each", flush=True)
    return {"count": count, "mb": after - before, "bytes": each}


if __name__ == "__main__":
    print(*fill(int(sys.argv[1])))
