"""From the trust party's answer to the one person who may be contacted now, or the uniform refusal.

Runs inside the write that records the contact, so that an opt-out committed before it is always seen.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

from gateway.policy import frequency
from gateway.policy.barred import BARRED
from gateway.policy.contact import Contact
from gateway.policy.contact_rules import refusal_of
from gateway.policy.opt_out import opted_out
from gateway.policy.refusal import Case, Cause, Refusal
from gateway.store import edis
from gateway.store.domain import Domain
from gateway.store.subscriber_cache import Resolved
from gateway.store.subscribers import holdings_of
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
    at: int | None = None
    """When it takes place (ms), for a message that is scheduled; None: now."""


def decide_contacts(
    conn: sqlite3.Connection, domain: Domain, asks: Sequence[Ask], now_ms: int
) -> list[Resolved | Refusal]:
    """Apply the consents' terms and resolve the people; a yes is counted and becomes the last contact.

    For what the trust party refused the same look-ups are made with an id that nobody has, and again for
    what is refused here of someone remembered, so that who refused cannot be told from how long it took.
    """
    domain.subscribers.refresh(conn)
    people, remembered = _find(conn, domain, [(_edi_id(ask), ask.enterprise_id) for ask in asks], now_ms)
    blocks = edis.blocked_at(
        conn, [os.urandom(16) if isinstance(person, Refusal) else person.msisdn_index for person in people]
    )
    answers: list[Resolved | Refusal] = []
    windows: dict[bytes, Resolved] = {}
    contacts: dict[tuple[bytes, str], bytes] = {}
    refused_remembered = 0
    for ask, person, was_remembered in zip(asks, people, remembered, strict=True):
        if isinstance(person, Refusal) or ask.grant is None:
            answers.append(person if isinstance(person, Refusal) else _UNKNOWN)
            continue
        blocked_at = blocks.get((person.enterprise_id, person.msisdn_index))
        contact = Contact(
            person,
            ask.grant,
            blocked_at,
            now_ms,
            now_ms if ask.at is None else ask.at,
            (edis.EVERY_ENTERPRISE, person.msisdn_index) in blocks,
        )
        refusal = refusal_of(contact)
        if refusal is not None:
            refused_remembered += was_remembered
            answers.append(refusal)
            continue
        frequency.count(contact)
        answers.append(person)
        windows[person.edi_id] = person
        if domain.subscribers.contacted(person, ask.access_number):
            contacts[(person.msisdn_index, ask.access_number)] = person.edi_id
    _look_up_nobody(conn, refused_remembered)
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
    people, _ = _find(conn, domain, asks, now_ms)
    blocks = edis.blocked_at(
        conn, [os.urandom(16) if isinstance(person, Refusal) else person.msisdn_index for person in people]
    )
    return [
        person if isinstance(person, Refusal) else _stopped(person, blocks) or person for person in people
    ]


def _stopped(person: Resolved, blocks: dict[tuple[str, bytes], int]) -> Refusal | None:
    """What stops a contact that was allowed before."""
    if (edis.EVERY_ENTERPRISE, person.msisdn_index) in blocks:
        return BARRED
    return opted_out(person, blocks.get((person.enterprise_id, person.msisdn_index)))


_UNKNOWN = Refusal(Case.AID_REFUSED, Cause.EDI_UNKNOWN)


def _edi_id(ask: Ask) -> bytes | None:
    return None if ask.grant is None else ask.grant.edi_id


def _find(
    conn: sqlite3.Connection, domain: Domain, asks: Sequence[tuple[bytes | None, str]], now_ms: int
) -> tuple[list[Resolved | Refusal], list[bool]]:
    """The people behind EDIs, opt-outs apart, and which of them were remembered. Who is not is looked up with
    all others, in as many rows for an EDI that nobody has as for one that somebody has."""
    known: list[Resolved | None] = []
    for edi_id, enterprise_id in asks:
        entry = None if edi_id is None else domain.subscribers.get(edi_id, now_ms)
        known.append(entry if entry is not None and entry.enterprise_id == enterprise_id else None)
    # Two contacts under one EDI are one person: they count together.
    missing: dict[tuple[bytes, str], Resolved | Refusal] = {}
    places: list[tuple[bytes, str] | None] = []
    for (edi_id, enterprise_id), entry in zip(asks, known, strict=True):
        place = None if entry is not None else (edi_id or os.urandom(16), enterprise_id)
        places.append(place)
        if place is not None:
            missing[place] = _UNKNOWN
    if missing:
        _resolve(conn, domain, missing, now_ms)
    people = [_UNKNOWN if place is None else missing[place] for place in places]
    return [entry or person for entry, person in zip(known, people, strict=True)], [
        entry is not None for entry in known
    ]


def _resolve(
    conn: sqlite3.Connection, domain: Domain, asked: dict[tuple[bytes, str], Resolved | Refusal], now_ms: int
) -> None:
    """Fill in the subscribers behind EDIs, each for an enterprise."""
    rows = edis.get_all(conn, list({edi_id for edi_id, _ in asked}))
    found = [(place, rows.get(place[0])) for place in asked]
    lines = holdings_of(
        conn, [_NOBODY if edi is None else (edi.id_type, edi.identifier_index) for _, edi in found]
    )
    for place, edi in found:
        if edi is not None:
            held = lines.get((edi.id_type, edi.identifier_index), [])
            asked[place] = _person(conn, domain, edi, place[1], held, now_ms)


def _person(
    conn: sqlite3.Connection,
    domain: Domain,
    edi: edis.EdiRow,
    enterprise_id: str,
    lines: Sequence[Holding],
    now_ms: int,
) -> Resolved | Refusal:
    """The subscriber behind an EDI, opt-outs apart. Law 4: never guess a person."""
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


_NOBODY: Final = (0, b"")
"""An identifier that nobody has."""


def _look_up_nobody(conn: sqlite3.Connection, times: int) -> None:
    edis.get_all(conn, [os.urandom(16) for _ in range(times)])
    holdings_of(conn, [_NOBODY] * times)


def _until(lines: Sequence[Holding], now_ms: int) -> int:
    """When a line begins or ends next: until then the same lines say the same."""
    bounds = [bound for line in lines for bound in (line.valid_from, line.valid_to) if bound is not None]
    return min([now_ms + RESOLVED_MS, *(bound for bound in bounds if bound > now_ms)])
