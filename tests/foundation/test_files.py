"""Atomic files, captures and identities."""

import os
from pathlib import Path

import pytest

from foundation import capture
from foundation.atomic import write_atomic
from foundation.identities import (
    IdentityError,
    KeyId,
    check_party_id,
    parse_key_id,
    party_of_urn,
    party_urn,
)


def test_a_file_is_replaced_whole_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "demo.json"
    write_atomic(path, b"one")
    assert path.stat().st_mode & 0o777 == 0o600
    write_atomic(path, b"two", 0o644)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o644
    assert os.listdir(tmp_path) == ["demo.json"]


def test_a_write_that_fails_leaves_the_old_file_and_no_temporary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "demo.json"
    write_atomic(path, b"one")

    def full_disk(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, b"two")
    assert path.read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["demo.json"]


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


def test_key_ids_name_party_key_and_version() -> None:
    assert parse_key_id("ent-a/sign/1") == KeyId("ent-a", "sign", 1)
    assert str(KeyId("CMCC", "api", 12)) == "CMCC/api/12"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ent-a",
        "ent-a/sign",
        "ent-a/sign/0",
        "ent-a/sign/01",
        "ent-a/sign/4294967296",
        "/sign/1",
        "a/b/1/2",
        "ent a/sign/1",
        "ent-a/sign/1\n",
        "ent-a/sign/１",
    ],
)
def test_other_texts_do_not_name_a_key(text: str) -> None:
    with pytest.raises(IdentityError):
        parse_key_id(text)


@pytest.mark.parametrize("text", ["", ".", "-a", "a" * 65, "a/b", "ä", "a\n"])
def test_texts_that_do_not_name_a_party(text: str) -> None:
    with pytest.raises(IdentityError):
        check_party_id(text)
    with pytest.raises(IdentityError):
        party_of_urn("urn:ascs:party:" + text)


def test_urns() -> None:
    assert party_of_urn(party_urn("ent-a")) == "ent-a"
    with pytest.raises(IdentityError):
        party_of_urn("urn:other:ent-a")
