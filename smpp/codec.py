"""Octets to PDUs and back, and a stream of octets to frames.

Parser and builder of each PDU are compiled once, at import, from the annotations in `smpp.pdu`: straight
code costs a third of walking the table for each message. What comes back is one of four: *need more* and
*fatal* are the `Framer`'s; *PDU* and *bad PDU, session goes on* (`PduError`) are `decode`'s.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import fields
from itertools import groupby
from typing import Any, get_args, get_type_hints

from smpp.constants import HEADER_OCTETS, MAX_PDU_OCTETS, RESPONSE_BIT, TLV_LENGTHS
from smpp.constants import CommandStatus as Status
from smpp.fields import (
    DL_NAME_OCTETS,
    COctetString,
    CountedOctets,
    DestinationList,
    Integer,
    Kind,
    TlvStream,
    UnsuccessList,
)
from smpp.pdu import BODY_OF, Body, Dest, ListDest, Pdu, SmeDest, UnsuccessSme

_HEADER = struct.Struct(">IIII")
_LENGTH = struct.Struct(">I")
_TLV_HEADER = struct.Struct(">HH")
_NUL = b"\0"
_ADDRESS_OCTETS = 21
_DEST_FLAG_SME = 1
_DEST_FLAG_LIST = 2


class PduError(Exception):
    """A PDU that cannot be taken; the session goes on. `status` is the command_status that answers it.

    `sequence_number` and `command_id` are the refused PDU's (0 where its header is not there). The reason
    names fields, never what was in them.
    """

    def __init__(self, status: int, sequence_number: int, command_id: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.sequence_number = sequence_number
        self.command_id = command_id
        self.reason = reason


class EncodeError(ValueError):
    """A field of a PDU to be sent does not fit its place."""


class FatalError(Exception):
    """The stream is out of step: no later octet of it can be trusted."""


class _FieldError(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


# ---- what the compiled code calls


def _no_end(frame: bytes, start: int, most: int, status: int, name: str) -> _FieldError:
    if start + most > len(frame):
        return _FieldError(Status.ESME_RINVCMDLEN, f"{name} runs past the end of the PDU")
    return _FieldError(status, f"{name} has more than {most - 1} octets")


def _parse_tlvs(frame: bytes, pos: int, end: int, strict: bool) -> list[tuple[int, bytes]]:
    tlvs: list[tuple[int, bytes]] = []
    unpack = _TLV_HEADER.unpack_from
    while pos < end:
        if pos + 4 > end:
            raise _FieldError(Status.ESME_RINVTLVSTREAM, "octets after the last TLV")
        tag, length = unpack(frame, pos)
        pos += 4
        if pos + length > end:
            raise _FieldError(Status.ESME_RINVTLVSTREAM, f"TLV 0x{tag:04X} runs past the end of the PDU")
        # A response cannot be answered, so a value of the wrong length in one is left to its reader.
        limits = TLV_LENGTHS.get(tag) if strict else None
        if limits is not None and not limits[0] <= length <= limits[1]:
            raise _FieldError(Status.ESME_RINVTLVLEN, f"TLV 0x{tag:04X} has {length} octets")
        tlvs.append((tag, frame[pos : pos + length]))
        pos += length
    return tlvs


def _parse_address(frame: bytes, pos: int, status: int) -> tuple[int, int, bytes, int]:
    ton, npi = frame[pos], frame[pos + 1]
    nul = frame.find(_NUL, pos + 2, pos + 2 + _ADDRESS_OCTETS)
    if nul < 0:
        raise _no_end(frame, pos + 2, _ADDRESS_OCTETS, status, "address")
    return ton, npi, frame[pos + 2 : nul], nul + 1


def _parse_dests(frame: bytes, pos: int) -> tuple[list[Dest], int]:
    count = frame[pos]
    pos += 1
    if count == 0:
        raise _FieldError(Status.ESME_RINVNUMDESTS, "number_of_dests is 0")
    dests: list[Dest] = []
    for _ in range(count):
        flag = frame[pos]
        pos += 1
        if flag == _DEST_FLAG_SME:
            ton, npi, addr, pos = _parse_address(frame, pos, Status.ESME_RINVDSTADR)
            dests.append(SmeDest(ton, npi, addr))
        elif flag == _DEST_FLAG_LIST:
            nul = frame.find(_NUL, pos, pos + DL_NAME_OCTETS)
            if nul < 0:
                raise _no_end(frame, pos, DL_NAME_OCTETS, Status.ESME_RINVDLNAME, "dl_name")
            dests.append(ListDest(frame[pos:nul]))
            pos = nul + 1
        else:
            raise _FieldError(Status.ESME_RINVDESTFLAG, "dest_flag is neither 1 nor 2")
    return dests, pos


def _parse_unsuccess(frame: bytes, pos: int) -> tuple[list[UnsuccessSme], int]:
    count = frame[pos]
    pos += 1
    failed: list[UnsuccessSme] = []
    for _ in range(count):
        ton, npi, addr, pos = _parse_address(frame, pos, Status.ESME_RINVDSTADR)
        (error_status,) = _LENGTH.unpack_from(frame, pos)
        failed.append(UnsuccessSme(ton, npi, addr, error_status))
        pos += 4
    return failed, pos


def _build_tlvs(tlvs: list[tuple[int, bytes]]) -> bytes:
    pack = _TLV_HEADER.pack
    return b"".join([pack(tag, len(value)) + value for tag, value in tlvs])


def _build_address(ton: int, npi: int, addr: bytes) -> bytes:
    if len(addr) >= _ADDRESS_OCTETS or 0 in addr:
        raise EncodeError("address does not fit a C-octet string of 21")
    return bytes((ton, npi)) + addr + _NUL


def _build_dests(dests: list[Dest]) -> bytes:
    out = [bytes((len(dests),))]
    for dest in dests:
        if isinstance(dest, SmeDest):
            out.append(b"\x01" + _build_address(dest.ton, dest.npi, dest.addr))
        elif len(dest.dl_name) >= DL_NAME_OCTETS or 0 in dest.dl_name:
            raise EncodeError("dl_name does not fit a C-octet string of 21")
        else:
            out.append(b"\x02" + dest.dl_name + _NUL)
    return b"".join(out)


def _build_unsuccess(unsuccess: list[UnsuccessSme]) -> bytes:
    out = [bytes((len(unsuccess),))]
    for sme in unsuccess:
        out.append(_build_address(sme.ton, sme.npi, sme.addr) + _LENGTH.pack(sme.error_status))
    return b"".join(out)


def _unfit(name: str) -> EncodeError:
    return EncodeError(f"{name} does not fit its field")


# ---- the compiler

_Parser = Callable[[bytes, int], Body]
_Builder = Callable[[Any], bytes]
_NAMESPACE: dict[str, Any] = {
    "NUL": _NUL,
    "no_end": _no_end,
    "unfit": _unfit,
    "FieldError": _FieldError,
    "parse_tlvs": _parse_tlvs,
    "parse_dests": _parse_dests,
    "parse_unsuccess": _parse_unsuccess,
    "build_tlvs": _build_tlvs,
    "build_dests": _build_dests,
    "build_unsuccess": _build_unsuccess,
    "OVERRUN": int(Status.ESME_RINVCMDLEN),
}


def field_table(body: type[Body]) -> list[tuple[str, Kind]]:
    """(name, kind) of each field of that body in wire order, read from its annotations."""
    hints = get_type_hints(body, include_extras=True)
    return [(field.name, get_args(hints[field.name])[1]) for field in fields(body)]


def _integer_runs(table: list[tuple[str, Kind]]) -> list[tuple[list[str], Kind]]:
    """Neighbouring one-octet integers are one struct call: on the wire they are one run of octets."""
    runs: list[tuple[list[str], Kind]] = []
    for is_octet, group in groupby(table, lambda entry: entry[1] == Integer(1)):
        entries = list(group)
        if is_octet:
            runs.append(([name for name, _ in entries], Integer(1)))
        else:
            runs.extend(([name], kind) for name, kind in entries)
    return runs


def _compile_parser(body: type[Body]) -> _Parser:
    table = field_table(body)
    names: dict[str, Any] = dict(_NAMESPACE, cls=body)
    lines = ["def parse(frame, end):", " p = 16"]
    strict = not body.COMMAND_ID & RESPONSE_BIT
    for run, kind in _integer_runs(table):
        name = run[0]
        match kind:
            case Integer() if len(run) == 1:
                lines += [f" {name} = frame[p]", " p += 1"]
            case Integer():
                names[f"u_{name}"] = struct.Struct(f">{len(run)}B").unpack_from
                lines += [f" {', '.join(run)} = u_{name}(frame, p)", f" p += {len(run)}"]
            case COctetString(most, status):
                lines += [
                    f" n = frame.find(NUL, p, p + {most})",
                    f" if n < 0: raise no_end(frame, p, {most}, {int(status)}, {name!r})",
                    f" {name} = frame[p:n]",
                    " p = n + 1",
                ]
            case CountedOctets(status):
                lines += [
                    " n = p + 1 + frame[p]",
                    f" if n > end: raise FieldError({int(status)}, '{name} runs past the end of the PDU')",
                    f" {name} = frame[p + 1:n]",
                    " p = n",
                ]
            case DestinationList():
                lines.append(f" {name}, p = parse_dests(frame, p)")
            case UnsuccessList():
                lines.append(f" {name}, p = parse_unsuccess(frame, p)")
            case TlvStream():
                lines += [f" {name} = parse_tlvs(frame, p, end, {strict}) if p < end else []", " p = end"]
    lines += [
        " if p != end: raise FieldError(OVERRUN, 'octets after the last field')",
        f" return cls({', '.join(name for name, _ in table)})",
    ]
    exec("\n".join(lines), names)  # noqa: S102 - the text is made of the annotations above and nothing else
    parser: _Parser = names["parse"]
    return parser


def _compile_builder(body: type[Body]) -> _Builder:
    names: dict[str, Any] = dict(_NAMESPACE)
    lines = ["def build(body):"]
    parts: list[str] = []
    for run, kind in _integer_runs(field_table(body)):
        name = run[0]
        match kind:
            case Integer():
                names[f"p_{name}"] = struct.Struct(f">{len(run)}B").pack
                parts.append(f"p_{name}({', '.join('body.' + field for field in run)})")
            case COctetString(most, _):
                lines += [
                    f" {name} = body.{name}",
                    f" if len({name}) >= {most} or 0 in {name}: raise unfit({name!r})",
                ]
                parts += [name, "NUL"]
            case CountedOctets():
                lines += [f" {name} = body.{name}", f" if len({name}) > 255: raise unfit({name!r})"]
                parts += [f"bytes((len({name}),))", name]
            case DestinationList():
                parts.append(f"build_dests(body.{name})")
            case UnsuccessList():
                parts.append(f"build_unsuccess(body.{name})")
            case TlvStream():
                parts.append(f"(build_tlvs(body.{name}) if body.{name} else b'')")
    lines.append(f" return b''.join(({', '.join(parts)}{',' if parts else ''}))")
    exec("\n".join(lines), names)  # noqa: S102 - as above
    builder: _Builder = names["build"]
    return builder


_PARSERS = {command_id: _compile_parser(body) for command_id, body in BODY_OF.items()}
_BUILDERS = {command_id: _compile_builder(body) for command_id, body in BODY_OF.items()}


# ---- the codec


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
    length, command_id, status, sequence_number = _HEADER.unpack_from(frame)
    if length != end:
        raise PduError(
            Status.ESME_RINVCMDLEN, sequence_number, command_id, "command_length is not the length"
        )
    parser = _PARSERS.get(command_id)
    if parser is None:
        raise PduError(Status.ESME_RINVCMDID, sequence_number, command_id, "unknown command_id")
    try:
        # 4.1.2, 4.4.2 and others: a response that reports an error has no body. Peers leave it out with
        # status 0 as well, where message_id is unused (4.6.2): taken as empty fields.
        absent = end == HEADER_OCTETS and command_id & RESPONSE_BIT
        body = BODY_OF[command_id]() if absent else parser(frame, end)
    except _FieldError as error:
        raise PduError(error.status, sequence_number, command_id, error.reason) from None
    except (IndexError, struct.error):
        raise PduError(
            Status.ESME_RINVCMDLEN, sequence_number, command_id, "the PDU ends before its last field"
        ) from None
    return Pdu(body, sequence_number, status)


def encode_body(body: Body, sequence_number: int, command_status: int = 0) -> bytes:
    """The frame for that body. Raises EncodeError when a field does not fit."""
    command_id = body.COMMAND_ID
    try:
        # 4.1.2, 4.4.2: "the body is not returned if the command_status field contains a non-zero value".
        if command_status and command_id & RESPONSE_BIT and body == BODY_OF[command_id]():
            octets = b""
        else:
            octets = _BUILDERS[command_id](body)
        frame = (
            _HEADER.pack(HEADER_OCTETS + len(octets), command_id, command_status, sequence_number) + octets
        )
    except (struct.error, ValueError, OverflowError) as error:
        if isinstance(error, EncodeError):
            raise
        raise EncodeError("an integer does not fit its field") from None
    if len(frame) > MAX_PDU_OCTETS:
        raise EncodeError("the PDU is larger than MAX_PDU_OCTETS")
    return frame


def encode(pdu: Pdu) -> bytes:
    """The frame for that PDU. Raises EncodeError (a ValueError) when a field does not fit."""
    return encode_body(pdu.body, pdu.sequence_number, pdu.command_status)


class Framer:
    """Cuts a stream into frames. Never raises: what ends it is kept in `fatal`, later octets go unread.

    At most one unfinished frame is held, so at most MAX_PDU_OCTETS and one read.
    """

    def __init__(self) -> None:
        self.fatal: FatalError | None = None
        self._rest = bytearray()
        self._need = 4

    @property
    def buffered(self) -> int:
        """Octets of the unfinished frame that have come."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that `data` completes, in order; none when more is needed or after a fatal error."""
        if self.fatal is not None:
            return []
        if self._rest:
            self._rest += data
            if len(self._rest) < self._need:
                return []
            data = bytes(self._rest)
            self._rest.clear()
        frames: list[bytes] = []
        take = frames.append
        unpack = _LENGTH.unpack_from
        pos, end = 0, len(data)
        self._need = 4
        while end - pos >= 4:
            (length,) = unpack(data, pos)
            if length < HEADER_OCTETS or length > MAX_PDU_OCTETS:
                self.fatal = FatalError(f"command_length {length}")
                return frames
            if pos + length > end:
                self._need = length
                break
            take(data[pos : pos + length])
            pos += length
        if pos < end:
            self._rest += data[pos:]
        return frames
