"""Reports of what was sent and called, for the trust party's communication evidence (6.3.3.2, 6.3.3.4)."""

from __future__ import annotations

import json
import sqlite3

from gateway.store import outbox
from gateway.store.domain import Domain
from gateway.store.ids import text_of


def put_report(
    conn: sqlite3.Connection,
    domain: Domain,
    record_id: int,
    edi_id: bytes,
    enterprise_id: str,
    channel: str,
    access_number: str,
    direction: str,
    result: str,
    started_at: int,
    ended_at: int,
) -> None:
    """Communication evidence for the trust party, under `edi_id` and never under a number (6.3.3.2)."""
    outbox.put_trust(
        conn,
        domain.ids.next(),
        outbox.TrustKind.REPORT,
        ended_at,
        json.dumps(
            {
                "report_id": f"{direction}-{text_of(record_id)}",
                "edi_id": edi_id.hex(),
                "enterprise": enterprise_id,
                "channel": channel,
                "access_number": access_number,
                "direction": direction,
                "result": result,
                "started_at": started_at,
                "ended_at": ended_at,
            }
        ),
    )
