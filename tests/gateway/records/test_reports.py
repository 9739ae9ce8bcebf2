"""Communication evidence: what the trust party is told of a contact, under `edi_id` alone (6.3.3.2)."""

import json
from typing import Any

import pytest

from gateway.records.reports import put_report
from gateway.store import outbox
from gateway.store.domain import Domain
from gateway.store.outbox import TrustKind
from interparty.messages import Report
from tests.gateway.carrier import AID, EDI_ID, ENTERPRISE, MSISDN, NOW_MS, NUMBER


async def reported(domain: Domain, channel: str, direction: str, result: str, row_id: int = 10) -> list[Any]:
    def op(conn: Any) -> list[tuple[int, str]]:
        put_report(
            conn, domain, row_id, EDI_ID, ENTERPRISE, channel, NUMBER, direction, result, NOW_MS, NOW_MS + 5
        )
        return outbox.for_trust(conn, TrustKind.REPORT, 10)

    return [json.loads(body) for _, body in await domain.store.write(op)]


@pytest.mark.parametrize(
    ("channel", "direction", "result"),
    [
        ("sms", "mt", "DELIVERED"),
        ("sms", "mo", "DELIVERED"),
        ("voice", "call", "ANSWERED"),
        ("voice", "callback", "BUSY"),
    ],
)
async def test_a_report_is_one_that_the_trust_party_takes(
    domain: Domain, channel: str, direction: str, result: str
) -> None:
    [body] = await reported(domain, channel, direction, result)
    report = Report.model_validate(body)
    assert (report.edi_id, report.enterprise, report.access_number) == (EDI_ID.hex(), ENTERPRISE, NUMBER)
    assert (report.channel, report.direction, report.result) == (channel, direction, result)
    assert (report.started_at, report.ended_at) == (NOW_MS, NOW_MS + 5)


async def test_it_names_neither_number_nor_aid(domain: Domain) -> None:
    [body] = await reported(domain, "sms", "mt", "DELIVERED")
    assert MSISDN not in json.dumps(body)
    assert AID not in json.dumps(body)


async def test_a_message_and_a_call_of_one_id_are_two_reports(domain: Domain) -> None:
    await reported(domain, "sms", "mt", "DELIVERED", row_id=7)
    both = await reported(domain, "voice", "call", "ANSWERED", row_id=7)
    assert len({body["report_id"] for body in both}) == 2
