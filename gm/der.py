"""The few DER shapes (X.690) that SM2 needs, read strictly and written canonically.

Lengths here stay below 64 KiB. A reader accepts exactly one encoding of each value: definite,
shortest lengths, shortest positive integers, no trailing bytes.
"""

from typing import Final

INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
OBJECT_ID: Final = 0x06
SEQUENCE: Final = 0x30

MAX_LENGTH: Final = 0xFFFF
"""Longest content, in bytes, that is read or written."""


class DerError(ValueError):
    """The bytes are not the DER shape expected."""


def tlv(tag: int, content: bytes) -> bytes:
    """One element: tag, shortest definite length, content."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    if size < 0x100:
        return bytes((tag, 0x81, size)) + content
    if size <= MAX_LENGTH:
        return bytes((tag, 0x82, size >> 8, size & 0xFF)) + content
    raise DerError("element too long")


def unsigned(value: bytes) -> bytes:
    """INTEGER from a big-endian unsigned number of any width."""
    digits = value.lstrip(b"\0")
    # X.690, 8.3.3: two's complement, so a leading one bit needs a zero byte before it.
    return tlv(INTEGER, b"\0" + digits if not digits or digits[0] & 0x80 else digits)


def take(data: bytes, at: int, tag: int) -> tuple[bytes, int]:
    """Content of the element of type ``tag`` that begins at ``at``, and the offset behind it."""
    if at + 2 > len(data) or data[at] != tag:
        raise DerError("unexpected element")
    size, start = data[at + 1], at + 2
    if size == 0x81:
        if start >= len(data) or data[start] < 0x80:
            raise DerError("length not in its shortest form")
        size, start = data[start], start + 1
    elif size == 0x82:
        if start + 1 >= len(data) or data[start] == 0:
            raise DerError("length not in its shortest form")
        size, start = data[start] << 8 | data[start + 1], start + 2
    elif size >= 0x80:
        raise DerError("indefinite or oversized length")
    end = start + size
    if end > len(data):
        raise DerError("truncated element")
    return data[start:end], end


def take_unsigned(data: bytes, at: int, width: int) -> tuple[bytes, int]:
    """INTEGER at ``at`` as exactly ``width`` big-endian bytes, and the offset behind it."""
    content, end = take(data, at, INTEGER)
    if not content or content[0] & 0x80:
        raise DerError("integer empty or negative")
    if len(content) > 1 and content[0] == 0:
        if content[1] < 0x80:
            raise DerError("integer not in its shortest form")
        content = content[1:]
    if len(content) > width:
        raise DerError("integer too large")
    return content.rjust(width, b"\0"), end


def whole(data: bytes, tag: int) -> bytes:
    """Content of ``data``, which must be one element of type ``tag`` and nothing after it."""
    content, end = take(data, 0, tag)
    if end != len(data):
        raise DerError("bytes after the element")
    return content
