"""A capture gives back what was received, in order and by channel."""

import os
from pathlib import Path

import pytest

from foundation import capture


def test_a_capture_gives_back_what_was_recorded_in_order(tmp_path: Path) -> None:
    path = tmp_path / "a" / "received.capture"
    first, second = capture.Capture(path), capture.Capture(path)
    first.record("smpp", b"\x00\x01")
    second.record("sip", b"INVITE")
    first.record("smpp", b"")
    first.close()
    second.close()
    assert list(capture.read(path)) == [("smpp", b"\x00\x01"), ("sip", b"INVITE"), ("smpp", b"")]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_frame_cut_short_gives_the_bytes_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "c"
    taken = capture.Capture(path)
    taken.record("smpp", b"whole")
    taken.record("smpp", b"cut short")
    taken.close()
    os.truncate(path, path.stat().st_size - 6)
    assert list(capture.read(path)) == [("smpp", b"whole"), ("smpp", b"cut")]


def test_a_full_capture_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "CAPTURE_MAX", 20)
    taken = capture.Capture(tmp_path / "c")
    taken.record("smpp", b"12345")
    with pytest.raises(capture.CaptureError):
        taken.record("smpp", b"12345")
    with pytest.raises(capture.CaptureError):
        taken.record("n" * 256, b"")
    taken.close()


def test_bytes_that_are_no_capture(tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(bytes(20))
    with pytest.raises(capture.CaptureError):
        list(capture.read(tmp_path / "c"))
