"""The line of every key, however its TOML is written, so that an error can name it."""

import tomllib
from typing import Any

import pytest

from foundation.toml_lines import KeyPath, key_lines, line_of

TEXT = """\
# a comment with [brackets] and = signs
data_dir = "var"   # said "here" = yes

[smpp]
host = '127.0.0.1'
port = 2775
words = ["TD", "T",
    "退订"]

[[smsc]]
name = "a"
limits = { window = 10, rate = 5 }

[[smsc]]
name = "b"
[smsc.form]
ton = 1
"quoted key".inner = true
text = \"\"\"
name = "not a key"
\"\"\"
"""
LINES: dict[KeyPath, int] = {
    ("data_dir",): 2,
    ("smpp",): 4,
    ("smpp", "host"): 5,
    ("smpp", "port"): 6,
    ("smpp", "words"): 7,
    ("smpp", "words", 1): 7,
    ("smpp", "words", 2): 8,
    ("smsc", 0): 10,
    ("smsc", 0, "name"): 11,
    ("smsc", 0, "limits", "rate"): 12,
    ("smsc", 1, "name"): 15,
    ("smsc", 1, "form", "ton"): 17,
    ("smsc", 1, "form", "quoted key", "inner"): 18,
    ("smsc", 1, "form", "text"): 19,
}


@pytest.mark.parametrize(("path", "line"), LINES.items(), ids=str)
def test_each_key_has_its_line(path: KeyPath, line: int) -> None:
    assert key_lines(TEXT)[path] == line


def paths(value: Any, path: KeyPath = ()) -> set[KeyPath]:
    """Every path in a parsed document."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = {path} if path else set()
    for step, inner in steps:
        found |= paths(inner, (*path, step))
    return found


def test_what_is_found_is_what_the_parser_finds() -> None:
    assert set(key_lines(TEXT)) == paths(tomllib.loads(TEXT))


def test_a_text_without_keys_has_no_lines() -> None:
    assert key_lines("") == key_lines("# nothing\n\n") == {}


def test_a_key_that_is_not_there_is_placed_at_the_table_around_it() -> None:
    lines = key_lines(TEXT)
    assert line_of(lines, ("smpp", "prot")) == (4, ("smpp",))
    assert line_of(lines, ("missing",)) == (1, ())


def test_a_validators_own_steps_are_skipped() -> None:
    assert line_of(key_lines(TEXT), ("smsc", 1, "tagged-union[x]", "form", "ton")) == (
        17,
        ("smsc", 1, "form", "ton"),
    )
