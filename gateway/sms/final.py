"""The end of a message: CDR, the report for the trust party and the receipt for the enterprise, in one commit."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from gateway.records import metrics
from gateway.records.reports import put_report
from gateway.store import edis, messages, outbox, records
from gateway.store.domain import Domain
from gateway.store.ids import text_of
from masking.egress_guard import Alarm, EgressGuard, Secrets
from masking.smpp_leg import ReceiptModel, build_receipt, guarded_fields
from smpp.codec import encode
from smpp.pdu import DeliverSm, Pdu
from smpp.receipts import MessageState

SEAL_OUTBOX = "enterprise_outbox"

FINAL_STATES = frozenset(
    {
        MessageState.DELIVERED,
        MessageState.EXPIRED,
        MessageState.DELETED,
        MessageState.UNDELIVERABLE,
        MessageState.UNKNOWN,
        MessageState.REJECTED,
    }
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A deliver_sm for an enterprise, committed to its outbox."""

    id: int
    account: str
    expires_at: int
    frame: bytes


def _on_alarm(alarm: Alarm) -> None:
    metrics.EGRESS_ALARMS.labels(alarm.leg, alarm.field).inc()


GUARD = EgressGuard(_on_alarm)


def put_delivery(
    conn: sqlite3.Connection,
    domain: Domain,
    account: str,
    body: DeliverSm,
    msisdn: str | None,
    validity_s: int,
) -> Delivery:
    """Commit a deliver_sm to an account's outbox. The egress guard has the last look at what was introduced."""
    if msisdn is not None:
        for field in GUARD.check("smpp", guarded_fields(body), Secrets(msisdn)):
            setattr(body, field, type(getattr(body, field))())
    frame = encode(Pdu(body, 0))
    now = domain.now_ms()
    delivery = Delivery(domain.ids.next(), account, now + validity_s * 1000, frame)
    outbox.put_enterprise(
        conn,
        outbox.EnterpriseRow(
            delivery.id, account, now, delivery.expires_at, domain.vault.seal(SEAL_OUTBOX, frame)
        ),
    )
    return delivery


def wants_receipt(registered_delivery: int, state: MessageState) -> bool:
    """SMPP 5.0, 4.7.21: bits 1-0: 01 success or failure, 10 failure only, 11 success only."""
    asked = registered_delivery & 0x03
    if asked == 0x01:
        return True
    succeeded = state is MessageState.DELIVERED
    return (asked == 0x02 and not succeeded) or (asked == 0x03 and succeeded)


def finish_message(
    conn: sqlite3.Connection,
    domain: Domain,
    row: messages.MessageRow,
    state: MessageState,
    error: int,
    outbox_validity_s: int,
) -> Delivery | None:
    """Give a message its outcome. Idempotent: a second outcome changes nothing and gives None."""
    now = domain.now_ms()
    if not messages.finish(conn, row.id, int(state), now):
        return None
    if row.kind != messages.Kind.ENTERPRISE or row.edi_id is None:
        return None
    records.put_cdr(
        conn,
        records.CdrRow(
            id=row.id,
            kind="mt",
            enterprise_id=row.enterprise_id,
            access_number=row.access_number,
            aid=row.aid,
            edi_id=row.edi_id,
            started_at=row.accepted_at,
            answered_at=None,
            ended_at=now,
            result=state.name,
            octets=0,
        ),
    )
    put_report(conn, domain, row.id, row.edi_id, row.enterprise_id, "sms", row.access_number, "mt", state.name,
               row.accepted_at, now)  # fmt: skip
    if not wants_receipt(row.registered_delivery, state):
        return None
    edi = edis.get(conn, row.edi_id)
    body = build_receipt(
        ReceiptModel(
            aid=row.aid,
            access_number=row.access_number,
            message_id=text_of(row.id),
            state=state,
            error=error,
            submitted_at=row.accepted_at,
            done_at=now,
        )
    )
    msisdn = None if edi is None else domain.vault.open_msisdn(edi.msisdn_sealed)
    return put_delivery(conn, domain, row.account, body, msisdn, outbox_validity_s)
