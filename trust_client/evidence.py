"""Evidence as whoever may ask for it gets it: a consent's records, checked before they are believed.

What comes is a bundle a page (trust_client.bundle), and nothing in it is believed because the trust party says it: the
checkpoint must be signed by the log's key, and each record be in the log word for word. See docs/formats.md, "Queries
for evidence".
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from gm.sm2 import PublicKey
from interparty.client import Peer
from interparty.evidence_messages import Bundle
from interparty.query_messages import (
    EvidencePage,
    EvidenceQuery,
    KeyEvidencePage,
    KeyEvidenceQuery,
    NumberQueryRequest,
    NumberQueryResponse,
)
from interparty.values import Status
from trust_client import bundle as bundles
from trust_client.bundle import Trusted

QUERIES: Final = "/v1/evidence/queries"
KEY_QUERIES: Final = "/v1/evidence/key-queries"
NUMBER_QUERIES: Final = "/v1/evidence/number-queries"
PAGES_MAX: Final = 10_000
"""Pages of one consent that are asked for."""


class EvidenceFault(Exception):
    """What was answered is not what the log commits to, or not what was asked for: it proves nothing."""


@dataclass(frozen=True, slots=True)
class ConsentEvidence:
    """Everything on record about one consent that the asker may see."""

    aids: list[str]
    enterprise: str
    status: Status
    bundles: list[Bundle]
    """One a page, in order; each proves its records offline."""

    @property
    def records(self) -> list[dict[str, Any]]:
        """The records in order, each a JSON object with its `kind`."""
        return [json.loads(record.record) for bundle in self.bundles for record in bundle.records]


class EvidenceClient:
    """One party's queries at one trust party. `log_keys` are the keys that its log may be signed with.

    Methods raise interparty.client's PeerUnavailable and PeerProblem, and EvidenceFault.
    """

    def __init__(self, peer: Peer, log_keys: Sequence[PublicKey]) -> None:
        self._peer = peer
        self._trusted = Trusted(log_keys)

    async def of_aid(self, aid: str, case: str | None = None) -> ConsentEvidence:
        """The evidence of an AID's consent. PeerProblem 404 when there is none that this party may see."""
        found = await self._all(EvidenceQuery(aid=aid, case=case))
        if aid not in found.aids:
            raise EvidenceFault("the answer is about another AID")
        return found

    async def of_edi(self, edi_id: str, case: str | None = None) -> ConsentEvidence:
        """The same by an edi_id, for the carrier whose subscriber confirmed it, and for regulators."""
        return await self._all(EvidenceQuery(edi_id=edi_id, case=case))

    async def of_keys(self, party: str | None = None, case: str | None = None) -> list[Bundle]:
        """What is on record about a party's keys, or about one's own, a bundle a page."""
        found: list[Bundle] = []
        for _ in range(PAGES_MAX):
            skip = sum(len(bundle.records) for bundle in found)
            asked = KeyEvidenceQuery(party=party, case=case, skip=skip or None)
            page = await self._peer.request("POST", KEY_QUERIES, asked, KeyEvidencePage)
            if party is not None and page.party != party:
                raise EvidenceFault("the answer is about another party")
            if page.bundle is not None:
                self._check(page.bundle)
                found.append(page.bundle)
            if not page.more:
                return found
            if page.bundle is None:
                break
        raise EvidenceFault("the answer has no end")

    async def by_number(self, request: NumberQueryRequest) -> NumberQueryResponse:
        """Pass on what was sealed to carriers; which AIDs it leads to. For regulators; it takes as long as the
        slowest carrier."""
        return await self._peer.request("POST", NUMBER_QUERIES, request, NumberQueryResponse)

    async def _all(self, query: EvidenceQuery) -> ConsentEvidence:
        page = await self._peer.request("POST", QUERIES, query, EvidencePage)
        found = ConsentEvidence(page.aids, page.enterprise, page.status, [])
        count = 0
        for _ in range(PAGES_MAX):
            if page.bundle is not None:
                self._check(page.bundle)
                found.bundles.append(page.bundle)
                count += len(page.bundle.records)
            if not page.more:
                return found
            if page.bundle is None:
                break
            following = query.model_copy(update={"skip": count})
            page = await self._peer.request("POST", QUERIES, following, EvidencePage)
        raise EvidenceFault("the answer has no end")

    def _check(self, bundle: Bundle) -> None:
        for finding in bundles.verify(bundle, self._trusted).findings:
            if finding.holds is False:
                raise EvidenceFault(finding.text.strip())
