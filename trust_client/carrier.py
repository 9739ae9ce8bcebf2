"""The carrier's side of the trust party: ping, verify, convert, restore, confirm, cancel, report, revocations.

All methods raise interparty.client's PeerUnavailable or PeerProblem. Lists of any length are sent in as
many requests as the routes' caps need; when one fails, what the earlier ones did stands, and asking
again is safe: every route is idempotent. For a message's own verification use trust_client.verifier,
which gathers many into one request.
"""

import asyncio
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final

from pydantic import ValidationError

from gm.sm2 import PrivateKey
from interparty import edi, statements
from interparty.client import KEYS_PATH, Peer, PeerProblem, PeerUnavailable
from interparty.deposit_messages import (
    CancellationResult,
    ConfirmationResponse,
    ConfirmationResult,
    ConfirmationSubmission,
)
from interparty.edi import EdiError
from interparty.hot_messages import reports_body
from interparty.key_messages import EVENTS_MAX, KeyEvent, KeyEventReport, PublicKeys, SignedKeyEvent
from interparty.messages import (
    ITEMS_MAX,
    Accepted,
    Cancellation,
    Confirmation,
    ConversionRequest,
    ConversionResponse,
    InclusionBody,
    Report,
    RestoreAnswer,
    RestoreItem,
    RestoreRequest,
    RestoreResponse,
    SignedConfirmation,
)
from interparty.verify_messages import (
    RevocationsRequest,
    RevocationsResponse,
    VerifyItem,
    VerifyRequest,
    VerifyResponse,
)
from trust_client.batches import matched, pieces
from trust_client.cancellations import cancel

VERIFICATIONS: Final = "/v1/verifications"
REPORTS: Final = "/v1/reports"
KEY_EVENTS: Final = "/v1/key-events"


class CarrierClient:
    """One carrier at one trust party. `sign_key` is the carrier's SM2 key for statements, needed to
    confirm and cancel."""

    def __init__(self, peer: Peer, sign_key: PrivateKey | Callable[[], PrivateKey] | None = None) -> None:
        """`sign_key` may be a function that gives the key of the moment."""
        self._peer = peer
        self._key = sign_key

    async def verify(self, items: list[VerifyItem], *, timeout: float | None = None) -> VerifyResponse:
        """Verify at most 500 items in one request; answers in order, with the signed head of the batch."""
        response = await self._peer.request(
            "POST", VERIFICATIONS, VerifyRequest(items=items), VerifyResponse, timeout=timeout
        )
        matched(items, response.answers)
        return response

    async def verifications(self, body: bytes, *, timeout: float | None = None) -> bytes:
        """The JSON of a VerifyResponse to that of a VerifyRequest, which is not looked at."""
        return await self._peer.request_bytes("POST", VERIFICATIONS, body, timeout=timeout)

    async def ping(self) -> None:
        """Returns when the trust party answers this carrier: it is there, and knows certificate and key."""
        try:
            # Its first record's proof: nothing is signed or written for it, and an empty log has none.
            await self._peer.request("GET", "/v1/log/inclusion", None, InclusionBody, query="index=0&size=1")
        except PeerProblem as problem:
            if problem.status != HTTPStatus.NOT_FOUND:
                raise

    async def keys(self) -> PublicKeys:
        """What the trust party announces of its keys; nothing of it is checked here."""
        return await self._peer.request("GET", KEYS_PATH, None, PublicKeys)

    async def convert(self, aid: str, enterprise: str) -> bytes:
        """The EDI behind an AID. PeerProblem 404 unless it is active and sealed to this carrier."""
        request = ConversionRequest(aid=aid, enterprise=enterprise)
        response = await self._peer.request("POST", "/v1/conversions", request, ConversionResponse)
        try:
            return edi.from_text(response.edi)
        except EdiError:
            raise PeerUnavailable("answer is not an EDI") from None

    async def restore(self, items: Sequence[RestoreItem]) -> list[RestoreAnswer]:
        """The AIDs behind edi_ids, or refusals; in order."""
        answers: list[RestoreAnswer] = []
        for piece in pieces(items, ITEMS_MAX):
            request = RestoreRequest(items=piece)
            response = await self._peer.request("POST", "/v1/restorations", request, RestoreResponse)
            answers += matched(piece, response.answers)
        return answers

    async def confirm(self, confirmations: Sequence[Confirmation]) -> list[ConfirmationResult]:
        """Sign and send what subscribers confirmed; one result each, in order."""
        results: list[ConfirmationResult] = []
        for piece in pieces(confirmations, ITEMS_MAX):
            signed = await asyncio.to_thread(_sign_confirmations, self._signing_key(), piece)
            request = ConfirmationSubmission(confirmations=signed)
            response = await self._peer.request("POST", "/v1/confirmations", request, ConfirmationResponse)
            results += matched(piece, response.results)
        return results

    async def cancel(self, cancellations: Sequence[Cancellation]) -> list[CancellationResult]:
        """Sign and send cancellations by edi_id (a subscriber's opt-out); one result each, in order."""
        return await cancel(self._peer, self._signing_key(), cancellations)

    async def report(self, reports: Sequence[Report]) -> int:
        """Report communications; how many the trust party holds now. Repeating a report changes nothing."""
        return await self.report_texts([report.model_dump_json(exclude_none=True) for report in reports])

    async def report_texts(self, texts: Sequence[str]) -> int:
        """As `report`, of the JSON of each: from interparty.hot_messages.report_text."""
        accepted = 0
        for piece in pieces(texts, ITEMS_MAX):
            body = await self._peer.request_bytes("POST", REPORTS, reports_body(piece))
            try:
                accepted += Accepted.model_validate_json(body).accepted
            except ValidationError:
                raise PeerUnavailable("answer is not the message of this route") from None
        return accepted

    async def report_key_events(self, events: Sequence[KeyEvent], keyid: str) -> None:
        """Sign and send what became of the carrier's keys; `keyid` names the sign key of the moment."""
        for piece in pieces(events, EVENTS_MAX):
            signed = await asyncio.to_thread(_sign_key_events, self._signing_key(), keyid, piece)
            await self._peer.request("POST", KEY_EVENTS, KeyEventReport(events=signed), Accepted)

    async def revocations(self, epoch: str, after: int) -> RevocationsResponse:
        """What was revoked for this carrier in an epoch after a sequence: the next page, and the newest."""
        request = RevocationsRequest(epoch=epoch, after=after)
        return await self._peer.request("POST", "/v1/revocations", request, RevocationsResponse)

    def _signing_key(self) -> PrivateKey:
        if self._key is None:
            raise ValueError("this client has no key to sign statements with")
        return self._key if isinstance(self._key, PrivateKey) else self._key()


def _sign_confirmations(key: PrivateKey, confirmations: Sequence[Confirmation]) -> list[SignedConfirmation]:
    return [
        SignedConfirmation(statement=one, signature=statements.sign(key, statements.CONFIRM, one))
        for one in confirmations
    ]


def _sign_key_events(key: PrivateKey, keyid: str, events: Sequence[KeyEvent]) -> list[SignedKeyEvent]:
    return [
        SignedKeyEvent(statement=one, keyid=keyid, signature=statements.sign(key, statements.KEYEVENT, one))
        for one in events
    ]
