"""No word of the operator's list is in a text, however it is spaced, and in any case and width."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from foundation.config import ConfigError
from gateway.policy.refusal import Case, Cause, Refusal
from gateway.policy.text import Text
from smpp.constants import CommandStatus

WORDS_MAX: Final = 100_000
WORD_CHARACTERS_MAX: Final = 100

_REFUSED: Final = Refusal(Case.CONTENT, Cause.SENSITIVE_WORD, CommandStatus.ESME_RSUBMITFAIL)


def plain(text: str) -> str:
    """As words are compared: compatible forms alike, without case, blanks and what does not show."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(each for each in folded if unicodedata.category(each)[0] not in "ZC")


class Words:
    """The list, by first character: a text is read once, whatever the length of the list."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._by_first: dict[str, list[str]] = {}
        for word in words:
            folded = plain(word)
            if folded:
                self._by_first.setdefault(folded[0], []).append(folded)

    def __bool__(self) -> bool:
        return bool(self._by_first)

    def none_in(self, text: Text) -> Refusal | None:
        """The rule."""
        said = plain(text.characters)
        for place, character in enumerate(said):
            for word in self._by_first.get(character, ()):
                if said.startswith(word, place):
                    return _REFUSED
        return None


def load_words(path: Path | None) -> Words:
    """One word a line, UTF-8; lines that are empty or begin with # say nothing. Raises ConfigError."""
    if path is None:
        return Words()
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ConfigError(path, 1, "sensitive_words", error.strerror or "not readable") from None
    except UnicodeDecodeError:
        raise ConfigError(path, 1, "sensitive_words", "not UTF-8") from None
    words: list[str] = []
    for number, line in enumerate(lines, start=1):
        word = line.strip()
        if not word or word.startswith("#"):
            continue
        if len(word) > WORD_CHARACTERS_MAX:
            raise ConfigError(path, number, "word", f"longer than {WORD_CHARACTERS_MAX} characters")
        if not plain(word):
            raise ConfigError(path, number, "word", "nothing of it shows")
        if len(words) >= WORDS_MAX:
            raise ConfigError(path, number, "word", f"more than {WORDS_MAX} words")
        words.append(word)
    return Words(words)
