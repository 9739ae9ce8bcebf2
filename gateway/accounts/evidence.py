"""Evidence for the carrier itself, of its own subscribers: by AID, or by number, which stays in the carrier domain.

A number is looked up here; the trust party is asked by the edi_ids of its holder. Standard: T/ISC 0049-2024, 6.3.1.1.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from http import HTTPStatus

from gateway.settings import GatewaySettings
from gateway.store import number_queries
from gateway.store.domain import Domain
from gateway.trust_link import connect
from gm.sm2 import PublicKey
from interparty.client import PeerProblem
from trust_client.evidence import ConsentEvidence, EvidenceClient

CONSENTS_MAX = 1_000
"""Consents of one number that are asked about."""


async def of_aid(settings: GatewaySettings, log_keys: Sequence[PublicKey], aid: str) -> ConsentEvidence:
    """Raises PeerUnavailable, PeerProblem (404: not a subscriber of ours), EvidenceFault."""
    async with connect(settings) as peer:
        return await EvidenceClient(peer, log_keys).of_aid(aid)


async def of_number(
    settings: GatewaySettings,
    domain: Domain,
    log_keys: Sequence[PublicKey],
    number: str,
    start: int,
    end: int,
) -> list[ConsentEvidence]:
    """The evidence of every consent of whoever held the number at some time of [start, end) ms.

    What nobody confirmed, or was erased, is not among it. Raises as `of_aid`, and ValueError for too many consents.
    """

    def find(conn: sqlite3.Connection) -> list[bytes]:
        index = domain.vault.find_msisdn(conn, number)
        if index is None:
            return []
        rows = conn.execute(
            "SELECT DISTINCT enterprise_id FROM edi WHERE msisdn_index = ?", (index,)
        ).fetchall()
        return [
            edi_id for row in rows for edi_id in number_queries.edi_ids_of(conn, index, row[0], start, end)
        ]

    edi_ids = await domain.store.write(find)
    if len(edi_ids) > CONSENTS_MAX:
        raise ValueError(f"more than {CONSENTS_MAX} consents: take a shorter period")
    found: list[ConsentEvidence] = []
    async with connect(settings) as peer:
        client = EvidenceClient(peer, log_keys)
        for edi_id in edi_ids:
            try:
                evidence = await client.of_edi(edi_id.hex())
            except PeerProblem as problem:
                if problem.status != HTTPStatus.NOT_FOUND:
                    raise
            else:
                # Several EDIs of one deposit are one consent.
                if all(evidence.aids != other.aids for other in found):
                    found.append(evidence)
    return found
