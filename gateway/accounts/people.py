"""Who is behind which AID, for the carrier's own tools: the file must stay in the carrier domain."""

from __future__ import annotations

import csv
import io
import sqlite3
from pathlib import Path

from foundation.atomic import write_atomic
from gateway.settings import GatewaySettings
from gateway.store.domain import Domain
from gateway.trust_link import connect
from interparty.messages import RestoreItem
from trust_client.carrier import CarrierClient

COLUMNS = ("msisdn", "enterprise_id", "aid")


async def export(settings: GatewaySettings, domain: Domain, path: Path) -> int:
    """Write every confirmed EDI's MSISDN, enterprise and current AID; returns the number of lines.

    The AIDs are asked of the trust party (`restore`), since the carrier keeps none. Raises
    PeerUnavailable, PeerProblem, OSError.
    """

    def confirmed(conn: sqlite3.Connection) -> list[tuple[bytes, str, str, str]]:
        rows = conn.execute(
            "SELECT e.edi_id, e.enterprise_id, e.msisdn_sealed,"
            " (SELECT MIN(number) FROM access_number a WHERE a.enterprise_id = e.enterprise_id)"
            " FROM edi e WHERE e.confirmed_at IS NOT NULL ORDER BY e.confirmed_at, e.edi_id"
        )
        return [
            (bytes(row[0]), str(row[1]), domain.vault.open_msisdn(row[2]), str(row[3]))
            for row in rows
            if row[3] is not None
        ]

    rows = await domain.store.write(confirmed)
    async with connect(settings) as peer:
        answers = await CarrierClient(peer).restore(
            [
                RestoreItem(edi_id=edi_id.hex(), enterprise=enterprise, access_number=number)
                for edi_id, enterprise, _, number in rows
            ]
        )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    count = 0
    for (_, enterprise, msisdn, _), answer in zip(rows, answers, strict=True):
        if answer.aid is not None:
            writer.writerow((msisdn, enterprise, answer.aid))
            count += 1
    write_atomic(path, text.getvalue().encode())
    return count
