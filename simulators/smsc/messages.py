"""One message in the SMSC, and the row in which it survives a crash."""

import sqlite3
from dataclasses import dataclass
from typing import Any

from simulators.smsc.outcomes import PLAIN, Plan
from smpp.codec import decode, encode_body
from smpp.constants import MessageState
from smpp.pdu import DeliverSm, SubmitSm, UnsuccessSme

RECEIPT_NONE, RECEIPT_OWED, RECEIPT_ANSWERED = 0, 1, 2


@dataclass(slots=True, eq=False)
class Reply:
    """The answer that a submitter waits for."""

    connection: Any
    """smpp.aio.connection.Connection"""
    sequence_number: int
    response: Any
    """Class of the response: SubmitSmResp, DataSmResp or SubmitMultiResp."""
    unsuccess: list[UnsuccessSme] | None = None
    """submit_multi: the destinations that were not taken."""


@dataclass(slots=True, eq=False)
class Message:
    """A submitted message. Times are integer milliseconds since the epoch."""

    id: int
    account: str
    """The ESME account: it sent the MT, or it gets the MO."""
    mobile_originated: bool
    body: SubmitSm
    accepted_at: int
    due_at: int
    """Not offered before: its schedule, a drawn delay, or the next retry."""
    expires_at: int
    state: MessageState = MessageState.ENROUTE
    error: int = 0
    final_at: int = 0
    receipt: int = RECEIPT_NONE
    public_id: int = 0
    """The serial that its ids are written from: `id`, or the first destination's of a submit_multi."""
    plan: Plan = PLAIN
    """What chance decided for it."""
    attempts: int = 0
    """Temporary failures so far."""
    frame: bytes = b""
    """The submit_sm as it came, where it came as one; the store keeps it."""
    peer: Any = None
    """The account at run time: simulators.smsc.peers.Peer."""
    reply: Reply | None = None
    """Whom to answer once it is stored."""
    respond_at: int = 0
    """Not answered before."""
    connection: Any = None
    """The bind that submitted it; None after a restart."""
    queued_in: object | None = None
    """The PeerQueue in which it waits."""
    in_flight: bool = False
    """Its peer has it and has not answered."""

    @property
    def is_open(self) -> bool:
        """Something is still to be done for it."""
        return self.state == MessageState.ENROUTE or self.receipt == RECEIPT_OWED

    @property
    def is_waiting(self) -> bool:
        """An MT that cancel_sm and replace_sm can still reach."""
        return self.state == MessageState.ENROUTE and not self.in_flight and not self.mobile_originated


COLUMNS = (
    "id, account, mobile_originated, pdu, accepted_at, due_at, expires_at, state, error, final_at, receipt,"
    " public_id, plan"
)
COLUMN_COUNT = 13
STATE_COLUMN_COUNT = 5


def row_of(message: Message) -> tuple[object, ...]:
    """The row of a message that is new or was replaced."""
    return (
        message.id,
        message.account,
        int(message.mobile_originated),
        message.frame or encode_body(message.body, 1),
        message.accepted_at,
        message.due_at,
        message.expires_at,
        int(message.state),
        message.error,
        message.final_at,
        message.receipt,
        message.public_id,
        message.plan.packed(),
    )


def state_of(message: Message) -> tuple[int, ...]:
    """What changes in the row when the message ends: id, state, error, final_at, receipt."""
    return (message.id, int(message.state), message.error, message.final_at, message.receipt)


def from_row(row: sqlite3.Row) -> Message:
    """The message that one row of COLUMNS holds."""
    frame = bytes(row[3])
    body = decode(frame).body
    if not isinstance(body, SubmitSm):
        raise TypeError("a stored message is a submit_sm")
    return Message(
        row[0],
        row[1],
        bool(row[2]),
        body,
        row[4],
        row[5],
        row[6],
        MessageState(row[7]),
        row[8],
        row[9],
        row[10],
        row[11] or row[0],
        Plan.unpacked(row[12]),
        frame=frame,
    )


TO_PHONE_ESM_CLASS = 0xC0
"""3.4 5.2.12: bits 7-6, UDH indicator and reply path, go on; the messaging mode is the submitter's own."""
TO_ESME_ESM_CLASS = 0xFC
"""MO: the type in bits 5-2 as well, since a phone's acknowledgements are told by it."""


def delivery(message: Message) -> DeliverSm:
    """The deliver_sm that carries a message to the handset (MT) or to the ESME (MO)."""
    body = message.body
    return DeliverSm(
        service_type=body.service_type,
        source_addr_ton=body.source_addr_ton,
        source_addr_npi=body.source_addr_npi,
        source_addr=body.source_addr,
        dest_addr_ton=body.dest_addr_ton,
        dest_addr_npi=body.dest_addr_npi,
        destination_addr=body.destination_addr,
        esm_class=body.esm_class & (TO_ESME_ESM_CLASS if message.mobile_originated else TO_PHONE_ESM_CLASS),
        protocol_id=body.protocol_id,
        priority_flag=body.priority_flag,
        data_coding=body.data_coding,
        short_message=body.short_message,
        tlvs=list(body.tlvs),
    )
