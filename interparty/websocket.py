"""WebSocket frames (RFC 6455) of one connection after its opening handshake. No I/O.

Binary messages alone, no extensions. Both sides of the stream between parties stand on it (interparty.stream).
"""

import base64
import hashlib
import secrets
from typing import Final, NamedTuple

VERSION: Final = "13"
NORMAL: Final = 1000
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
UNSUPPORTED: Final = 1003
NO_CODE: Final = 1005
"""Stands for a close frame without a code; never sent."""
INVALID_DATA: Final = 1007
POLICY: Final = 1008
TOO_BIG: Final = 1009

_GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_FIN: Final = 0x80
_MASKED: Final = 0x80
CONTROL_MAX: Final = 125
"""Bytes of a control frame's payload (5.5)."""


class WebSocketError(Exception):
    """The peer broke the protocol; `code` is what the close frame says (7.4.1)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Message(NamedTuple):
    """A whole binary message."""

    payload: bytes


class Ping(NamedTuple):
    payload: bytes


class Pong(NamedTuple):
    payload: bytes


class Close(NamedTuple):
    """The peer closes; answer with a close frame, then nothing more comes or goes."""

    code: int


Event = Message | Ping | Pong | Close


def new_key() -> str:
    """A Sec-WebSocket-Key: 16 random bytes, base64 (4.1)."""
    return base64.b64encode(secrets.token_bytes(16)).decode("ascii")


def accept_of(key: str) -> str:
    """The Sec-WebSocket-Accept that answers a key (4.2.2)."""
    digest = hashlib.sha1((key + _GUID).encode("ascii"), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")


def is_key(text: str) -> bool:
    """Whether a Sec-WebSocket-Key is the base64 of 16 bytes (4.2.1)."""
    try:
        return len(text) == 24 and len(base64.b64decode(text, validate=True)) == 16
    except ValueError:
        return False


class Frames:
    """Frames in both directions. A client masks what it sends and a server does not (5.1)."""

    def __init__(self, *, client: bool, message_max: int) -> None:
        """`message_max` is in bytes, of one message from the peer."""
        self._client = client
        self._max = message_max
        self._buffer = bytearray()
        self._parts: list[bytes] | None = None
        self._size = 0

    def message(self, payload: bytes) -> bytes:
        """The frame of a binary message."""
        return self._frame(_BINARY, payload)

    def ping(self) -> bytes:
        return self._frame(_PING, b"")

    def pong(self, payload: bytes) -> bytes:
        return self._frame(_PONG, payload)

    def close(self, code: int) -> bytes:
        return self._frame(_CLOSE, b"" if code == NO_CODE else code.to_bytes(2, "big"))

    def _frame(self, opcode: int, payload: bytes) -> bytes:
        size = len(payload)
        masked = _MASKED if self._client else 0
        if size < 126:
            head = bytes((_FIN | opcode, masked | size))
        elif size < 65_536:
            head = bytes((_FIN | opcode, masked | 126)) + size.to_bytes(2, "big")
        else:
            head = bytes((_FIN | opcode, masked | 127)) + size.to_bytes(8, "big")
        if not masked:
            return head + payload
        mask = secrets.token_bytes(4)
        return head + mask + apply_mask(payload, mask)

    def receive(self, data: bytes) -> list[Event]:
        """What came with `data`. Raises WebSocketError; nothing may be received after it or after a Close."""
        buffer = self._buffer
        buffer += data
        events: list[Event] = []
        at, end = 0, len(buffer)
        while end - at >= 2:
            first, second = buffer[at], buffer[at + 1]
            size, body = second & 0x7F, at + 2
            if size == 126:
                body += 2
                size = int.from_bytes(buffer[at + 2 : body], "big") if end >= body else 0
            elif size == 127:
                body += 8
                size = int.from_bytes(buffer[at + 2 : body], "big") if end >= body else 0
            self._check(first, second)
            if end < body:
                break
            self._check_size(second & 0x7F, size)
            mask_at = body
            if not self._client:
                body += 4
            if end < body + size:
                break
            payload = bytes(buffer[body : body + size])
            if not self._client:
                payload = apply_mask(payload, bytes(buffer[mask_at:body]))
            at = body + size
            event = self._take(first, payload)
            if event is not None:
                events.append(event)
                if isinstance(event, Close):
                    break
        if at:
            del buffer[:at]
        return events

    def _check(self, first: int, second: int) -> None:
        """What two bytes tell of a frame (5.2, 5.4, 5.5)."""
        opcode, final = first & 0x0F, bool(first & _FIN)
        if first & 0x70:
            raise WebSocketError(PROTOCOL_ERROR, "reserved bits")
        if opcode not in (_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG):
            raise WebSocketError(PROTOCOL_ERROR, "reserved opcode")
        if bool(second & _MASKED) is self._client:
            raise WebSocketError(PROTOCOL_ERROR, "a client masks, a server does not")
        if opcode >= _CLOSE and (not final or second & 0x7F > CONTROL_MAX):
            raise WebSocketError(PROTOCOL_ERROR, "control frame is fragmented or too long")
        if opcode == _TEXT:
            raise WebSocketError(UNSUPPORTED, "text message")
        if opcode == _CONTINUATION and self._parts is None:
            raise WebSocketError(PROTOCOL_ERROR, "nothing to continue")
        if opcode == _BINARY and self._parts is not None:
            raise WebSocketError(PROTOCOL_ERROR, "a message inside another")

    def _check_size(self, marker: int, size: int) -> None:
        # The length is in its shortest form (5.2).
        if (marker == 126 and size < 126) or (marker == 127 and not 65_536 <= size < 1 << 63):
            raise WebSocketError(PROTOCOL_ERROR, "length is not in its shortest form")
        if self._size + size > self._max:
            raise WebSocketError(TOO_BIG, "message is too long")

    def _take(self, first: int, payload: bytes) -> Event | None:
        opcode, final = first & 0x0F, bool(first & _FIN)
        if opcode == _PING:
            return Ping(payload)
        if opcode == _PONG:
            return Pong(payload)
        if opcode == _CLOSE:
            return _closed(payload)
        if self._parts is None:
            if final:
                return Message(payload)
            self._parts = []
        self._parts.append(payload)
        self._size += len(payload)
        if not final:
            return None
        whole = b"".join(self._parts)
        self._parts, self._size = None, 0
        return Message(whole)


def _closed(payload: bytes) -> Close:
    if not payload:
        return Close(NO_CODE)
    code = int.from_bytes(payload[:2], "big")
    # Codes that may be sent: 7.4.1 and 7.4.2.
    if len(payload) == 1 or not (1000 <= code <= 1014 or 3000 <= code <= 4999) or code in (1004, 1005, 1006):
        raise WebSocketError(PROTOCOL_ERROR, "close code")
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        raise WebSocketError(INVALID_DATA, "close reason is not UTF-8") from None
    return Close(code)


def apply_mask(payload: bytes, mask: bytes) -> bytes:
    """Mask or unmask (5.3)."""
    size = len(payload)
    whole = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(whole, "little")).to_bytes(size, "little")
