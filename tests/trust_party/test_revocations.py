"""What carriers are told is over: numbered in the commit, pushed, asked for again, and named by every heartbeat."""

import asyncio
import json
from typing import Any

import pytest

from interparty import statements
from interparty.messages import ITEMS_MAX
from interparty.verify_messages import Heartbeat, Revoked
from tests.trust_party.world import CARRIER, NOW, OTHER_CARRIER, Party, deposit_of
from trust_party import revocations
from trust_party.revocations import Over, RevocationFeed

NONCE = "ab" * 16


@pytest.fixture
async def feed(party: Party) -> RevocationFeed:
    await party.feed.load()
    return party.feed


async def cancelled(party: Party, **changed: Any) -> str:
    aid, _ = await party.active(**changed)
    await party.cancel("ent-a", party.people.cancellation(party.people.enterprises["ent-a"], aid=aid))
    return aid


def newest(feed: RevocationFeed, carrier: str = CARRIER) -> int:
    return Heartbeat.model_validate_json(feed.heartbeat(carrier, NONCE)).heartbeat.sequence


async def test_a_heartbeat_echoes_the_nonce_and_names_the_newest(party: Party, feed: RevocationFeed) -> None:
    assert json.loads(feed.heartbeat(CARRIER, NONCE)) == {
        "heartbeat": {"epoch": feed.epoch, "sequence": 0, "nonce": NONCE}
    }
    await cancelled(party)
    assert (newest(feed), newest(feed, OTHER_CARRIER)) == (1, 0)


async def test_each_has_the_next_number_and_the_trust_partys_signature(
    party: Party, feed: RevocationFeed
) -> None:
    aids = [await cancelled(party) for _ in range(2)]
    page = await feed.after(CARRIER, feed.epoch, 0)
    assert [(each.statement.sequence, each.statement.aid) for each in page.revoked] == [
        (1, aids[0]), (2, aids[1]),
    ]  # fmt: skip
    key = party.keys.current("sign").sm2.public_key
    assert all(
        statements.verify(key, statements.REVOKE, each.statement, each.signature) for each in page.revoked
    )
    assert (page.epoch, page.newest) == (feed.epoch, 2)
    assert [each.statement.sequence for each in (await feed.after(CARRIER, feed.epoch, 1)).revoked] == [2]


async def test_another_epoch_is_told_the_current_one_and_nothing_else(
    party: Party, feed: RevocationFeed
) -> None:
    await cancelled(party)
    page = await feed.after(CARRIER, "00" * 16, 0)
    assert (page.epoch, page.newest, page.revoked) == (feed.epoch, 1, [])


async def test_what_was_never_active_concerns_no_carrier(party: Party, feed: RevocationFeed) -> None:
    deposit = deposit_of(party.people)
    aid = (await party.deposit(deposit))[0].aid
    await party.cancel("ent-a", party.people.cancellation(party.people.enterprises["ent-a"], aid=aid))
    assert newest(feed) == 0


async def test_it_is_pushed_to_all_that_subscribed_and_to_no_other_carrier(
    party: Party, feed: RevocationFeed
) -> None:
    got: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
    for subscriber in ("one", "two"):
        feed.subscribe(CARRIER, subscriber, lambda carrier, payload: got.put_nowait((carrier, payload)))
    feed.subscribe(OTHER_CARRIER, "three", lambda carrier, payload: got.put_nowait((carrier, payload)))
    feed.start()
    aid = await cancelled(party)
    async with asyncio.timeout(5):
        told = [await got.get(), await got.get()]
    assert [carrier for carrier, _ in told] == [CARRIER, CARRIER]
    assert [each.statement.aid for each in Revoked.model_validate_json(told[0][1]).revoked] == [aid]
    assert got.empty()
    feed.unsubscribe(CARRIER, "one")
    await cancelled(party)
    async with asyncio.timeout(5):
        await got.get()
    assert got.empty()
    await feed.stop()


async def test_a_restart_keeps_epoch_and_numbers(party: Party, feed: RevocationFeed) -> None:
    await cancelled(party)
    again = RevocationFeed(party.store, party.keys)
    await again.load()
    assert (again.epoch, newest(again)) == (feed.epoch, 1)


async def test_a_page_is_bounded(party: Party, feed: RevocationFeed) -> None:
    over = [
        Over(CARRIER, "ent-a", 888 * 10**15 + number, bytes(16), "REVOKED") for number in range(ITEMS_MAX + 1)
    ]
    feed.committed(await party.store.write(lambda conn: revocations.put(conn, over, NOW)))
    page = await feed.after(CARRIER, feed.epoch, 0)
    assert (len(page.revoked), page.newest) == (ITEMS_MAX, ITEMS_MAX + 1)
