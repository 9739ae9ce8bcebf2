import json

import pytest

from interparty.hot_messages import SentReport, sent_report
from interparty.messages import Report
from tests.trust_party.world import ACCESS_NUMBER, CARRIER, NOW, OTHER_CARRIER, Party
from trust_party.data_keys import DataKey, DataKeys


def report(edi_id: str, report_id: str = "r-1", **changed: object) -> SentReport:
    fields: dict[str, object] = {
        "report_id": report_id,
        "edi_id": edi_id,
        "enterprise": "ent-a",
        "channel": "sms",
        "access_number": ACCESS_NUMBER,
        "direction": "mt",
        "result": "DELIVERED",
        "started_at": NOW,
        "ended_at": NOW + 5,
        "content_digest": "ef" * 32,
    }
    return sent_report(Report.model_validate(fields | changed))


async def test_a_report_is_joined_to_the_aid_and_becomes_evidence(party: Party) -> None:
    aid, consent = await party.active()
    edi_id = consent.edi_ids[0]
    assert await party.reports.report(CARRIER, [report(edi_id), report(edi_id, "r-2")], NOW) == 2
    rows = await party.store.read("SELECT report_id, evidence_id FROM communications ORDER BY report_id")
    assert [row["report_id"] for row in rows] == ["r-1", "r-2"]
    index = rows[1]["evidence_id"]
    opened = await party.store.write(lambda conn: party.evidence.open(conn, index))
    record = json.loads(opened.record)
    assert record["kind"] == "COMMUNICATION"
    assert record["aid"] == aid
    assert record["report_id"] == "r-2"
    assert record["content_digest"] == "ef" * 32


async def test_it_is_joined_to_the_aid_that_the_consent_had_when_it_took_place(party: Party) -> None:
    first, consent = await party.active()
    second = (await party.rotate(first, now=NOW + 1_000)).aid
    third = (await party.rotate(second or "", now=NOW + 2_000)).aid
    times = (NOW, NOW + 1_000, NOW + 1_500, NOW + 2_000, NOW + 9_000)
    sent = [report(consent.edi_ids[0], f"r-{at}", started_at=at, ended_at=at) for at in times]
    assert await party.reports.report(CARRIER, sent, NOW + 9_000) == len(sent)
    rows = await party.store.read("SELECT evidence_id FROM communications ORDER BY evidence_id")
    aids = []
    for row in rows:
        opened = await party.store.write(lambda conn, at=row[0]: party.evidence.open(conn, at))  # type: ignore[misc]
        aids.append(json.loads(opened.record)["aid"])
    assert aids == [first, second, second, third, third]


async def test_reporting_again_changes_nothing(party: Party) -> None:
    _, consent = await party.active()
    one = report(consent.edi_ids[0])
    assert await party.reports.report(CARRIER, [one, one], NOW) == 2
    assert await party.reports.report(CARRIER, [one], NOW) == 1
    assert len(await party.store.read("SELECT 1 FROM communications")) == 1


async def test_whom_a_failure_kept_from_being_looked_up_is_not_taken_for_unknown(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, consent = await party.active()
    opened, failures = DataKeys.opened, ["once"]

    def fails_once(keys: DataKeys, sealed: bytes) -> DataKey:
        if failures:
            raise OSError(failures.pop())
        return opened(keys, sealed)

    monkeypatch.setattr(DataKeys, "opened", fails_once)
    # The store runs what failed once more, on its own.
    assert await party.reports.report(CARRIER, [report(consent.edi_ids[0])], NOW) == 1


async def test_reports_about_what_is_not_the_carriers_are_not_taken(party: Party) -> None:
    _, consent = await party.active()
    edi_id = consent.edi_ids[0]
    assert await party.reports.report(OTHER_CARRIER, [report(edi_id)], NOW) == 0
    assert await party.reports.report(CARRIER, [report(edi_id, enterprise="ent-b")], NOW) == 0
    assert await party.reports.report(CARRIER, [report("00" * 16), report(edi_id)], NOW) == 1


@pytest.mark.parametrize("digest", ["ef" * 32, None])
async def test_the_record_is_in_the_form_of_all_records(party: Party, digest: str | None) -> None:
    aid, consent = await party.active()
    sent = report(consent.edi_ids[0], content_digest=digest)
    await party.reports.report(CARRIER, [sent], NOW)
    index = (await party.store.read("SELECT evidence_id FROM communications"))[0][0]
    opened = await party.store.write(lambda conn: party.evidence.open(conn, index))
    fields = {"kind": "COMMUNICATION", "aid": aid, "carrier": CARRIER, **json.loads(sent.text)}
    assert opened.record.decode() == json.dumps(fields, sort_keys=True, separators=(",", ":"))
