"""The user data header: elements before the text (3GPP TS 23.040, 9.2.3.24)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Final

USER_DATA_OCTETS: Final = 140
"""What one short message holds (23.040, 9.2.3.16): 140 octets, which are 160 septets."""


class Iei(IntEnum):
    """Information element identifiers, 9.2.3.24. One that is not here survives as its number."""

    CONCATENATED_8 = 0x00
    SPECIAL_MESSAGE_INDICATION = 0x01
    APPLICATION_PORT_8 = 0x04
    APPLICATION_PORT_16 = 0x05
    SMSC_CONTROL = 0x06
    UDH_SOURCE = 0x07
    CONCATENATED_16 = 0x08
    WIRELESS_CONTROL = 0x09
    TEXT_FORMATTING = 0x0A
    PREDEFINED_SOUND = 0x0B
    USER_DEFINED_SOUND = 0x0C
    PREDEFINED_ANIMATION = 0x0D
    LARGE_ANIMATION = 0x0E
    SMALL_ANIMATION = 0x0F
    LARGE_PICTURE = 0x10
    SMALL_PICTURE = 0x11
    VARIABLE_PICTURE = 0x12
    USER_PROMPT = 0x13
    EXTENDED_OBJECT = 0x14
    REUSED_EXTENDED_OBJECT = 0x15
    COMPRESSION_CONTROL = 0x16
    OBJECT_DISTRIBUTION = 0x17
    STANDARD_WVG_OBJECT = 0x18
    CHARACTER_SIZE_WVG_OBJECT = 0x19
    EXTENDED_OBJECT_DATA_REQUEST = 0x1A
    RFC_822_HEADER = 0x20
    HYPERLINK = 0x21
    REPLY_ADDRESS = 0x22
    ENHANCED_VOICE_MAIL = 0x23
    NATIONAL_SINGLE_SHIFT = 0x24
    NATIONAL_LOCKING_SHIFT = 0x25


class UdhError(ValueError):
    """The user data header's lengths do not agree with the data."""


def parse_udh(data: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """(element identifier, value) pairs in order, and the octets that the header takes. Raises UdhError."""
    if not data:
        raise UdhError("no header")
    end = 1 + data[0]
    if end > len(data):
        raise UdhError("the header is longer than the data")
    elements: list[tuple[int, bytes]] = []
    pos = 1
    while pos < end:
        if pos + 2 > end or pos + 2 + data[pos + 1] > end:
            raise UdhError("an element is longer than the header")
        following = pos + 2 + data[pos + 1]
        elements.append((data[pos], data[pos + 2 : following]))
        pos = following
    return elements, end


def build_udh(elements: Iterable[tuple[int, bytes]]) -> bytes:
    """The header with its length. Raises UdhError when it is longer than a short message."""
    body = b"".join(bytes((iei, len(value))) + value for iei, value in elements)
    if len(body) >= USER_DATA_OCTETS:
        raise UdhError("the header is longer than a short message")
    return bytes((len(body),)) + body
