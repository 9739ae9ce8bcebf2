"""One dataclass for each PDU body of SMPP 3.4 and 5.0.

Field order and annotations are the wire's (clause 4; 5.0 clause 4): `smpp.codec` compiles parser and builder
from them. C-octet strings are bytes without their NUL, integers are plain ints so that a value unknown here
survives, TLVs are (tag, value) pairs in the order that they came.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from smpp.constants import RESPONSE_BIT, VERSION_3_4
from smpp.constants import CommandId as Id
from smpp.fields import (
    U8,
    AddressRange,
    DestinationAddr,
    DestinationList,
    FinalDate,
    LongDestinationAddr,
    LongSourceAddr,
    MessageId,
    Password,
    ScheduleDeliveryTime,
    ServiceType,
    ShortMessage,
    SourceAddr,
    SystemId,
    SystemType,
    Tlvs,
    UnsuccessList,
    ValidityPeriod,
)


@dataclass(slots=True)
class Body:
    """What follows the header. A subclass states its command_id and its mandatory fields in wire order."""

    COMMAND_ID: ClassVar[int]

    @property
    def tlvs(self) -> list[tuple[int, bytes]]:
        """Every body ends with TLVs."""
        raise NotImplementedError


@dataclass(slots=True)
class Bare(Body):
    """A body without mandatory fields. 5.0 allows TLVs after any header: congestion_state in a response."""

    tlvs: Tlvs = field(default_factory=list)


@dataclass(slots=True)
class Pdu:
    """A whole PDU: body and the two header fields that are not derived from it (3.2)."""

    body: Body
    sequence_number: int = 0
    command_status: int = 0

    @property
    def command_id(self) -> int:
        return self.body.COMMAND_ID


def tlv(body: Body, tag: int) -> bytes | None:
    """The value of the first TLV with that tag; None when there is none."""
    for have, value in body.tlvs:
        if have == tag:
            return value
    return None


# ---- session management, 4.1 to 4.3, 4.11


@dataclass(slots=True)
class Bind(Body):
    """4.1.1, 4.1.3, 4.1.5: the three binds have the same fields."""

    system_id: SystemId = b""
    password: Password = field(default=b"", repr=False)
    system_type: SystemType = b""
    interface_version: U8 = VERSION_3_4
    addr_ton: U8 = 0
    addr_npi: U8 = 0
    address_range: AddressRange = b""
    tlvs: Tlvs = field(default_factory=list)


@dataclass(slots=True)
class BindResp(Body):
    """4.1.2, 4.1.4, 4.1.6."""

    system_id: SystemId = b""
    tlvs: Tlvs = field(default_factory=list)


class BindTransmitter(Bind):
    __slots__ = ()
    COMMAND_ID = Id.BIND_TRANSMITTER


class BindTransmitterResp(BindResp):
    __slots__ = ()
    COMMAND_ID = Id.BIND_TRANSMITTER_RESP


class BindReceiver(Bind):
    __slots__ = ()
    COMMAND_ID = Id.BIND_RECEIVER


class BindReceiverResp(BindResp):
    __slots__ = ()
    COMMAND_ID = Id.BIND_RECEIVER_RESP


class BindTransceiver(Bind):
    __slots__ = ()
    COMMAND_ID = Id.BIND_TRANSCEIVER


class BindTransceiverResp(BindResp):
    __slots__ = ()
    COMMAND_ID = Id.BIND_TRANSCEIVER_RESP


@dataclass(slots=True)
class Outbind(Body):
    """4.1.7: the message centre asks the ESME to bind."""

    COMMAND_ID = Id.OUTBIND
    system_id: SystemId = b""
    password: Password = field(default=b"", repr=False)
    tlvs: Tlvs = field(default_factory=list)


class Unbind(Bare):
    """4.2.1."""

    __slots__ = ()
    COMMAND_ID = Id.UNBIND


class UnbindResp(Bare):
    """4.2.2."""

    __slots__ = ()
    COMMAND_ID = Id.UNBIND_RESP


class EnquireLink(Bare):
    """4.11.1."""

    __slots__ = ()
    COMMAND_ID = Id.ENQUIRE_LINK


class EnquireLinkResp(Bare):
    """4.11.2."""

    __slots__ = ()
    COMMAND_ID = Id.ENQUIRE_LINK_RESP


class GenericNack(Bare):
    """4.3: answers a PDU whose header cannot be acted on; its command_status says why."""

    __slots__ = ()
    COMMAND_ID = Id.GENERIC_NACK


# ---- messages, 4.4 to 4.7


@dataclass(slots=True)
class Message(Body):
    """The fields that submit_sm (4.4.1) and deliver_sm (4.6.1) share."""

    service_type: ServiceType = b""
    source_addr_ton: U8 = 0
    source_addr_npi: U8 = 0
    source_addr: SourceAddr = b""
    dest_addr_ton: U8 = 0
    dest_addr_npi: U8 = 0
    destination_addr: DestinationAddr = b""
    esm_class: U8 = 0
    protocol_id: U8 = 0
    priority_flag: U8 = 0
    schedule_delivery_time: ScheduleDeliveryTime = b""
    validity_period: ValidityPeriod = b""
    registered_delivery: U8 = 0
    replace_if_present_flag: U8 = 0
    data_coding: U8 = 0
    sm_default_msg_id: U8 = 0
    short_message: ShortMessage = b""
    tlvs: Tlvs = field(default_factory=list)


@dataclass(slots=True)
class MessageResp(Body):
    """message_id alone, with TLVs as 5.0 allows them: 4.4.2, 4.6.2, 4.7.2, 5.0 4.4.1.2."""

    message_id: MessageId = b""
    tlvs: Tlvs = field(default_factory=list)


class SubmitSm(Message):
    __slots__ = ()
    COMMAND_ID = Id.SUBMIT_SM


class SubmitSmResp(MessageResp):
    __slots__ = ()
    COMMAND_ID = Id.SUBMIT_SM_RESP


class DeliverSm(Message):
    __slots__ = ()
    COMMAND_ID = Id.DELIVER_SM


class DeliverSmResp(MessageResp):
    __slots__ = ()
    COMMAND_ID = Id.DELIVER_SM_RESP


@dataclass(slots=True)
class DataSm(Body):
    """4.7.1: text travels in message_payload; addresses may have 64 octets."""

    COMMAND_ID = Id.DATA_SM
    service_type: ServiceType = b""
    source_addr_ton: U8 = 0
    source_addr_npi: U8 = 0
    source_addr: LongSourceAddr = b""
    dest_addr_ton: U8 = 0
    dest_addr_npi: U8 = 0
    destination_addr: LongDestinationAddr = b""
    esm_class: U8 = 0
    registered_delivery: U8 = 0
    data_coding: U8 = 0
    tlvs: Tlvs = field(default_factory=list)


class DataSmResp(MessageResp):
    __slots__ = ()
    COMMAND_ID = Id.DATA_SM_RESP


@dataclass(slots=True)
class SmeDest:
    """4.5.1.1, dest_flag 1: one SME address."""

    ton: int = 0
    npi: int = 0
    addr: bytes = b""


@dataclass(slots=True)
class ListDest:
    """4.5.1.1, dest_flag 2: a distribution list of the message centre, by name."""

    dl_name: bytes = b""


Dest = SmeDest | ListDest


@dataclass(slots=True)
class UnsuccessSme:
    """4.5.2.1: an address that the message was not accepted for, and the command_status that says why."""

    ton: int = 0
    npi: int = 0
    addr: bytes = b""
    error_status: int = 0


@dataclass(slots=True)
class SubmitMulti(Body):
    """4.5.1: one message to 1 to 254 destinations (5.0: 255)."""

    COMMAND_ID = Id.SUBMIT_MULTI
    service_type: ServiceType = b""
    source_addr_ton: U8 = 0
    source_addr_npi: U8 = 0
    source_addr: SourceAddr = b""
    dests: Annotated[list[Dest], DestinationList()] = field(default_factory=list)
    esm_class: U8 = 0
    protocol_id: U8 = 0
    priority_flag: U8 = 0
    schedule_delivery_time: ScheduleDeliveryTime = b""
    validity_period: ValidityPeriod = b""
    registered_delivery: U8 = 0
    replace_if_present_flag: U8 = 0
    data_coding: U8 = 0
    sm_default_msg_id: U8 = 0
    short_message: ShortMessage = b""
    tlvs: Tlvs = field(default_factory=list)


@dataclass(slots=True)
class SubmitMultiResp(Body):
    """4.5.2."""

    COMMAND_ID = Id.SUBMIT_MULTI_RESP
    message_id: MessageId = b""
    unsuccess: Annotated[list[UnsuccessSme], UnsuccessList()] = field(default_factory=list)
    tlvs: Tlvs = field(default_factory=list)


# ---- operations on what was submitted, 4.8 to 4.10


@dataclass(slots=True)
class QuerySm(Body):
    """4.8.1."""

    COMMAND_ID = Id.QUERY_SM
    message_id: MessageId = b""
    source_addr_ton: U8 = 0
    source_addr_npi: U8 = 0
    source_addr: SourceAddr = b""
    tlvs: Tlvs = field(default_factory=list)


@dataclass(slots=True)
class QuerySmResp(Body):
    """4.8.2."""

    COMMAND_ID = Id.QUERY_SM_RESP
    message_id: MessageId = b""
    final_date: FinalDate = b""
    message_state: U8 = 0
    error_code: U8 = 0
    tlvs: Tlvs = field(default_factory=list)


@dataclass(slots=True)
class CancelSm(Body):
    """4.9.1."""

    COMMAND_ID = Id.CANCEL_SM
    service_type: ServiceType = b""
    message_id: MessageId = b""
    source_addr_ton: U8 = 0
    source_addr_npi: U8 = 0
    source_addr: SourceAddr = b""
    dest_addr_ton: U8 = 0
    dest_addr_npi: U8 = 0
    destination_addr: DestinationAddr = b""
    tlvs: Tlvs = field(default_factory=list)


class CancelSmResp(Bare):
    """4.9.2."""

    __slots__ = ()
    COMMAND_ID = Id.CANCEL_SM_RESP


@dataclass(slots=True)
class ReplaceSm(Body):
    """4.10.1; the message_payload TLV is 5.0's."""

    COMMAND_ID = Id.REPLACE_SM
    message_id: MessageId = b""
    source_addr_ton: U8 = 0
    source_addr_npi: U8 = 0
    source_addr: SourceAddr = b""
    schedule_delivery_time: ScheduleDeliveryTime = b""
    validity_period: ValidityPeriod = b""
    registered_delivery: U8 = 0
    sm_default_msg_id: U8 = 0
    short_message: ShortMessage = b""
    tlvs: Tlvs = field(default_factory=list)


class ReplaceSmResp(Bare):
    """4.10.2."""

    __slots__ = ()
    COMMAND_ID = Id.REPLACE_SM_RESP


@dataclass(slots=True)
class AlertNotification(Body):
    """4.12.1: the subscriber can be reached again. It has no response."""

    COMMAND_ID = Id.ALERT_NOTIFICATION
    source_addr_ton: U8 = 0
    source_addr_npi: U8 = 0
    source_addr: LongSourceAddr = b""
    esme_addr_ton: U8 = 0
    esme_addr_npi: U8 = 0
    esme_addr: LongDestinationAddr = b""
    tlvs: Tlvs = field(default_factory=list)


# ---- cell broadcast, 5.0 4.4.1, 4.6.1 and 4.6.2


@dataclass(slots=True)
class BroadcastSm(Body):
    """5.0 4.4.1.1."""

    COMMAND_ID = Id.BROADCAST_SM
    service_type: ServiceType = b""
    source_addr_ton: U8 = 0
    source_addr_npi: U8 = 0
    source_addr: SourceAddr = b""
    message_id: MessageId = b""
    priority_flag: U8 = 0
    schedule_delivery_time: ScheduleDeliveryTime = b""
    validity_period: ValidityPeriod = b""
    replace_if_present_flag: U8 = 0
    data_coding: U8 = 0
    sm_default_msg_id: U8 = 0
    tlvs: Tlvs = field(default_factory=list)


class BroadcastSmResp(MessageResp):
    """5.0 4.4.1.2."""

    __slots__ = ()
    COMMAND_ID = Id.BROADCAST_SM_RESP


@dataclass(slots=True)
class QueryBroadcastSm(Body):
    """5.0 4.6.1.1."""

    COMMAND_ID = Id.QUERY_BROADCAST_SM
    message_id: MessageId = b""
    source_addr_ton: U8 = 0
    source_addr_npi: U8 = 0
    source_addr: SourceAddr = b""
    tlvs: Tlvs = field(default_factory=list)


class QueryBroadcastSmResp(MessageResp):
    """5.0 4.6.1.3: state and areas are TLVs."""

    __slots__ = ()
    COMMAND_ID = Id.QUERY_BROADCAST_SM_RESP


@dataclass(slots=True)
class CancelBroadcastSm(Body):
    """5.0 4.6.2.1."""

    COMMAND_ID = Id.CANCEL_BROADCAST_SM
    service_type: ServiceType = b""
    message_id: MessageId = b""
    source_addr_ton: U8 = 0
    source_addr_npi: U8 = 0
    source_addr: SourceAddr = b""
    tlvs: Tlvs = field(default_factory=list)


class CancelBroadcastSmResp(Bare):
    """5.0 4.6.2.3."""

    __slots__ = ()
    COMMAND_ID = Id.CANCEL_BROADCAST_SM_RESP


# fmt: off
_BODIES: tuple[type[Body], ...] = (
    BindReceiver, BindReceiverResp, BindTransmitter, BindTransmitterResp, BindTransceiver,
    BindTransceiverResp, Outbind, Unbind, UnbindResp, EnquireLink, EnquireLinkResp, GenericNack,
    SubmitSm, SubmitSmResp, SubmitMulti, SubmitMultiResp, DeliverSm, DeliverSmResp, DataSm, DataSmResp,
    QuerySm, QuerySmResp, CancelSm, CancelSmResp, ReplaceSm, ReplaceSmResp, AlertNotification,
    BroadcastSm, BroadcastSmResp, QueryBroadcastSm, QueryBroadcastSmResp,
    CancelBroadcastSm, CancelBroadcastSmResp,
)
# fmt: on

BODY_OF: dict[int, type[Body]] = {int(body.COMMAND_ID): body for body in _BODIES}
"""command_id → body class."""

RESPONSE_OF: dict[int, type[Body]] = {
    request: BODY_OF[request | RESPONSE_BIT]
    for request in BODY_OF
    if not request & RESPONSE_BIT and request | RESPONSE_BIT in BODY_OF
}
"""A request's command_id → its response's body class. outbind and alert_notification have none."""
