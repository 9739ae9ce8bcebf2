"""The carrier's own table of who held which number and which device, in valid and in recorded time."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from foundation.rows import select_rows
from gateway.store.vault import Vault
from masking.resolve import End, Holding

IMSI = 2
"""id_type of the subscription's own identifier (formats: EDI)."""


@dataclass(frozen=True, slots=True)
class HoldingLine:
    """One line of an import: a number and an identifier belonged together in [valid_from, valid_to) ms.

    `end` says how it ended, as far as the operator said so.
    """

    msisdn: str
    id_type: int
    identifier: str
    valid_from: int
    valid_to: int | None
    end: End = End.OPEN


def import_lines(
    conn: sqlite3.Connection,
    vault: Vault,
    lines: Sequence[HoldingLine],
    now_ms: int,
) -> int:
    """Record what is true from now on; returns how many lines were new or changed.

    A line for the same number, identifier and start replaces the earlier one, which stays on record with
    its recorded time ended. Whose subscription a device belongs to is told by the IMSI that held the
    number when the device's line begins: a new IMSI on a number is a new subscriber, since nothing here
    shows that it is the same person. Several IMSI lines of one import come before the others.
    """
    changed = 0
    last_subscriber = conn.execute("SELECT last_subscriber FROM holding_version WHERE id = 1").fetchone()[0]
    new_ids = itertools.count(last_subscriber + 1)
    indexes = vault.indexes(conn, [(line.msisdn, line.id_type, line.identifier) for line in lines])
    indexed = zip(lines, indexes, strict=True)
    for line, (msisdn_index, identifier_index) in sorted(indexed, key=lambda each: each[0].id_type != IMSI):
        known = conn.execute(
            "SELECT id, subscriber_id, valid_to, ended FROM holding WHERE id_type = ? AND identifier_index = ?"
            " AND msisdn_index = ? AND valid_from = ? AND recorded_to IS NULL",
            (line.id_type, identifier_index, msisdn_index, line.valid_from),
        ).fetchone()
        if known is not None:
            if (known[2], known[3]) == (line.valid_to, line.end):
                continue
            conn.execute("UPDATE holding SET recorded_to = ? WHERE id = ?", (now_ms, known[0]))
            subscriber_id = int(known[1])
        else:
            subscriber_id = _subscriber_of(conn, line, msisdn_index, identifier_index, new_ids)
            last_subscriber = max(last_subscriber, subscriber_id)
        conn.execute(
            "INSERT INTO holding (subscriber_id, msisdn_index, msisdn_sealed, id_type, identifier_index,"
            " valid_from, valid_to, ended, recorded_from, recorded_to) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            (
                subscriber_id,
                msisdn_index,
                vault.seal_msisdn(line.msisdn),
                line.id_type,
                identifier_index,
                line.valid_from,
                line.valid_to,
                line.end,
                now_ms,
            ),
        )
        changed += 1
    if changed:
        conn.execute(
            "UPDATE holding_version SET version = version + 1, last_subscriber = ? WHERE id = 1",
            (last_subscriber,),
        )
    return changed


def _subscriber_of(
    conn: sqlite3.Connection,
    line: HoldingLine,
    msisdn_index: bytes,
    identifier_index: bytes,
    new_ids: Iterator[int],
) -> int:
    if line.id_type == IMSI:
        row = conn.execute(
            "SELECT subscriber_id FROM holding WHERE msisdn_index = ? AND id_type = ? AND identifier_index = ?"
            " LIMIT 1",
            (msisdn_index, IMSI, identifier_index),
        ).fetchone()
    else:
        row = conn.execute(
            "SELECT subscriber_id FROM holding WHERE msisdn_index = ? AND id_type = ? AND recorded_to IS NULL"
            " AND valid_from <= ? AND (valid_to IS NULL OR valid_to > ?) ORDER BY valid_from DESC LIMIT 1",
            (msisdn_index, IMSI, line.valid_from, line.valid_from),
        ).fetchone()
    if row is not None:
        return int(row[0])
    return next(new_ids)


def holdings(conn: sqlite3.Connection, id_type: int, identifier_index: bytes) -> list[Holding]:
    """As `holdings_of` for one identifier."""
    return holdings_of(conn, [(id_type, identifier_index)]).get((id_type, identifier_index), [])


def holdings_of(
    conn: sqlite3.Connection, identifiers: Sequence[tuple[int, bytes]]
) -> dict[tuple[int, bytes], list[Holding]]:
    """For each identifier (id_type, index), as often as it is given once, every line of it and every line of
    the numbers in them: what a decision needs. One that nobody ever held is not in it.

    Number and identifier are given as hex of their indexes: a decision only compares them. A device
    holds a number no longer than the subscription (IMSI) it belongs to, whatever its own line says, and ends as
    that did.
    """
    rows = select_rows(
        conn,
        "WITH v (id_type, identifier_index) AS (VALUES @rows), n AS (SELECT DISTINCT v.id_type,"
        " v.identifier_index, h.msisdn_index FROM v JOIN holding h ON h.id_type = v.id_type"
        " AND h.identifier_index = v.identifier_index)"
        " SELECT n.id_type, n.identifier_index, h.subscriber_id, h.msisdn_index, h.id_type, h.identifier_index,"
        " h.valid_from, h.valid_to, h.recorded_from, h.recorded_to, h.ended"
        " FROM n JOIN holding h ON h.msisdn_index = n.msisdn_index",
        identifiers,
    )
    found: dict[tuple[int, bytes], list[Holding]] = {}
    for row in rows:
        found.setdefault((row[0], row[1]), []).append(
            Holding(
                row[2], row[3].hex(), row[4], row[5].hex(), row[6], row[7], row[8], row[9], _ENDS[row[10]]
            )
        )
    return {identifier: _within_subscriptions(lines) for identifier, lines in found.items()}


def holdings_of_number(conn: sqlite3.Connection, msisdn_index: bytes) -> list[Holding]:
    """Every line of a number that is on record now, number and identifier as in `holdings_of`."""
    rows = conn.execute(
        "SELECT subscriber_id, msisdn_index, id_type, identifier_index, valid_from, valid_to, recorded_from,"
        " recorded_to, ended FROM holding WHERE msisdn_index = ? AND recorded_to IS NULL",
        (msisdn_index,),
    )
    return _within_subscriptions(
        [
            Holding(row[0], row[1].hex(), row[2], row[3].hex(), row[4], row[5], row[6], row[7], _ENDS[row[8]])
            for row in rows
        ]
    )


_ENDS = {str(end): end for end in End}


def _within_subscriptions(lines: list[Holding]) -> list[Holding]:
    if all(row.id_type == IMSI for row in lines):
        return lines
    subscriptions: dict[tuple[int, str], list[Holding]] = {}
    for row in lines:
        if row.id_type == IMSI and row.recorded_to is None:
            subscriptions.setdefault((row.subscriber_id, row.msisdn), []).append(row)
    return [
        row if row.id_type == IMSI else _within(row, subscriptions.get((row.subscriber_id, row.msisdn), []))
        for row in lines
    ]


def _within(row: Holding, subscriptions: list[Holding]) -> Holding:
    last: Holding | None = None
    end = 0
    for each in subscriptions:
        if each.valid_to is None:
            return row
        if last is None or each.valid_to > end:
            last, end = each, each.valid_to
    if last is None or (row.valid_to is not None and row.valid_to < end):
        return row
    return row._replace(valid_to=end, end=last.end)


def sealed_msisdn(conn: sqlite3.Connection, msisdn_index: bytes) -> bytes:
    """The sealed number of an index that `holdings` gave."""
    row = conn.execute(
        "SELECT msisdn_sealed FROM holding WHERE msisdn_index = ? LIMIT 1", (msisdn_index,)
    ).fetchone()
    return bytes(row[0])
