"""Sending cancellations, whoever states them."""

from gm.sm2 import PrivateKey
from interparty import statements
from interparty.messages import ITEMS_MAX, Cancellation
from trust_client.cancellations import CANCELLATIONS, cancel

from .conftest import AID

KEY = PrivateKey.generate()


def order(number: int) -> Cancellation:
    return Cancellation(enterprise="ent-a", aid=AID, cause="REGULATOR", order=f"2026-{number}", at=1)


async def test_an_order_is_signed_with_its_number(peer):
    peer.answers[CANCELLATIONS] = {"results": [{"status": "REVOKED"}]}
    assert [one.status for one in await cancel(peer, KEY, [order(1)])] == ["REVOKED"]
    ((_, path, request),) = peer.requests
    assert path == CANCELLATIONS
    (signed,) = request.cancellations
    assert signed.statement.order == "2026-1"
    assert statements.verify(KEY.public_key, statements.CANCEL, signed.statement, signed.signature)


async def test_long_lists_are_cut(peer):
    peer.answers[CANCELLATIONS] = lambda message: {
        "results": [{"status": "REVOKED"}] * len(message.cancellations)
    }
    results = await cancel(peer, KEY, [order(number) for number in range(ITEMS_MAX + 1)])
    assert len(results) == ITEMS_MAX + 1
    assert [len(message.cancellations) for _, _, message in peer.requests] == [ITEMS_MAX, 1]
