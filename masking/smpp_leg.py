"""The two SMPP legs: towards the SMSC a submit_sm is spliced, towards the enterprise a deliver_sm is built."""

import struct
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from masking.resolve import SHANGHAI
from masking.smpp_rules import DEFAULT_ALLOW, Refusal, SubmitAllow, refusal_of
from smpp.codec import EncodeError
from smpp.constants import (
    HEADER_OCTETS,
    SHORT_MESSAGE_OCTETS,
    CommandId,
    DataCoding,
    EsmClass,
    MessageState,
    Tag,
)
from smpp.pdu import DeliverSm, SubmitSm
from smpp.receipts import STAT_OF
from smpp.receipts import is_receipt as is_receipt_class
from smpp.segmentation import IEI_CONCAT_16, UdhError, build_udh, part_info, payload_of, user_data
from smpp.splice import splice_submit

__all__ = [
    "DEFAULT_ALLOW",
    "NumberForm",
    "ReceiptModel",
    "Refusal",
    "ReplyModel",
    "ReplyParts",
    "SubmitAllow",
    "build_receipt",
    "build_reply",
    "check_submit",
    "encode_receipt",
    "guarded_fields",
    "is_receipt",
    "refusal_of",
    "reply_of",
    "towards_smsc",
]

NATIONAL_SHIFT: Final = frozenset((0x24, 0x25))
"""23.040, 9.2.3.24.15 and 16: elements of one octet that say how to read the text."""
MINUTE_MS = 60_000
MINUTES_KEPT = 4096
"""Dates of receipts as text: of nearly three days."""
ERROR_MAX = 999
"""Appendix B: three digits."""


@dataclass(frozen=True, slots=True)
class NumberForm:
    """How one SMSC link wants an MSISDN written."""

    ton: int = 1
    npi: int = 1
    prefix: str = ""
    """Before the E.164 digits."""


INTERNATIONAL = NumberForm()


def check_submit(pdu: SubmitSm, allow: SubmitAllow = DEFAULT_ALLOW) -> int | None:
    """The command_status to refuse a submit_sm with, or None. The tables are in masking.smpp_tables."""
    refusal = refusal_of(pdu, allow)
    return None if refusal is None else refusal.status


def towards_smsc(
    frame: bytes,
    *,
    msisdn: str,
    source: str,
    sequence_number: int,
    form: NumberForm = INTERNATIONAL,
    source_ton: int = 0,
    source_npi: int = 1,
    registered_delivery: int = 1,
    schedule: bytes = b"",
    validity: bytes | None = None,
    allow: SubmitAllow = DEFAULT_ALLOW,
) -> bytes:
    """An enterprise's submit_sm that `check_submit` passed, addressed to the person.

    Spliced: the user data header and the payload stay octet for octet. TLVs that the table does not keep
    fall away. `validity` None keeps the enterprise's. Raises smpp's PduError and EncodeError.
    """
    return splice_submit(
        frame,
        sequence_number=sequence_number,
        source_addr_ton=source_ton,
        source_addr_npi=source_npi,
        source_addr=source.encode("ascii"),
        dest_addr_ton=form.ton,
        dest_addr_npi=form.npi,
        destination_addr=(form.prefix + msisdn).encode("ascii"),
        registered_delivery=registered_delivery,
        schedule_delivery_time=schedule,
        validity_period=validity,
        keep_tlvs=allow.keeps_tlv,
    )


class ReceiptModel(NamedTuple):
    """All that an enterprise learns of a message's end."""

    aid: str
    """Of the message's own row, whatever the SMSC wrote."""
    access_number: str
    message_id: str
    """The gateway's own."""
    state: MessageState
    error: int = 0
    """0..999; the gateway's, never the network's own code."""
    submitted_at: int = 0
    """ms since the epoch; shown in Asia/Shanghai to the minute."""
    done_at: int = 0
    intermediate: bool = False
    """A notification of what is not the end (esm_class 20), by the same rules."""


def build_receipt(model: ReceiptModel) -> DeliverSm:
    """A delivery receipt under the AID. `text:` is empty: it would repeat what an SMSC added."""
    message_id = model.message_id.encode("ascii")
    return DeliverSm(
        source_addr=model.aid.encode("ascii"),
        destination_addr=model.access_number.encode("ascii"),
        esm_class=_NOTIFICATION if model.intermediate else _RECEIPT,
        short_message=_receipt_text(model, message_id),
        tlvs=[
            (_RECEIPTED_MESSAGE_ID, message_id + b"\0"),
            (_MESSAGE_STATE, bytes((model.state,))),
        ],
    )


def encode_receipt(model: ReceiptModel) -> tuple[bytes, bytes]:
    """`build_receipt`, `encode` and `guarded_fields` in one, in half their time: the deliver_sm with sequence number 0,
    and the values of what the egress guard is to search, joined by line feeds.

    Raises EncodeError when a field does not fit.
    """
    aid, access_number = model.aid.encode("ascii"), model.access_number.encode("ascii")
    message_id = model.message_id.encode("ascii")
    text = _receipt_text(model, message_id)
    if len(aid) > _ADDRESS_MAX or len(access_number) > _ADDRESS_MAX or len(text) > _SM_LENGTH_MAX:
        raise EncodeError("a field of the receipt does not fit")
    if 0 in aid or 0 in access_number:
        raise EncodeError("an address of the receipt does not fit")
    state = _OCTET[model.state]
    body = b"".join(
        (
            b"\0\0\0",  # service_type, source_addr_ton, source_addr_npi
            aid,
            b"\0\0\0",  # dest_addr_ton, dest_addr_npi
            access_number,
            _AFTER_ADDRESSES[model.intermediate],
            _OCTET[len(text)],
            text,
            _RECEIPTED_MESSAGE_ID_TLV,
            _OCTET[len(message_id) + 1],
            message_id,
            _MESSAGE_STATE_TLV,
            state,
        )
    )
    return (
        _HEADER.pack(HEADER_OCTETS + len(body), _DELIVER_SM, 0, 0) + body,
        b"".join((b"\n", aid, b"\n", access_number, b"\n", message_id, b"\0\n", state, b"\n", text)),
    )


_ADDRESS_MAX: Final = 20
_SM_LENGTH_MAX: Final = 255
_RECEIPT, _NOTIFICATION = int(EsmClass.DELIVERY_RECEIPT), int(EsmClass.INTERMEDIATE_NOTIFICATION)
_DELIVER_SM: Final = int(CommandId.DELIVER_SM)
_RECEIPTED_MESSAGE_ID, _MESSAGE_STATE = int(Tag.RECEIPTED_MESSAGE_ID), int(Tag.MESSAGE_STATE)
_HEADER = struct.Struct(">IIII")
_OCTET: Final = tuple(bytes((value,)) for value in range(256))
# 3.4, 4.6.1: the address's end, esm_class, and protocol_id to sm_default_msg_id: eight octets that are 0.
_AFTER_ADDRESSES: Final = tuple(
    b"\0" + _OCTET[esm_class] + b"\0" * 8 for esm_class in (_RECEIPT, _NOTIFICATION)
)
# A text of at most 255 octets, which holds the message_id, leaves its length one octet.
_RECEIPTED_MESSAGE_ID_TLV: Final = _RECEIPTED_MESSAGE_ID.to_bytes(2) + b"\0"
_MESSAGE_STATE_TLV: Final = b"\0" + _MESSAGE_STATE.to_bytes(2) + b"\0\1"
_ERRORS: Final = tuple(b"%03d" % error for error in range(ERROR_MAX + 1))
_AFTER_ID: Final = {
    state: b" sub:001 dlvrd:%03d submit date:" % (state is MessageState.DELIVERED) for state in STAT_OF
}
_AFTER_DATES: Final = {state: b" stat:%b err:" % stat.encode() for state, stat in STAT_OF.items()}


def _receipt_text(model: ReceiptModel, message_id: bytes) -> bytes:
    """Appendix B."""
    state = model.state
    return b"".join(
        (
            b"id:",
            message_id,
            _AFTER_ID[state],
            _minute(model.submitted_at // MINUTE_MS),
            b" done date:",
            _minute(model.done_at // MINUTE_MS),
            _AFTER_DATES[state],
            _ERRORS[min(max(model.error, 0), ERROR_MAX)],
            b" text:",
        )
    )


@dataclass(frozen=True, slots=True)
class ReplyParts:
    """What of a person's message crosses: the user's own content, with a header built anew."""

    payload: bytes
    """With the user data header in front where `udh`."""
    data_coding: int
    udh: bool


@dataclass(frozen=True, slots=True)
class ReplyModel:
    """All that an enterprise gets of a person's message."""

    aid: str
    access_number: str
    payload: bytes
    data_coding: int
    udh: bool


def reply_of(pdu: DeliverSm) -> ReplyParts:
    """The parts of a mobile-originated message that may cross.

    Of the user data header, concatenation and national shifts are built anew; ports, reply addresses
    (IEI 22) and all else fall away. SAR TLVs become a concatenation element.
    """
    try:
        elements, payload = user_data(pdu)
        part = part_info(pdu)
    except UdhError:
        # Where the text begins cannot be told: the octets are the user's, and shown as such.
        return ReplyParts(payload_of(pdu), DataCoding.OCTET, False)
    kept = [(iei, value[:4]) for iei, value in elements if iei in NATIONAL_SHIFT and len(value) == 1]
    if part is not None and part.total > 1:
        header = part.reference.to_bytes(2, "big") + bytes((part.total, part.sequence))
        kept.insert(0, (IEI_CONCAT_16, header))
    if not kept:
        return ReplyParts(payload, pdu.data_coding, False)
    return ReplyParts(build_udh(kept) + payload, pdu.data_coding, True)


def build_reply(model: ReplyModel) -> DeliverSm:
    """A person's message under the AID. No TLV but message_payload is ever in it."""
    fits = len(model.payload) <= SHORT_MESSAGE_OCTETS
    return DeliverSm(
        source_addr=model.aid.encode("ascii"),
        destination_addr=model.access_number.encode("ascii"),
        esm_class=EsmClass.UDHI if model.udh else EsmClass.DEFAULT,
        data_coding=model.data_coding,
        short_message=model.payload if fits else b"",
        tlvs=[] if fits else [(Tag.MESSAGE_PAYLOAD, model.payload)],
    )


def is_receipt(pdu: DeliverSm) -> bool:
    """Whether esm_class says receipt or intermediate notification."""
    return is_receipt_class(pdu.esm_class)


def guarded_fields(pdu: DeliverSm) -> dict[str, bytes]:
    """What the gateway introduced into a deliver_sm, for the egress guard, by attribute name.

    A reply's text is the user's, who may write any number, and passes.
    """
    built = is_receipt(pdu)
    fields = {
        "service_type": pdu.service_type,
        "source_addr": pdu.source_addr,
        "destination_addr": pdu.destination_addr,
        "tlvs": b"\n".join([value for tag, value in pdu.tlvs if built or tag != Tag.MESSAGE_PAYLOAD]),
    }
    if built:
        fields["short_message"] = pdu.short_message
    return fields


@lru_cache(maxsize=MINUTES_KEPT)
def _minute(minute: int) -> bytes:
    """YYMMDDhhmm in Asia/Shanghai of so many minutes since the epoch."""
    return f"{datetime.fromtimestamp(minute * 60, SHANGHAI):%y%m%d%H%M}".encode()
