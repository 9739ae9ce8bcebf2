"""Between the gateway's process and a front process: messages in batches over one Unix socket, each way bounded.

What is sent in one turn of the loop leaves in one write, what one read brings is handed over as one list. A message is
its length (4 octets), its kind (1), the session it concerns (4; 0 for none) and its payload, whose forms are in
gateway.workers.wire. Both ends are of one build; still nothing that arrives is unpickled or unmarshalled: a front
process faces strangers, and must not reach into the store's by what it writes here.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable
from typing import Final, NamedTuple, cast

CHOKED_OCTETS: Final = 4_194_304
"""Octets that the other end has not read, above which it is given nothing that can wait."""
MESSAGE_OCTETS_MAX: Final = 67_108_864
"""A longer message means that the two ends are out of step. The longest is a directory of access numbers."""

_HEAD: Final = struct.Struct(">IBI")
_pack_head = _HEAD.pack
_unpack_head = _HEAD.unpack_from

_log = logging.getLogger(__name__)


class Message(NamedTuple):
    kind: int
    session: int
    payload: bytes


class Channel(asyncio.Protocol):
    """One end. All on the loop."""

    def __init__(
        self,
        on_messages: Callable[[list[Message]], None],
        on_lost: Callable[[], None],
        on_resumed: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_lost`: the other end is gone, also when `close` was called. `on_resumed`: it is choked no more."""
        self.is_choked = False
        """Whether the other end does not read what it was sent."""
        self._on_messages = on_messages
        self._on_lost = on_lost
        self._on_resumed = on_resumed
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []
        self._rest = bytearray()
        self._need = _HEAD.size

    def send(self, kind: int, session: int = 0, *parts: bytes) -> None:
        """Sends one message of `parts` joined; without another end it does nothing."""
        if self._transport is None:
            return
        if not self._out:
            self._loop.call_soon(self._flush)
        payload = parts[0] if len(parts) == 1 else b"".join(parts)
        self._out += (_pack_head(len(payload), kind, session), payload)

    def close(self) -> None:
        """Ends the channel once what was sent has been read."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Ends the channel at once."""
        if self._transport is not None:
            self._transport.abort()

    # ---- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=CHOKED_OCTETS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._out.clear()
        self._on_lost()

    def pause_writing(self) -> None:
        self.is_choked = True

    def resume_writing(self) -> None:
        self.is_choked = False
        self._on_resumed()

    def data_received(self, data: bytes) -> None:
        if self._rest:
            self._rest += data
            if len(self._rest) < self._need:
                return
            data = bytes(self._rest)
            self._rest.clear()
        messages: list[Message] = []
        head, at, end = _HEAD.size, 0, len(data)
        self._need = head
        while end - at >= head:
            length, kind, session = _unpack_head(data, at)
            following = at + head + length
            if length > MESSAGE_OCTETS_MAX:
                _log.error("a message of %d octets: the channel is out of step and is closed", length)
                self.abort()
                return
            if following > end:
                self._need = head + length
                break
            messages.append(Message(kind, session, data[at + head : following]))
            at = following
        if at < end:
            self._rest += data[at:]
        if messages:
            self._on_messages(messages)

    def _flush(self) -> None:
        out, self._out = self._out, []
        if out and self._transport is not None:
            self._transport.write(b"".join(out))
