"""What became of each key of one party, on record in its own database, and what of it is not on record yet.

The key store is one file and the database another, so that a crash between the two leaves a key changed and nobody
told. The ledger therefore has the state of each key as it was last recorded, and whoever changes keys, or starts, has
it compared with the key store (`settle`): what differs becomes an event. So no transition can be left out, whoever
made it. Functions take the connection of the caller's transaction; in it nobody else changes keys.
"""

import getpass
import os
import secrets
import sqlite3
from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

from gm.keystore import Key, KeyProvider
from gm.sm3 import sm3
from interparty.key_messages import KeyEvent, KeyEventName, KeyState

SCHEMA: Final = (
    """
    CREATE TABLE key_states (
        purpose TEXT NOT NULL, version BIGINT NOT NULL, state TEXT NOT NULL, public_sm3 TEXT NOT NULL,
        PRIMARY KEY (purpose, version))
    """,
    """
    CREATE TABLE key_events (
        sequence INTEGER PRIMARY KEY, purpose TEXT, version BIGINT, body TEXT NOT NULL, told BIGINT NOT NULL)
    """,
    "CREATE INDEX key_events_by_key ON key_events (purpose, version)",
    "CREATE INDEX key_events_untold ON key_events (sequence) WHERE told = 0",
)
"""Statements for the owner's migration: the last state on record of each key, and every event; `told` is 1 when it is
in the trust party's evidence log."""

MISSING: Final = "missing"

_EVENT_OF: Final[dict[tuple[str | None, str], KeyEventName]] = {
    (None, "pre-active"): "made",
    (None, "active"): "made",
    (None, "retired"): "made",
    (None, "destroyed"): "destroyed",
    ("pre-active", "active"): "activated",
    ("pre-active", "retired"): "retired",
    ("active", "retired"): "retired",
    ("pre-active", "destroyed"): "destroyed",
    ("active", "destroyed"): "destroyed",
    ("retired", "destroyed"): "destroyed",
    ("destroyed", "destroyed"): "destroyed",
}
"""Moves that operations make, one or two of them at a time. Any other is a store that was restored or lost."""


class Author(NamedTuple):
    """Of an event: the party, who acts for it, and when."""

    party: str
    by: str
    at: int
    """Milliseconds since the epoch."""


def operator() -> str:
    """The account under which this process runs."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a user database
        return f"uid {os.getuid()}"


def states(keys: KeyProvider) -> list[tuple[str, int, str]]:
    """Purpose, version and state of every key: what differs when there is something to settle."""
    return [(purpose, key.version, key.state) for purpose in keys.purposes() for key in keys.keys(purpose)]


def settle(
    conn: sqlite3.Connection,
    keys: KeyProvider,
    author: Author,
    *,
    found: bool = False,
    made: Collection[tuple[str, int]] = (),
) -> list[KeyEvent]:
    """Write down in which state each key is; the events of those that the ledger had otherwise or not at all.

    `found`: nobody recorded what is found now, but for keys just `made` (purpose and version).
    """
    keys.refresh()
    before = {
        (purpose, version): (state, public_sm3)
        for purpose, version, state, public_sm3 in conn.execute(
            "SELECT purpose, version, state, public_sm3 FROM key_states"
        )
    }
    events = []
    for purpose in keys.purposes():
        for key in keys.keys(purpose):
            was, mark = before.pop((purpose, key.version), (None, ""))
            # A store that was lost and made anew has other keys under the same names.
            other = was == key.state and key.state != "destroyed" and mark != (_public_sm3(key) or "")
            if was != key.state or other:
                lost = found and (purpose, key.version) not in made
                events.append(moved(conn, key, author, was=was, now=key.state, found=lost or other))
    for (purpose, version), (was, _) in sorted(before.items()):
        if was != MISSING:
            gone = Key(purpose, version, "destroyed", "sm4", b"")
            events.append(moved(conn, gone, author, was=was, now=MISSING, found=True))
    return events


def moved(
    conn: sqlite3.Connection,
    key: Key,
    author: Author,
    *,
    was: str | None,
    now: KeyState,
    found: bool = False,
    **more: Any,
) -> KeyEvent:
    """Write down that a key goes from one state to another. To be called before a key is destroyed, which cannot be
    undone when the record fails; for all other moves `settle` does it. `more`: fields of the event."""
    conn.execute(
        "INSERT INTO key_states (purpose, version, state, public_sm3) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (purpose, version) DO UPDATE SET state = excluded.state, public_sm3 = excluded.public_sm3",
        (key.purpose, key.version, now, _public_sm3(key) or ""),
    )
    name = MISSING if now == MISSING else _EVENT_OF.get((was, now), "restored")
    described = {"purpose": key.purpose, "version": key.version} if now == MISSING else described_key(key)
    return append(conn, author, name, found=found, state_from=was, state_to=now, **described, **more)


def append(
    conn: sqlite3.Connection, author: Author, event: str, *, found: bool = False, **fields: Any
) -> KeyEvent:
    """Write an event down: of `moved`, or one that moves no key."""
    sequence = conn.execute("SELECT COALESCE(MAX(sequence), 0) + 1 FROM key_events").fetchone()[0]
    said = KeyEvent.model_validate(
        {
            "party": author.party,
            "event_id": secrets.token_hex(16),
            "sequence": sequence,
            "event": event,
            "by": author.by,
            "found": found,
            "at": author.at,
        }
        | {name: value for name, value in fields.items() if value is not None}
    )
    conn.execute(
        "INSERT INTO key_events (sequence, purpose, version, body, told) VALUES (?, ?, ?, ?, 0)",
        (sequence, said.purpose, said.version, said.model_dump_json(exclude_none=True)),
    )
    return said


def described_key(key: Key) -> dict[str, Any]:
    """A key as events name it: never by what is secret, and a public key by its digest."""
    return {
        "purpose": key.purpose,
        "version": key.version,
        "algorithm": key.algorithm,
        "key_id": key.id or None,
        "public_sm3": _public_sm3(key),
    }


def _public_sm3(key: Key) -> str | None:
    if key.algorithm not in ("sm2", "sm2-public") or key.state == "destroyed":
        return None
    return sm3(key.public.to_bytes()).hex()


def detail_of(event: KeyEvent) -> dict[str, Any]:
    """An event as a party's audit chain has it, which names party, event and time itself."""
    fields = event.fields()
    return {name: value for name, value in fields.items() if name not in ("party", "event", "at", "event_id")}


def last(conn: sqlite3.Connection, purpose: str, version: int) -> KeyEvent | None:
    """The last event of a key."""
    row = conn.execute(
        "SELECT body FROM key_events WHERE purpose = ? AND version = ? ORDER BY sequence DESC LIMIT 1",
        (purpose, version),
    ).fetchone()
    return None if row is None else KeyEvent.model_validate_json(row[0])


def events(conn: sqlite3.Connection) -> list[tuple[KeyEvent, bool]]:
    """Every event in order, each with whether it is in the evidence log."""
    rows = conn.execute("SELECT body, told FROM key_events ORDER BY sequence")
    return [(KeyEvent.model_validate_json(body), bool(told)) for body, told in rows]


def untold(conn: sqlite3.Connection, limit: int) -> list[KeyEvent]:
    """Events that the evidence log does not have, in order."""
    rows = conn.execute(
        "SELECT body FROM key_events WHERE told = 0 ORDER BY sequence LIMIT ?", (limit,)
    ).fetchall()
    return [KeyEvent.model_validate_json(row[0]) for row in rows]


def tell(conn: sqlite3.Connection, told: Sequence[KeyEvent]) -> None:
    """The evidence log has these events."""
    conn.executemany(
        "UPDATE key_events SET told = 1 WHERE sequence = ?", [(event.sequence,) for event in told]
    )
