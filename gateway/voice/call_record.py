"""A call's record: a row while the call is up; CDR and report in one commit when it ends, or at the next start."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from foundation.store import StoreBusy, StoreUnavailable
from gateway.records import metrics
from gateway.store import records
from gateway.store.domain import Domain
from gm.errors import GmError
from sip.dialog import Dialog
from sip.dialog_state import restore, save
from sip.media.control import MediaStats, Side, SideStats

SEAL_CALL = "call"

_log = logging.getLogger(__name__)


class Direction(StrEnum):
    """As it stands in the CDR and in the report."""

    CALL = "call"
    """From the enterprise to a subscriber."""
    CALLBACK = "callback"
    """From a subscriber to an access number."""


class Result(StrEnum):
    """How a call ended, for CDR and report."""

    ANSWERED = "ANSWERED"
    BUSY = "BUSY"
    NO_ANSWER = "NO_ANSWER"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"
    UNREACHABLE = "UNREACHABLE"
    FAILED = "FAILED"
    MAX_DURATION = "MAX_DURATION"
    SILENCE = "SILENCE"
    LOST = "LOST"
    """A side vanished after the answer."""
    MEDIA_LOST = "MEDIA_LOST"
    """The relay had no ports, or ended."""
    RELEASED = "RELEASED"
    """The gateway was stopped."""
    REVOKED = "REVOKED"
    """Its authorization was revoked meanwhile."""
    INTERRUPTED = "INTERRUPTED"
    """The gateway ended without a stop; the record was closed when it came back."""


@dataclass(slots=True)
class CallRecord:
    """One authorized call. Times in milliseconds since the epoch."""

    id: int
    direction: Direction
    enterprise_id: str
    access_number: str
    aid: str
    edi_id: bytes
    started_at: int
    answered_at: int | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """A call that was up when an earlier run ended, with the dialogs of the sides that it was answered on."""

    record: CallRecord
    dialogs: list[tuple[Side, Dialog]]


@dataclass(frozen=True, slots=True)
class _End:
    record: CallRecord
    result: Result
    heard: MediaStats | None
    ended_at: int


def insert(conn: sqlite3.Connection, domain: Domain, record: CallRecord, msisdn: str) -> None:
    """The row that stands while the call is up: written in the commit that authorizes it."""
    conn.execute(
        "INSERT INTO call (id, direction, enterprise_id, access_number, aid, edi_id, started_at, answered_at,"
        " sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            record.id,
            record.direction,
            record.enterprise_id,
            record.access_number,
            record.aid,
            record.edi_id,
            record.started_at,
            record.answered_at,
            domain.vault.seal(SEAL_CALL, json.dumps({"msisdn": msisdn}).encode()),
        ),
    )


def _media_text(heard: MediaStats) -> str:
    """Counts alone: from which address a side sent is not kept."""
    return json.dumps({"enterprise": _side_counts(heard.a), "core": _side_counts(heard.b)})


def _side_counts(side: SideStats) -> dict[str, int | float | None]:
    return {
        "packets": side.packets,
        "octets": side.octets,
        "lost": side.lost,
        "jitter_ms": side.jitter_ms,
        "refused": side.refused,
    }


def _close(conn: sqlite3.Connection, domain: Domain, end: _End) -> bool:
    """Row to CDR and report; False when the row is gone, so that no call is billed twice."""
    record = end.record
    if conn.execute("DELETE FROM call WHERE id = ?", (record.id,)).rowcount != 1:
        return False
    records.put_cdrs(
        conn,
        [
            records.CdrRow(
                id=record.id,
                public_id=record.id,
                kind=record.direction,
                account="",
                enterprise_id=record.enterprise_id,
                access_number=record.access_number,
                aid=record.aid,
                edi_id=record.edi_id,
                started_at=record.started_at,
                answered_at=record.answered_at,
                ended_at=end.ended_at,
                result=end.result,
                octets=end.heard.a.octets + end.heard.b.octets if end.heard else 0,
                media=_media_text(end.heard) if end.heard else None,
            )
        ],
    )
    return True


class CallRecords:
    """Writes what becomes of calls. What the store cannot take now is kept and written by `retry`.

    Bounded by the calls that are up: while the store does not write, no call is authorized.
    """

    def __init__(self, domain: Domain, on_trust_rows: Callable[[], None]) -> None:
        self._domain = domain
        self._on_trust_rows = on_trust_rows
        self._under_way: dict[int, _End] = {}
        self._waiting: dict[int, _End] = {}

    @property
    def open_ends(self) -> int:
        """Calls that ended and are not yet on the disk."""
        return len(self._under_way) + len(self._waiting)

    async def answered(self, record: CallRecord, msisdn: str, dialogs: Sequence[tuple[Side, Dialog]]) -> None:
        """Note the answer before the caller hears of it: from here on the call costs money. With it goes what
        is needed to release both legs if this process ends before the call does.

        Raises StoreBusy, StoreUnavailable.
        """
        record.answered_at = answered_at = self._domain.now_ms()
        kept = {"msisdn": msisdn, "dialogs": [[side, save(dialog)] for side, dialog in dialogs]}
        sealed = self._domain.vault.seal(SEAL_CALL, json.dumps(kept).encode())
        await self._domain.store.write(
            lambda conn: (
                conn.execute(
                    "UPDATE call SET answered_at = ?, sealed = ? WHERE id = ?",
                    (answered_at, sealed, record.id),
                ).rowcount
            )
        )

    def close(self, record: CallRecord, result: Result, heard: MediaStats | None) -> None:
        """The call is over; `heard` is what came from each side, None where there was no media or is no count."""
        metrics.CALLS.labels(record.direction, result).inc()
        self._submit(_End(record, result, heard, self._domain.now_ms()))

    def retry(self) -> None:
        """Hand over again what the store did not take."""
        waiting, self._waiting = self._waiting, {}
        for end in waiting.values():
            self._submit(end)

    def _submit(self, end: _End) -> None:
        key = end.record.id

        def done(closed: bool | None, error: BaseException | None) -> None:
            self._under_way.pop(key, None)
            if error is None:
                self._on_trust_rows()
                return
            _log.warning("a call's record waits to be closed: %s", type(error).__name__)
            self._waiting[key] = end

        self._under_way[key] = end
        try:
            self._domain.store.submit(lambda conn: _close(conn, self._domain, end), done)
        except (StoreBusy, StoreUnavailable) as error:
            done(None, error)

    async def left(self) -> list[Left]:
        """The calls that an earlier run left; before the first of this one. Raises StoreUnavailable."""
        rows = await self._domain.store.write(
            lambda conn: conn.execute(
                "SELECT id, direction, enterprise_id, access_number, aid, edi_id, started_at, answered_at,"
                " sealed FROM call"
            ).fetchall()
        )
        return [Left(CallRecord(row[0], Direction(row[1]), *row[2:8]), self._dialogs(row[8])) for row in rows]

    def _dialogs(self, sealed: bytes) -> list[tuple[Side, Dialog]]:
        try:
            kept = json.loads(self._domain.vault.open(SEAL_CALL, sealed)).get("dialogs", [])
            return [(side, restore(state)) for side, state in kept]
        except (GmError, ValueError) as error:
            _log.error("a call that was up cannot be released: %s", type(error).__name__)
            return []

    async def close_left(self, left: Sequence[Left]) -> None:
        """Close their records. Raises StoreUnavailable.

        When they really ended is not known: the record says INTERRUPTED, and ends now.
        """
        domain, ended_at = self._domain, self._domain.now_ms()

        def op(conn: sqlite3.Connection) -> None:
            for each in left:
                _close(conn, domain, _End(each.record, Result.INTERRUPTED, None, ended_at))

        await domain.store.write(op)
        if left:
            _log.warning("%d calls were up when the gateway ended; their records are closed", len(left))
            self._on_trust_rows()
