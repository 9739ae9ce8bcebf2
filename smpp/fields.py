"""Kinds of field that a PDU body is made of. The annotations in `smpp.pdu` are written with these and are
the one table from which `smpp.codec` compiles both the parser and the builder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from smpp.constants import CommandStatus as Status


@dataclass(frozen=True, slots=True)
class Integer:
    """Unsigned integer of one octet (3.1): the only size that a PDU's mandatory fields have."""


@dataclass(frozen=True, slots=True)
class COctetString:
    """Octets ended by one NUL (3.1). `most` counts the NUL; `status` answers a longer or an unended one."""

    most: int
    status: int


@dataclass(frozen=True, slots=True)
class CountedOctets:
    """sm_length (one octet) and that many octets (5.2.21, 5.2.22)."""

    status: int


@dataclass(frozen=True, slots=True)
class DestinationList:
    """number_of_dests and dest_address(es) of submit_multi (4.5.1.1)."""


@dataclass(frozen=True, slots=True)
class UnsuccessList:
    """no_unsuccess and unsuccess_sme(s) of submit_multi_resp (4.5.2.1)."""


@dataclass(frozen=True, slots=True)
class TlvStream:
    """Optional parameters to the end of the PDU (3.2.4): order, duplicates and raw octets are kept."""


Kind = Integer | COctetString | CountedOctets | DestinationList | UnsuccessList | TlvStream

U8 = Annotated[int, Integer()]
Tlvs = Annotated[list[tuple[int, bytes]], TlvStream()]

# Sizes: 5.2.1 to 5.2.27 and the PDU tables of clause 4. Statuses: 5.1.3, the one that names the field;
# ESME_RINVPARLEN where no status does.
SystemId = Annotated[bytes, COctetString(16, Status.ESME_RINVSYSID)]
Password = Annotated[bytes, COctetString(9, Status.ESME_RINVPASWD)]
SystemType = Annotated[bytes, COctetString(13, Status.ESME_RINVSYSTYP)]
AddressRange = Annotated[bytes, COctetString(41, Status.ESME_RINVPARLEN)]
ServiceType = Annotated[bytes, COctetString(6, Status.ESME_RINVSERTYP)]
SourceAddr = Annotated[bytes, COctetString(21, Status.ESME_RINVSRCADR)]
DestinationAddr = Annotated[bytes, COctetString(21, Status.ESME_RINVDSTADR)]
LongSourceAddr = Annotated[bytes, COctetString(65, Status.ESME_RINVSRCADR)]
LongDestinationAddr = Annotated[bytes, COctetString(65, Status.ESME_RINVDSTADR)]
ScheduleDeliveryTime = Annotated[bytes, COctetString(17, Status.ESME_RINVSCHED)]
ValidityPeriod = Annotated[bytes, COctetString(17, Status.ESME_RINVEXPIRY)]
FinalDate = Annotated[bytes, COctetString(17, Status.ESME_RINVPARLEN)]
MessageId = Annotated[bytes, COctetString(65, Status.ESME_RINVMSGID)]
ShortMessage = Annotated[bytes, CountedOctets(Status.ESME_RINVMSGLEN)]
DL_NAME_OCTETS = 21
