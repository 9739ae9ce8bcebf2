"""Receipts in an account's dialect, written straight as frames: they are half of what an SMSC sends."""

import struct
import time

from simulators.smsc.dialect import Dialect, FieldName, write_id
from simulators.smsc.messages import Message
from smpp.codec import encode_body
from smpp.constants import CommandId, EsmClass, MessageState, Tag
from smpp.pdu import DataSm
from smpp.receipts import STAT_OF
from smpp.segmentation import payload_of

_HEADER = struct.Struct(">IIII")
_TLV = struct.Struct(">HH")
_NETWORK_ERROR = struct.Struct(">HHBH")

_LONG = {
    MessageState.DELIVERED: b"DELIVERED",
    MessageState.UNDELIVERABLE: b"UNDELIVERABLE",
    MessageState.REJECTED: b"REJECTED",
    MessageState.ACCEPTED: b"ACCEPTED",
}
_DATE_FORMS = {"minutes": "%y%m%d%H%M", "seconds": "%y%m%d%H%M%S", "century": "%Y%m%d%H%M%S"}

_FIELDS: tuple[tuple[FieldName, bytes], ...] = (
    ("id", b"id:%(id)b"),
    ("sub", b"sub:001"),
    ("dlvrd", b"dlvrd:%(dlvrd)b"),
    ("submit date", b"submit date:%(submitted)b"),
    ("done date", b"done date:%(done)b"),
    ("stat", b"stat:%(stat)b"),
    ("err", b"err:%(err)03d"),
    ("text", b"text:%(text)b"),
)


class _Dates:
    """Dates of one form; what is asked again within the same second is not formatted again."""

    __slots__ = ("_form", "_second", "_written")

    def __init__(self, form: str) -> None:
        self._form = form
        self._second = -1
        self._written = b""

    def write(self, at_ms: int) -> bytes:
        second = at_ms // 1000
        if second != self._second:
            self._second = second
            self._written = time.strftime(self._form, time.gmtime(second)).encode()
        return self._written


class ReceiptWriter:
    """Writes the receipts of one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self._template = b" ".join(text for name, text in _FIELDS if name not in dialect.omit)
        self._with_text = dialect.content != "tlv"
        self._with_tlvs = dialect.content != "text"
        self._receipt_class = int(EsmClass.DELIVERY_RECEIPT) if dialect.esm_class == "receipt" else 0
        form = _DATE_FORMS[dialect.dates]
        self._submitted, self._done = _Dates(form), _Dates(form)
        self._stats = [_stat(state, dialect) for state in MessageState]

    def receipt(self, message: Message) -> bytes:
        """The frame, sequence number 0, of a final message's receipt, from its destination to its source."""
        return self._frame(message, message.state, message.final_at, self._receipt_class)

    def notice(self, message: Message, at_ms: int) -> bytes:
        """The frame of an intermediate notification (3.4 5.2.12): a first attempt failed."""
        return self._frame(message, MessageState.ENROUTE, at_ms, int(EsmClass.INTERMEDIATE_NOTIFICATION))

    def _frame(self, message: Message, state: MessageState, at_ms: int, esm_class: int) -> bytes:
        message_id = write_id(message.public_id, self.dialect.receipt_id)
        text = self._text(message, message_id, state, at_ms) if self._with_text else b""
        tlvs = b""
        if self._with_tlvs:
            # receipted_message_id 0x001E, a C-octet string; message_state 0x0427.
            tlvs = b"\0\x1e\0%c%b\0\x04\x27\0\x01%c" % (len(message_id) + 1, message_id, state)
        plan = message.plan
        if plan.has_network_error and state == plan.state:
            tlvs += _NETWORK_ERROR.pack(Tag.NETWORK_ERROR_CODE, 3, plan.network, plan.code)
        if self.dialect.pdu == "data_sm":
            return self._data_sm(message, esm_class, text, tlvs)
        if text and self.dialect.payload == "message_payload":
            tlvs += _TLV.pack(Tag.MESSAGE_PAYLOAD, len(text)) + text
            text = b""
        body = message.body
        # 3.4 4.6.1, in wire order; sixteen octets of header go before.
        octets = b"\0%c%c%b\0%c%c%b\0%c\0\0\0\0\0\0\0\0%c%b%b" % (
            body.dest_addr_ton,
            body.dest_addr_npi,
            body.destination_addr,
            body.source_addr_ton,
            body.source_addr_npi,
            body.source_addr,
            esm_class,
            len(text),
            text,
            tlvs,
        )
        return _HEADER.pack(16 + len(octets), CommandId.DELIVER_SM, 0, 0) + octets

    def _text(self, message: Message, message_id: bytes, state: MessageState, at_ms: int) -> bytes:
        wanted = self.dialect.text_octets
        values: dict[bytes, bytes | int] = {
            b"id": message_id,
            b"dlvrd": b"001" if state == MessageState.DELIVERED else b"000",
            b"submitted": self._submitted.write(message.accepted_at),
            b"done": self._done.write(at_ms),
            b"stat": self._stats[state],
            b"err": message.error,
            b"text": payload_of(message.body)[:wanted] if wanted else b"",
        }
        return self._template % values

    def _data_sm(self, message: Message, esm_class: int, text: bytes, tlvs: bytes) -> bytes:
        body = message.body
        payload = [(int(Tag.MESSAGE_PAYLOAD), text)] if text else []
        frame = encode_body(
            DataSm(
                source_addr_ton=body.dest_addr_ton,
                source_addr_npi=body.dest_addr_npi,
                source_addr=body.destination_addr,
                dest_addr_ton=body.source_addr_ton,
                dest_addr_npi=body.source_addr_npi,
                destination_addr=body.source_addr,
                esm_class=esm_class,
                tlvs=payload,
            ),
            0,
        )
        return (len(frame) + len(tlvs)).to_bytes(4, "big") + frame[4:] + tlvs


def _stat(state: MessageState, dialect: Dialect) -> bytes:
    stat = STAT_OF[state].encode()
    if dialect.states == "long":
        stat = _LONG.get(state, stat)
    return stat.lower() if dialect.lower_case else stat


def owes_receipt(registered_delivery: int, state: MessageState) -> bool:
    """5.0 4.7.21: bits 1-0 of registered_delivery: 1 always, 2 on failure, 3 on success."""
    asked = registered_delivery & 0x03
    return asked == 1 or ((asked == 3) is (state == MessageState.DELIVERED) and asked != 0)
