"""One message in the SMSC, and the rows in which it survives a crash."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from simulators.smsc.outcomes import Final
from smpp.codec import decode, encode
from smpp.constants import EsmClass, MessageState
from smpp.pdu import DeliverSm, Pdu, SubmitSm
from smpp.receipts import Receipt, build, receipt_tlvs

OPEN_MAX = 50_000
"""Messages that are not final or owe a receipt; beyond it submit_sm is answered ESME_RMSGQFUL."""

HISTORY_ROWS = 100_000
"""Finished messages kept for query_sm; older ones are deleted."""

RECEIPT_NONE, RECEIPT_OWED, RECEIPT_ANSWERED = 0, 1, 2


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
    decided: Final | None = None
    """An end drawn for it, which comes when it is due; None: the handset decides."""
    queued_in: object | None = None
    """The PeerQueue in which it waits."""
    in_flight: bool = False
    """Its peer has it and has not answered."""

    @property
    def is_open(self) -> bool:
        """Something is still to be done for it."""
        return self.state == MessageState.ENROUTE or self.receipt == RECEIPT_OWED


def insert(connection: sqlite3.Connection, message: Message) -> None:
    """Store a message before it is acknowledged, and drop the oldest history now and then."""
    connection.execute(
        "INSERT INTO message VALUES (?,?,?,?,?,?,?,?,?,?,?)",
        (
            message.id, message.account, int(message.mobile_originated), encode(Pdu(message.body, 1)),
            message.accepted_at, message.due_at, message.expires_at, int(message.state), message.error,
            message.final_at, message.receipt,
        ),
    )  # fmt: skip
    if message.id % 1000 == 0:
        connection.execute(
            "DELETE FROM message WHERE id < ? AND state <> 1 AND receipt <> 1", (message.id - HISTORY_ROWS,)
        )


Op = Callable[[sqlite3.Connection], object]


def update(message: Message) -> Op:
    """The store operation for the state that `message` has now (it may change again before it is run)."""
    values = (int(message.state), message.error, message.final_at, message.receipt, message.id)

    def op(connection: sqlite3.Connection) -> None:
        connection.execute(
            "UPDATE message SET state = ?, error = ?, final_at = ?, receipt = ? WHERE id = ?", values
        )

    return op


def replace(message: Message) -> Op:
    """The store operation for the content that replace_sm gave a message."""
    values = (encode(Pdu(message.body, 1)), message.due_at, message.expires_at, message.id)

    def op(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE message SET pdu = ?, due_at = ?, expires_at = ? WHERE id = ?", values)

    return op


COLUMNS = (
    "id, account, mobile_originated, pdu, accepted_at, due_at, expires_at, state, error, final_at, receipt"
)
OPEN_QUERY = f"SELECT {COLUMNS} FROM message WHERE state = 1 OR receipt = 1 ORDER BY id"  # noqa: S608
ONE_QUERY = f"SELECT {COLUMNS} FROM message WHERE id = ? AND account = ?"  # noqa: S608
LAST_ID_QUERY = "SELECT COALESCE(MAX(id), 0) FROM message"


def from_row(row: sqlite3.Row) -> Message:
    """The message that one row of OPEN_QUERY holds."""
    body = decode(row[3]).body
    if not isinstance(body, SubmitSm):
        raise TypeError("a stored message is a submit_sm")
    return Message(
        row[0], row[1], bool(row[2]), body, row[4], row[5], row[6], MessageState(row[7]), *row[8:11]
    )


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
        # 3.4 5.2.12: bits 7-6 hold the UDH indicator and reply path; the messaging mode is the submitter's.
        esm_class=body.esm_class & 0xC0,
        protocol_id=body.protocol_id,
        priority_flag=body.priority_flag,
        data_coding=body.data_coding,
        short_message=body.short_message,
        tlvs=list(body.tlvs),
    )


def owes_receipt(registered_delivery: int, state: MessageState) -> bool:
    """5.0 4.7.21: bits 1-0 of registered_delivery: 1 always, 2 on failure, 3 on success."""
    asked = registered_delivery & 0x03
    return asked == 1 or ((asked == 3) is (state == MessageState.DELIVERED) and asked != 0)


def receipt(message: Message, message_id: bytes) -> DeliverSm:
    """The receipt of a final message, from its destination to its source."""
    body = message.body
    content = Receipt(
        message_id=message_id,
        state=message.state,
        error=f"{message.error:03d}",
        submit_date=datetime.fromtimestamp(message.accepted_at / 1000, UTC),
        done_date=datetime.fromtimestamp(message.final_at / 1000, UTC),
        submitted=1,
        delivered=int(message.state == MessageState.DELIVERED),
    )
    return DeliverSm(
        source_addr_ton=body.dest_addr_ton,
        source_addr_npi=body.dest_addr_npi,
        source_addr=body.destination_addr,
        dest_addr_ton=body.source_addr_ton,
        dest_addr_npi=body.source_addr_npi,
        destination_addr=body.source_addr,
        esm_class=EsmClass.DELIVERY_RECEIPT,
        short_message=build(content),
        tlvs=receipt_tlvs(content),
    )
