"""What a profile says, in microseconds a message."""

import cProfile
import json
from pathlib import Path

import pytest

from bench import profiles


def test_a_builtins_time_belongs_to_the_module_that_called_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    profile = cProfile.Profile()
    profile.runcall(lambda: [json.dumps({"a": [1] * 50}) for _ in range(50)])
    profile.dump_stats(tmp_path / "main.prof")
    profiles.report(tmp_path, 10)
    said = capsys.readouterr().out
    assert said.startswith("\nmain: ")
    assert "json/encoder.py" in said
    assert "verification and reports" in said
    assert "~" not in said
