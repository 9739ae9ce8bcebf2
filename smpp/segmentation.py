"""User data header and long messages: taking apart, recognising parts, cutting into parts.

3GPP TS 23.040, 9.2.3.24; SAR TLVs of SMPP 3.4, 5.3.2.22 to 24. Collecting parts needs state and is its
owner's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from smpp.constants import UDHI, EsmClass, Tag
from smpp.data_coding import GSM, UCS2, charset_of
from smpp.pdu import DataSm, DeliverSm, Message, ReplaceSm, SubmitMulti, SubmitSm, tlv
from smpp.text import (
    IEI_LOCKING_SHIFT,
    IEI_SINGLE_SHIFT,
    encode_gsm,
    encode_text,
    encode_text_as,
)
from smpp.udh import USER_DATA_OCTETS, Iei
from smpp.udh import UdhError as UdhError
from smpp.udh import build_udh as build_udh
from smpp.udh import parse_udh as parse_udh

IEI_CONCAT_8: Final = Iei.CONCATENATED_8.value
IEI_CONCAT_16: Final = Iei.CONCATENATED_16.value

PARTS_MAX: Final = 255
MINIMUM_ROOM: Final = 4
"""Room for the longest thing that is not cut: a surrogate pair."""

Carrier = Message | DataSm | SubmitMulti | ReplaceSm
"""The bodies that carry user data."""


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
    tlvs: tuple[tuple[int, bytes], ...] = ()
    """The SAR TLVs, where they were asked for."""


class Scheme(Enum):
    """How parts of a long message are told to belong together."""

    UDH_8 = "udh8"
    """Concatenation element with a reference of 8 bits (23.040, 9.2.3.24.1): what every handset knows."""
    UDH_16 = "udh16"
    """The same with 16 bits (9.2.3.24.8): fewer mix-ups for a busy sender, an octet less text."""
    SAR = "sar"
    """sar_msg_ref_num, sar_total_segments, sar_segment_seqnum (3.4, 5.3.2.22 to 24): the centre's task."""


def payload_of(body: Carrier) -> bytes:
    """message_payload where it is there and not empty, else short_message (3.4, 4.4.1: one or the other; 5.0,
    4.2.1.1: it supersedes short_message)."""
    payload = tlv(body, Tag.MESSAGE_PAYLOAD) if body.tlvs else None
    return payload or (b"" if isinstance(body, DataSm) else body.short_message)


def user_data(body: Carrier) -> tuple[list[tuple[int, bytes]], bytes]:
    """The header's elements, [] without the UDH indicator, and the payload after it. Raises UdhError."""
    payload = payload_of(body)
    if isinstance(body, ReplaceSm) or not body.esm_class & UDHI:
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


def split(
    text: str,
    reference: int,
    *,
    data_coding: int | None = None,
    scheme: Scheme = Scheme.UDH_8,
    locking: int = 0,
    single: int = 0,
) -> list[Part]:
    """The parts of a text; one part without concatenation where it fits.

    `reference` is taken modulo the scheme's width. `data_coding` None chooses as `encode_text` does. `locking`
    and `single` are national language identifiers for the default alphabet, told in each part's header.
    Neither an escaped GSM character nor a surrogate pair is cut in two. Raises UnicodeEncodeError, ValueError
    above 255 parts.
    """
    shifts = [(iei, bytes((language,))) for iei, language in _shifts(locking, single) if language]
    if shifts:
        data_coding, data = 0, encode_gsm(text, locking=locking, single=single)
    elif data_coding is None:
        data_coding, data = encode_text(text)
    else:
        data = encode_text_as(text, data_coding)
    return split_octets(data, reference, data_coding, scheme=scheme, elements=shifts)


def _shifts(locking: int, single: int) -> tuple[tuple[int, int], ...]:
    return (IEI_SINGLE_SHIFT, single), (IEI_LOCKING_SHIFT, locking)


def split_octets(
    data: bytes,
    reference: int,
    data_coding: int,
    *,
    scheme: Scheme = Scheme.UDH_8,
    elements: Sequence[tuple[int, bytes]] = (),
) -> list[Part]:
    """As `split`, for octets that are already in that data_coding; binary is cut anywhere. `elements` are put
    into each part's header. Raises UdhError when no room for text is left."""
    charset = charset_of(data_coding)
    if len(data) <= _room(charset, elements):
        return [_part(data_coding, elements, data)]
    room = _room(charset, [*elements, *_concatenation(scheme, reference, 0, 0)])
    pieces: list[bytes] = []
    pos = 0
    while pos < len(data):
        end = min(pos + room, len(data))
        if end < len(data):
            if charset == GSM and _escape_is_last(data, pos, end):
                end -= 1
            elif charset == UCS2:
                end -= (end - pos) % 2
                if 0xD8 <= data[end - 2] <= 0xDB:
                    end -= 2
        pieces.append(data[pos:end])
        pos = end
    total = len(pieces)
    if total > PARTS_MAX:
        raise ValueError(f"more than {PARTS_MAX} parts")
    parts: list[Part] = []
    for number, piece in enumerate(pieces, start=1):
        header = [*_concatenation(scheme, reference, total, number), *elements]
        tlvs = _sar_tlvs(reference, total, number) if scheme is Scheme.SAR else ()
        parts.append(_part(data_coding, header, piece, tlvs))
    return parts


def _part(
    data_coding: int,
    elements: Sequence[tuple[int, bytes]],
    piece: bytes,
    tlvs: tuple[tuple[int, bytes], ...] = (),
) -> Part:
    if not elements:
        return Part(EsmClass.DEFAULT.value, data_coding, piece, tlvs)
    return Part(UDHI, data_coding, build_udh(elements) + piece, tlvs)


def _concatenation(scheme: Scheme, reference: int, total: int, number: int) -> list[tuple[int, bytes]]:
    if scheme is Scheme.UDH_8:
        return [(IEI_CONCAT_8, bytes((reference & 0xFF, total, number)))]
    if scheme is Scheme.UDH_16:
        return [(IEI_CONCAT_16, (reference & 0xFFFF).to_bytes(2, "big") + bytes((total, number)))]
    return []


def _sar_tlvs(reference: int, total: int, number: int) -> tuple[tuple[int, bytes], ...]:
    return (
        (int(Tag.SAR_MSG_REF_NUM), (reference & 0xFFFF).to_bytes(2, "big")),
        (int(Tag.SAR_TOTAL_SEGMENTS), bytes((total,))),
        (int(Tag.SAR_SEGMENT_SEQNUM), bytes((number,))),
    )


def _room(charset: str, elements: Sequence[tuple[int, bytes]]) -> int:
    """What a part holds beside its header: septets of the GSM alphabet, else octets. A header before septets
    is filled up to a septet (23.040, 9.2.3.24)."""
    header = len(build_udh(elements)) if elements else 0
    room = (USER_DATA_OCTETS - header) * 8 // 7 if charset == GSM else USER_DATA_OCTETS - header
    if room < MINIMUM_ROOM:
        raise UdhError("no room for text is left")
    return room


def _escape_is_last(data: bytes, start: int, end: int) -> bool:
    """Whether the last octet opens an escape: an even run of escapes is made of pairs that are complete."""
    run = 0
    while end - run > start and data[end - run - 1] == 0x1B:
        run += 1
    return run % 2 == 1
