"""What the trust party revokes is stopped here, with its position in one commit."""

from typing import Literal

from gateway.revoked import RevokedByTrust
from gateway.store.domain import Domain
from interparty.messages import Revocation
from tests.gateway.carrier import AID, EDI_ID, ENTERPRISE, rows
from trust_client.revocation_feed import Position

EPOCH = "0a" * 16


def revocation(sequence: int, cause: Literal["REVOKED", "ROTATED"] = "REVOKED") -> Revocation:
    return Revocation(
        carrier="CMCC", epoch=EPOCH, sequence=sequence, enterprise=ENTERPRISE, aid=AID, edi_id=EDI_ID.hex(),
        cause=cause, at=1,
    )  # fmt: skip


async def test_there_is_no_position_before_the_first(domain: Domain) -> None:
    assert await RevokedByTrust(domain, []).position() is None


async def test_rows_and_position_are_committed_before_anything_is_told(domain: Domain) -> None:
    told: list[list[bytes]] = []
    follower = RevokedByTrust(domain, [lambda edi_ids: told.append(list(edi_ids))])
    await follower.apply(Position(EPOCH, 2), [revocation(1), revocation(2)])
    assert await follower.position() == Position(EPOCH, 2)
    assert [row["edi_id"] for row in await rows(domain, "revocation")] == [EDI_ID, EDI_ID]
    assert told == [[EDI_ID, EDI_ID]]


async def test_an_aid_that_was_rotated_stops_nothing_that_was_sent(domain: Domain) -> None:
    told: list[object] = []
    follower = RevokedByTrust(domain, [told.append])
    await follower.apply(Position(EPOCH, 1), [revocation(1, "ROTATED")])
    assert await follower.position() == Position(EPOCH, 1)
    assert await rows(domain, "revocation") == []
    assert told == []


async def test_a_position_alone_stops_nothing(domain: Domain) -> None:
    told: list[object] = []
    follower = RevokedByTrust(domain, [told.append])
    await follower.apply(Position(EPOCH, 7), [])
    await follower.apply(Position("0b" * 16, 0), [])
    assert await follower.position() == Position("0b" * 16, 0)
    assert told == []
