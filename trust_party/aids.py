"""Life of an AID: its states, the moves between them, its derivation, its terms of contact."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, Self

from gm.keystore import KeyProvider
from gm.sm3 import sm3
from interparty.aid import derive
from interparty.messages import Consent
from interparty.statements import jcs
from interparty.values import Status

AID_KEY_PURPOSE: Final = "aid/"
"""Followed by the enterprise id: the purpose of the key that its AIDs are derived under."""
ATTEMPTS_MAX: Final = 256
"""Derivations of one consent's AID; the attempt is one byte of what is hashed."""
TERMS_CACHE_MAX: Final = 100_000
"""Different terms of contact kept decoded."""


class NoFreeAid(ValueError):
    """A consent's AIDs under the current key are all taken."""


class State(IntEnum):
    """What an AID is. Only ACTIVE lets anyone be contacted; the numbers are those in the store."""

    PENDING = 1
    """Deposited; the subscriber has not confirmed."""
    ACTIVE = 2
    EXPIRED = 3
    """Its term is over, or nobody confirmed in time."""
    REVOKED = 4
    ROTATED = 5
    """Replaced by another AID for the same consent."""


MOVES: Final[Mapping[State, frozenset[State]]] = {
    State.PENDING: frozenset({State.ACTIVE, State.EXPIRED, State.REVOKED}),
    State.ACTIVE: frozenset({State.EXPIRED, State.REVOKED, State.ROTATED}),
    # That a person cancelled is kept on record, even when the term was over.
    State.EXPIRED: frozenset({State.REVOKED}),
    State.REVOKED: frozenset(),
    State.ROTATED: frozenset(),
}


STATUS: Final[Mapping[State, Status]] = {
    State.PENDING: "PENDING",
    State.ACTIVE: "ACTIVE",
    State.EXPIRED: "EXPIRED",
    State.REVOKED: "REVOKED",
    State.ROTATED: "ROTATED",
}
"""States as the parties read them."""


def state_at(state: State, *, not_after: int, pending_until: int, now_ms: int) -> State:
    """What a stored state means now: expiry counts from its moment, not from when it was swept."""
    if state is State.PENDING and now_ms >= min(pending_until, not_after):
        return State.EXPIRED
    if state is State.ACTIVE and now_ms >= not_after:
        return State.EXPIRED
    return state


def move(conn: sqlite3.Connection, aid: int, before: State, after: State, now_ms: int) -> None:
    """Change the state of an AID that is in `before`. Raises ValueError for a move that is not in MOVES."""
    if after not in MOVES[before]:
        raise ValueError(f"an AID does not go from {before.name} to {after.name}")
    changed = conn.execute(
        "UPDATE authorizations SET state = ?, changed_at = ? WHERE aid = ? AND state = ?",
        (int(after), now_ms, aid, int(before)),
    ).rowcount
    if changed != 1:
        raise ValueError(f"the AID is not {before.name}")


@dataclass(frozen=True, slots=True)
class Derived:
    """An AID and what it takes, beside key and consent, to derive it again."""

    aid: int
    epoch: int
    attempt: int


def derive_free(
    conn: sqlite3.Connection, keys: KeyProvider, consent: Consent, consent_sm3: bytes, prefix: str
) -> Derived:
    """Derive the AID of a consent, with the next attempt while the index holds it, live or tombstone.

    Raises KeyStoreError if the enterprise has no AID key, NoFreeAid when every attempt is taken.
    """
    key = keys.current(AID_KEY_PURPOSE + consent.enterprise)
    nonce = bytes.fromhex(consent.nonce)
    for attempt in range(ATTEMPTS_MAX):
        aid = int(
            derive(
                key.hmac,
                epoch=key.version,
                attempt=attempt,
                enterprise=consent.enterprise,
                nonce=nonce,
                consent_sm3=consent_sm3,
                prefix=prefix,
            )
        )
        taken = conn.execute(
            "SELECT 1 FROM authorizations WHERE aid = ? UNION ALL SELECT 1 FROM tombstones WHERE aid = ?",
            (aid, aid),
        ).fetchone()
        if taken is None:
            return Derived(aid, key.version, attempt)
    raise NoFreeAid("every attempt of this consent is taken")


@dataclass(frozen=True, slots=True)
class Terms:
    """What a consent allows: channels and access numbers, hours and frequency."""

    channels: frozenset[str]
    access_numbers: frozenset[str]
    granted: str
    """The part of a grant that is the same for all AIDs under these terms: JSON members, no braces."""

    @staticmethod
    def body_of(consent: Consent) -> str:
        """The terms of a consent as they are stored: canonical JSON, so that equal terms are one row."""
        return jcs(
            {
                "access_numbers": sorted(set(consent.access_numbers)),
                "channels": sorted(set(consent.channels)),
                "frequency": consent.frequency,
                "hours": consent.hours,
            }
        ).decode()

    @classmethod
    def from_body(cls, body: str) -> Self:
        """Read stored terms."""
        fields: dict[str, Any] = json.loads(body)
        channels = frozenset(fields.pop("channels"))
        numbers = frozenset(fields["access_numbers"])
        return cls(channels, numbers, json.dumps(fields, separators=(",", ":"))[1:-1])


class TermsCache:
    """Decoded terms by their row id, so that a million AIDs under one set of terms share it."""

    def __init__(self) -> None:
        self._terms: dict[int, Terms] = {}

    def get(self, terms_id: int, body: str) -> Terms:
        """The terms of a row; `body` is read when they are not known yet."""
        terms = self._terms.get(terms_id)
        if terms is None:
            if len(self._terms) >= TERMS_CACHE_MAX:
                self._terms.clear()
            terms = self._terms[terms_id] = Terms.from_body(body)
        return terms


def terms_row(conn: sqlite3.Connection, body: str) -> int:
    """The row id of these terms; the row is made if there is none."""
    digest = sm3(body.encode())
    row = conn.execute("SELECT id FROM contact_terms WHERE digest = ?", (digest,)).fetchone()
    if row is None:
        row = conn.execute(
            "INSERT INTO contact_terms (digest, body) VALUES (?, ?) RETURNING id", (digest, body)
        ).fetchone()
    return int(row[0])
