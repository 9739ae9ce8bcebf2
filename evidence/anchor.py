"""Anchors: where checkpoints are put down beyond the reach of the log's owner.

`EvidenceAnchor` is the interface by which they go to a permissioned chain, a notary or a newspaper; what is shipped
is a file, which is an anchor as far as it is copied to where the owner cannot change it: another machine, a medium
that is written once, other people's mail.
"""

import json
import os
from pathlib import Path
from typing import Any, Final, Protocol

from evidence.checkpoint import Checkpoint
from evidence.log import SignedCheckpoint
from foundation.atomic import sync_folder
from gm.sm3 import sm3

LINE_MAX: Final = 4096
"""Bytes of a line that is read back."""
FIRST: Final = "00" * 32
"""`previous` of the first line."""


class AnchorError(Exception):
    """It is not known to be put down; try again."""


class EvidenceAnchor(Protocol):
    """Takes checkpoints. Called from a thread, one call at a time; it may take its time."""

    def newest(self) -> SignedCheckpoint | None:
        """The last checkpoint that was put down, None before any. Raises AnchorError."""

    def anchor(self, signed: SignedCheckpoint) -> str:
        """Put a checkpoint down; where it is to be found (a line, a transaction). On return it is there for good.

        Putting the same down again is no fault. Raises AnchorError.
        """


class FileAnchor:
    """One line of JSON a checkpoint: `log_id size time_ms root signature previous`, the last being SM3 over the line
    before without its end, so that no line can be taken out of the middle or changed unnoticed."""

    def __init__(self, path: Path) -> None:
        """Raises AnchorError for a file that is not an anchor's."""
        self._path = path
        self._number = 0
        self._last: bytes | None = None
        try:
            self._recover()
        except OSError as error:
            raise AnchorError(f"{path}: {error.strerror}") from None

    def _recover(self) -> None:
        if not self._path.exists():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch(mode=0o644)
            sync_folder(self._path.parent)
            return
        with self._path.open("r+b") as file:
            end = 0
            for line in file:
                # What lacks its end was cut short by a crash, and was never said to be there.
                if not line.endswith(b"\n"):
                    file.truncate(end)
                    os.fsync(file.fileno())
                    break
                end += len(line)
                self._number += 1
                self._last = line[:-1]
        if self._last is not None:
            signed_of(self._last)

    def newest(self) -> SignedCheckpoint | None:
        return None if self._last is None else signed_of(self._last)

    def anchor(self, signed: SignedCheckpoint) -> str:
        state = signed.checkpoint
        if self.newest() != signed:
            line = json.dumps(
                {
                    "log_id": state.log_id.hex(),
                    "size": state.size,
                    "time_ms": state.time_ms,
                    "root": state.root.hex(),
                    "signature": signed.signature.hex(),
                    "previous": FIRST if self._last is None else sm3(self._last).hex(),
                }
            ).encode()
            try:
                with self._path.open("ab") as file:
                    file.write(line + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                raise AnchorError(f"{self._path}: {error.strerror}") from None
            self._last = line
            self._number += 1
        return f"{self._path.name}:{self._number}"


def signed_of(line: bytes) -> SignedCheckpoint:
    """The checkpoint of a line. Raises AnchorError."""
    try:
        fields: dict[str, Any] = json.loads(line[:LINE_MAX])
        state = Checkpoint(
            bytes.fromhex(fields["log_id"]), fields["size"], fields["time_ms"], bytes.fromhex(fields["root"])
        )
        return SignedCheckpoint(state, bytes.fromhex(fields["signature"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise AnchorError("a line is no anchored checkpoint") from None


def read_anchored(path: Path) -> list[SignedCheckpoint]:
    """All checkpoints of a file, whose lines must follow each other. Raises AnchorError, OSError."""
    found, previous = [], FIRST
    with path.open("rb") as file:
        for line in file:
            text = line.removesuffix(b"\n")
            found.append(signed_of(text))
            if json.loads(text).get("previous") != previous:
                raise AnchorError(f"line {len(found)} does not follow the one before")
            previous = sm3(text).hex()
    return found
