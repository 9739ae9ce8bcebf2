"""Signing and sending cancellations, for enterprise, carrier, regulator and the trust party itself."""

import asyncio
from collections.abc import Sequence
from typing import Final

from gm.sm2 import PrivateKey
from interparty import statements
from interparty.client import Peer
from interparty.deposit_messages import CancellationRequest, CancellationResponse, CancellationResult
from interparty.messages import ITEMS_MAX, Cancellation, SignedCancellation
from trust_client.batches import matched, pieces

CANCELLATIONS: Final = "/v1/cancellations"


async def cancel(
    peer: Peer, key: PrivateKey, cancellations: Sequence[Cancellation]
) -> list[CancellationResult]:
    """Sign each statement with the caller's SM2 key and send them; one result each, in order.

    Raises PeerUnavailable, PeerProblem; what was sent before stands, and all may be sent again.
    """
    results: list[CancellationResult] = []
    for piece in pieces(cancellations, ITEMS_MAX):
        # 0.5 ms a signature: off the loop.
        signed = await asyncio.to_thread(_sign, key, piece)
        request = CancellationRequest(cancellations=signed)
        response = await peer.request("POST", CANCELLATIONS, request, CancellationResponse)
        results += matched(piece, response.results)
    return results


def _sign(key: PrivateKey, cancellations: Sequence[Cancellation]) -> list[SignedCancellation]:
    return [
        SignedCancellation(statement=one, signature=statements.sign(key, statements.CANCEL, one))
        for one in cancellations
    ]
