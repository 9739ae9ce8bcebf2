"""`ascs digest`: an enterprise makes what the carrier reported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.ascs.commands.cli import ascs, done

VECTORS = json.loads((Path(__file__).parents[2] / "interparty" / "data" / "content_digest.json").read_text())
CODE, CHINESE = VECTORS["cases"][:2]


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "account.key"
    file.write_text(VECTORS["account_key"] + "\n")
    return file


def test_of_a_text(key: Path) -> None:
    made = done("digest", CODE["message_id"], "--key-file", key, "--text", "123456")
    assert made == CODE["digest"] + "\n"
    made = done("digest", CHINESE["message_id"], "--key-file", key, "--text", "验证码123456")
    assert made == CHINESE["digest"] + "\n"


def test_of_octets_as_they_were_sent(key: Path, tmp_path: Path) -> None:
    sent = tmp_path / "sent"
    sent.write_bytes(bytes.fromhex(CHINESE["text"]))
    made = done("digest", CHINESE["message_id"], "--key-file", key, "--octets", sent, "--data-coding", 8)
    assert made == CHINESE["digest"] + "\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "either --text or --octets"),
        (("--text", "好", "--data-coding", "3"), "data coding 3 does not say this"),
        (("--text", "x", "--data-coding", "4"), "data coding 4 does not say this"),
    ],
)
def test_what_cannot_be_is_said(key: Path, options: tuple[str, ...], said: str) -> None:
    result = ascs("digest", CODE["message_id"], "--key-file", key, *options)
    assert (result.exit_code, said in " ".join(result.output.split())) == (2, True)


def test_a_file_without_a_key_is_named(tmp_path: Path) -> None:
    file = tmp_path / "account.key"
    file.write_text("no key")
    result = ascs("digest", CODE["message_id"], "--key-file", file, "--text", "x")
    assert (result.exit_code, "64 hex digits" in result.output) == (1, True)
