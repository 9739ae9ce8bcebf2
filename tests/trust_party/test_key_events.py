"""What other parties report about their keys, and who may ask what is on record of whose."""

import json
from collections.abc import Sequence

import pytest

from gm.sm2 import PrivateKey
from interparty import statements
from interparty.evidence_messages import Bundle
from interparty.key_messages import KeyEvent, SignedKeyEvent
from interparty.query_messages import KeyEvidenceQuery
from tests.trust_party.world import CARRIER, NOW, OTHER_CARRIER, REGULATOR, Party
from trust_client import bundle as bundles
from trust_client.bundle import Trusted
from trust_party import key_events
from trust_party.directory import Caller
from trust_party.key_events import EventsRefused, TooManyEvents


def event(sequence: int, *, party: str = CARRIER, **changed: object) -> KeyEvent:
    fields = {
        "party": party,
        "event_id": f"{sequence:032x}",
        "sequence": sequence,
        "event": "activated",
        "purpose": "data",
        "version": 2,
        "algorithm": "sm4",
        "key_id": "data/2",
        "state_from": "pre-active",
        "state_to": "active",
        "by": "ops",
        "found": False,
        "at": NOW,
    }
    return KeyEvent.model_validate(fields | changed)


def signed(party: Party, *said: KeyEvent, key: PrivateKey | None = None) -> list[SignedKeyEvent]:
    key = party.people.carriers[CARRIER] if key is None else key
    return [
        SignedKeyEvent(
            statement=one,
            keyid=f"{CARRIER}/sign/1",
            signature=statements.sign(key, statements.KEYEVENT, one),
        )
        for one in said
    ]


def caller(party: Party, name: str) -> Caller:
    found = party.directory.caller(name)
    assert found is not None
    return found


async def take(party: Party, events: Sequence[SignedKeyEvent], *, sender: str = CARRIER) -> int:
    return await party.key_events.take(caller(party, sender), events, NOW)


async def evidence(party: Party, asker: str, about: str | None = None) -> Bundle | None:
    page = await party.key_events.page(caller(party, asker), KeyEvidenceQuery(party=about), NOW)
    assert page is not None
    return page.bundle


def told(bundle: Bundle) -> list[int]:
    """The sequences of the events in a bundle."""
    opened = [json.loads(one.record) for one in bundle.records]
    return [one["statement"]["sequence"] for one in opened if "statement" in one]


async def test_what_a_carrier_reports_is_evidence_once(party: Party) -> None:
    report = signed(party, event(1), event(2))
    for _ in range(2):
        assert await take(party, report) == 2
    assert await take(party, signed(party, event(2), event(3))) == 2
    bundle = await evidence(party, CARRIER)
    assert bundle is not None
    assert told(bundle) == [1, 2, 3]


async def test_the_bundle_proves_it_and_says_so_in_plain_words(party: Party) -> None:
    await take(party, signed(party, event(1), event(2, found=True, approved_by=["li", "wang"])))
    bundle = await evidence(party, CARRIER)
    assert bundle is not None
    key = party.people.carriers[CARRIER].public_key
    trusted = Trusted([party.keys.current("log").public], parties={CARRIER: [key]})
    report = bundles.verify(bundle, trusted)
    texts = [one.text for one in report.findings if one.holds]
    assert any(
        f"{CARRIER} signed that at 2026-09-21 22:13:20 its key data/2 went from pre-active to active, by ops."
        in text
        for text in texts
    )
    assert any("found at" in text and "approved by li and wang" in text for text in texts)
    assert any(f"{CARRIER}/sign/1 of {CARRIER} is known" in text for text in texts)
    assert report.holds
    other = Trusted(trusted.log_keys, parties={CARRIER: [PrivateKey.generate().public_key]})
    assert not bundles.verify(bundle, other).holds


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"party": OTHER_CARRIER}, "another party"),
        ({"at": NOW + key_events.AHEAD_MS + 1}, "time to come"),
    ],
)
async def test_what_is_not_taken(party: Party, change: dict[str, object], why: str) -> None:
    with pytest.raises(EventsRefused, match=why):
        await take(party, signed(party, event(1), event(2, **change)))
    bundle = await evidence(party, CARRIER)
    assert bundle is not None
    assert told(bundle) == []


async def test_a_report_under_an_unknown_key_is_not_taken(party: Party) -> None:
    with pytest.raises(EventsRefused, match="not signed"):
        await take(party, signed(party, event(1), key=PrivateKey.generate()))


async def test_an_event_may_have_waited_for_long(party: Party) -> None:
    assert await take(party, signed(party, event(1, at=NOW - 400 * 86_400_000))) == 1


async def test_a_party_cannot_flood_the_log(party: Party, monkeypatch: pytest.MonkeyPatch) -> None:
    for at in range(0, key_events.EVENTS_BURST, 500):
        await take(party, signed(party, *(event(at + each) for each in range(1, 501))))
    with pytest.raises(TooManyEvents):
        await take(party, signed(party, event(key_events.EVENTS_BURST + 1)))
    party.seconds += 60
    await take(party, signed(party, event(key_events.EVENTS_BURST + 1)))


async def test_a_party_asks_about_its_own_keys_and_a_regulator_about_any(party: Party) -> None:
    await take(party, signed(party, event(1)))
    for asker, about in (
        (CARRIER, OTHER_CARRIER),
        (OTHER_CARRIER, CARRIER),
        ("ent-a", "ttp"),
        ("ent-a", "x"),
    ):
        asked = KeyEvidenceQuery(party=about)
        assert await party.key_events.page(caller(party, asker), asked, NOW) is None
    bundle = await evidence(party, REGULATOR, CARRIER)
    assert bundle is not None
    assert told(bundle) == [1]
    own = await evidence(party, REGULATOR, "ttp")
    assert own is not None
    first = {json.loads(one.record)["statement"]["purpose"] for one in own.records}
    assert first == set(party.keys.purposes())
    assert await evidence(party, REGULATOR, "nobody") is None


async def test_each_query_is_a_record(party: Party) -> None:
    await evidence(party, REGULATOR, CARRIER)

    def newest(conn: object) -> bytes:
        return party.evidence.open(conn, party.evidence.next_id(conn) - 1).record  # type: ignore[arg-type]

    record = json.loads(await party.store.write(newest))
    assert (record["kind"], record["by"], record["asked"]["keys_of"]) == ("QUERY", REGULATOR, CARRIER)


async def test_more_than_a_page_comes_page_by_page(party: Party, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_events, "PAGE_MAX", 2)
    await take(party, signed(party, *(event(each) for each in range(1, 4))))
    found: list[int] = []
    skip = 0
    while True:
        page = await party.key_events.page(caller(party, CARRIER), KeyEvidenceQuery(skip=skip), NOW)
        assert page is not None
        assert page.bundle is not None
        assert len(page.bundle.records) <= 2
        found += told(page.bundle)
        skip += len(page.bundle.records)
        if not page.more:
            break
    assert found == [1, 2, 3]
