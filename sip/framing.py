"""Messages out of a stream (RFC 3261 18.3; RFC 5626 3.5.1 and 4.4.1). No I/O."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from sip.parser import MESSAGE_MAX

HEAD_MAX: Final = 65_535
"""Octets of a start line and headers; a stream whose headers do not end within them is given up."""

_LENGTH = re.compile(rb"\r\n(?:content-length|l)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
_END = b"\r\n\r\n"


class Fed(NamedTuple):
    """What a piece of the stream completed.

    ``messages``: each whole, for :func:`sip.parser.parse` with ``stream=True``. ``pings``: how often CRLFCRLF
    asks for a CRLF. ``fault``: why nothing more can be read from this stream, None where it goes on; the last
    message may be the faulty one, to be answered before the stream is closed.
    """

    messages: list[bytes]
    pings: int
    fault: str | None


class StreamFramer:
    """Give it what arrives, in whatever pieces. Holds at most HEAD_MAX and MESSAGE_MAX octets and one piece."""

    __slots__ = ("_buffer", "_fault", "_need")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._need = 0
        self._fault: str | None = None

    @property
    def is_within_message(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._buffer.strip(b"\r\n"))

    def feed(self, data: bytes) -> Fed:
        """Take what came. After a fault everything is dropped."""
        messages: list[bytes] = []
        pings = 0
        buffer = self._buffer
        if self._fault is None:
            buffer += data
        while self._fault is None and buffer:
            if buffer[0] in b"\r\n":
                # RFC 5626 4.4.1: CRLFCRLF between messages is a ping. RFC 3261 7.5: other line breaks there
                # are passed over.
                if buffer.startswith(_END):
                    pings += 1
                    del buffer[:4]
                elif _END.startswith(buffer):
                    break  # perhaps the first half of a ping
                else:
                    del buffer[:1]
                continue
            if self._need and len(buffer) < self._need:
                break
            message = self._next()
            if message is None:
                break
            messages.append(message)
        return Fed(messages, pings, self._fault)

    def _next(self) -> bytes | None:
        buffer = self._buffer
        end = buffer.find(_END)
        if end < 0 or end > HEAD_MAX:
            if len(buffer) > HEAD_MAX:
                self._fault = "headers without end"
                buffer.clear()
            return None
        lengths = _LENGTH.findall(buffer, 0, end)
        start = end + len(_END)
        # 18.3, 20.14: on a stream Content-Length alone tells where a message ends. Two that differ would let
        # each hop see other messages.
        if len(set(lengths)) != 1 or not lengths[0].strip(b" \t").isdigit() or len(lengths[0]) > 10:
            return self._give_up("no Content-Length that can be believed", start)
        length = int(lengths[0])
        if start + length > MESSAGE_MAX:
            return self._give_up("message too large", start)
        if len(buffer) < start + length:
            self._need = start + length
            return None
        self._need = 0
        message = bytes(buffer[: start + length])
        del buffer[: start + length]
        return message

    def _give_up(self, fault: str, start: int) -> bytes:
        self._fault = fault
        head = bytes(self._buffer[:start])
        self._buffer.clear()
        return head
