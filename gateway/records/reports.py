"""Reports of what was sent and called, for the trust party's communication evidence (6.3.3.2, 6.3.3.4)."""

from __future__ import annotations

from typing import Final

from gateway.store.ids import text_of
from gateway.store.records import CdrRow, Unreported
from interparty.hot_messages import report_text

_CHANNEL_OF: Final = {"mt": "sms", "mo": "sms", "call": "voice", "callback": "voice"}


def report_of(cdr: CdrRow | Unreported) -> str:
    """Communication evidence of one CDR as the JSON of a Report, under `edi_id` and never under a number (6.3.3.2).

    The trust party takes a report_id once, so that a report may be sent again.
    """
    assert cdr.edi_id is not None
    return report_text(
        report_id=f"{cdr.kind}-{text_of(cdr.id)}",
        edi_id=cdr.edi_id,
        enterprise=cdr.enterprise_id,
        channel=_CHANNEL_OF[cdr.kind],
        access_number=cdr.access_number,
        direction=cdr.kind,
        result=cdr.result,
        started_at=cdr.started_at,
        ended_at=cdr.ended_at,
        content_digest=cdr.digest,
    )
