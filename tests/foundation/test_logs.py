"""Log lines carry time, level, file, line and message, and no number."""

import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from foundation import logs

NUMBER = "8613800000001"


@pytest.fixture
def folder(tmp_path: Path, own_logs: None) -> Path:
    logs.setup("gateway", tmp_path, "INFO")
    return tmp_path


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "gateway.log").read_text().splitlines()]


def test_a_record_has_its_fields(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs.get_logger("gateway.sms").info("accepted", aid="888112345678901234", segments=2)
    (line,) = lines(folder)
    assert list(line) == ["time", "level", "file", "line", "message", "aid", "segments"]
    assert line["time"].endswith("Z")
    assert line["level"] == "INFO"
    assert line["file"] == "tests/foundation/test_logs.py"
    assert line["message"] == "accepted"
    assert line["aid"] == "888112345678901234"
    assert line["segments"] == 2


def test_numbers_are_masked_in_message_values_names_and_exceptions(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = logs.get_logger("x")
    log.warning(f"to {NUMBER}", to=NUMBER, nested={"list": [int(NUMBER), f"+{NUMBER}"]})
    logging.getLogger("smpp.session").error("from %s", NUMBER)
    try:
        raise ValueError(f"no route to sip:+{NUMBER}@core")
    except ValueError:
        log.exception("failed")
    written = (folder / "gateway.log").read_text() + capsys.readouterr().err
    assert NUMBER not in written
    assert NUMBER[2:] not in written
    assert "no route to sip:[number]@core" in lines(folder)[2]["exception"]


def test_uncaught_exceptions_are_filtered_too(folder: Path) -> None:
    error = ValueError(NUMBER)
    sys.excepthook(ValueError, error, None)
    (line,) = lines(folder)
    assert line["level"] == "CRITICAL"
    assert "[number]" in line["exception"]


def test_stderr_is_one_line_a_record_whatever_a_peer_sent(tmp_path: Path) -> None:
    formatter = logs._TextFormatter("gateway")
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "system_id a\nINFO forged\x1b[2J", None, None)
    text = formatter.format(record)
    assert "\n" not in text
    assert "\x1b" not in text
    assert text.endswith(r"INFO gateway system_id a\x0aINFO forged\x1b[2J")


def test_callers_names_do_not_hide_the_records_own(folder: Path) -> None:
    logs.get_logger("x").info("m", line="theirs", name="n", args="a", file="f")
    (line,) = lines(folder)
    assert isinstance(line["line"], int)
    assert (line["line_"], line["file_"], line["name"], line["args"]) == ("theirs", "f", "n", "a")


def test_a_record_that_does_not_fit_its_format_is_still_written() -> None:
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "two %s %s", (NUMBER,), None)
    line = json.loads(logs._JsonFormatter().format(record))
    assert line["message"] == "two %s %s ('[number]',)"


def test_the_files_are_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "FILE_BYTES_MAX", 1000)
    logs.setup("gateway", folder)
    for n in range(100):
        logs.get_logger("x").info("m", n=n)
    files = sorted(folder.iterdir())
    assert len(files) == 1 + logs.FILES_KEPT
    assert all(file.stat().st_size < 1200 for file in files)
    assert lines(folder)[-1]["n"] == 99


def test_levels_and_a_second_setup(folder: Path) -> None:
    logs.setup("gateway", folder, "WARNING")
    logs.get_logger("x").info("not this")
    logs.get_logger("x").warning("this once")
    assert [line["message"] for line in lines(folder)] == ["this once"]
    with pytest.raises(ValueError):
        logs.setup("gateway", folder, "LOUD")


def test_long_messages_are_cut(folder: Path) -> None:
    logs.get_logger("x").info("m" * 100_000, value="v" * 100_000)
    (line,) = lines(folder)
    assert len(line["message"]) == len(line["value"]) == logs.MESSAGE_MAX


def test_the_file_is_its_owners_alone(folder: Path) -> None:
    logs.get_logger("x").info("m")
    assert (folder / "gateway.log").stat().st_mode & 0o077 == 0
