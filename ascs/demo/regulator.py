"""The regulator of the demo: a complaint looked into with the tools that a regulator has."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from dataclasses import dataclass

from ascs.commands.asker import AskerSettings
from ascs.commands.common import load_settings
from ascs.demo.layout import APPROVERS, CARRIER, Layout
from ascs.demo.parties import Files
from gm.sm2 import PrivateKey, PublicKey
from interparty import trust_routes
from interparty.client import Peer, PeerProblem
from interparty.evidence_messages import WitnessedCheckpoint
from interparty.party_link import connect
from interparty.query_messages import NumberQueryResponse
from trust_client import regulator as house
from trust_client.bundle import Report, Trusted, cosigners, verify
from trust_client.evidence import ConsentEvidence, EvidenceClient

DAY_MS = 86_400_000
LOOK_AGAIN_S = 0.1
WITNESS_S = 15.0
"""How long it waits for the witnesses."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """What came of one."""

    case: str
    answer: NumberQueryResponse
    evidence: list[ConsentEvidence]
    """Of each AID that was found."""
    reports: list[Report]
    """What each of these proves under the word of all witnesses."""


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
            await self._witnessed(peer)
            evidence = await asyncio.gather(*(client.of_aid(aid, case) for aid in answer.aids))
        return Complaint(case, answer, list(evidence), [self._proved(each) for each in evidence])

    @property
    def witnesses(self) -> dict[str, list[PublicKey]]:
        """Keys of those who watch the log."""
        return {party: [self._public(f"witness-{party}.pem")] for party in self._layout.witnesses}

    async def _witnessed(self, peer: Peer) -> None:
        """Return when all that is in the log now is in a checkpoint that every witness cosigned, or after WITNESS_S."""
        path, keys = trust_routes.CHECKPOINT.path, self.witnesses
        size = (await peer.request("GET", path, None, WitnessedCheckpoint)).checkpoint.size
        until = time.monotonic() + WITNESS_S
        while time.monotonic() < until:
            with contextlib.suppress(PeerProblem):
                query = f"cosigned={len(keys)}"
                best = await peer.request("GET", path, None, WitnessedCheckpoint, query=query)
                if best.checkpoint.size >= size and len(cosigners(best, keys)) == len(keys):
                    return
            await asyncio.sleep(LOOK_AGAIN_S)

    def _proved(self, evidence: ConsentEvidence) -> Report:
        """What the evidence proves to someone who has the public keys and asks nobody."""
        witnesses = self.witnesses
        parties = {
            CARRIER: [self._public(f"{CARRIER}.pem")],
            evidence.enterprise: witnesses[evidence.enterprise],
        }
        trusted = Trusted(self._settings.log_public_keys(), witnesses, len(witnesses), parties)
        reports = [verify(bundle, trusted) for bundle in evidence.bundles]
        return Report([finding for report in reports for finding in report.findings])

    def _public(self, name: str) -> PublicKey:
        return PublicKey.from_pem((self._layout.regulator / name).read_bytes())

    def _key(self, approver: str) -> PrivateKey:
        return PrivateKey.from_pem((self._layout.regulator / f"{approver}.key").read_bytes())
