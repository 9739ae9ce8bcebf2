"""Octets to PDUs and back.

Parser and builder of each PDU are compiled once, at import, from the annotations in `smpp.pdu`. What comes
of a stream is one of four: *need more* and *fatal* are the `Framer`'s; *PDU* and *bad PDU, session goes on*
(`PduError`) are `decode`'s.
"""

from __future__ import annotations

import struct

from smpp.compiler import compile_builder, compile_parser
from smpp.compiler import field_table as field_table
from smpp.composites import NUL
from smpp.composites import build_tlvs as build_tlvs
from smpp.constants import HEADER_OCTETS, MAX_PDU_OCTETS, RESPONSE_BIT
from smpp.constants import CommandStatus as Status
from smpp.errors import EncodeError as EncodeError
from smpp.errors import FatalError as FatalError
from smpp.errors import FieldError
from smpp.errors import PduError as PduError
from smpp.framing import Framer as Framer
from smpp.pdu import BODY_OF, Body, Pdu

_HEADER = struct.Struct(">IIII")
_unpack_header = _HEADER.unpack_from
_pack_header = _HEADER.pack
_MESSAGE_ID_OCTETS = 65
CUT_SHORT = (IndexError, struct.error)
"""What a parser raises when the frame ends before its last field."""
UNREADABLE = (FieldError, *CUT_SHORT)
"""What a parser raises."""

PARSERS = {command_id: compile_parser(body) for command_id, body in BODY_OF.items()}
"""command_id → what reads the body of a whole frame: parse(frame, len(frame)). Raises what UNREADABLE names."""
_BUILDERS = {command_id: compile_builder(body) for command_id, body in BODY_OF.items()}


def decode(frame: bytes | memoryview) -> Pdu:
    """The PDU in one whole frame, header included.

    Raises PduError: ESME_RINVCMDLEN when command_length, the fields and the frame do not agree,
    ESME_RINVCMDID for a command_id of neither version, else the status that names the field at fault.
    """
    if type(frame) is not bytes:
        frame = bytes(frame)
    end = len(frame)
    if end < HEADER_OCTETS:
        raise PduError(Status.ESME_RINVCMDLEN, 0, 0, "shorter than a header")
    length, command_id, status, sequence_number = _unpack_header(frame)
    if length != end:
        raise PduError(
            Status.ESME_RINVCMDLEN, sequence_number, command_id, "command_length is not the length"
        )
    parser = PARSERS.get(command_id)
    if parser is None:
        raise PduError(Status.ESME_RINVCMDID, sequence_number, command_id, "unknown command_id")
    try:
        # 4.1.2, 4.4.2 and others: a response that reports an error has no body. Peers leave it out with
        # status 0 as well, where message_id is unused (4.6.2): taken as empty fields.
        if end == HEADER_OCTETS and command_id & RESPONSE_BIT:
            return Pdu(BODY_OF[command_id](), sequence_number, status)
        return Pdu(parser(frame, end), sequence_number, status)
    except FieldError as error:
        raise PduError(error.status, sequence_number, command_id, error.reason) from None
    except CUT_SHORT:
        raise PduError(
            Status.ESME_RINVCMDLEN, sequence_number, command_id, "the PDU ends before its last field"
        ) from None


def encode_body(body: Body, sequence_number: int, command_status: int = 0) -> bytes:
    """The frame for that body. Raises EncodeError when a field does not fit."""
    command_id = body.COMMAND_ID
    try:
        # 4.1.2, 4.4.2: "the body is not returned if the command_status field contains a non-zero value".
        if command_status and command_id & RESPONSE_BIT and body == BODY_OF[command_id]():
            octets = b""
        else:
            octets = _BUILDERS[command_id](body)
        length = HEADER_OCTETS + len(octets)
        frame = _pack_header(length, command_id, command_status, sequence_number) + octets
    except (struct.error, ValueError, OverflowError) as error:
        if isinstance(error, EncodeError):
            raise
        raise EncodeError("an integer does not fit its field") from None
    if length > MAX_PDU_OCTETS:
        raise EncodeError("the PDU is larger than MAX_PDU_OCTETS")
    return frame


def encode(pdu: Pdu) -> bytes:
    """The frame for that PDU. Raises EncodeError (a ValueError) when a field does not fit."""
    return encode_body(pdu.body, pdu.sequence_number, pdu.command_status)


def encode_message_resp(
    command_id: int, sequence_number: int, message_id: bytes = b"", tlvs: bytes = b""
) -> bytes:
    """What `encode_body` makes of SubmitSmResp(message_id) and its like with status 0, in a third of the time;
    `tlvs` are encoded already.

    `command_id` is that of submit_sm_resp, deliver_sm_resp, data_sm_resp or another that has message_id and
    TLVs alone. Raises EncodeError when message_id does not fit.
    """
    if len(message_id) >= _MESSAGE_ID_OCTETS or 0 in message_id:
        raise EncodeError("message_id does not fit its field")
    length = HEADER_OCTETS + 1 + len(message_id) + len(tlvs)
    return b"".join((_pack_header(length, command_id, 0, sequence_number), message_id, NUL, tlvs))
