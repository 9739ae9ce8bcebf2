"""Who may see which evidence, and that what is shown is what was committed to."""

import json
from typing import Any

import pytest

from interparty.query_messages import PAGE_MAX, EvidencePage, EvidenceQuery
from tests.trust_party.test_reports import report
from tests.trust_party.world import (
    CARRIER,
    NOW,
    OTHER_CARRIER,
    REGULATOR,
    RETENTION_DAYS,
    Party,
    deposit_of,
)
from trust_client import bundle
from trust_client.bundle import Trusted
from trust_party import evidence_queries
from trust_party.clock import DAY_MS
from trust_party.keys import LOG

UNISSUED = "888100000000000009"


async def page(party: Party, caller: str, now: int = NOW, **asked: Any) -> EvidencePage | None:
    found = party.directory.caller(caller)
    assert found is not None
    return await party.evidence_queries.page(found, EvidenceQuery.model_validate(asked), now)


def records_of(found: EvidencePage) -> list[dict[str, Any]]:
    return [] if found.bundle is None else [json.loads(each.record) for each in found.bundle.records]


def kinds(found: EvidencePage | None) -> list[str]:
    assert found is not None
    return [record["kind"] for record in records_of(found)]


async def everything(party: Party, caller: str, aid: str) -> list[str]:
    """Kinds of all records, page by page."""
    found = await page(party, caller, aid=aid)
    assert found is not None
    seen = kinds(found)
    while found.more:
        found = await page(party, caller, aid=aid, skip=len(seen))
        assert found is not None
        seen += kinds(found)
    return seen


async def queries_on_record(party: Party) -> list[dict[str, Any]]:
    count = (await party.store.read("SELECT COUNT(*) FROM evidence_records"))[0][0]
    records = []
    for at in range(count):
        opened = await party.store.write(lambda conn, at=at: party.evidence.open(conn, at))  # type: ignore[misc]
        records.append(json.loads(opened.record))
    return [record for record in records if record["kind"] == "QUERY"]


async def test_an_enterprise_sees_its_own_consent_whole(party: Party) -> None:
    aid, consent = await party.active()
    await party.reports.report(CARRIER, [report(consent.edi_ids[0])], NOW)
    found = await page(party, "ent-a", aid=aid)
    assert found is not None
    assert (found.aids, found.enterprise, found.status, found.more) == ([aid], "ent-a", "ACTIVE", False)
    records = records_of(found)
    assert [record["kind"] for record in records] == ["DEPOSIT", "CONFIRMATION", "COMMUNICATION"]
    assert records[0]["consent"] == consent.fields()
    assert records[2]["content_digest"] == "ef" * 32


async def test_a_page_is_a_bundle_that_proves_itself(party: Party) -> None:
    aid, consent = await party.active()
    await party.reports.report(CARRIER, [report(consent.edi_ids[0])], NOW)
    found = await page(party, "ent-a", aid=aid)
    assert found is not None
    assert found.bundle is not None
    trusted = Trusted(
        [party.keys.current(LOG).sm2.public_key],
        parties={
            "ent-a": [party.people.enterprises["ent-a"].public_key],
            CARRIER: [party.people.carriers[CARRIER].public_key],
        },
    )
    wrong = [
        finding.text for finding in bundle.verify(found.bundle, trusted).findings if finding.holds is False
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("caller", "sees"),
    [("ent-a", True), ("ent-b", False), (CARRIER, True), (OTHER_CARRIER, False), (REGULATOR, True)],
)
async def test_who_sees_an_aid(party: Party, caller: str, sees: bool) -> None:
    aid, _ = await party.active()
    assert (await page(party, caller, aid=aid, case="case-1") is not None) is sees
    assert await page(party, caller, aid=UNISSUED, case="case-1") is None


async def test_a_carrier_asks_by_the_edi_ids_of_its_own_subscribers(party: Party) -> None:
    aid, consent = await party.active()
    found = await page(party, CARRIER, edi_id=consent.edi_ids[0])
    assert found is not None
    assert found.aids == [aid]
    for caller in (OTHER_CARRIER, "ent-a"):
        assert await page(party, caller, edi_id=consent.edi_ids[0]) is None
    # A regulator follows what a carrier found for it.
    assert await page(party, REGULATOR, edi_id=consent.edi_ids[0], case="case-1") is not None
    assert await page(party, CARRIER, edi_id="00" * 16) is None


async def test_before_anybody_confirmed_no_carrier_sees_it(party: Party) -> None:
    deposit = deposit_of(party.people)
    aid = (await party.deposit(deposit))[0].aid
    assert await page(party, CARRIER, aid=aid) is None
    assert await page(party, CARRIER, edi_id=deposit.consent.edi_ids[0]) is None
    assert await page(party, "ent-a", aid=aid) is not None


async def test_aids_that_replaced_each_other_are_one_consent(party: Party) -> None:
    aid, _ = await party.active()
    new = (await party.rotate(aid)).aid
    for asked in (aid, new):
        found = await page(party, "ent-a", aid=asked)
        assert found is not None
        assert (found.aids, found.status) == ([aid, new], "ACTIVE")
        assert kinds(found)[:2] == ["DEPOSIT", "CONFIRMATION"]


async def test_each_query_is_evidence_and_regulators_alone_are_told(party: Party) -> None:
    aid, _ = await party.active()
    before = await everything(party, "ent-a", aid)
    await page(party, REGULATOR, aid=aid, case="case-7")
    await page(party, "ent-b", aid=aid)
    assert await everything(party, "ent-a", aid) == before
    assert await everything(party, CARRIER, aid) == before
    told = await everything(party, REGULATOR, aid)
    assert told[: len(before)] == before
    assert set(told[len(before) :]) == {"QUERY"}
    record = (await queries_on_record(party))[1]
    assert record == {
        "kind": "QUERY",
        "by": REGULATOR,
        "role": "regulator",
        "asked": {"aid": aid, "case": "case-7"},
        "answered": True,
        "at": NOW,
    }
    refused = (await queries_on_record(party))[2]
    assert (refused["by"], refused["answered"]) == ("ent-b", False)


async def test_pages_are_bounded_and_go_on_where_the_one_before_ended(party: Party) -> None:
    aid, consent = await party.active()
    edi_id = consent.edi_ids[0]
    for first in range(0, PAGE_MAX, 100):
        await party.reports.report(CARRIER, [report(edi_id, f"r-{first + n}") for n in range(100)], NOW)
    whole = await page(party, "ent-a", aid=aid)
    assert whole is not None
    assert (len(records_of(whole)), whole.more) == (PAGE_MAX, True)
    # What comes meanwhile is behind what was there.
    await party.reports.report(CARRIER, [report(edi_id, "late")], NOW)
    rest = await page(party, "ent-a", aid=aid, skip=PAGE_MAX)
    assert rest is not None
    assert (len(records_of(rest)), rest.more) == (3, False)
    ids = [record.get("report_id") for record in records_of(whole) + records_of(rest)]
    assert ids[2:] == [*(f"r-{n}" for n in range(PAGE_MAX)), "late"]
    behind = await page(party, "ent-a", aid=aid, skip=10 * PAGE_MAX)
    assert behind is not None
    assert (behind.bundle, behind.more) == (None, False)


async def test_a_page_ends_early_when_its_records_are_long(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence_queries, "PAGE_BYTES", 1)
    aid, _ = await party.active()
    assert await everything(party, "ent-a", aid) == ["DEPOSIT", "CONFIRMATION"]


async def test_what_was_erased_looks_like_what_never_was(party: Party) -> None:
    aid, _ = await party.active()
    await page(party, REGULATOR, aid=aid, case="case-1")
    await party.sweeper.sweep(NOW + 30 * DAY_MS)
    assert await party.erasure.erase(NOW + (30 + RETENTION_DAYS) * DAY_MS) == 1
    for caller in ("ent-a", CARRIER, REGULATOR):
        assert await page(party, caller, aid=aid, case="case-1") is None
    subjects = "SELECT 1 FROM evidence_records WHERE subject IS NOT NULL AND sealed IS NOT NULL"
    assert await party.store.read(subjects) == []


def test_each_party_has_so_many_queries_a_minute(party: Party) -> None:
    allowed = party.settings.queries_per_minute
    assert all(party.evidence_queries.take("ent-a") for _ in range(allowed))
    assert not party.evidence_queries.take("ent-a")
    assert party.evidence_queries.take("ent-b")
    party.seconds += 60 / allowed
    assert party.evidence_queries.take("ent-a")
    assert not party.evidence_queries.take("ent-a")
