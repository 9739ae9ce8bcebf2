"""The enterprise's consent backend: it gives the page a nonce, takes the sealed identifiers that the app on
the phone made, signs what the person agreed to and deposits it. It never sees an identifier in clear."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from gm.sm3 import sm3
from interparty.deposit_messages import AidStatus, CancellationResult, Deposit, DepositResult, RotationResult
from interparty.edi import EdiError, edi_id, from_text
from interparty.messages import Cancellation, Consent
from simulators.enterprise.aids import AidBook
from simulators.enterprise.settings import EnterpriseSettings
from trust_client.enterprise import EnterpriseClient

NONCES_MAX = 100_000
"""Consent pages that are open; the oldest is forgotten."""
DAY_MS = 86_400_000
OVER = ("REVOKED", "EXPIRED")
"""Statuses after which an AID never becomes ACTIVE again."""


class ConsentRefused(ValueError):
    """What the app sent is not a consent that this enterprise can deposit."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the app on the phone sends when the person has agreed."""

    nonce: str
    """32 hex digits, from `Backend.nonces`."""
    edis: list[str]
    """As wire text."""


class Backend:
    """Consents from the page to the trust party."""

    def __init__(self, settings: EnterpriseSettings, client: EnterpriseClient, book: AidBook) -> None:
        self._settings = settings
        self._client = client
        self._book = book
        self._open: dict[str, None] = {}

    def nonces(self, count: int) -> list[str]:
        """Fresh consent nonces, 32 hex digits each; every one is good for one consent."""
        made = [secrets.token_hex(16) for _ in range(count)]
        self._open.update(dict.fromkeys(made))
        while len(self._open) > NONCES_MAX:
            del self._open[next(iter(self._open))]
        return made

    def consent(self, given: Given, now_ms: int) -> Consent:
        """The statement of what the person agreed to. Raises ConsentRefused."""
        terms = self._settings.consent
        try:
            edi_ids = [edi_id(from_text(text)).hex() for text in given.edis]
        except EdiError:
            raise ConsentRefused("edis: not an encrypted device identifier") from None
        return Consent(
            enterprise=self._settings.id,
            service=terms.service,
            channels=list(terms.channels),
            access_numbers=self._settings.access_numbers,
            hours=terms.hours,
            frequency=terms.frequency,
            term_from=now_ms,
            term_to=now_ms + terms.term_days * DAY_MS,
            agreement_version=terms.agreement_version,
            agreement_sm3=sm3(terms.agreement.encode()).hex(),
            page_version_sm3=sm3(terms.page.encode()).hex(),
            confirmed_by="app",
            # What the app's log says of the person's agreement; a real enterprise keeps it.
            proof_sm3=sm3(f"agreed {given.nonce} {now_ms}".encode()).hex(),
            edi_ids=edi_ids,
            nonce=given.nonce,
            collected_at=now_ms,
        )

    async def deposit(self, consents: Sequence[Given]) -> list[tuple[list[str], DepositResult]]:
        """Deposit; for each consent its edi_ids (hex) and the trust party's result. AIDs go to the file.

        Raises ConsentRefused, PeerUnavailable, PeerProblem.
        """
        now_ms = time.time_ns() // 1_000_000
        for given in consents:
            if given.nonce not in self._open:
                raise ConsentRefused("nonce: not one that this enterprise gave, or used before")
        deposits = [Deposit(consent=self.consent(one, now_ms), edis=one.edis) for one in consents]
        for given in consents:
            self._open.pop(given.nonce, None)
        results = await self._client.deposit(deposits)
        self._book.add([result.aid for result in results if result.aid is not None])
        return [(list(made.consent.edi_ids), result) for made, result in zip(deposits, results, strict=True)]

    async def statuses(self, aids: Sequence[str]) -> list[AidStatus]:
        """Status of AIDs; what is over for good leaves the file. Raises PeerUnavailable, PeerProblem, OSError."""
        found = await self._client.statuses(aids)
        self._book.drop([each.aid for each in found if each.status in OVER])
        return found

    async def rotate(self, aid: str) -> RotationResult:
        """Another AID for the same consent, in the file in place of the old one. Raises PeerUnavailable, PeerProblem,
        OSError."""
        at_ms = time.time_ns() // 1_000_000
        (result,) = await self._client.rotate([aid], enterprise=self._settings.id, at_ms=at_ms)
        if result.aid is not None:
            self._book.drop([aid])
            self._book.add([result.aid])
        return result

    async def cancel(self, aid: str) -> CancellationResult:
        """The person cancels at the enterprise (T/ISC 0049, 6.1.1.5). Raises PeerUnavailable, PeerProblem."""
        statement = Cancellation(
            enterprise=self._settings.id, aid=aid, cause="USER", at=time.time_ns() // 1_000_000
        )
        return (await self._client.cancel([statement]))[0]
