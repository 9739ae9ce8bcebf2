"""A transport that keeps what is written, for protocols under test."""

import asyncio
from typing import Any

from smpp.codec import Framer, decode
from smpp.pdu import Pdu


class Wire(asyncio.Transport):
    """One side of a connection."""

    def __init__(self) -> None:
        super().__init__()
        self._framer = Framer()

    def write(self, data: Any) -> None:
        self._frames = [*getattr(self, "_frames", []), *self._framer.feed(bytes(data))]

    def pdus(self) -> list[Pdu]:
        """What was written since the last call, decoded; nothing may be left over."""
        frames, self._frames = getattr(self, "_frames", []), []
        assert self._framer.fatal is None
        assert self._framer.buffered == 0
        return [decode(frame) for frame in frames]
