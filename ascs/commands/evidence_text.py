"""Evidence as people read it in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trust_client.bundle import time_text
from trust_client.evidence import ConsentEvidence


def lines(evidence: ConsentEvidence) -> Iterator[str]:
    """A consent's evidence, a line a record; times in Asia/Shanghai."""
    yield f"{evidence.enterprise}  {' → '.join(evidence.aids)}  {evidence.status}"
    for record in evidence.records:
        yield f"  {record['kind']:<13} {_told(record)}".rstrip()
    for bundle in evidence.bundles:
        head = bundle.checkpoint
        yield (
            f"  {len(bundle.records)} records proved to be in the log of {head.size} leaves,"
            f" signed {time_text(head.time_ms)}, cosigned by {len(bundle.cosignatures)}"
        )


def _told(record: dict[str, Any]) -> str:
    statement: dict[str, Any] = record.get("statement") or {}
    match record["kind"]:
        case "DEPOSIT":
            consent = record["consent"]
            return (
                f"{consent['service']}, {'+'.join(consent['channels'])} from {', '.join(consent['access_numbers'])},"
                f" {consent['hours']}, {consent['frequency']}, until {time_text(consent['term_to'])}"
            )
        case "CONFIRMATION":
            when = time_text(statement["confirmed_at"])
            return f"{when} by the subscriber, {statement['method']}, as {statement['carrier']} signed"
        case "CANCELLATION":
            return f"{time_text(statement['at'])} {statement['cause']}, signed by {record['by']}"
        case "COMMUNICATION":
            when = time_text(record["started_at"])
            return f"{when} {record['direction']} {record['access_number']} {record['result']}"
        case "QUERY":
            return f"{time_text(record['at'])} by {record['by']}"
        case _:
            return ""
