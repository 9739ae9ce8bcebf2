"""Rewriting an encoded submit_sm or deliver_sm without decoding it.

The two have one layout (3.4, 4.4.1 and 4.6.1). What is not rewritten stays octet for octet: service_type,
esm_class, protocol_id, data_coding, user data header and payload.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from smpp.codec import EncodeError, PduError
from smpp.constants import HEADER_OCTETS, CommandId
from smpp.constants import CommandStatus as Status

_HEADER = struct.Struct(">IIII")
_LENGTH = struct.Struct(">I")
_TLV_HEADER = struct.Struct(">HH")
_NUL = b"\0"
_SPLICED = (CommandId.SUBMIT_SM, CommandId.DELIVER_SM)


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


def locate(frame: bytes) -> Offsets:
    """The offsets of a frame that `decode` has taken.

    Raises PduError (ESME_RINVCMDLEN, ESME_RINVCMDID) on one that is not a whole submit_sm or deliver_sm.
    """
    if len(frame) < HEADER_OCTETS:
        raise PduError(Status.ESME_RINVCMDLEN, 0, 0, "shorter than a header")
    length, command_id, _, sequence_number = _HEADER.unpack_from(frame)
    if command_id not in _SPLICED:
        raise PduError(Status.ESME_RINVCMDID, sequence_number, command_id, "neither submit_sm nor deliver_sm")
    index = frame.index
    try:
        source_addr_ton = index(_NUL, HEADER_OCTETS) + 1
        dest_addr_ton = index(_NUL, source_addr_ton + 2) + 1
        esm_class = index(_NUL, dest_addr_ton + 2) + 1
        schedule_delivery_time = esm_class + 3
        validity_period = index(_NUL, schedule_delivery_time) + 1
        registered_delivery = index(_NUL, validity_period) + 1
        sm_length = registered_delivery + 4
        tlvs = sm_length + 1 + frame[sm_length]
        if length != len(frame) or tlvs > length:
            raise ValueError
    except (ValueError, IndexError):
        raise PduError(
            Status.ESME_RINVCMDLEN, sequence_number, command_id, "lengths do not agree with the frame"
        ) from None
    return Offsets(
        source_addr_ton,
        source_addr_ton + 2,
        dest_addr_ton,
        dest_addr_ton + 2,
        esm_class,
        schedule_delivery_time,
        validity_period,
        registered_delivery,
        sm_length,
        tlvs,
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
    at = locate(frame)
    try:
        source = bytes(
            (
                frame[at.source_addr_ton] if source_addr_ton is None else source_addr_ton,
                frame[at.source_addr_ton + 1] if source_addr_npi is None else source_addr_npi,
            )
        )
        destination = bytes(
            (
                frame[at.dest_addr_ton] if dest_addr_ton is None else dest_addr_ton,
                frame[at.dest_addr_ton + 1] if dest_addr_npi is None else dest_addr_npi,
            )
        )
        receipt = (
            frame[at.registered_delivery : at.registered_delivery + 1]
            if registered_delivery is None
            else bytes((registered_delivery,))
        )
        body = b"".join(
            (
                frame[HEADER_OCTETS : at.source_addr_ton],
                source,
                frame[at.source_addr : at.dest_addr_ton]
                if source_addr is None
                else _c_octets(source_addr, 21),
                destination,
                frame[at.destination_addr : at.esm_class]
                if destination_addr is None
                else _c_octets(destination_addr, 21),
                frame[at.esm_class : at.schedule_delivery_time],
                frame[at.schedule_delivery_time : at.validity_period]
                if schedule_delivery_time is None
                else _c_octets(schedule_delivery_time, 17),
                frame[at.validity_period : at.registered_delivery]
                if validity_period is None
                else _c_octets(validity_period, 17),
                receipt,
                frame[at.registered_delivery + 1 : at.tlvs],
                frame[at.tlvs :] if keep_tlvs is None else _kept_tlvs(frame, at.tlvs, keep_tlvs),
                extra_tlvs,
            )
        )
    except ValueError as error:
        if isinstance(error, EncodeError):
            raise
        raise EncodeError("an integer does not fit its field") from None
    sequence = frame[12:16] if sequence_number is None else _LENGTH.pack(sequence_number)
    return _LENGTH.pack(HEADER_OCTETS + len(body)) + frame[4:12] + sequence + body


def set_sequence_number(frame: bytes, sequence_number: int) -> bytes:
    """The frame with that sequence number and nothing else changed."""
    return frame[:12] + _LENGTH.pack(sequence_number) + frame[16:]
