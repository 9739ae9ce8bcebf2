"""The demo's story as a ladder: who sent what to whom, and which identifier each party saw."""

from __future__ import annotations

import sys
import unicodedata
from typing import TextIO

LANE_WIDTH = 27


def width(text: str) -> int:
    """Columns that a text takes in a terminal: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _cut(text: str, columns: int) -> str:
    if width(text) <= columns:
        return text
    while width(text) >= columns:
        text = text[:-1]
    return text + "…"


class Ladder:
    """Lanes from left to right; a message is an arrow between two of them with its text above it."""

    def __init__(self, lanes: list[str], out: TextIO | None = None) -> None:
        self._lanes = lanes
        self._out = out or sys.stdout
        self._bars = [2 + place * LANE_WIDTH for place in range(len(lanes))]

    def title(self, text: str) -> None:
        """A step's heading, with the lanes' names under it."""
        self._print("")
        self._print(f"■ {text}")
        line = ""
        for bar, lane in zip(self._bars, self._lanes, strict=True):
            line += " " * (bar - width(line)) + _cut(lane, LANE_WIDTH - 1)
        self._print(line)
        self._print(self._row())

    def arrow(self, source: int, target: int, text: str) -> None:
        """From lane to lane; both by number, from 0."""
        left, right = sorted((source, target))
        start, end = self._bars[left], self._bars[right]
        self._print(self._row(left, f" {text}"))
        shaft = "─" * (end - start - 2)
        body = f"{shaft}▶" if source < target else f"◀{shaft}"
        self._print(self._row(left, body, until=right))

    def note(self, lane: int, text: str) -> None:
        """What a party saw or did, beside its own lane."""
        self._print(self._row(lane, f" • {text}"))

    def line(self, text: str = "") -> None:
        self._print(text)

    def _row(self, lane: int = -1, text: str = "", until: int = -1) -> str:
        """The bars of all lanes, with a text right of one of them; a bar that the text covers is left out."""
        row = ""
        free_from = 0
        for place, bar in enumerate(self._bars):
            if bar < free_from:
                continue
            row += " " * (bar - width(row)) + "│"
            if place == lane:
                row += text
                free_from = width(row) + (0 if place < until else 1)
        return row

    def _print(self, text: str) -> None:
        print(text, file=self._out, flush=True)
