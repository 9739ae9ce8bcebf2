"""Both ends of the feed over a real broker: the lease, what is revoked, and a broker that stands still."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import aiomqtt
import pytest

from foundation import pki, tasks
from interparty.verify_messages import Revocation
from tests.deaf_broker import DeafBroker
from tests.mosquitto import Mosquitto, make_folder
from tests.ports import free_port
from tests.trust_party.conftest import admitted_folder, party, people, settings  # noqa: F401  # fixtures
from tests.trust_party.served import context, make_pki, served
from tests.trust_party.world import CARRIER, HMAC_KEY, Party
from trust_client.carrier import CarrierClient
from trust_client.grant_cache import GrantCache
from trust_client.lease import LEASE_SECONDS
from trust_client.mqtt_feed import MqttFeed
from trust_client.revocation_feed import Position, RevocationFeed
from trust_party import mqtt_feed as trust_side

pytestmark = pytest.mark.peer("mosquitto")

BOUND = 10.0


class Follower:
    def __init__(self) -> None:
        self.at: Position | None = None
        self.aids: list[str] = []

    async def position(self) -> Position | None:
        return self.at

    async def apply(self, position: Position, revocations: Sequence[Revocation]) -> None:
        self.at = position
        self.aids += [each.aid for each in revocations]


class House:
    def __init__(
        self,
        party_: Party,
        broker: Mosquitto,
        feed: RevocationFeed,
        follower: Follower,
    ) -> None:
        self.party, self.broker, self.feed, self.follower = party_, broker, feed, follower
        self.keys = [HMAC_KEY]
        """The carrier's, the one that it seals under first."""

    async def cancelled(self) -> str:
        aid, _ = await self.party.active()
        key = self.party.people.enterprises["ent-a"]
        await self.party.cancel("ent-a", self.party.people.cancellation(key, aid=aid))
        return aid


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(BOUND):
        while not is_so():  # noqa: ASYNC110  # another process brings it about
            await asyncio.sleep(0.01)


@pytest.fixture
async def house(party: Party, tmp_path: Path) -> AsyncIterator[House]:  # noqa: F811
    folder = make_pki(tmp_path / "pki")
    broker = Mosquitto(make_folder(tmp_path / "broker", folder / "ca"), free_port())
    await broker.start()
    async with served(party, folder) as running, running.peer() as peer:
        theirs = trust_side.MqttFeed(
            "127.0.0.1",
            broker.port,
            context(folder, "ttp", pki.client_context),
            party.feed,
            party.directory.shared_keys,
            lambda: party.directory.carriers,
        )
        follower = Follower()
        feed = RevocationFeed(
            CARRIER,
            lambda: {"ttp/sign/1": party.keys.current("sign").sm2.public_key},
            CarrierClient(peer).revocations,
            follower,
            GrantCache(),
        )
        tls = context(folder, CARRIER, pki.client_context)
        made = House(party, broker, feed, follower)
        ours = MqttFeed("127.0.0.1", broker.port, tls, CARRIER, "test", lambda: made.keys, feed)
        theirs.start()
        feed.start()
        ours.start()
        try:
            yield made
        finally:
            await ours.stop()
            await feed.stop()
            await theirs.stop()
            await broker.stop()


async def test_the_lease_is_kept_and_what_is_revoked_comes(house: House) -> None:
    await until(lambda: house.feed.lease_holds)
    aids = [await house.cancelled() for _ in range(3)]
    await until(lambda: house.follower.aids == aids)
    assert house.feed.resyncs == 1  # that of the start: all came by themselves


async def test_a_broker_that_stands_still_ends_the_lease_and_what_was_missed_is_made_up_for(
    house: House,
) -> None:
    await until(lambda: house.feed.lease_holds)
    house.broker.freeze()
    frozen = asyncio.get_running_loop().time()
    aid = await house.cancelled()
    await until(lambda: not house.feed.lease_holds)
    # A safety bound, and no speed: nothing cached is used for longer.
    assert asyncio.get_running_loop().time() - frozen < LEASE_SECONDS + 1.0
    house.broker.thaw()
    await until(lambda: house.follower.aids == [aid] and house.feed.lease_holds)


async def test_the_shared_key_is_replaced_while_the_lease_holds(house: House) -> None:
    await until(lambda: house.feed.lease_holds)
    new = bytes(range(1, 33))
    # Made at the carrier, in force at the trust party, used at the carrier, destroyed at both: in this order.
    house.keys = [HMAC_KEY, new]
    house.party.keys.add(f"http/{CARRIER}", "hmac-sm3", material=new, id=f"{CARRIER}/http/2")
    aids = [await house.cancelled()]
    await until(lambda: house.follower.aids == aids)
    house.keys = [new, HMAC_KEY]
    aids.append(await house.cancelled())
    await until(lambda: house.follower.aids == aids)
    house.party.keys.set_state(f"http/{CARRIER}", 1, "destroyed")
    house.keys = [new]
    aids.append(await house.cancelled())
    await until(lambda: house.follower.aids == aids)
    assert house.feed.lease_holds
    assert house.feed.resyncs == 1  # that of the start


class Hurried:
    """A feed that has something to say whenever it is connected."""

    def connected(self, send: Callable[[bytes], None]) -> None:
        send(b"nonce")

    def disconnected(self) -> None:
        pass


def feed_to(broker: DeafBroker, monkeypatch: pytest.MonkeyPatch) -> MqttFeed:
    monkeypatch.setattr(aiomqtt, "Client", broker.client)
    monkeypatch.setattr(tasks, "AGAIN_SECONDS", 0.05)
    tls = ssl.create_default_context()
    return MqttFeed("127.0.0.1", 1, tls, CARRIER, "test", lambda: [HMAC_KEY], Hurried())  # type: ignore[arg-type]


async def test_it_stops_although_a_cancellation_is_lost_in_the_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = DeafBroker()
    feed = feed_to(broker, monkeypatch)
    feed.start()
    async with asyncio.timeout(BOUND):
        await broker.published.wait()
        await feed.stop()


async def test_what_cannot_be_sent_makes_a_new_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = DeafBroker(times_out=True)
    feed = feed_to(broker, monkeypatch)
    feed.start()
    await until(lambda: broker.connections > 1)
    await feed.stop()
