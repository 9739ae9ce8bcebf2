"""The parts of a PDU that repeat: TLVs, destinations of submit_multi, addresses that failed."""

from __future__ import annotations

import struct
from typing import Final

from smpp.constants import TLV_LENGTHS
from smpp.constants import CommandStatus as Status
from smpp.errors import EncodeError, FieldError
from smpp.fields import DL_NAME_OCTETS
from smpp.pdu import Dest, ListDest, SmeDest, UnsuccessSme

NUL: Final = b"\0"
ADDRESS_OCTETS: Final = 21
_STATUS = struct.Struct(">I")
_TLV_HEADER = struct.Struct(">HH")
_DEST_FLAG_SME: Final = 1
_DEST_FLAG_LIST: Final = 2


def no_end(frame: bytes, start: int, most: int, status: int, name: str) -> FieldError:
    """Why there is no NUL among the `most` octets from `start`: the PDU ends first, or the field is too long."""
    if start + most > len(frame):
        return FieldError(Status.ESME_RINVCMDLEN, f"{name} runs past the end of the PDU")
    return FieldError(status, f"{name} has more than {most - 1} octets")


def parse_tlvs(frame: bytes, pos: int, end: int, strict: bool) -> list[tuple[int, bytes]]:
    """The TLVs from `pos` to `end`. `strict` holds the values to TLV_LENGTHS. Raises FieldError."""
    tlvs: list[tuple[int, bytes]] = []
    unpack = _TLV_HEADER.unpack_from
    while pos < end:
        if pos + 4 > end:
            raise FieldError(Status.ESME_RINVTLVSTREAM, "octets after the last TLV")
        tag, length = unpack(frame, pos)
        pos += 4
        following = pos + length
        if following > end:
            raise FieldError(Status.ESME_RINVTLVSTREAM, f"TLV 0x{tag:04X} runs past the end of the PDU")
        # A response cannot be answered, so a value of the wrong length in one is left to its reader.
        limits = TLV_LENGTHS.get(tag) if strict else None
        if limits is not None and not limits[0] <= length <= limits[1]:
            raise FieldError(Status.ESME_RINVTLVLEN, f"TLV 0x{tag:04X} has {length} octets")
        tlvs.append((tag, frame[pos:following]))
        pos = following
    return tlvs


def build_tlvs(tlvs: list[tuple[int, bytes]]) -> bytes:
    """The encoded TLVs. Raises struct.error for a tag or a length above 65,535."""
    pack = _TLV_HEADER.pack
    return b"".join([pack(tag, len(value)) + value for tag, value in tlvs])


def _parse_address(frame: bytes, pos: int) -> tuple[int, int, bytes, int]:
    ton, npi = frame[pos], frame[pos + 1]
    nul = frame.find(NUL, pos + 2, pos + 2 + ADDRESS_OCTETS)
    if nul < 0:
        raise no_end(frame, pos + 2, ADDRESS_OCTETS, Status.ESME_RINVDSTADR, "address")
    return ton, npi, frame[pos + 2 : nul], nul + 1


def _build_address(ton: int, npi: int, addr: bytes) -> bytes:
    if len(addr) >= ADDRESS_OCTETS or 0 in addr:
        raise EncodeError("address does not fit a C-octet string of 21")
    return bytes((ton, npi)) + addr + NUL


def parse_dests(frame: bytes, pos: int) -> tuple[list[Dest], int]:
    """number_of_dests and dest_address(es) (4.5.1.1), and where they end. Raises FieldError, IndexError."""
    count = frame[pos]
    pos += 1
    if count == 0:
        raise FieldError(Status.ESME_RINVNUMDESTS, "number_of_dests is 0")
    dests: list[Dest] = []
    for _ in range(count):
        flag = frame[pos]
        pos += 1
        if flag == _DEST_FLAG_SME:
            ton, npi, addr, pos = _parse_address(frame, pos)
            dests.append(SmeDest(ton, npi, addr))
        elif flag == _DEST_FLAG_LIST:
            nul = frame.find(NUL, pos, pos + DL_NAME_OCTETS)
            if nul < 0:
                raise no_end(frame, pos, DL_NAME_OCTETS, Status.ESME_RINVDLNAME, "dl_name")
            dests.append(ListDest(frame[pos:nul]))
            pos = nul + 1
        else:
            raise FieldError(Status.ESME_RINVDESTFLAG, "dest_flag is neither 1 nor 2")
    return dests, pos


def build_dests(dests: list[Dest]) -> bytes:
    """Raises EncodeError, or ValueError for more than 255."""
    out = [bytes((len(dests),))]
    for dest in dests:
        if isinstance(dest, SmeDest):
            out.append(b"\x01" + _build_address(dest.ton, dest.npi, dest.addr))
        elif len(dest.dl_name) >= DL_NAME_OCTETS or 0 in dest.dl_name:
            raise EncodeError("dl_name does not fit a C-octet string of 21")
        else:
            out.append(b"\x02" + dest.dl_name + NUL)
    return b"".join(out)


def parse_unsuccess(frame: bytes, pos: int) -> tuple[list[UnsuccessSme], int]:
    """no_unsuccess and unsuccess_sme(s) (4.5.2.1), and where they end. Raises FieldError, IndexError."""
    count = frame[pos]
    pos += 1
    failed: list[UnsuccessSme] = []
    for _ in range(count):
        ton, npi, addr, pos = _parse_address(frame, pos)
        (error_status,) = _STATUS.unpack_from(frame, pos)
        failed.append(UnsuccessSme(ton, npi, addr, error_status))
        pos += 4
    return failed, pos


def build_unsuccess(unsuccess: list[UnsuccessSme]) -> bytes:
    """Raises EncodeError, or ValueError for more than 255."""
    out = [bytes((len(unsuccess),))]
    for sme in unsuccess:
        out.append(_build_address(sme.ton, sme.npi, sme.addr) + _STATUS.pack(sme.error_status))
    return b"".join(out)
