"""User data header and long messages: taking apart, recognising parts, cutting into parts.

3GPP TS 23.040, 9.2.3.24; SAR TLVs of SMPP 3.4, 5.3.2.22 to 24. Collecting parts needs state and is its
owner's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from smpp.constants import EsmClass, Tag
from smpp.pdu import DataSm, DeliverSm, Message, ReplaceSm, SubmitMulti, SubmitSm, tlv
from smpp.text import charset_of, encode_text, encode_text_as

IEI_CONCAT_8: Final = 0x00
IEI_CONCAT_16: Final = 0x08

USER_DATA_OCTETS: Final = 140
"""What one short message holds (23.040, 9.2.3.16): 140 octets, or 160 septets."""
USER_DATA_SEPTETS: Final = 160
_CONCAT_8_OCTETS: Final = 6  # header length, IEI, element length, reference, total, sequence
_CONCAT_8_SEPTETS: Final = 7  # the same, filled up to a septet
PARTS_MAX: Final = 255

Carrier = Message | DataSm | SubmitMulti | ReplaceSm
"""The bodies that carry user data."""


class UdhError(ValueError):
    """The user data header's lengths do not agree with the data."""


@dataclass(frozen=True, slots=True)
class PartInfo:
    """Which part of which long message this is; `sequence` counts from 1 to `total`."""

    reference: int
    total: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Part:
    """Fields of one submit_sm or deliver_sm."""

    esm_class: int
    data_coding: int
    short_message: bytes


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


def payload_of(body: Carrier) -> bytes:
    """short_message, or message_payload where that is empty (3.4, 4.4.1: one or the other)."""
    if not isinstance(body, DataSm) and body.short_message:
        return body.short_message
    return tlv(body, Tag.MESSAGE_PAYLOAD) or b""


def user_data(body: Carrier) -> tuple[list[tuple[int, bytes]], bytes]:
    """The header's elements, [] without the UDH indicator, and the payload after it. Raises UdhError."""
    payload = payload_of(body)
    if isinstance(body, ReplaceSm) or not body.esm_class & EsmClass.UDHI:
        return [], payload
    elements, taken = parse_udh(payload)
    return elements, payload[taken:]


def part_info(body: SubmitSm | DeliverSm | DataSm | SubmitMulti) -> PartInfo | None:
    """Which part this is, by its UDH or its SAR TLVs; None for a message that is whole.

    23.040, 9.2.3.24.1: an element with a sequence of 0, or above the total, or a total of 0 is ignored, and
    the last of several counts. Raises UdhError.
    """
    found: PartInfo | None = None
    for iei, value in user_data(body)[0]:
        if (iei, len(value)) in ((IEI_CONCAT_8, 3), (IEI_CONCAT_16, 4)):
            found = _checked(int.from_bytes(value[:-2], "big"), value[-2], value[-1]) or found
    if found is not None:
        return found
    reference = tlv(body, Tag.SAR_MSG_REF_NUM)
    total = tlv(body, Tag.SAR_TOTAL_SEGMENTS)
    sequence = tlv(body, Tag.SAR_SEGMENT_SEQNUM)
    if not reference or not total or not sequence:
        return None
    return _checked(int.from_bytes(reference, "big"), total[0], sequence[0])


def _checked(reference: int, total: int, sequence: int) -> PartInfo | None:
    return PartInfo(reference, total, sequence) if 1 <= sequence <= total else None


def split(text: str, reference: int, *, data_coding: int | None = None) -> list[Part]:
    """The parts of a text, with an 8-bit concatenation header each; one part without header where it fits.

    `reference` is taken modulo 256. `data_coding` None chooses as `encode_text` does. Neither an escaped GSM
    character nor a surrogate pair is cut in two. Raises UnicodeEncodeError, ValueError above 255 parts.
    """
    if data_coding is None:
        data_coding, data = encode_text(text)
    else:
        data = encode_text_as(text, data_coding)
    return split_octets(data, reference, data_coding)


def split_octets(data: bytes, reference: int, data_coding: int) -> list[Part]:
    """As `split`, for octets that are already in that data_coding; binary is cut anywhere."""
    charset = charset_of(data_coding)
    gsm = charset == "gsm"
    whole = USER_DATA_SEPTETS if gsm else USER_DATA_OCTETS
    if len(data) <= whole:
        return [Part(EsmClass.DEFAULT.value, data_coding, data)]
    room = USER_DATA_SEPTETS - _CONCAT_8_SEPTETS if gsm else USER_DATA_OCTETS - _CONCAT_8_OCTETS
    pieces: list[bytes] = []
    pos = 0
    while pos < len(data):
        end = min(pos + room, len(data))
        if end < len(data):
            if gsm and _escape_is_last(data, pos, end):
                end -= 1
            elif charset == "utf-16-be":
                end -= (end - pos) % 2
                if 0xD8 <= data[end - 2] <= 0xDB:
                    end -= 2
        pieces.append(data[pos:end])
        pos = end
    if len(pieces) > PARTS_MAX:
        raise ValueError(f"more than {PARTS_MAX} parts")
    return [
        Part(
            EsmClass.UDHI.value,
            data_coding,
            build_udh([(IEI_CONCAT_8, bytes((reference & 0xFF, len(pieces), number)))]) + piece,
        )
        for number, piece in enumerate(pieces, start=1)
    ]


def _escape_is_last(data: bytes, start: int, end: int) -> bool:
    """Whether the last octet opens an escape: an even run of escapes is made of pairs that are complete."""
    run = 0
    while end - run > start and data[end - run - 1] == 0x1B:
        run += 1
    return run % 2 == 1
