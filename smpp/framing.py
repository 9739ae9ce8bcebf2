"""A stream of octets cut into frames."""

from __future__ import annotations

import struct

from smpp.constants import HEADER_OCTETS, MAX_PDU_OCTETS
from smpp.errors import FatalError

_LENGTH = struct.Struct(">I")


class Framer:
    """Cuts a stream into frames. Never raises: what ends it is kept in `fatal`, later octets go unread.

    At most one unfinished frame is held, so at most MAX_PDU_OCTETS and one read.
    """

    def __init__(self) -> None:
        self.fatal: FatalError | None = None
        self._rest = bytearray()
        self._need = 4

    @property
    def buffered(self) -> int:
        """Octets of the unfinished frame that have come."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that `data` completes, in order; none when more is needed or after a fatal error."""
        if self.fatal is not None:
            return []
        if self._rest:
            self._rest += data
            if len(self._rest) < self._need:
                return []
            data = bytes(self._rest)
            self._rest.clear()
        frames: list[bytes] = []
        take = frames.append
        unpack = _LENGTH.unpack_from
        pos, end = 0, len(data)
        self._need = 4
        while end - pos >= 4:
            (length,) = unpack(data, pos)
            if length < HEADER_OCTETS or length > MAX_PDU_OCTETS:
                self.fatal = FatalError(f"command_length {length}")
                return frames
            following = pos + length
            if following > end:
                self._need = length
                break
            take(data[pos:following])
            pos = following
        if pos < end:
            self._rest += data[pos:]
        return frames
