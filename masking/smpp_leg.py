"""The two SMPP legs: towards the SMSC a submit_sm is spliced, towards the enterprise a deliver_sm is built."""

from dataclasses import dataclass
from datetime import datetime

from masking.resolve import SHANGHAI
from masking.smpp_rules import DEFAULT_ALLOW, NATIONAL_SHIFT, Refusal, SubmitAllow, refusal_of
from smpp.constants import DataCoding, EsmClass, MessageState, Tag
from smpp.pdu import DeliverSm, SubmitSm
from smpp.receipts import Receipt, receipt_tlvs
from smpp.receipts import build as build_receipt_text
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
    "guarded_fields",
    "is_receipt",
    "refusal_of",
    "reply_of",
    "towards_smsc",
]

SHORT_MESSAGE_OCTETS = 254
"""3.4, 4.6.1: sm_length; what is longer goes as message_payload."""


@dataclass(frozen=True, slots=True)
class NumberForm:
    """How one SMSC link wants an MSISDN written."""

    ton: int = 1
    npi: int = 1
    prefix: str = ""
    """Before the E.164 digits."""


INTERNATIONAL = NumberForm()


def check_submit(pdu: SubmitSm, allow: SubmitAllow = DEFAULT_ALLOW) -> int | None:
    """The command_status to refuse a submit_sm with, or None. The table is masking.smpp_rules."""
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


@dataclass(frozen=True, slots=True)
class ReceiptModel:
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


def build_receipt(model: ReceiptModel) -> DeliverSm:
    """A delivery receipt under the AID. `text:` is empty: it would repeat what an SMSC added."""
    receipt = Receipt(
        message_id=model.message_id.encode("ascii"),
        state=model.state,
        error=f"{min(max(model.error, 0), 999):03}",
        submit_date=_local(model.submitted_at),
        done_date=_local(model.done_at),
        delivered=int(model.state is MessageState.DELIVERED),
    )
    return DeliverSm(
        source_addr=model.aid.encode("ascii"),
        destination_addr=model.access_number.encode("ascii"),
        esm_class=EsmClass.DELIVERY_RECEIPT,
        short_message=build_receipt_text(receipt),
        tlvs=receipt_tlvs(receipt),
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
    fields = {
        "service_type": pdu.service_type,
        "source_addr": pdu.source_addr,
        "destination_addr": pdu.destination_addr,
        "tlvs": b"\n".join(value for tag, value in pdu.tlvs if tag != Tag.MESSAGE_PAYLOAD),
    }
    if is_receipt(pdu):
        fields["short_message"] = pdu.short_message
    return fields


def _local(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, SHANGHAI).replace(tzinfo=None)
