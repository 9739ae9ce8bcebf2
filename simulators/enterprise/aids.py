"""The AIDs that an enterprise holds: a CSV file with header aid, appended to with each deposit."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path

from foundation.atomic import write_atomic

AIDS_MAX = 5_000_000
"""AIDs that one enterprise keeps."""


class AidBook:
    """The file and its content."""

    def __init__(self, path: Path) -> None:
        """Open `path`; it is made with its header if missing. Raises OSError."""
        self._path = path
        self._aids: dict[str, None] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            with path.open(newline="", encoding="ascii") as file:
                self._aids = {row["aid"]: None for row in csv.DictReader(file)}
        else:
            self._append(["aid"])

    def add(self, aids: Sequence[str]) -> None:
        """Append AIDs that are new. Raises OverflowError when the book is full, OSError when the disk is."""
        new = [aid for aid in dict.fromkeys(aids) if aid not in self._aids]
        if len(self._aids) + len(new) > AIDS_MAX:
            raise OverflowError(f"more than {AIDS_MAX} AIDs")
        if new:
            self._append(new)
            self._aids.update(dict.fromkeys(new))

    def drop(self, aids: Sequence[str]) -> None:
        """Forget AIDs that are of no more use; the file is replaced at once. Raises OSError."""
        if not any(aid in self._aids for aid in aids):
            return
        for aid in aids:
            self._aids.pop(aid, None)
        write_atomic(self._path, "".join(f"{line}\n" for line in ("aid", *self._aids)).encode())

    def all(self) -> list[str]:
        """Every AID, oldest first."""
        return list(self._aids)

    def _append(self, lines: Sequence[str]) -> None:
        with self._path.open("a", newline="", encoding="ascii") as file:
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
