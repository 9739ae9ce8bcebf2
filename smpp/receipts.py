"""Delivery receipts: building them, and reading every dialect of them (3.4, appendix B and 5.3.2.12).

A receipt's text is a convention, not a format: fields come in any order and case, with dates of ten, twelve
or fourteen digits, some missing. What the TLVs say goes before what the text says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from smpp.constants import EsmClass, Tag
from smpp.constants import MessageState as MessageState
from smpp.data_coding import UCS2, charset_of
from smpp.pdu import DataSm, DeliverSm, tlv
from smpp.segmentation import UdhError, payload_of, user_data

RECEIPT_TEXT_MAX: Final = 1024
"""Octets of a receipt's text that are read."""
MESSAGE_ID_MAX: Final = 64

STAT_OF: Final[dict[MessageState, str]] = {
    MessageState.SCHEDULED: "SCHEDLD",
    MessageState.ENROUTE: "ENROUTE",
    MessageState.DELIVERED: "DELIVRD",
    MessageState.EXPIRED: "EXPIRED",
    MessageState.DELETED: "DELETED",
    MessageState.UNDELIVERABLE: "UNDELIV",
    MessageState.ACCEPTED: "ACCEPTD",
    MessageState.UNKNOWN: "UNKNOWN",
    MessageState.REJECTED: "REJECTD",
    MessageState.SKIPPED: "SKIPPED",
}
"""Appendix B, table B-2, and 5.0's two."""

_STATE_OF: Final[dict[str, MessageState]] = {stat: state for state, stat in STAT_OF.items()} | {
    # Spellings of message centres in the field.
    "DELIVERED": MessageState.DELIVERED,
    "DELIVERD": MessageState.DELIVERED,
    "UNDELIVERABLE": MessageState.UNDELIVERABLE,
    "UNDELIVERED": MessageState.UNDELIVERABLE,
    "FAILED": MessageState.UNDELIVERABLE,
    "REJECTED": MessageState.REJECTED,
    "ACCEPTED": MessageState.ACCEPTED,
    "SCHEDULED": MessageState.SCHEDULED,
    "BUFFERED": MessageState.ENROUTE,
    "BUFFRED": MessageState.ENROUTE,
}

_FINAL: Final = frozenset(
    {
        MessageState.DELIVERED,
        MessageState.EXPIRED,
        MessageState.DELETED,
        MessageState.UNDELIVERABLE,
        MessageState.UNKNOWN,
        MessageState.REJECTED,
        MessageState.SKIPPED,
    }
)


@dataclass(slots=True)
class Receipt:
    """What became of one message. Dates are naive: the text form tells no time zone."""

    message_id: bytes
    state: MessageState
    error: str = "000"
    """Three characters that are the message centre's own."""
    submit_date: datetime | None = None
    done_date: datetime | None = None
    submitted: int = 1
    delivered: int = 0
    text: bytes = b""
    """The first octets of the message that some centres add."""
    network_error: bytes = b""
    """Value of network_error_code (3.4, 5.3.2.31): a network type and a code of two octets; empty when absent."""
    intermediate: bool = False
    """Whether this is an intermediate notification: an attempt failed, others follow (5.2.12)."""

    @property
    def is_final(self) -> bool:
        """Whether no other receipt for the message is to come. ACCEPTED is not: a delivery may follow."""
        return self.state in _FINAL and not self.intermediate

    @property
    def esm_class(self) -> int:
        """The message type that a deliver_sm with this receipt bears (5.2.12)."""
        kind = EsmClass.INTERMEDIATE_NOTIFICATION if self.intermediate else EsmClass.DELIVERY_RECEIPT
        return kind.value


def state_of(stat: str) -> MessageState:
    """The state of a `stat:` value in any case; UNKNOWN for one that is not known."""
    known = _STATE_OF.get(stat)
    return known if known is not None else _STATE_OF.get(stat.strip().upper(), MessageState.UNKNOWN)


def is_receipt(esm_class: int) -> bool:
    """Whether that esm_class says delivery receipt or intermediate notification (5.2.12, SMSC to ESME)."""
    return esm_class & EsmClass.TYPE_MASK in (
        EsmClass.DELIVERY_RECEIPT,
        EsmClass.INTERMEDIATE_NOTIFICATION,
    )


def build(receipt: Receipt) -> bytes:
    """The text of appendix B. A date that is not known is left out with its name."""
    fields = [
        b"id:" + receipt.message_id,
        f"sub:{receipt.submitted:03}".encode(),
        f"dlvrd:{receipt.delivered:03}".encode(),
    ]
    if receipt.submit_date is not None:
        fields.append(f"submit date:{receipt.submit_date:%y%m%d%H%M}".encode())
    if receipt.done_date is not None:
        fields.append(f"done date:{receipt.done_date:%y%m%d%H%M}".encode())
    fields.append(f"stat:{STAT_OF[receipt.state]}".encode())
    fields.append(f"err:{receipt.error}".encode())
    fields.append(b"text:" + receipt.text[:20])
    return b" ".join(fields)


def receipt_tlvs(receipt: Receipt) -> list[tuple[int, bytes]]:
    """receipted_message_id (a C-octet string, 5.3.2.12), message_state (5.3.2.35) and network_error_code."""
    tlvs = [
        (int(Tag.RECEIPTED_MESSAGE_ID), receipt.message_id + b"\0"),
        (int(Tag.MESSAGE_STATE), bytes((receipt.state,))),
    ]
    if receipt.network_error:
        tlvs.append((int(Tag.NETWORK_ERROR_CODE), receipt.network_error))
    return tlvs


# A value ends at white space; a name may be written with a space or without ("submit date", "submitdate").
_FIELD = re.compile(
    rb"\b(id|sub|dlvrd|submit ?date|done ?date|stat|err)\s*:\s*([^\s:]*)(?=\s|$)", re.IGNORECASE
)
_TEXT = re.compile(rb"\btext\s*:", re.IGNORECASE)
# The whole of appendix B's form, in its order: nearly every receipt is one.
_USUAL = re.compile(
    rb"id:([^\s:]+) sub:([0-9]+) dlvrd:([0-9]+) submit date:([0-9]+) done date:([0-9]+)"
    rb" stat:([A-Z]+) err:([^\s:]+) [Tt]ext:"
)


def _date(raw: bytes) -> datetime | None:
    """YYMMDDhhmm, with ss, or with four digits of the year too; not by strptime, which is ten times slower."""
    if len(raw) not in (10, 12, 14) or not raw.isdigit():
        return None
    year = int(raw[: -10 if len(raw) == 14 else 2])
    if len(raw) < 14:
        # POSIX's window: 69 to 99 are of the last century.
        year += 1900 if year >= 69 else 2000
    rest = raw[4:] if len(raw) == 14 else raw[2:]
    try:
        return datetime(
            year, int(rest[:2]), int(rest[2:4]), int(rest[4:6]), int(rest[6:8]), int(rest[8:] or b"0")
        )
    except ValueError:
        return None


def parse_text(data: bytes) -> Receipt | None:
    """The receipt in a text; None when it has neither `id:` nor `stat:`. What is missing has its default."""
    data = data[:RECEIPT_TEXT_MAX]
    usual = _USUAL.match(data)
    if usual is not None:
        message_id, submitted, delivered, submit_date, done_date, stat, error = usual.groups()
        return Receipt(
            message_id[:MESSAGE_ID_MAX],
            state_of(stat.decode()),
            error.decode("ascii", "replace"),
            _date(submit_date),
            _date(done_date),
            int(submitted),
            int(delivered),
            data[usual.end() :],
        )
    tail = _TEXT.search(data)
    head = data[: tail.start()] if tail else data
    found: dict[bytes, bytes] = {}
    for name, value in _FIELD.findall(head):
        found.setdefault(name.lower().replace(b" ", b""), value)
    if b"id" not in found and b"stat" not in found:
        return None
    state = state_of(found.get(b"stat", b"").decode("ascii", "replace"))
    delivered = found.get(b"dlvrd", b"")
    submitted = found.get(b"sub", b"")
    return Receipt(
        message_id=found.get(b"id", b"")[:MESSAGE_ID_MAX],
        state=state,
        error=found.get(b"err", b"000").decode("ascii", "replace"),
        submit_date=_date(found.get(b"submitdate", b"")),
        done_date=_date(found.get(b"donedate", b"")),
        submitted=int(submitted) if submitted.isdigit() else 1,
        delivered=int(delivered) if delivered.isdigit() else int(state is MessageState.DELIVERED),
        text=data[tail.end() :] if tail else b"",
    )


def parse(body: DeliverSm | DataSm) -> Receipt | None:
    """The receipt that a deliver_sm or data_sm carries, by text and TLVs; None when it carries none.

    A peer that leaves esm_class at 0 is understood by its TLVs, since nothing else carries them; its text
    alone is not enough: a person can type one.
    """
    named = (tlv(body, Tag.RECEIPTED_MESSAGE_ID) or b"").split(b"\0")[0]
    told = tlv(body, Tag.MESSAGE_STATE)
    if not is_receipt(body.esm_class) and not (named and told):
        return None
    receipt = parse_text(_octets(body))
    if receipt is None:
        if not named:
            return None
        receipt = Receipt(named, MessageState.UNKNOWN)
    if named:
        receipt.message_id = named[:MESSAGE_ID_MAX]
    if told:
        receipt.state = _state(told[0])
    receipt.network_error = tlv(body, Tag.NETWORK_ERROR_CODE) or b""
    receipt.intermediate = body.esm_class & EsmClass.TYPE_MASK == EsmClass.INTERMEDIATE_NOTIFICATION
    return receipt


class Outcome(NamedTuple):
    """What a receipt says became of a message, without the dates and counts that nobody decides by."""

    message_id: bytes
    state: MessageState
    error: str


def outcome_of(body: DeliverSm | DataSm) -> Outcome | None:
    """`parse` for who asks nothing more, in a third of its time for the usual form."""
    if type(body) is DeliverSm and body.esm_class == _RECEIPT and charset_of(body.data_coding) != UCS2:
        usual = _USUAL.match(body.short_message, 0, RECEIPT_TEXT_MAX)
        if usual is not None:
            message_id, stat, error = usual.group(1, 6, 7)
            state = None
            for tag, value in reversed(body.tlvs):  # of two with one tag the first counts
                if tag == _RECEIPTED_MESSAGE_ID:
                    message_id = value.partition(b"\0")[0] or usual[1]
                elif tag == _MESSAGE_STATE:
                    state = _state(value[0]) if value else None
            if state is None:
                state = state_of(stat.decode())
            return Outcome(message_id[:MESSAGE_ID_MAX], state, error.decode("ascii", "replace"))
    receipt = parse(body)
    return None if receipt is None else Outcome(receipt.message_id, receipt.state, receipt.error)


_RECEIPT: Final = int(EsmClass.DELIVERY_RECEIPT)
_RECEIPTED_MESSAGE_ID: Final = int(Tag.RECEIPTED_MESSAGE_ID)
_MESSAGE_STATE: Final = int(Tag.MESSAGE_STATE)
_STATES: Final = {int(state): state for state in MessageState}
_UNKNOWN: Final = MessageState.UNKNOWN


def _octets(body: DeliverSm | DataSm) -> bytes:
    """The text of a receipt as ASCII: behind a user data header, and in UCS2, where a peer puts it so."""
    try:
        payload = user_data(body)[1]
    except UdhError:
        payload = payload_of(body)
    if charset_of(body.data_coding) == UCS2:
        payload = payload[: 2 * RECEIPT_TEXT_MAX].decode(UCS2, "replace").encode("latin-1", "replace")
    return payload


def _state(number: int) -> MessageState:
    return _STATES.get(number, _UNKNOWN)
