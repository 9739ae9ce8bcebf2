"""The operator's list of words that no text may have in it."""

from pathlib import Path

import pytest

from foundation.config import ConfigError
from gateway.policy import text_words
from gateway.policy.refusal import Cause
from gateway.policy.text_words import Words, load_words
from tests.gateway.policy.texts import text

WORDS = Words(["赌博", "Casino", "free  money"])


@pytest.mark.parametrize(
    "said",
    ["赌博", "在线赌 博", "ＣＡＳＩＮＯ", "visit casino now", "c\u200basino", "FREEMONEY", "赌\u3000博。"],
)
def test_a_word_in_any_case_width_and_spacing(said: str) -> None:
    refusal = WORDS.none_in(text(said))
    assert refusal is not None
    assert refusal.cause == Cause.SENSITIVE_WORD


@pytest.mark.parametrize("said", ["", "hello", "赌", "cas-ino", "money free"])
def test_other_texts_pass(said: str) -> None:
    assert WORDS.none_in(text(said)) is None


def test_no_words_are_against_nothing() -> None:
    assert not Words()
    assert Words(["x"])
    assert not load_words(None)


def test_a_file_has_one_word_a_line(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_bytes("\ufeff# of the ministry\n\n 赌博 \nCasino\r\n".encode())
    words = load_words(file)
    assert words.none_in(text("CASINO")) is not None
    assert words.none_in(text("赌博")) is not None
    assert words.none_in(text("# of the ministry")) is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"ok\n" + b"x" * 101, "words.txt:2: word: longer than 100 characters"),
        ("ok\n\n\u200b\n".encode(), "words.txt:3: word: nothing of it shows"),
        (b"one\ntwo\nthree\n", "words.txt:3: word: more than 2 words"),
        (b"\xff\xfe", "words.txt:1: sensitive_words: not UTF-8"),
        (None, "words.txt:1: sensitive_words: No such file"),
    ],
)
def test_a_fault_names_its_line_and_quotes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, said: str
) -> None:
    monkeypatch.setattr(text_words, "WORDS_MAX", 2)
    file = tmp_path / "words.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_words(file)
    assert str(caught.value).startswith(f"{tmp_path}/{said}")
