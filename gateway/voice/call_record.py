"""A call's record: a row while the call is up; CDR and report in one commit when it ends, or at the next start."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from pydantic_core import to_json

from foundation.rows import execute_rows
from foundation.store import Stage, StoreBusy, StoreUnavailable
from gateway.records import metrics
from gateway.store import records
from gateway.store.domain import Domain
from gm.errors import GmError
from sip.dialog import Dialog
from sip.dialog_state import restore, save
from sip.media.control import MediaStats, Side, SideStats
from sip.message import Response

SEAL_CALL = "call"

ANSWERS_ORDER: Final = 51
ENDS_ORDER: Final = 52
"""Where in a commit: behind the authorization of calls."""
COMMITS_APART_S: Final = 0.01
"""Calls that come and are answered while others do wait so long for a commit that is for all of them; setting up a
call in a mobile network takes a hundred times as long."""
ENDS_PATIENCE_S: Final = 0.02
"""For the end of a call nobody waits."""

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


_RESULTS = {
    403: Result.REJECTED,
    404: Result.UNREACHABLE,
    408: Result.NO_ANSWER,
    410: Result.UNREACHABLE,
    480: Result.NO_ANSWER,
    484: Result.UNREACHABLE,
    486: Result.BUSY,
    487: Result.NO_ANSWER,
    600: Result.BUSY,
    603: Result.REJECTED,
    604: Result.UNREACHABLE,
}


def result_of(status: int, response: Response | None) -> Result:
    """How a call ended that failed with this status."""
    return Result.UNREACHABLE if response is None else _RESULTS.get(status, Result.FAILED)


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


class _Answer(NamedTuple):
    """What is noted of a call that is answered, in the order of the statement; `noted` is told when it is."""

    answered_at: int
    sealed: bytes
    id: int
    noted: asyncio.Future[None]


def _note_answers(conn: sqlite3.Connection, answers: list[_Answer]) -> list[None]:
    conn.executemany(
        "UPDATE call SET answered_at = ?, sealed = ? WHERE id = ?", [answer[:3] for answer in answers]
    )
    return [None] * len(answers)


def _answers_noted(answers: list[_Answer], _: list[None] | None, error: BaseException | None) -> None:
    for answer in answers:
        if answer.noted.done():
            continue
        if error is None:
            answer.noted.set_result(None)
        else:
            answer.noted.set_exception(error)


def insert(conn: sqlite3.Connection, domain: Domain, calls: Sequence[tuple[CallRecord, str]]) -> None:
    """The rows that stand while calls are up, each with its MSISDN: written in the commit that authorizes them."""
    rows = [
        (
            record.id,
            record.direction.value,
            record.enterprise_id,
            record.access_number,
            record.aid,
            record.edi_id,
            record.started_at,
            record.answered_at,
            domain.vault.seal(SEAL_CALL, to_json({"msisdn": msisdn})),
        )
        for record, msisdn in calls
    ]
    execute_rows(
        conn,
        "INSERT INTO call (id, direction, enterprise_id, access_number, aid, edi_id, started_at, answered_at,"
        " sealed) VALUES @rows",
        rows,
    )


def _media_text(heard: MediaStats) -> str:
    """Counts alone: from which address a side sent is not kept."""
    return to_json({"enterprise": _side_counts(heard.a), "core": _side_counts(heard.b)}).decode()


def _side_counts(side: SideStats) -> dict[str, int | float | None]:
    return {
        "packets": side.packets,
        "octets": side.octets,
        "lost": side.lost,
        "jitter_ms": side.jitter_ms,
        "refused": side.refused,
    }


def _close(conn: sqlite3.Connection, domain: Domain, ends: Sequence[_End]) -> list[bool]:
    """Rows to CDRs, which are their reports' outbox; False of a row that is gone, so that no call is billed twice."""
    closed = [conn.execute("DELETE FROM call WHERE id = ?", (end.record.id,)).rowcount == 1 for end in ends]
    records.put_cdrs(conn, [_cdr(end) for end, was_up in zip(ends, closed, strict=True) if was_up])
    return closed


def _cdr(end: _End) -> records.CdrRow:
    record = end.record
    return records.CdrRow(
        id=record.id,
        public_id=record.id,
        kind=record.direction.value,
        account="",
        enterprise_id=record.enterprise_id,
        access_number=record.access_number,
        aid=record.aid,
        edi_id=record.edi_id,
        started_at=record.started_at,
        answered_at=record.answered_at,
        ended_at=end.ended_at,
        result=end.result.value,
        octets=end.heard.a.octets + end.heard.b.octets if end.heard else 0,
        media=_media_text(end.heard) if end.heard else None,
    )


class CallRecords:
    """Writes what becomes of calls. What the store cannot take now is kept and written by `retry`.

    Bounded by the calls that are up: while the store does not write, no call is authorized.
    """

    def __init__(self, domain: Domain, on_trust_rows: Callable[[], None]) -> None:
        self._domain = domain
        self._on_trust_rows = on_trust_rows
        self._under_way: dict[int, _End] = {}
        self._waiting: dict[int, _End] = {}
        self._answers: Stage[_Answer, None] = Stage(
            _note_answers, _answers_noted, order=ANSWERS_ORDER, spacing_s=COMMITS_APART_S
        )
        self._ends: Stage[_End, bool] = Stage(
            lambda conn, ends: _close(conn, domain, ends),
            self._closed,
            order=ENDS_ORDER,
            patience_s=ENDS_PATIENCE_S,
        )

    @property
    def open_ends(self) -> int:
        """Calls that ended and are not yet on the disk."""
        return len(self._under_way) + len(self._waiting)

    async def answered(self, record: CallRecord, msisdn: str, dialogs: Sequence[tuple[Side, Dialog]]) -> None:
        """Note the answer before the caller hears of it: from here on the call costs money. With it goes what
        is needed to release both legs if this process ends before the call does.

        Raises StoreBusy, StoreUnavailable.
        """
        record.answered_at = self._domain.now_ms()
        # (Not `to_json`: an address may hold octets that are no UTF-8, and these it refuses.)
        kept = {"msisdn": msisdn, "dialogs": [[side, save(dialog)] for side, dialog in dialogs]}
        sealed = self._domain.vault.seal(SEAL_CALL, json.dumps(kept).encode())
        noted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._domain.store.put(self._answers, _Answer(record.answered_at, sealed, record.id, noted))
        await noted

    def close(self, record: CallRecord, result: Result, heard: MediaStats | None) -> None:
        """The call is over; `heard` is what came from each side, None where there was no media or is no count."""
        metrics.CALLS.add(record.direction, result)
        self._submit(_End(record, result, heard, self._domain.now_ms()))

    def retry(self) -> None:
        """Hand over again what the store did not take."""
        waiting, self._waiting = self._waiting, {}
        for end in waiting.values():
            self._submit(end)

    def _submit(self, end: _End) -> None:
        self._under_way[end.record.id] = end
        try:
            self._domain.store.put(self._ends, end)
        except (StoreBusy, StoreUnavailable) as error:
            self._closed([end], None, error)

    def _closed(self, ends: list[_End], closed: list[bool] | None, error: BaseException | None) -> None:
        for end in ends:
            self._under_way.pop(end.record.id, None)
        if closed is not None:
            self._on_trust_rows()
            return
        _log.warning("records of %d calls wait to be closed: %s", len(ends), type(error).__name__)
        for end in ends:
            self._waiting[end.record.id] = end

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

        ends = [_End(each.record, Result.INTERRUPTED, None, ended_at) for each in left]
        await domain.store.write(lambda conn: _close(conn, domain, ends))
        if left:
            _log.warning("%d calls were up when the gateway ended; their records are closed", len(left))
            self._on_trust_rows()
