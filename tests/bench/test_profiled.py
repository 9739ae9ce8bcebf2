"""Stacks are counted while the sampler is entered, and never after."""

import json
import signal
from pathlib import Path

from bench.profiled import Sampler


def test_what_runs_is_seen(tmp_path: Path) -> None:
    with Sampler() as sampler:
        while not sampler.stacks:
            pass
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)
    sampler.save(tmp_path / "main.samples")
    count, stack = json.loads((tmp_path / "main.samples").read_text())[0]
    assert count >= 1
    assert [Path(__file__).name, "test_what_runs_is_seen"] in [
        [Path(file).name, name] for file, name, _ in stack
    ]
