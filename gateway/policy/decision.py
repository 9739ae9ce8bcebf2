"""From the trust party's answer to the one person who may be contacted now, or the uniform refusal.

Runs inside the write that records the contact, so that an opt-out committed before it is always seen.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from gateway.policy.frequency import parse, within_frequency
from gateway.policy.hours import within_hours
from gateway.policy.refusal import Case, Cause, Refusal
from gateway.store import edis
from gateway.store.domain import Domain
from gateway.store.subscriber_cache import Resolved
from gateway.store.subscribers import holdings
from masking.resolve import Holding, Outcome, decide
from trust_client.verifier import Grant

RESOLVED_MS = 600_000
"""How long a resolution is remembered at most."""

_CAUSE_OF = {
    Outcome.SUBSCRIBER_CHANGED: Cause.SUBSCRIBER_CHANGED,
    Outcome.PORTED_OUT: Cause.PORTED_OUT,
    Outcome.AMBIGUOUS: Cause.AMBIGUOUS,
    Outcome.UNKNOWN: Cause.SUBSCRIBER_CHANGED,
}


class Ask(NamedTuple):
    """One contact to decide. `grant` is None when the trust party refused."""

    grant: Grant | None
    enterprise_id: str
    access_number: str


def decide_contacts(
    conn: sqlite3.Connection, domain: Domain, asks: Sequence[Ask], now_ms: int
) -> list[Resolved | Refusal]:
    """Apply the consents' terms and resolve the people; a yes is counted and becomes the last contact.

    For what the trust party refused the same look-ups are made with an id that nobody has, and again for
    what is refused here of someone remembered, so that who refused cannot be told from how long it took.
    """
    domain.subscribers.refresh(conn)
    people: list[Resolved | Refusal] = []
    remembered: list[bool] = []
    for ask in asks:
        edi_id = None if ask.grant is None else ask.grant.edi_id
        known = _known(domain, edi_id, ask.enterprise_id, now_ms)
        remembered.append(known is not None)
        people.append(known or _resolve(conn, domain, edi_id, ask.enterprise_id, now_ms))
    blocks = edis.blocked_at(
        conn, [os.urandom(16) if isinstance(person, Refusal) else person.msisdn_index for person in people]
    )
    answers: list[Resolved | Refusal] = []
    windows: dict[bytes, Resolved] = {}
    contacts: dict[tuple[bytes, str], bytes] = {}
    for ask, person, was_remembered in zip(asks, people, remembered, strict=True):
        if isinstance(person, Refusal) or ask.grant is None:
            answers.append(person if isinstance(person, Refusal) else _UNKNOWN)
            continue
        refusal = _opted_out(person, blocks) or _count(person, ask.grant, now_ms)
        if refusal is not None:
            if was_remembered:
                _look_up_nobody(conn)
            answers.append(refusal)
            continue
        answers.append(person)
        windows[person.edi_id] = person
        if domain.subscribers.contacted(person, ask.access_number):
            contacts[(person.msisdn_index, ask.access_number)] = person.edi_id
    edis.set_windows(conn, [(each.edi_id, each.window_start, each.window_count) for each in windows.values()])
    edis.touch_contacts(
        conn, [(index, number, edi_id, now_ms) for (index, number), edi_id in contacts.items()]
    )
    return answers


def find_subscribers(
    conn: sqlite3.Connection, domain: Domain, asks: Sequence[tuple[bytes | None, str]], now_ms: int
) -> list[Resolved | Refusal]:
    """The people behind EDIs, each with the enterprise that wants to reach them, or why it may not."""
    domain.subscribers.refresh(conn)
    people = [
        _known(domain, edi_id, enterprise_id, now_ms) or _resolve(conn, domain, edi_id, enterprise_id, now_ms)
        for edi_id, enterprise_id in asks
    ]
    blocks = edis.blocked_at(
        conn, [os.urandom(16) if isinstance(person, Refusal) else person.msisdn_index for person in people]
    )
    return [
        person if isinstance(person, Refusal) else _opted_out(person, blocks) or person for person in people
    ]


_UNKNOWN = Refusal(Case.AID_REFUSED, Cause.EDI_UNKNOWN)
_OPTED_OUT = Refusal(Case.AID_REFUSED, Cause.OPTED_OUT)


def _opted_out(person: Resolved, blocks: dict[tuple[str, bytes], int]) -> Refusal | None:
    # Opt-out covers every consent confirmed before it; a consent given afterwards stands.
    blocked_at = blocks.get((person.enterprise_id, person.msisdn_index))
    return _OPTED_OUT if blocked_at is not None and person.confirmed_at <= blocked_at else None


def _count(person: Resolved, grant: Grant, now_ms: int) -> Refusal | None:
    """Hours and frequency; a yes counts."""
    outside = within_hours(grant.hours, now_ms)
    if outside is not None:
        return outside
    _, period_ms = parse(grant.frequency)
    fresh = now_ms - person.window_start >= period_ms
    count = 0 if fresh else person.window_count
    over = within_frequency(grant.frequency, count)
    if over is not None:
        return over
    if fresh:
        person.window_start = now_ms
    person.window_count = count + 1
    return None


def _known(domain: Domain, edi_id: bytes | None, enterprise_id: str, now_ms: int) -> Resolved | None:
    """The subscriber behind an EDI as it was resolved before."""
    known = None if edi_id is None else domain.subscribers.get(edi_id, now_ms)
    return known if known is not None and known.enterprise_id == enterprise_id else None


def _resolve(
    conn: sqlite3.Connection, domain: Domain, edi_id: bytes | None, enterprise_id: str, now_ms: int
) -> Resolved | Refusal:
    """The subscriber behind an EDI, opt-outs apart. Law 4: never guess a person."""
    edi = edis.get(conn, os.urandom(16) if edi_id is None else edi_id)
    if edi is None:
        holdings(conn, 0, b"")
        return _UNKNOWN
    lines = holdings(conn, edi.id_type, edi.identifier_index)
    resolution = decide(
        lines, id_type=edi.id_type, identifier=edi.identifier_index.hex(), as_of=edi.as_of, now=now_ms
    )
    cause: Cause | None = None
    if edi.enterprise_id != enterprise_id:
        cause = Cause.EDI_UNKNOWN
    elif edi.confirmed_at is None:
        cause = Cause.NOT_CONFIRMED_HERE
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
    if cause is not None or edi.confirmed_at is None:
        return Refusal(Case.AID_REFUSED, cause or Cause.NOT_CONFIRMED_HERE)
    person = Resolved(
        edi.edi_id,
        enterprise_id,
        edi.msisdn_index,
        domain.vault.open_msisdn(edi.msisdn_sealed),
        edi.confirmed_at,
        _until(lines, now_ms),
        edi.window_start,
        edi.window_count,
    )
    domain.subscribers.put(person)
    return person


def _look_up_nobody(conn: sqlite3.Connection) -> None:
    edis.get(conn, os.urandom(16))
    holdings(conn, 0, b"")


def _until(lines: Sequence[Holding], now_ms: int) -> int:
    """When a line begins or ends next: until then the same lines say the same."""
    bounds = [bound for line in lines for bound in (line.valid_from, line.valid_to) if bound is not None]
    return min([now_ms + RESOLVED_MS, *(bound for bound in bounds if bound > now_ms)])
