"""The trust party's own people ask beside the running one, which alone writes the log."""

import json

import pytest

from foundation.store import StoreUnavailable
from tests.trust_party.world import CARRIER, NOW, Party
from trust_party import desk
from trust_party.clock import DAY_MS


async def kinds(party: Party, aid: str) -> list[str]:
    pages = await desk.evidence_of(party.settings, aid, "case-1")
    return [
        json.loads(record.record)["kind"] for page in pages if page.bundle for record in page.bundle.records
    ]


async def test_it_is_shown_everything_and_the_query_is_on_record(party: Party) -> None:
    aid, _ = await party.active()
    await party.sequencer.run()
    assert await kinds(party, aid) == ["DEPOSIT", "CONFIRMATION"]
    rows = await party.store.read("SELECT MAX(record_id) FROM evidence_records")
    opened = await party.store.write(lambda conn: party.evidence.open(conn, rows[0][0]))
    record = json.loads(opened.record)
    assert (record["kind"], record["by"], record["role"]) == ("QUERY", "ttp", "trust party")
    assert record["asked"]["case"] == "case-1"


async def test_what_is_not_in_the_log_yet_is_waited_for_and_not_put_there(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    aid, _ = await party.active()
    before = await party.store.read("SELECT COUNT(*) FROM evidence_batches")
    monkeypatch.setattr(desk, "LOOK_SECONDS", 0)
    monkeypatch.setattr(desk, "LOOKS_MAX", 2)
    with pytest.raises(StoreUnavailable, match="does not run"):
        await kinds(party, aid)
    assert await party.store.read("SELECT COUNT(*) FROM evidence_batches") == before


async def test_nothing_is_on_record_about_what_never_was_or_was_erased(party: Party) -> None:
    aid, _ = await party.active()
    await party.sweeper.sweep(NOW + 30 * DAY_MS)
    await party.erasure.erase(NOW + 365 * DAY_MS)
    for each in (aid, "888100000000000009"):
        assert await desk.evidence_of(party.settings, each, "case-1") == []


async def test_it_is_shown_what_became_of_keys(party: Party) -> None:
    await party.sequencer.run()
    (own,) = await desk.key_evidence_of(party.settings, "ttp", "case-1")
    told = [json.loads(record.record)["statement"] for record in own.records]
    assert {(one["purpose"], one["version"]) for one in told} == {
        (purpose, 1) for purpose in party.keys.purposes()
    }
    (carrier,) = await desk.key_evidence_of(party.settings, CARRIER, "case-1")
    assert [json.loads(record.record)["event"] for record in carrier.records] == ["taken", "taken"]
    assert await desk.key_evidence_of(party.settings, "nobody", "case-1") == []
