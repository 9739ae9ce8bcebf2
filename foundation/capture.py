"""A record of the bytes that a party received, in the clear, so that they can be searched for leaks.

File format: frames `u32 length | u8 n | channel[n] | data`, big-endian; `length` counts what follows it.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path

CAPTURE_MAX = 4 << 30
"""Bytes that one capture file may hold. Past it `record` raises: a search of a part would prove nothing."""

CHANNEL_MAX = 255
_HEAD = struct.Struct(">IB")


class CaptureError(Exception):
    """The capture is full, or the file is not a capture."""


class Capture:
    """Appends frames to one file. Several processes may append to the same file; each frame is one write."""

    def __init__(self, path: Path) -> None:
        """Open `path` for appending; it is made if missing, readable by its owner alone."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._size = os.fstat(self._descriptor).st_size

    def record(self, channel: str, data: bytes) -> None:
        """Append what was received on `channel` (a short name such as "smpp" or "sip"; at most 255 bytes).

        Raises CaptureError when the file is full, OSError when the disk is.
        """
        name = channel.encode()
        if len(name) > CHANNEL_MAX:
            raise CaptureError("channel name is too long")
        frame = _HEAD.pack(1 + len(name) + len(data), len(name)) + name + data
        if self._size + len(frame) > CAPTURE_MAX:
            raise CaptureError("capture is full")
        # O_APPEND and a single write keep frames of several processes whole.
        if os.write(self._descriptor, frame) != len(frame):
            raise CaptureError("capture was cut short")
        self._size += len(frame)

    def close(self) -> None:
        """Close the file. Recording afterwards raises."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def read(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (channel, data) for each frame in order.

    A frame that was cut short at the end (its writer was killed) yields the bytes that are there, since
    they too were received. Raises CaptureError where the file cannot be a capture.
    """
    with path.open("rb") as file:
        while head := file.read(_HEAD.size):
            if len(head) < _HEAD.size:
                return
            length, name_length = _HEAD.unpack(head)
            if length < 1 + name_length:
                raise CaptureError("not a capture file")
            body = file.read(length - 1)
            yield body[:name_length].decode(errors="replace"), body[name_length:]
