"""The enterprise's side of the trust party: deposit consents, follow their AIDs, cancel them.

All methods raise interparty.client's PeerUnavailable or PeerProblem. Lists of any length are sent in as
many requests as the routes' caps need; when one fails, what the earlier ones did stands, and asking
again is safe: a deposit is known by its nonce, a cancellation can be repeated.
"""

import asyncio
from collections.abc import Sequence

from gm.sm2 import PrivateKey, PublicKey
from interparty import statements
from interparty.client import Peer, PeerUnavailable
from interparty.deposit_messages import (
    AidStatus,
    CancellationResult,
    Deposit,
    DepositRequest,
    DepositResponse,
    DepositResult,
    RotationRequest,
    RotationResponse,
    RotationResult,
    StatusRequest,
    StatusResponse,
)
from interparty.messages import DEPOSITS_MAX, ITEMS_MAX, Cancellation, Rotation, SignedRotation
from trust_client.batches import matched, pieces
from trust_client.cancellations import cancel
from trust_client.deposit_proof import are_proved

DEPOSITS_A_REQUEST = min(500, DEPOSITS_MAX)
"""Deposits sent in one request: about 1 MB."""


class EnterpriseClient:
    """One enterprise at one trust party. `sign_key` is the enterprise's SM2 key for statements."""

    def __init__(self, peer: Peer, sign_key: PrivateKey, log_keys: Sequence[PublicKey] = ()) -> None:
        """`log_keys`: SM2 keys of the trust party's log, with which the proof of each deposit is checked; without them
        it is for the caller to check."""
        self._log_keys = tuple(log_keys)
        self._peer = peer
        self._key = sign_key

    async def deposit(self, deposits: Sequence[Deposit]) -> list[DepositResult]:
        """Deposit consents; one result each, in order: a PENDING AID with its evidence, or an error."""
        results: list[DepositResult] = []
        for piece in pieces(deposits, DEPOSITS_A_REQUEST):
            signature = await asyncio.to_thread(_sign_consents, self._key, piece)
            request = DepositRequest(deposits=piece, signature=signature)
            response = await self._peer.request("POST", "/v1/deposits", request, DepositResponse)
            answered = matched(piece, response.results)
            if self._log_keys and not await asyncio.to_thread(are_proved, answered, self._log_keys):
                # Nothing is lost: asked again, a deposit is known by its nonce.
                raise PeerUnavailable("evidence of a deposit that is not in the signed log")
            results += answered
        return results

    async def status(self, aid: str) -> AidStatus:
        """The status of one AID. PeerProblem 404 when it is not this enterprise's."""
        return await self._peer.request("GET", f"/v1/aids/{aid}", None, AidStatus)

    async def statuses(self, aids: Sequence[str]) -> list[AidStatus]:
        """The status of many AIDs, in order; UNKNOWN for what is not this enterprise's."""
        statuses: list[AidStatus] = []
        for piece in pieces(aids, ITEMS_MAX):
            request = StatusRequest(aids=piece)
            response = await self._peer.request("POST", "/v1/aids/status", request, StatusResponse)
            statuses += matched(piece, response.statuses)
        return statuses

    async def cancel(self, cancellations: Sequence[Cancellation]) -> list[CancellationResult]:
        """Sign and send cancellations by AID; one result each, in order."""
        return await cancel(self._peer, self._key, cancellations)

    async def rotate(self, aids: Sequence[str], *, enterprise: str, at_ms: int) -> list[RotationResult]:
        """Have other AIDs made for the same consents, each ACTIVE at once; one result each, in order.

        `enterprise` is this enterprise's id, `at_ms` now. The old AIDs are refused from then on. Asking again gives
        the AIDs that were made.
        """
        results: list[RotationResult] = []
        for piece in pieces(aids, ITEMS_MAX):
            signed = await asyncio.to_thread(_sign_rotations, self._key, piece, enterprise, at_ms)
            request = RotationRequest(rotations=signed)
            response = await self._peer.request("POST", "/v1/rotations", request, RotationResponse)
            results += matched(piece, response.results)
        return results


def _sign_consents(key: PrivateKey, deposits: Sequence[Deposit]) -> str:
    consents = statements.consent_list(deposit.consent for deposit in deposits)
    return statements.sign(key, statements.CONSENT, consents)


def _sign_rotations(
    key: PrivateKey, aids: Sequence[str], enterprise: str, at_ms: int
) -> list[SignedRotation]:
    made = [Rotation(enterprise=enterprise, aid=aid, at=at_ms) for aid in aids]
    return [
        SignedRotation(statement=one, signature=statements.sign(key, statements.ROTATE, one)) for one in made
    ]
