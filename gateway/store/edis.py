"""EDIs that this carrier opened, opt-out blocks, and who was contacted last from which access number."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from gateway.store.subscribers import IMSI


@dataclass(frozen=True, slots=True)
class EdiRow:
    """An opened EDI. `as_of` is YYYYMMDD in Asia/Shanghai, `confirmed_at` milliseconds."""

    edi_id: bytes
    enterprise_id: str
    msisdn_index: bytes
    msisdn_sealed: bytes
    id_type: int
    identifier_index: bytes
    as_of: int
    consent_sm3: bytes
    confirmed_at: int | None


_COLUMNS = (
    "edi_id, enterprise_id, msisdn_index, msisdn_sealed, id_type, identifier_index, as_of, consent_sm3,"
    " confirmed_at"
)


def insert(conn: sqlite3.Connection, row: EdiRow) -> None:
    conn.execute(
        f"INSERT INTO edi ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (edi_id) DO NOTHING",  # noqa: S608
        (
            row.edi_id,
            row.enterprise_id,
            row.msisdn_index,
            row.msisdn_sealed,
            row.id_type,
            row.identifier_index,
            row.as_of,
            row.consent_sm3,
            row.confirmed_at,
        ),
    )


def confirm(conn: sqlite3.Connection, edi_id: bytes, at_ms: int) -> None:
    conn.execute("UPDATE edi SET confirmed_at = ? WHERE edi_id = ?", (at_ms, edi_id))


def get(conn: sqlite3.Connection, edi_id: bytes) -> EdiRow | None:
    row = conn.execute(f"SELECT {_COLUMNS} FROM edi WHERE edi_id = ?", (edi_id,)).fetchone()  # noqa: S608
    return None if row is None else EdiRow(*row)


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


def blocked_at(conn: sqlite3.Connection, enterprise_id: str, msisdn_index: bytes) -> int | None:
    """When the subscriber opted out of everything of the enterprise (ms), None when never."""
    row = conn.execute(
        "SELECT blocked_at FROM block WHERE enterprise_id = ? AND msisdn_index = ?",
        (enterprise_id, msisdn_index),
    ).fetchone()
    return None if row is None else int(row[0])


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


def window(conn: sqlite3.Connection, edi_id: bytes) -> tuple[int, int]:
    """Start (ms) of the running period of the consent's frequency, and the contacts counted in it."""
    row = conn.execute("SELECT window_start, window_count FROM edi WHERE edi_id = ?", (edi_id,)).fetchone()
    return int(row[0]), int(row[1])


def set_window(conn: sqlite3.Connection, edi_id: bytes, start: int, count: int) -> None:
    conn.execute("UPDATE edi SET window_start = ?, window_count = ? WHERE edi_id = ?", (start, count, edi_id))


def touch_contact(
    conn: sqlite3.Connection, msisdn_index: bytes, access_number: str, edi_id: bytes, at_ms: int
) -> None:
    """(MSISDN, access number) means this `edi_id` from now on: written in the send's own commit."""
    conn.execute(
        "INSERT INTO contact (msisdn_index, access_number, edi_id, contacted_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (msisdn_index, access_number)"
        " DO UPDATE SET edi_id = excluded.edi_id, contacted_at = excluded.contacted_at",
        (msisdn_index, access_number, edi_id, at_ms),
    )


def contact(conn: sqlite3.Connection, msisdn_index: bytes, access_number: str) -> tuple[bytes, str] | None:
    """(`edi_id`, enterprise) most recently contacted from the access number, None when nobody was."""
    row = conn.execute(
        "SELECT c.edi_id, e.enterprise_id FROM contact c JOIN edi e ON e.edi_id = c.edi_id"
        " WHERE c.msisdn_index = ? AND c.access_number = ?",
        (msisdn_index, access_number),
    ).fetchone()
    return None if row is None else (bytes(row[0]), str(row[1]))
