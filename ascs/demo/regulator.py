"""The regulator of the demo: a complaint looked into with the tools that a regulator has."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass

from ascs.commands.asker import AskerSettings
from ascs.commands.common import load_settings
from ascs.demo.layout import APPROVERS, Layout
from ascs.demo.parties import Files
from gm.sm2 import PrivateKey
from interparty.party_link import connect
from interparty.query_messages import NumberQueryResponse
from trust_client import regulator as house
from trust_client.evidence import ConsentEvidence, EvidenceClient

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Complaint:
    """What came of one."""

    case: str
    answer: NumberQueryResponse
    evidence: list[ConsentEvidence]
    """Of each AID that was found."""


class Desk:
    """What a regulator's people do with its tools (`ascs regulator`, `ascs evidence query`)."""

    def __init__(self, layout: Layout, files: Files) -> None:
        self._layout = layout
        self._settings = load_settings(files.regulator, AskerSettings)

    async def look_into(self, number: str, enterprise: str) -> Complaint:
        """Seal the number to the carrier, have two people sign, ask, and fetch the evidence of what was found.

        Raises PeerUnavailable, PeerProblem, EvidenceFault.
        """
        now = time.time_ns() // 1_000_000
        case = f"case-{secrets.token_hex(4)}"
        draft = house.draft(
            self._settings.carrier_keys(),
            requester=self._settings.id,
            number=number,
            enterprise=enterprise,
            period_from=now - 7 * DAY_MS,
            period_to=now + DAY_MS,
            case=case,
        )
        approvals = [house.approve(draft, approver, self._key(approver), now) for approver in APPROVERS]
        async with connect(self._settings.trust, timeout=house.SUBMIT_SECONDS) as peer:
            client = EvidenceClient(peer, self._settings.log_public_keys())
            answer = await client.by_number(house.request(draft, approvals))
            evidence = await asyncio.gather(*(client.of_aid(aid, case) for aid in answer.aids))
        return Complaint(case, answer, list(evidence))

    def _key(self, approver: str) -> PrivateKey:
        return PrivateKey.from_pem((self._layout.regulator / f"{approver}.key").read_bytes())
