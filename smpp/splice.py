"""Rewriting an encoded submit_sm or deliver_sm without decoding it.

The two have one layout (3.4, 4.4.1 and 4.6.1). What is not rewritten stays octet for octet: service_type,
esm_class, protocol_id, data_coding, user data header and payload.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Final, NamedTuple

from smpp.codec import EncodeError, PduError
from smpp.constants import HEADER_OCTETS, CommandId
from smpp.constants import CommandStatus as Status

_HEADER = struct.Struct(">IIII")
_LENGTH = struct.Struct(">I")
_TLV_HEADER = struct.Struct(">HH")
_NUL = b"\0"
SPLICED: Final = (int(CommandId.SUBMIT_SM), int(CommandId.DELIVER_SM))
"""The commands with this layout."""


# A group for each stretch that is replaced or looked at as one; the NUL belongs to its field.
_LAYOUT = re.compile(
    rb"([^\0]{0,5}\0)"  # service_type
    rb"(..)([^\0]{0,20}\0)"  # source_addr_ton, source_addr_npi, source_addr
    rb"(..)([^\0]{0,20}\0)"  # dest_addr_ton, dest_addr_npi, destination_addr
    rb"(...)"  # esm_class, protocol_id, priority_flag
    rb"([^\0]{0,16}\0)([^\0]{0,16}\0)"  # schedule_delivery_time, validity_period
    rb"(.)(...)(.)",  # registered_delivery; replace_if_present_flag to sm_default_msg_id; sm_length
    re.DOTALL,
)


class Offsets(NamedTuple):
    """Where the fields begin, in octets from the frame's first."""

    source_addr_ton: int
    source_addr: int
    dest_addr_ton: int
    destination_addr: int
    esm_class: int
    schedule_delivery_time: int
    validity_period: int
    registered_delivery: int
    sm_length: int
    tlvs: int


def _match(frame: bytes) -> tuple[re.Match[bytes], int]:
    """The fields up to sm_length and where the TLVs begin."""
    if len(frame) < HEADER_OCTETS:
        raise PduError(Status.ESME_RINVCMDLEN, 0, 0, "shorter than a header")
    length, command_id, _, sequence_number = _HEADER.unpack_from(frame)
    if command_id not in SPLICED:
        raise PduError(Status.ESME_RINVCMDID, sequence_number, command_id, "neither submit_sm nor deliver_sm")
    found = _LAYOUT.match(frame, HEADER_OCTETS)
    if found is not None:
        end = found.end()
        tlvs = end + frame[end - 1]
        if length == len(frame) and tlvs <= length:
            return found, tlvs
    raise PduError(Status.ESME_RINVCMDLEN, sequence_number, command_id, "lengths do not agree with the frame")


def locate(frame: bytes) -> Offsets:
    """The offsets of a frame that `decode` has taken.

    Raises PduError (ESME_RINVCMDLEN, ESME_RINVCMDID) on one that is not a whole submit_sm or deliver_sm.
    """
    found, tlvs = _match(frame)
    start = found.start
    return Offsets(
        start(2), start(3), start(4), start(5), start(6), start(7), start(8), start(9), start(11), tlvs
    )


def _kept_tlvs(frame: bytes, pos: int, keep: Callable[[int], bool]) -> bytes:
    kept: list[bytes] = []
    end = len(frame)
    while pos + 4 <= end:
        tag, length = _TLV_HEADER.unpack_from(frame, pos)
        following = pos + 4 + length
        if following > end:
            break
        if keep(tag):
            kept.append(frame[pos:following])
        pos = following
    return b"".join(kept)


def _c_octets(value: bytes, most: int) -> bytes:
    if len(value) >= most or 0 in value:
        raise EncodeError(f"does not fit a C-octet string of {most}")
    return value + _NUL


def _pair(had: bytes, ton: int | None, npi: int | None) -> bytes:
    return bytes((had[0] if ton is None else ton, had[1] if npi is None else npi))


def splice_submit(
    frame: bytes,
    *,
    sequence_number: int | None = None,
    source_addr_ton: int | None = None,
    source_addr_npi: int | None = None,
    source_addr: bytes | None = None,
    dest_addr_ton: int | None = None,
    dest_addr_npi: int | None = None,
    destination_addr: bytes | None = None,
    registered_delivery: int | None = None,
    schedule_delivery_time: bytes | None = None,
    validity_period: bytes | None = None,
    keep_tlvs: Callable[[int], bool] | None = None,
    extra_tlvs: bytes = b"",
) -> bytes:
    """The frame with the named fields replaced, None meaning as it was.

    `keep_tlvs` is asked once for each TLV's tag, in order; None keeps all. `extra_tlvs` are encoded TLVs to
    append. Raises PduError as `locate` does, EncodeError when a value does not fit.
    """
    found, tlvs = _match(frame)
    parts: list[bytes] = list(found.groups())
    try:
        if source_addr_ton is not None or source_addr_npi is not None:
            parts[1] = _pair(parts[1], source_addr_ton, source_addr_npi)
        if source_addr is not None:
            parts[2] = _c_octets(source_addr, 21)
        if dest_addr_ton is not None or dest_addr_npi is not None:
            parts[3] = _pair(parts[3], dest_addr_ton, dest_addr_npi)
        if destination_addr is not None:
            parts[4] = _c_octets(destination_addr, 21)
        if schedule_delivery_time is not None:
            parts[6] = _c_octets(schedule_delivery_time, 17)
        if validity_period is not None:
            parts[7] = _c_octets(validity_period, 17)
        if registered_delivery is not None:
            parts[8] = bytes((registered_delivery,))
    except ValueError as error:
        if isinstance(error, EncodeError):
            raise
        raise EncodeError("an integer does not fit its field") from None
    if keep_tlvs is None or tlvs == len(frame):
        parts.append(frame[found.end() :])
    else:
        parts += (frame[found.end() : tlvs], _kept_tlvs(frame, tlvs, keep_tlvs))
    parts.append(extra_tlvs)
    body = b"".join(parts)
    sequence = frame[12:16] if sequence_number is None else _LENGTH.pack(sequence_number)
    return _LENGTH.pack(HEADER_OCTETS + len(body)) + frame[4:12] + sequence + body


def set_types(frame: bytes, source: bytes, destination: bytes) -> bytes:
    """The frame of a submit_sm or deliver_sm of our own with those two octets each, TON and NPI, and nothing
    else changed. Raises ValueError on one that has no such fields."""
    source_at = frame.index(_NUL, HEADER_OCTETS) + 1
    destination_at = frame.index(_NUL, source_at + 2) + 1
    if (
        frame[source_at : source_at + 2] == source
        and frame[destination_at : destination_at + 2] == destination
    ):
        return frame
    return b"".join(
        (
            frame[:source_at],
            source,
            frame[source_at + 2 : destination_at],
            destination,
            frame[destination_at + 2 :],
        )
    )


def set_sequence_number(frame: bytes, sequence_number: int) -> bytes:
    """The frame with that sequence number and nothing else changed."""
    return frame[:12] + _LENGTH.pack(sequence_number) + frame[16:]
