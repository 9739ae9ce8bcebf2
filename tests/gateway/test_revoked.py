"""What the trust party revokes is stopped here, with its position in one commit."""

from collections.abc import Sequence
from typing import Literal

from gateway.revoked import RevokedByTrust
from gateway.store.domain import Domain
from interparty.verify_messages import Revocation
from tests.gateway.carrier import AID, EDI_ID, ENTERPRISE, rows
from trust_client.revocation_feed import Position

EPOCH = "0a" * 16


def revocation(sequence: int, cause: Literal["REVOKED", "ROTATED"] = "REVOKED") -> Revocation:
    return Revocation(
        carrier="CMCC", epoch=EPOCH, sequence=sequence, enterprise=ENTERPRISE, aid=AID, edi_id=EDI_ID.hex(),
        cause=cause, at=1,
    )  # fmt: skip


class Stops:
    """What is told."""

    def __init__(self) -> None:
        self.told: list[list[bytes] | str] = []

    def revoked(self, edi_ids: Sequence[bytes]) -> None:
        self.told.append(list(edi_ids))

    def suspended(self, enterprise_id: str) -> None:
        self.told.append(enterprise_id)


async def test_there_is_no_position_before_the_first(domain: Domain) -> None:
    assert await RevokedByTrust(domain, []).position() is None


async def test_rows_and_position_are_committed_before_anything_is_told(domain: Domain) -> None:
    stops = Stops()
    follower = RevokedByTrust(domain, [stops])
    await follower.apply(Position(EPOCH, 2), [revocation(1), revocation(2)])
    assert await follower.position() == Position(EPOCH, 2)
    assert [row["edi_id"] for row in await rows(domain, "revocation")] == [EDI_ID, EDI_ID]
    assert stops.told == [[EDI_ID, EDI_ID]]


async def test_an_aid_that_was_rotated_stops_nothing_that_was_sent(domain: Domain) -> None:
    stops = Stops()
    follower = RevokedByTrust(domain, [stops])
    await follower.apply(Position(EPOCH, 1), [revocation(1, "ROTATED")])
    assert await follower.position() == Position(EPOCH, 1)
    assert await rows(domain, "revocation") == []
    assert stops.told == []


async def test_a_suspension_stops_all_of_the_enterprise_and_its_end_nothing(domain: Domain) -> None:
    stops = Stops()
    follower = RevokedByTrust(domain, [stops])
    of_all = [
        Revocation(carrier="CMCC", epoch=EPOCH, sequence=at, enterprise=ENTERPRISE, cause=cause, at=1)
        for at, cause in ((1, "SUSPENDED"), (2, "RESUMED"))
    ]
    await follower.apply(Position(EPOCH, 2), of_all)
    assert [row["edi_id"] for row in await rows(domain, "revocation")] == [None]
    assert stops.told == [ENTERPRISE]


async def test_a_position_alone_stops_nothing(domain: Domain) -> None:
    stops = Stops()
    follower = RevokedByTrust(domain, [stops])
    await follower.apply(Position(EPOCH, 7), [])
    await follower.apply(Position("0b" * 16, 0), [])
    assert await follower.position() == Position("0b" * 16, 0)
    assert stops.told == []
