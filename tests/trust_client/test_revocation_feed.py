"""The feed at the carrier: in order, each once, durable; and no lease while anything is missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Literal

import pytest

from gm.sm2 import PrivateKey, PublicKey
from interparty import statements
from interparty.client import PeerUnavailable
from interparty.hot_messages import Question
from interparty.verify_messages import (
    Heartbeat,
    HeartbeatBody,
    LeaseNonce,
    Revocation,
    RevocationsResponse,
    Revoked,
    SignedRevocation,
)
from trust_client import revocation_feed
from trust_client.answers import Grant
from trust_client.grant_cache import GrantCache
from trust_client.lease import LEASE_SECONDS
from trust_client.revocation_feed import Position, RevocationFeed

EPOCH, NEXT_EPOCH = "0a" * 16, "0b" * 16
KEY, STRANGER = PrivateKey.generate(), PrivateKey.generate()
GRANT = Grant("A" * 279, bytes(16), "08:00-21:00", "20/day", ("10690001",), 1_000)


def aid_of(sequence: int) -> str:
    return f"888{sequence:015d}"


def revocation(
    sequence: int, epoch: str = EPOCH, key: PrivateKey = KEY, carrier: str = "CMCC"
) -> SignedRevocation:
    statement = Revocation(
        carrier=carrier, epoch=epoch, sequence=sequence, enterprise="ent-a", aid=aid_of(sequence),
        edi_id="00" * 16, cause="REVOKED", at=1,
    )  # fmt: skip
    return SignedRevocation(statement=statement, signature=statements.sign(key, statements.REVOKE, statement))


def revoked(*sequences: int, key: PrivateKey = KEY) -> bytes:
    return Revoked(revoked=[revocation(each, key=key) for each in sequences]).model_dump_json().encode()


def of_enterprise(sequence: int, cause: Literal["SUSPENDED", "RESUMED"]) -> bytes:
    statement = Revocation(
        carrier="CMCC", epoch=EPOCH, sequence=sequence, enterprise="ent-a", cause=cause, at=1
    )
    signature = statements.sign(KEY, statements.REVOKE, statement)
    signed = SignedRevocation(statement=statement, signature=signature)
    return Revoked(revoked=[signed]).model_dump_json(exclude_none=True).encode()


class House:
    """A feed, its follower, and a trust party that the test plays."""

    def __init__(self) -> None:
        self.at: Position | None = Position(EPOCH, 0)
        self.applied: list[int] = []
        self.nonces: list[str] = []
        self.epoch, self.newest = EPOCH, 0
        self.reachable = True
        self.fails = 0
        self.asked: list[tuple[str, int]] = []
        self.cache = GrantCache()
        self.keys = {"ttp/sign/1": KEY.public_key}
        self.learned: dict[str, PublicKey] = {}
        """What the trust party announces when it is asked for its keys."""
        self.feed = RevocationFeed("CMCC", lambda: self.keys, self.ask, self, self.cache, self.learn)

    # The follower.

    async def position(self) -> Position | None:
        return self.at

    async def apply(self, position: Position, revocations: Sequence[Revocation]) -> None:
        if self.fails:
            self.fails -= 1
            raise OSError("the disk")
        self.at = position
        self.applied += [each.sequence for each in revocations]

    # The trust party.

    async def learn(self) -> bool:
        self.keys |= self.learned
        return bool(self.learned)

    async def ask(self, epoch: str, after: int) -> RevocationsResponse:
        self.asked.append((epoch, after))
        if not self.reachable:
            raise PeerUnavailable("away")
        found = range(after + 1, min(self.newest, after + 3) + 1) if epoch == self.epoch else range(0)
        return RevocationsResponse(
            epoch=self.epoch, newest=self.newest, revoked=[revocation(each, self.epoch) for each in found]
        )

    def push(self, *sequences: int) -> None:
        self.newest = max(self.newest, *sequences)
        assert self.feed.received(revoked(*sequences))

    def heartbeat(self, nonce: str | None = None) -> None:
        body = HeartbeatBody(epoch=self.epoch, sequence=self.newest, nonce=nonce or self.nonces[-1])
        assert self.feed.received(Heartbeat(heartbeat=body).model_dump_json().encode())

    # The way between.

    def connect(self) -> None:
        self.feed.connected(lambda data: self.nonces.append(LeaseNonce.model_validate_json(data).lease))

    async def settled(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not is_so():  # noqa: ASYNC110  # what is awaited is done by the feed's own task
                await asyncio.sleep(0.001)


@pytest.fixture
async def house(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setattr(revocation_feed, "AGAIN_SECONDS", (0.001, 0.002))
    made = House()
    made.connect()
    made.feed.start()
    await made.settled(lambda: bool(made.asked))
    await asyncio.sleep(0)
    yield made
    await made.feed.stop()


async def test_what_comes_in_order_is_made_durable_in_order(house: House) -> None:
    house.push(1)
    house.push(2, 3)
    await house.settled(lambda: house.applied == [1, 2, 3])
    assert house.at == Position(EPOCH, 3)
    assert house.feed.resyncs == 1  # that of the start


async def test_a_cached_grant_is_gone_when_its_revocation_has_come(house: House) -> None:
    question = Question(aid_of(1), "ent-a", "sms", "10690001")
    house.cache.put(question, GRANT)
    house.push(1)
    assert house.cache.get(question, 0) is None


async def test_a_suspended_enterprise_has_no_cached_grant_until_it_is_resumed(house: House) -> None:
    question = Question(aid_of(1), "ent-a", "sms", "10690001")
    house.cache.put(question, GRANT)
    assert house.feed.received(of_enterprise(1, "SUSPENDED"))
    assert house.cache.get(question, 0) is None
    # Said again, or ahead of what has not come: it counts only in its turn.
    assert house.feed.received(of_enterprise(3, "RESUMED"))
    assert house.cache.get(question, 0) is None
    house.newest = 1
    assert house.feed.received(of_enterprise(2, "RESUMED"))
    assert house.cache.get(question, 0) is not None


async def test_a_heartbeat_that_echoes_a_nonce_gives_the_lease(house: House) -> None:
    assert not house.feed.lease_holds
    house.heartbeat()
    assert house.feed.lease_holds


async def test_a_replayed_heartbeat_gives_none(house: House) -> None:
    house.heartbeat("ff" * 16)
    assert not house.feed.lease_holds


async def test_a_heartbeat_that_was_held_back_gives_none(house: House) -> None:
    """The lease counts from when its nonce was sent: a stream that is delayed by more than it keeps nothing alive."""
    nonce = house.nonces[-1]
    house.feed._lease._sent[nonce] -= LEASE_SECONDS
    house.heartbeat(nonce)
    assert not house.feed.lease_holds


async def test_twice_is_once(house: House) -> None:
    house.push(1)
    house.push(1)
    house.push(1, 2)
    await house.settled(lambda: house.applied == [1, 2])


async def test_a_gap_is_asked_for_page_by_page_and_meanwhile_there_is_no_lease(house: House) -> None:
    house.reachable = False
    house.newest = 7
    house.push(9)
    house.heartbeat()
    assert not house.feed.lease_holds
    house.reachable = True
    await house.settled(lambda: house.applied == list(range(1, 10)))
    house.connect()
    house.heartbeat()
    assert house.feed.lease_holds


async def test_a_heartbeat_tells_of_what_never_came(house: House) -> None:
    house.newest = 2
    house.heartbeat()
    assert not house.feed.lease_holds
    await house.settled(lambda: house.applied == [1, 2])


async def test_what_the_trust_party_did_not_sign_counts_for_nothing(house: House) -> None:
    assert house.feed.received(revoked(1, key=STRANGER))
    house.newest = 1
    await house.settled(lambda: house.applied == [1])
    assert len(house.asked) > 1  # the true one was asked for


async def test_what_is_signed_under_a_key_that_is_learned_then_counts(house: House) -> None:
    house.learned = {"ttp/sign/2": STRANGER.public_key}
    asked = len(house.asked)
    assert house.feed.received(revoked(1, key=STRANGER))
    await house.settled(lambda: house.applied == [1])
    assert len(house.asked) == asked


async def test_what_could_not_be_made_durable_is_tried_again(house: House) -> None:
    house.fails = 2
    house.push(1, 2)
    await house.settled(lambda: house.applied == [1, 2])


async def test_a_new_epoch_is_read_from_its_beginning_and_ends_the_lease(house: House) -> None:
    house.push(1)
    house.heartbeat()
    await house.settled(lambda: house.applied == [1])
    house.epoch, house.newest = NEXT_EPOCH, 2
    question = Question(aid_of(9), "ent-a", "sms", "10690001")
    house.cache.put(question, GRANT)
    house.heartbeat()
    await house.settled(lambda: house.at == Position(NEXT_EPOCH, 2))
    assert house.applied == [1, 1, 2]
    assert not house.feed.lease_holds
    assert house.cache.get(question, 0) is None


async def test_a_trust_party_that_was_set_back_is_read_anew(house: House) -> None:
    house.push(1, 2, 3)
    await house.settled(lambda: house.applied == [1, 2, 3])
    house.newest = 1
    house.heartbeat()
    assert not house.feed.lease_holds
    await house.settled(lambda: house.at == Position(EPOCH, 1))


async def test_the_first_time_it_begins_with_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    house.at, house.newest = None, 5
    question = Question(aid_of(4), "ent-a", "sms", "10690001")
    house.cache.put(question, GRANT)
    house.connect()
    house.feed.start()
    await house.settled(lambda: house.at == Position(EPOCH, 5))
    assert house.applied == []
    # Granted before anybody could have told of its revocation.
    assert house.cache.get(question, 0) is None
    await house.feed.stop()


@pytest.mark.parametrize("payload", [b"{}", b'{"heartbeat":{}}', b'{"revoked":[]}', b"x"])
async def test_what_is_neither_is_told(house: House, payload: bytes) -> None:
    assert not house.feed.received(payload)


async def test_over_its_bound_what_comes_is_asked_for_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocation_feed, "WAITING_MAX", 2)
    house.push(*range(1, 6))
    await house.settled(lambda: house.applied == [1, 2, 3, 4, 5])
