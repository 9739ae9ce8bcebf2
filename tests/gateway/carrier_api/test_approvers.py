"""Who may agree to queries by number."""

from typing import Any

import pytest

from gateway.carrier_api import approvers
from gateway.store import number_queries
from gateway.store.domain import Domain
from gm.sm2 import PrivateKey
from tests.gateway.carrier import NOW_MS, rows

KEY = PrivateKey.generate()


async def enrol(domain: Domain, **changed: Any) -> None:
    fields: dict[str, Any] = {
        "operator": "operator",
        "approver_id": "zhang-san",
        "requester": "regulator",
        "name": "张三",
        "public_key_pem": KEY.public_key.to_pem(),
        "now_ms": NOW_MS,
    }
    await domain.store.write(lambda conn: approvers.enrol(conn, **(fields | changed)))


async def test_enrolment_and_removal_are_on_the_audit_chain(domain: Domain) -> None:
    await enrol(domain)
    assert [row.id for row in await domain.store.write(number_queries.approvers)] == ["zhang-san"]
    await domain.store.write(
        lambda conn: approvers.dismiss(conn, operator="operator", approver_id="zhang-san", now_ms=NOW_MS)
    )
    assert await domain.store.write(number_queries.approvers) == []
    found = await rows(domain, "audit", "sequence")
    assert [(row["event"], row["actor"]) for row in found] == [
        ("approver.add", "operator"),
        ("approver.remove", "operator"),
    ]


async def test_one_key_is_one_person(domain: Domain) -> None:
    await enrol(domain)
    with pytest.raises(ValueError, match="enrolled already"):
        await enrol(domain, approver_id="li-si")
    with pytest.raises(ValueError, match="enrolled already"):
        await enrol(domain, public_key_pem=PrivateKey.generate().public_key.to_pem())


@pytest.mark.parametrize(
    "changed",
    [{"approver_id": "no spaces"}, {"requester": ""}, {"name": ""}, {"public_key_pem": b"no key"}],
)
async def test_what_is_no_enrolment_is_refused(domain: Domain, changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        await enrol(domain, **changed)


async def test_nobody_can_be_removed_twice(domain: Domain) -> None:
    with pytest.raises(ValueError, match="no approver"):
        await domain.store.write(
            lambda conn: approvers.dismiss(conn, operator="o", approver_id="zhang-san", now_ms=NOW_MS)
        )
