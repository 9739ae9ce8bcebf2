"""Where in a TOML text each key stands, so that a validation error can name its line.

`tomllib` gives values without positions. This scanner gives positions without values: it runs only over a
text that `tomllib` has accepted, and so may take its syntax for granted.
"""

import re

KeyPath = tuple[str | int, ...]

_SKIPPED = re.compile(r"(?:\s|#[^\n]*)*")
_KEY_PART = re.compile(r"""\s*(?:"((?:\\.|[^"\\])*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*""")
_SCALAR = re.compile(
    r"""\"{3}(?:\\.|[^\\])*?\"{3,5}|'{3}.*?'{3,5}|"(?:\\.|[^"\\])*"|'[^']*'|[^,\]}\n#]+""", re.DOTALL
)


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line (from 1) of every key, table and array element of `text`, by path: ("links", 0, "port")."""
    return _Scanner(text).scan()


def line_of(lines: dict[KeyPath, int], location: KeyPath) -> tuple[int, KeyPath]:
    """The line of `location`, or of the nearest table around it, and the part of `location` found there.

    Steps of `location` that are not in the file (a validator's own, such as a union's member) are skipped.
    """
    found: KeyPath = ()
    for step in location:
        if (*found, step) in lines:
            found = (*found, step)
    return lines.get(found, 1), found


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._counted_to = 0
        self._lines: dict[KeyPath, int] = {}
        self._array_sizes: dict[KeyPath, int] = {}

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        while self._skip() < len(self._text):
            if self._text.startswith("[[", self._at):
                self._at += 2
                table = self._next_element(self._absolute(self._key()))
                self._at += 2
            elif self._text.startswith("[", self._at):
                self._at += 1
                table = self._absolute(self._key())
                self._note(table)
                self._at += 1
            else:
                self._pair(table)
        return self._lines

    def _skip(self) -> int:
        match = _SKIPPED.match(self._text, self._at)
        assert match is not None
        self._at = match.end()
        return self._at

    def _note(self, path: KeyPath) -> None:
        self._line += self._text.count("\n", self._counted_to, self._at)
        self._counted_to = self._at
        for depth in range(1, len(path) + 1):
            self._lines.setdefault(path[:depth], self._line)

    def _key(self) -> KeyPath:
        parts: list[str] = []
        while match := _KEY_PART.match(self._text, self._at):
            self._at = match.end()
            parts.append(next(group for group in match.groups() if group is not None))
            if not self._text.startswith(".", self._at):
                break
            self._at += 1
        return tuple(parts)

    def _absolute(self, key: KeyPath) -> KeyPath:
        """A header's key names the newest element of each array of tables on its way."""
        path: KeyPath = ()
        for depth, part in enumerate(key, 1):
            path = (*path, part)
            if depth < len(key) and path in self._array_sizes:
                path = (*path, self._array_sizes[path] - 1)
        return path

    def _next_element(self, array: KeyPath) -> KeyPath:
        index = self._array_sizes.get(array, 0)
        self._array_sizes[array] = index + 1
        self._note((*array, index))
        return (*array, index)

    def _pair(self, table: KeyPath) -> None:
        path = (*table, *self._key())
        self._note(path)
        self._at += 1  # "="
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        self._skip()
        opening = self._text[self._at]
        if opening == "[":
            self._members(path, "]")
        elif opening == "{":
            self._members(path, "}")
        else:
            match = _SCALAR.match(self._text, self._at)
            assert match is not None
            self._at = match.end()

    def _members(self, path: KeyPath, closing: str) -> None:
        self._at += 1
        index = 0
        while self._text[self._skip()] != closing:
            if self._text[self._at] == ",":
                self._at += 1
            elif closing == "}":
                self._pair(path)
            else:
                self._note((*path, index))
                self._value((*path, index))
                index += 1
        self._at += 1
