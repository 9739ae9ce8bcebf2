"""Communication evidence: what carriers report under an EDI's id, joined to the AID.

A digest of the content at most, never the content. A report is known by carrier and report id, so that
sending it again changes nothing; all else of it is in the sealed record alone. Standard: T/ISC 0049-2024, 6.2.3.2.
"""

import asyncio
import sqlite3
from collections.abc import Sequence, Set
from functools import partial
from typing import Final, NamedTuple

from foundation.logs import get_logger
from foundation.rows import execute_rows, groups
from foundation.store import Store
from interparty.hot_messages import SentReport
from trust_party.data_keys import DataKey, DataKeys
from trust_party.evidence_log import Evidence
from trust_party.store.rows import padded

SLICE: Final = 50
"""Reports in one operation of the store, a millisecond's work: verifications wait no longer behind them."""
_INSERT: Final = "INSERT INTO communications (carrier, report_id, evidence_id) VALUES @rows"

_log = get_logger(__name__)


class _Found(NamedTuple):
    """The AID that an EDI leads to now."""

    aid: int
    key: DataKey
    replaces: int | None
    """The AID before it."""
    made_at: int
    enterprise: str


class Reports:
    """Takes reports of communications."""

    def __init__(self, store: Store, evidence: Evidence, data_keys: DataKeys) -> None:
        self._store = store
        self._evidence = evidence
        self._data_keys = data_keys

    async def report(self, carrier: str, reports: Sequence[SentReport], now_ms: int) -> int:
        """How many of the reports are on record now, from this call or an earlier one.

        The others name an EDI that is not the carrier's, or another enterprise than its consent does:
        sending them again would not help. Raises StoreBusy, StoreUnavailable: some of the reports may then be on
        record, and all can be sent again.
        """
        # Handed over together they run in one transaction, and look up each EDI once.
        aids: dict[str, _Found | None] = {}
        accepted = sum(
            await asyncio.gather(
                *(
                    self._store.write(partial(self._keep, carrier, some, now_ms, aids))
                    for some in groups(reports, SLICE)
                )
            )
        )
        if accepted < len(reports):
            _log.warning("reports refused", carrier=carrier, refused=len(reports) - accepted)
        return accepted

    def _keep(
        self,
        carrier: str,
        reports: Sequence[SentReport],
        now_ms: int,
        aids: dict[str, _Found | None],
        conn: sqlite3.Connection,
    ) -> int:
        """`aids`: what EDIs lead to, by edi_id, as far as they were looked up."""
        self._look_up(conn, carrier, {report.edi_id for report in reports if report.edi_id not in aids}, aids)
        known = _known(conn, carrier, reports)
        evidence_id = self._evidence.next_id(conn)
        accepted = 0
        rows: list[tuple[str, str, int]] = []
        records: list[bytes] = []
        subjects: list[int] = []
        keys: list[DataKey] = []
        for report in reports:
            if report.report_id in known:
                accepted += 1
                continue
            found = aids[report.edi_id]
            if found is not None and found.enterprise == report.enterprise:
                aid, key, replaces, made_at, _ = found
                if replaces is not None and int(report.started_at) < made_at:
                    aid = _aid_then(conn, replaces, int(report.started_at))
                accepted += 1
                known.add(report.report_id)
                rows.append((carrier, report.report_id, evidence_id + len(records)))
                records.append(_record(carrier, aid, report))
                subjects.append(aid)
                keys.append(key)
        if records:
            self._evidence.append_bytes(conn, records, subjects, keys, now_ms)
            execute_rows(conn, _INSERT, rows)
        return accepted

    def _look_up(
        self, conn: sqlite3.Connection, carrier: str, edi_ids: Set[str], aids: dict[str, _Found | None]
    ) -> None:
        """Note what each EDI leads to now, None for one that is not this carrier's."""
        if not edi_ids:
            return
        found: dict[str, _Found | None] = dict.fromkeys(edi_ids)
        marks, params = padded([bytes.fromhex(edi_id) for edi_id in edi_ids])
        rows = conn.execute(
            "SELECT e.edi_id, a.aid, k.sealed, a.replaces, a.deposited_at, a.enterprise FROM edis e"  # noqa: S608
            " JOIN authorizations a ON a.aid = e.aid"
            f" JOIN data_keys k ON k.id = a.data_key_id WHERE e.carrier = ? AND e.edi_id IN ({marks})",
            [carrier, *params],
        )
        for edi_id, aid, sealed, *others in rows:
            found[edi_id.hex()] = _Found(aid, self._data_keys.opened(bytes(sealed)), *others)
        # Only now: what fails midway is run again, and must not take for unknown whom it had not reached.
        aids.update(found)


def _aid_then(conn: sqlite3.Connection, aid: int, at_ms: int) -> int:
    """Which of the AIDs that replaced each other was the consent's at a time, this one or one before it."""
    while True:
        replaces, made_at = conn.execute(
            "SELECT replaces, deposited_at FROM authorizations WHERE aid = ?", (aid,)
        ).fetchone()
        if replaces is None or at_ms >= made_at:
            return aid
        aid = replaces


def _record(carrier: str, aid: int, report: SentReport) -> bytes:
    """The record of a communication, as Evidence.append writes objects: names in order, no white space. No value
    can hold anything that JSON would have to escape (interparty.hot_messages)."""
    digest = f'"content_digest":"{report.content_digest}",' if report.content_digest else ""
    return (
        f'{{"access_number":"{report.access_number}","aid":"{aid}","carrier":"{carrier}",'
        f'"channel":"{report.channel}",{digest}"direction":"{report.direction}","edi_id":"{report.edi_id}",'
        f'"ended_at":{report.ended_at},"enterprise":"{report.enterprise}","kind":"COMMUNICATION",'
        f'"report_id":"{report.report_id}","result":"{report.result}","started_at":{report.started_at}}}'
    ).encode()


def _known(conn: sqlite3.Connection, carrier: str, reports: Sequence[SentReport]) -> set[str]:
    """Report ids that are on record already."""
    marks, params = padded([report.report_id for report in reports])
    rows = conn.execute(
        f"SELECT report_id FROM communications WHERE carrier = ? AND report_id IN ({marks})",  # noqa: S608
        [carrier, *params],
    ).fetchall()
    return {row[0] for row in rows}
