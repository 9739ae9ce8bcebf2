"""The carrier's own messages: the confirmation code and the opt-out notice, sent without an authorization."""

from __future__ import annotations

import sqlite3

from gateway.sms.outgoing import SEAL_MESSAGE, Outgoing
from gateway.store import messages
from gateway.store.domain import Domain
from smpp.codec import encode
from smpp.pdu import Pdu, SubmitSm
from smpp.segmentation import split


def put_carrier_text(
    conn: sqlite3.Connection,
    domain: Domain,
    *,
    access_number: str,
    msisdn: str,
    enterprise_id: str,
    text: str,
    validity_s: int,
) -> list[Outgoing]:
    """Commit a text to a subscriber, in as many segments as it needs; give them to the dispatcher afterwards."""
    now = domain.now_ms()
    parts = []
    for part in split(text, reference=domain.ids.next() & 0xFF):
        frame = encode(
            Pdu(
                SubmitSm(
                    source_addr=access_number.encode(),
                    destination_addr=msisdn.encode(),
                    esm_class=part.esm_class,
                    data_coding=part.data_coding,
                    short_message=part.short_message,
                )
            )
        )
        message_id = domain.ids.next()
        row = messages.MessageRow(
            id=message_id,
            public_id=message_id,
            kind=int(messages.Kind.CARRIER),
            account="",
            enterprise_id=enterprise_id,
            access_number=access_number,
            aid="",
            edi_id=None,
            registered_delivery=0,
            priority=0,
            octets=len(part.short_message),
            digest=None,
            long_id=None,
            part=0,
            accepted_at=now,
            not_before=now,
            expires_at=now + validity_s * 1000,
        )
        messages.insert(conn, [(row, messages.State.QUEUED, domain.vault.seal(SEAL_MESSAGE, frame))])
        parts.append(Outgoing(row, frame))
    return parts
