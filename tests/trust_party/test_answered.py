"""Signed roots on record."""

import json

import pytest

from foundation.store import StoreBusy
from tests.trust_party.world import CARRIER, NOW, OTHER_CARRIER, Party, item
from trust_party import answered as module


async def _records(party: Party) -> list[dict[str, object]]:
    rows = await party.store.read("SELECT record_id FROM evidence_records ORDER BY record_id")
    opened = [
        await party.store.write(lambda conn, at=row[0]: party.evidence.open(conn, at))  # type: ignore[misc]
        for row in rows
    ]
    found = [json.loads(each.record) for each in opened]
    return [each for each in found if each["kind"] == "VERIFICATIONS"]


async def test_the_roots_of_each_carrier_are_one_record(party: Party) -> None:
    first = (await party.verify(item("888100000000000005"))).batch
    second = (await party.verify(item("888100000000000005"), item("888100000000000005"))).batch
    await party.verify(item("888100000000000005"), carrier=OTHER_CARRIER)
    assert await party.answered.flush(NOW) == 3
    ours, theirs = await _records(party)
    assert (ours["carrier"], theirs["carrier"]) == (CARRIER, OTHER_CARRIER)
    assert ours["batches"] == [
        {"root": head.root, "count": head.count, "at": head.at} for head in (first, second)
    ]
    assert await party.answered.flush(NOW) == 0


async def test_a_record_is_bounded_and_what_waits_too(party: Party, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROOTS_A_RECORD", 2)
    monkeypatch.setattr(module, "ROOTS_MAX", 5)
    for number in range(7):
        party.answered.add(CARRIER, bytes([number] * 32), 1, NOW)
    assert await party.answered.flush(NOW) == 5
    kept = [root["root"] for record in await _records(party) for root in record["batches"]]  # type: ignore[attr-defined]
    assert kept == [bytes([number] * 32).hex() for number in range(2, 7)]


async def test_what_a_busy_store_does_not_take_stays(party: Party, monkeypatch: pytest.MonkeyPatch) -> None:
    party.answered.add(CARRIER, bytes(32), 1, NOW)
    with monkeypatch.context() as patched:

        async def busy(*_: object) -> None:
            raise StoreBusy("full")

        patched.setattr(party.store, "write", busy)
        with pytest.raises(StoreBusy):
            await party.answered.flush(NOW)
    assert await party.answered.flush(NOW) == 1
