"""Each deletion is bounded and takes the oldest first."""

from typing import Any

import pytest

from gateway.store import inbound, records, retention
from gateway.store.domain import Domain
from gateway.store.records import RefusalRow
from tests.gateway.carrier import NOW_MS, rows
from tests.gateway.records.test_retention import cdr, reply


async def test_no_look_goes_through_a_whole_table(domain: Domain) -> None:
    """However many rows there are, as many steps: they are looked at on the loop that messages go through."""

    def op(conn: Any) -> list[str]:
        statements: list[str] = []
        conn.set_trace_callback(statements.append)
        for drop in retention.KINDS.values():
            drop(conn, NOW_MS, 7)
        conn.set_trace_callback(None)
        plans: list[str] = []
        for statement in statements:
            if statement.startswith("SELECT"):
                assert "MAX(seq)" in statement or "LIMIT 7" in statement, statement
                plans += [row[3] for row in conn.execute(f"EXPLAIN QUERY PLAN {statement}")]
        return plans

    plans = await domain.store.write(op)
    assert not [plan for plan in plans if "TEMP B-TREE" in plan], plans


@pytest.mark.parametrize(("kind", "table"), [("cdr", "cdr"), ("reply", "inbound"), ("refusal", "refusal")])
async def test_no_more_than_the_limit_goes_and_the_oldest_first(
    domain: Domain, kind: str, table: str
) -> None:
    def op(conn: Any) -> None:
        for number in (1, 2, 3, 4):
            records.put_cdrs(conn, [cdr(number, NOW_MS)])
            inbound.insert(conn, reply(number, NOW_MS, inbound.State.DONE))
            records.put_refusals(conn, [RefusalRow(number, NOW_MS, "ent-a", "sms", "106", "8", "REVOKED")])
        records.set_reported(conn, 4)

    await domain.store.write(op)
    drop = retention.KINDS[kind]
    assert await domain.store.write(lambda conn: drop(conn, NOW_MS, 9)) == 0
    assert await domain.store.write(lambda conn: drop(conn, NOW_MS + 1, 2)) == 2
    assert [row["id"] for row in await rows(domain, table)] == [3, 4]
