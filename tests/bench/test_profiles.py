"""What samples say, as shares."""

import json
from pathlib import Path

import pytest

from bench import profiles

ROOT = str(Path(profiles.__file__).resolve().parents[1])


def test_the_innermost_frame_has_the_time_and_all_around_it_have_it_as_a_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outer = (f"{ROOT}/gateway/sms/intake.py", "submit", 1)
    inner = ("/usr/lib/python3.11/json/encoder.py", "iterencode", 2)
    (tmp_path / "main.samples").write_text(json.dumps([[3, [inner, outer]], [1, [outer]]]))
    profiles.report(tmp_path, 10)
    said = capsys.readouterr().out
    assert said.startswith("\nmain: 4 samples, 10 messages")
    assert "   75.0%  verification and reports" in said
    assert "   25.0%  100.0%  gateway/sms/intake.py submit" in said
