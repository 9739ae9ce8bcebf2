"""The file anchor: every line is there for good, and none can be taken out."""

import json
from pathlib import Path

import pytest

from evidence.anchor import AnchorError, FileAnchor, read_anchored
from evidence.checkpoint import Checkpoint
from evidence.log import SignedCheckpoint


def signed(size: int) -> SignedCheckpoint:
    return SignedCheckpoint(Checkpoint(bytes(32), size, size, bytes(32)), bytes(64))


def filled(path: Path) -> FileAnchor:
    anchor = FileAnchor(path)
    assert [anchor.anchor(signed(size)) for size in (32, 64, 96)] == [f"anchor.jsonl:{n}" for n in (1, 2, 3)]
    return anchor


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "anchor.jsonl"


def test_what_was_anchored_is_read_back(path: Path) -> None:
    assert FileAnchor(path).newest() is None
    filled(path)
    assert read_anchored(path) == [signed(32), signed(64), signed(96)]


def test_it_goes_on_after_a_restart(path: Path) -> None:
    filled(path)
    again = FileAnchor(path)
    assert again.newest() == signed(96)
    assert again.anchor(signed(128)) == "anchor.jsonl:4"
    assert len(read_anchored(path)) == 4


def test_the_same_again_adds_nothing(path: Path) -> None:
    anchor = filled(path)
    assert anchor.anchor(signed(96)) == "anchor.jsonl:3"
    assert len(read_anchored(path)) == 3


def test_a_line_that_a_crash_cut_short_is_dropped(path: Path) -> None:
    filled(path)
    with path.open("ab") as file:
        file.write(b'{"log_id": "00')
    assert FileAnchor(path).newest() == signed(96)
    assert len(read_anchored(path)) == 3


def test_a_line_taken_out_or_changed_is_found(path: Path) -> None:
    filled(path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[2])
    with pytest.raises(AnchorError, match="line 2"):
        read_anchored(path)
    changed = json.dumps(json.loads(lines[0]) | {"size": 31}).encode() + b"\n"
    path.write_bytes(changed + lines[1] + lines[2])
    with pytest.raises(AnchorError, match="line 2"):
        read_anchored(path)


@pytest.mark.parametrize("text", [b"nothing\n", b"[]\n", b'{"size": -1}\n', b"\xff\n"])
def test_another_file_is_refused(path: Path, text: bytes) -> None:
    path.write_bytes(text)
    with pytest.raises(AnchorError):
        FileAnchor(path)
    with pytest.raises(AnchorError):
        read_anchored(path)


def test_where_nothing_can_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(AnchorError):
        FileAnchor(tmp_path)
    anchor = filled(tmp_path / "anchor.jsonl")
    (tmp_path / "anchor.jsonl").unlink()
    (tmp_path / "anchor.jsonl").mkdir()
    with pytest.raises(AnchorError):
        anchor.anchor(signed(128))
