"""Communication evidence: what the trust party is told of a contact, under `edi_id` alone (6.3.3.2)."""

import pytest

from gateway.records import reports
from gateway.store.records import CdrRow
from interparty.messages import Report
from tests.gateway.carrier import AID, DIGEST, EDI_ID, ENTERPRISE, MSISDN, NOW_MS, NUMBER


def report_of(row: CdrRow) -> Report:
    return Report.model_validate_json(reports.report_of(row))


def cdr(
    kind: str = "mt", result: str = "DELIVERED", row_id: int = 10, digest: bytes | None = DIGEST
) -> CdrRow:
    return CdrRow(
        row_id, row_id, kind, "sms-a", ENTERPRISE, NUMBER, AID, EDI_ID, NOW_MS, None, NOW_MS + 5, result,
        digest=digest,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "channel", "result"),
    [
        ("mt", "sms", "DELIVERED"),
        ("mo", "sms", "DELIVERED"),
        ("call", "voice", "ANSWERED"),
        ("callback", "voice", "BUSY"),
    ],
)
def test_a_report_is_one_that_the_trust_party_takes(kind: str, channel: str, result: str) -> None:
    report = report_of(cdr(kind, result))
    assert (report.edi_id, report.enterprise, report.access_number) == (EDI_ID.hex(), ENTERPRISE, NUMBER)
    assert (report.channel, report.direction, report.result) == (channel, kind, result)
    assert (report.started_at, report.ended_at) == (NOW_MS, NOW_MS + 5)


def test_a_message_is_told_by_its_digest_and_a_call_has_none() -> None:
    assert report_of(cdr()).content_digest == DIGEST.hex()
    assert report_of(cdr("call", "ANSWERED", digest=None)).content_digest is None


def test_it_names_neither_number_nor_aid_nor_account() -> None:
    body = report_of(cdr()).model_dump_json()
    assert MSISDN not in body
    assert AID not in body
    assert "sms-a" not in body


def test_a_report_that_is_sent_again_is_the_same_report() -> None:
    assert report_of(cdr()).report_id == report_of(cdr()).report_id


def test_a_message_and_a_call_of_one_id_are_two_reports() -> None:
    assert report_of(cdr("mt")).report_id != report_of(cdr("call")).report_id
