"""What happened stays in the carrier domain: CDRs for ever, refusals with their precise cause while there is room."""

import sqlite3
from dataclasses import asdict
from typing import Any

import pytest

from gateway.store import records
from gateway.store.domain import Domain
from gateway.store.records import CdrRow
from tests.gateway.carrier import AID, EDI_ID, ENTERPRISE, NOW_MS, NUMBER, rows

CDR = CdrRow(1, "call", ENTERPRISE, NUMBER, AID, EDI_ID, NOW_MS, NOW_MS + 1, NOW_MS + 2, "ANSWERED", 640)


async def test_a_cdr_is_kept_whole(domain: Domain) -> None:
    await domain.store.write(lambda conn: records.put_cdr(conn, CDR))
    [kept] = await rows(domain, "cdr")
    assert {name: kept[name] for name in asdict(CDR)} == asdict(CDR)


async def test_no_contact_is_recorded_twice(domain: Domain) -> None:
    await domain.store.write(lambda conn: records.put_cdr(conn, CDR))
    with pytest.raises(sqlite3.IntegrityError):
        await domain.store.write(lambda conn: records.put_cdr(conn, CDR))


async def test_the_oldest_refusals_make_room(domain: Domain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "REFUSALS_KEPT", 2)

    def op(conn: Any) -> int:
        for row_id in (1, 2, 3, 4):
            records.put_refusal(conn, row_id, NOW_MS, ENTERPRISE, "sms", NUMBER, AID, "REVOKED")
        return records.trim_refusals(conn)

    assert await domain.store.write(op) == 2
    assert [row["id"] for row in await rows(domain, "refusal")] == [3, 4]
    assert await domain.store.write(records.trim_refusals) == 0


async def test_the_precise_cause_is_there_for_the_carrier(domain: Domain) -> None:
    await domain.store.write(
        lambda conn: records.put_refusal(conn, 1, NOW_MS, ENTERPRISE, "voice", NUMBER, AID, "PORTED_OUT")
    )
    [kept] = await rows(domain, "refusal")
    assert (kept["cause"], kept["channel"], kept["aid"]) == ("PORTED_OUT", "voice", AID)
