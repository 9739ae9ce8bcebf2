"""EDIs that this carrier opened, opt-out blocks, and who was contacted last from which access number."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

from foundation.rows import execute_rows, select_keys
from gateway.store.subscribers import IMSI


class EdiRow(NamedTuple):
    """An opened EDI. `as_of` is YYYYMMDD in Asia/Shanghai, `confirmed_at` and `window_start` milliseconds."""

    edi_id: bytes
    enterprise_id: str
    msisdn_index: bytes
    msisdn_sealed: bytes
    id_type: int
    identifier_index: bytes
    as_of: int
    consent_sm3: bytes
    confirmed_at: int | None
    window_start: int = 0
    """Of the running period of the consent's frequency."""
    window_count: int = 0
    """Contacts counted in it."""


_COLUMNS = (
    "edi_id, enterprise_id, msisdn_index, msisdn_sealed, id_type, identifier_index, as_of, consent_sm3,"
    " confirmed_at"
)


def insert(conn: sqlite3.Connection, row: EdiRow) -> None:
    conn.execute(
        f"INSERT INTO edi ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (edi_id) DO NOTHING",
        row[: row._fields.index("window_start")],
    )


def confirm(conn: sqlite3.Connection, edi_id: bytes, at_ms: int) -> None:
    conn.execute("UPDATE edi SET confirmed_at = ? WHERE edi_id = ?", (at_ms, edi_id))


def get(conn: sqlite3.Connection, edi_id: bytes) -> EdiRow | None:
    return get_all(conn, [edi_id]).get(edi_id)


def get_all(conn: sqlite3.Connection, edi_ids: Sequence[bytes]) -> dict[bytes, EdiRow]:
    """Those of the EDIs that are known, by edi_id."""
    rows = select_keys(conn, f"SELECT {_COLUMNS} FROM edi WHERE edi_id IN (@keys)", edi_ids)
    # Of those that are not known too: who is unknown must not be told by how little was looked up.
    sql = "SELECT edi_id, window_start, window_count FROM contact_window WHERE edi_id IN (@keys)"
    windows = {row[0]: (row[1], row[2]) for row in select_keys(conn, sql, edi_ids)}
    return {row[0]: EdiRow(*row, *windows.get(row[0], ())) for row in rows}


def sealed_msisdns(conn: sqlite3.Connection, edi_ids: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    """(edi_id, sealed number) of those that are known."""
    sql = "SELECT edi_id, msisdn_sealed FROM edi WHERE edi_id IN (@keys)"
    return [(row[0], row[1]) for row in select_keys(conn, sql, edi_ids)]


def current_subscriber(conn: sqlite3.Connection, msisdn_index: bytes) -> int | None:
    """Who holds the number now, as far as the open lines of the table agree on one.

    A device's line does not count once the subscription (IMSI) it belongs to has ended.
    """
    rows = conn.execute(
        "SELECT DISTINCT subscriber_id FROM holding h WHERE msisdn_index = ? AND recorded_to IS NULL"
        " AND valid_to IS NULL AND (id_type = ? OR NOT EXISTS (SELECT 1 FROM holding i"
        " WHERE i.msisdn_index = h.msisdn_index AND i.subscriber_id = h.subscriber_id AND i.id_type = ?"
        " AND i.recorded_to IS NULL)) LIMIT 2",
        (msisdn_index, IMSI, IMSI),
    ).fetchall()
    return int(rows[0][0]) if len(rows) == 1 else None


def blocked_at(conn: sqlite3.Connection, msisdn_indexes: Sequence[bytes]) -> dict[tuple[str, bytes], int]:
    """When subscribers opted out: (enterprise, subscriber) to milliseconds; who never did is not in it."""
    rows = select_keys(
        conn,
        "SELECT enterprise_id, msisdn_index, blocked_at FROM block WHERE msisdn_index IN (@keys)",
        msisdn_indexes,
    )
    return {(row[0], row[1]): row[2] for row in rows}


EVERY_ENTERPRISE: Final = ""
"""In place of an enterprise in a block: the operator's, which no consent undoes."""


def bar(conn: sqlite3.Connection, msisdn_index: bytes, at_ms: int) -> None:
    """Put a subscriber on the operator's list: nobody may contact them."""
    block(conn, EVERY_ENTERPRISE, msisdn_index, at_ms)


def unbar(conn: sqlite3.Connection, msisdn_index: bytes) -> bool:
    """Take a subscriber off it; False when they were not on it."""
    found = conn.execute(
        "DELETE FROM block WHERE enterprise_id = ? AND msisdn_index = ?", (EVERY_ENTERPRISE, msisdn_index)
    )
    return found.rowcount == 1


def block(conn: sqlite3.Connection, enterprise_id: str, msisdn_index: bytes, at_ms: int) -> None:
    """Block every authorization of the enterprise for the subscriber that was confirmed until now."""
    conn.execute(
        "INSERT INTO block (enterprise_id, msisdn_index, blocked_at) VALUES (?, ?, ?)"
        " ON CONFLICT (enterprise_id, msisdn_index) DO UPDATE SET blocked_at = excluded.blocked_at",
        (enterprise_id, msisdn_index, at_ms),
    )


def confirmed_before(
    conn: sqlite3.Connection, enterprise_id: str, msisdn_index: bytes, at_ms: int
) -> list[bytes]:
    """The edi_ids of the enterprise for the subscriber that were confirmed no later than `at_ms`."""
    return [
        bytes(row[0])
        for row in conn.execute(
            "SELECT edi_id FROM edi WHERE msisdn_index = ? AND enterprise_id = ? AND confirmed_at <= ?",
            (msisdn_index, enterprise_id, at_ms),
        )
    ]


def confirmed_after(conn: sqlite3.Connection, enterprise_id: str, msisdn_index: bytes, at_ms: int) -> bool:
    """Whether the subscriber confirmed any consent to the enterprise after `at_ms`."""
    found = conn.execute(
        "SELECT 1 FROM edi WHERE msisdn_index = ? AND enterprise_id = ? AND confirmed_at > ? LIMIT 1",
        (msisdn_index, enterprise_id, at_ms),
    )
    return found.fetchone() is not None


def set_windows(conn: sqlite3.Connection, windows: Sequence[tuple[bytes, int, int]]) -> None:
    """(edi_id, start of the period in ms, contacts in it)."""
    # In the order of their keys, so that what lies on one page is written together.
    conn.executemany(
        "INSERT INTO contact_window (edi_id, window_start, window_count) VALUES (?, ?, ?) ON CONFLICT (edi_id)"
        " DO UPDATE SET window_start = excluded.window_start, window_count = excluded.window_count",
        sorted(windows),
    )


def touch_contacts(conn: sqlite3.Connection, contacts: Sequence[tuple[bytes, str, bytes, int]]) -> None:
    """(MSISDN index, access number) means this `edi_id` from now on (ms): in the send's own commit."""
    execute_rows(
        conn,
        "INSERT INTO contact (msisdn_index, access_number, edi_id, contacted_at) VALUES @rows"
        " ON CONFLICT (msisdn_index, access_number)"
        " DO UPDATE SET edi_id = excluded.edi_id, contacted_at = excluded.contacted_at",
        contacts,
    )


def contact(conn: sqlite3.Connection, msisdn_index: bytes, access_number: str) -> tuple[bytes, str] | None:
    """(`edi_id`, enterprise) most recently contacted from the access number, None when nobody was."""
    row = conn.execute(
        "SELECT c.edi_id, e.enterprise_id FROM contact c JOIN edi e ON e.edi_id = c.edi_id"
        " WHERE c.msisdn_index = ? AND c.access_number = ?",
        (msisdn_index, access_number),
    ).fetchone()
    return None if row is None else (bytes(row[0]), str(row[1]))
