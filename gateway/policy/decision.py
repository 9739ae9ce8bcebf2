"""From the trust party's answer to the one person who may be contacted now, or the uniform refusal.

Runs inside the write that records the contact, so that an opt-out committed before it is always seen.
"""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass

from gateway.policy.frequency import parse, within_frequency
from gateway.policy.hours import within_hours
from gateway.policy.refusal import Case, Cause, Refusal
from gateway.store import edis
from gateway.store.subscribers import holdings
from gateway.store.vault import Vault
from masking.resolve import Outcome, decide
from trust_client.verifier import Grant

_CAUSE_OF = {
    Outcome.SUBSCRIBER_CHANGED: Cause.SUBSCRIBER_CHANGED,
    Outcome.PORTED_OUT: Cause.PORTED_OUT,
    Outcome.AMBIGUOUS: Cause.AMBIGUOUS,
    Outcome.UNKNOWN: Cause.SUBSCRIBER_CHANGED,
}


@dataclass(frozen=True, slots=True)
class Subscriber:
    """The one person behind an EDI, now. The MSISDN (E.164 digits) stays inside the carrier domain."""

    edi_id: bytes
    msisdn_index: bytes
    msisdn: str


def decide_contact(
    conn: sqlite3.Connection,
    vault: Vault,
    grant: Grant | None,
    enterprise_id: str,
    access_number: str,
    now_ms: int,
) -> Subscriber | Refusal:
    """Apply the consent's terms and resolve the person; a yes is counted and becomes the last contact.

    `grant` is None when the trust party refused: the same look-ups are made for an id that nobody has,
    so that who refused cannot be told from how long it took.
    """
    found = find_subscriber(conn, vault, None if grant is None else grant.edi_id, enterprise_id, now_ms)
    if isinstance(found, Refusal) or grant is None:
        return found if isinstance(found, Refusal) else Refusal(Case.AID_REFUSED, Cause.EDI_UNKNOWN)
    outside = within_hours(grant.hours, now_ms)
    if outside is not None:
        return outside
    start, count = edis.window(conn, found.edi_id)
    _, period_ms = parse(grant.frequency)
    if now_ms - start >= period_ms:
        start, count = now_ms, 0
    over = within_frequency(grant.frequency, count)
    if over is not None:
        return over
    edis.set_window(conn, found.edi_id, start, count + 1)
    edis.touch_contact(conn, found.msisdn_index, access_number, found.edi_id, now_ms)
    return found


def find_subscriber(
    conn: sqlite3.Connection, vault: Vault, edi_id: bytes | None, enterprise_id: str, now_ms: int
) -> Subscriber | Refusal:
    """The subscriber behind an EDI that the enterprise may reach, or why not. Law 4: never guess a person."""
    edi = edis.get(conn, edi_id or os.urandom(16))
    if edi is None:
        holdings(conn, 0, b"")
        edis.blocked_at(conn, enterprise_id, b"")
        return Refusal(Case.AID_REFUSED, Cause.EDI_UNKNOWN)
    resolution = decide(
        holdings(conn, edi.id_type, edi.identifier_index),
        id_type=edi.id_type,
        identifier=edi.identifier_index.hex(),
        as_of=edi.as_of,
        now=now_ms,
    )
    blocked_at = edis.blocked_at(conn, enterprise_id, edi.msisdn_index)
    cause: Cause | None = None
    if edi.enterprise_id != enterprise_id:
        cause = Cause.EDI_UNKNOWN
    elif edi.confirmed_at is None:
        cause = Cause.NOT_CONFIRMED_HERE
    elif blocked_at is not None and edi.confirmed_at <= blocked_at:
        # Opt-out covers every consent confirmed before it; a consent given afterwards stands.
        cause = Cause.OPTED_OUT
    elif resolution.outcome is Outcome.AMBIGUOUS:
        # Two candidates on that day: the network's own authentication settled which one, once. The number
        # must still be held by one of them.
        holder = edis.current_subscriber(conn, edi.msisdn_index)
        if holder is None or holder not in resolution.candidates:
            cause = Cause.AMBIGUOUS
    elif resolution.outcome is not Outcome.RESOLVED:
        cause = _CAUSE_OF[resolution.outcome]
    elif resolution.msisdn != edi.msisdn_index.hex():
        cause = Cause.SUBSCRIBER_CHANGED
    if cause is not None:
        return Refusal(Case.AID_REFUSED, cause)
    return Subscriber(edi.edi_id, edi.msisdn_index, vault.open_msisdn(edi.msisdn_sealed))
