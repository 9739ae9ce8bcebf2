"""The end of messages: CDRs, which are the reports for the trust party, and receipts for enterprises, in one commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

from gateway.records import metrics
from gateway.sms import long_messages
from gateway.store import edis, messages, outbox, records
from gateway.store.domain import Domain
from gateway.store.ids import text_of
from gateway.store.messages import MessageRow
from masking.egress_guard import Alarm, EgressGuard, Secrets
from masking.smpp_leg import ReceiptModel, build_receipt, encode_receipt, guarded_fields
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
        MessageState.SKIPPED,
    }
)


_NAMES: Final = {state: state.name for state in MessageState}


class Delivery(NamedTuple):
    """A deliver_sm for an enterprise, committed to its outbox."""

    id: int
    account: str
    expires_at: int
    frame: bytes


class End(NamedTuple):
    """What became of one message. `error` is 0 to 999, the gateway's own and never the network's."""

    row: MessageRow
    state: MessageState
    error: int = 0


def _on_alarm(alarm: Alarm) -> None:
    metrics.EGRESS_ALARMS.labels(alarm.leg, alarm.field).inc()


GUARD = EgressGuard(_on_alarm)


Draft = tuple[str, bytes, bool]
"""A deliver_sm on its way to an outbox: whose (account), the frame, and whether it holds a person's own words and so is
sealed."""


def guarded_frame(body: DeliverSm, msisdn: str | None) -> bytes:
    """A deliver_sm as it goes out. The egress guard has the last look at what was introduced; a field that
    carries the number is dropped."""
    if msisdn is not None:
        for field in GUARD.check("smpp", guarded_fields(body), Secrets(msisdn)):
            setattr(body, field, type(getattr(body, field))())
    return encode(Pdu(body, 0))


def put_deliveries(
    conn: sqlite3.Connection, domain: Domain, drafts: Sequence[Draft], validity_s: int
) -> list[Delivery]:
    """Commit deliver_sm to outboxes."""
    now = domain.now_ms()
    expires_at = now + validity_s * 1000
    deliveries = []
    rows = []
    for account, frame, is_sealed in drafts:
        delivery = Delivery(domain.ids.next(), account, expires_at, frame)
        deliveries.append(delivery)
        stored = domain.vault.seal(SEAL_OUTBOX, frame) if is_sealed else frame
        rows.append((delivery.id, account, now, expires_at, stored, int(is_sealed)))
    outbox.put_enterprise(conn, rows)
    return deliveries


def open_delivery(domain: Domain, row: outbox.EnterpriseRow) -> Delivery:
    """A delivery as it waits in the store."""
    frame = domain.vault.open(SEAL_OUTBOX, row.body) if row.is_sealed else row.body
    return Delivery(row.id, row.account, row.expires_at, frame)


def wants_receipt(registered_delivery: int, state: MessageState) -> bool:
    """SMPP 5.0, 4.7.21: bits 1-0: 01 success or failure, 10 failure only, 11 success only."""
    asked = registered_delivery & 0x03
    if asked == 0x01:
        return True
    succeeded = state is MessageState.DELIVERED
    return (asked == 0x02 and not succeeded) or (asked == 0x03 and succeeded)


INTERMEDIATE_ASKED = 0x10
"""SMPP 5.0, 4.7.21: bit 4 asks for intermediate notifications."""


def finish_messages(
    conn: sqlite3.Connection, domain: Domain, ends: Sequence[End], outbox_validity_s: int
) -> list[Delivery]:
    """Give pending messages their outcome: each in `ends` once, and without an outcome until now."""
    now = domain.now_ms()
    whole: list[End] = []
    told: list[End] = []
    cdrs: list[records.CdrRow] = []
    for end in ends:
        row = end.row
        domain.recent.remove(row.id)
        if row.long_id is None:
            whole.append(end)
            if row.kind == messages.ENTERPRISE:
                cdrs.append(_cdr(end, now))
                told.append(end)
        else:
            parts = long_messages.close_part(conn, end.row, end.state, end.error, now)
            told += (End(each.row, each.state, each.error) for each in parts.receipts)
            if parts.whole is not None:
                cdrs.append(parts.whole)
    messages.remove(conn, [end.row.id for end in whole])
    records.put_cdrs(conn, cdrs)
    told = [end for end in told if wants_receipt(end.row.registered_delivery, end.state)]
    numbers = _numbers(conn, domain, told)
    drafts = [receipt_draft(end, now, numbers) for end in told]
    return put_deliveries(conn, domain, drafts, outbox_validity_s)


def put_intermediate(
    conn: sqlite3.Connection, domain: Domain, end: End, outbox_validity_s: int
) -> list[Delivery]:
    """Tell the enterprise that a message is on its way; its outcome is still to come."""
    numbers = _numbers(conn, domain, [end])
    draft = receipt_draft(end, domain.now_ms(), numbers, intermediate=True)
    return put_deliveries(conn, domain, [draft], outbox_validity_s)


def finish_one(conn: sqlite3.Connection, domain: Domain, end: End, outbox_validity_s: int) -> list[Delivery]:
    """As `finish_messages` for one message that may have its outcome already: then nothing changes."""
    stored = messages.get(conn, end.row.id)
    if stored is None or stored.state == messages.State.FINAL:
        return []
    return finish_messages(conn, domain, [end], outbox_validity_s)


def receipt_draft(end: End, now: int, numbers: dict[bytes, str], *, intermediate: bool = False) -> Draft:
    """The receipt of a message."""
    row = end.row
    model = ReceiptModel(
        row.aid, row.access_number, text_of(row.public_id), end.state, end.error, row.accepted_at, now, intermediate
    )  # fmt: skip
    msisdn = None if row.edi_id is None else numbers.get(row.edi_id)
    frame, guarded = encode_receipt(model)
    if msisdn is None or GUARD.passes(guarded, Secrets(msisdn)):
        return row.account, frame, False
    return row.account, guarded_frame(build_receipt(model), msisdn), False


def _numbers(conn: sqlite3.Connection, domain: Domain, ends: Sequence[End]) -> dict[bytes, str]:
    """The numbers that must not be in the receipts, for the egress guard."""
    found: dict[bytes, str] = {}
    missing: set[bytes] = set()
    for end in ends:
        edi_id = end.row.edi_id
        if edi_id is None or edi_id in found:
            continue
        person = domain.subscribers.get(edi_id, 0)
        if person is None:
            missing.add(edi_id)
        else:
            found[edi_id] = person.msisdn
    for edi_id, sealed in edis.sealed_msisdns(conn, list(missing)):
        found[edi_id] = domain.vault.open_msisdn(sealed)
    return found


def _cdr(end: End, now: int) -> records.CdrRow:
    row = end.row
    return records.CdrRow(
        row.id, row.public_id, "mt", row.account, row.enterprise_id, row.access_number, row.aid, row.edi_id,
        row.accepted_at, None, now, _NAMES[end.state], end.error, 1, row.octets, row.digest,
    )  # fmt: skip
