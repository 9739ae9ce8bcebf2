"""Orders of the operator, put beside a running trust party."""

import json

import pytest

from tests.trust_party.world import NOW, Party
from trust_party import orders
from trust_party.orders import Orders


@pytest.fixture
def carrying(party: Party) -> Orders:
    return Orders(party.store, party.keys, party.cancellations, party.erasure, party.settings.party)


async def test_what_was_put_is_carried_out_once_with_its_number_on_record(
    party: Party, carrying: Orders
) -> None:
    aid, _ = await party.active()
    numbers = orders.put(party.settings, "cancel", "ent-a", [aid, "888100000000000005"], "2026-17")
    assert orders.results(party.settings, numbers) == [None, None]
    assert await party.reason(aid) == ""
    assert await carrying.carry_out(NOW) == 2
    assert orders.results(party.settings, numbers) == ["REVOKED", "UNKNOWN"]
    assert await party.reason(aid) == "REVOKED"
    assert await carrying.carry_out(NOW) == 0
    (row,) = await party.store.read("SELECT actor, detail FROM audit WHERE event = 'authorization.cancel'")
    assert (row["actor"], json.loads(row["detail"])["order"]) == ("ttp", "2026-17")


async def test_an_order_in_the_table_that_the_trust_party_did_not_sign_ends_nothing(
    party: Party, carrying: Orders
) -> None:
    aid, _ = await party.active()
    other, _ = await party.active()
    numbers = orders.put(party.settings, "cancel", "ent-a", [other], "2026-17")
    await party.store.write(
        lambda conn: (
            conn.execute("UPDATE orders SET statement = replace(statement, ?, ?)", (other, aid)).rowcount
        )
    )
    await carrying.carry_out(NOW)
    assert orders.results(party.settings, numbers) == ["UNKNOWN"]
    assert await party.reason(aid) == ""


@pytest.mark.parametrize(("aid", "order"), [("1", "2026-17"), ("888100000000000005", "a number")])
def test_what_is_no_aid_or_no_number_is_not_put(party: Party, aid: str, order: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        orders.put(party.settings, "cancel", "ent-a", [aid], order)


async def test_what_is_over_is_unlinked_and_its_order_names_it_no_more(
    party: Party, carrying: Orders
) -> None:
    live, _ = await party.active()
    over, _ = await party.active()
    key = party.people.enterprises["ent-a"]
    await party.cancel("ent-a", party.people.cancellation(key, aid=over))
    asked = ("ent-a", [over, live, "888100000000000005"], "2026-18")
    numbers = orders.put(party.settings, "unlink", *asked)
    await carrying.carry_out(NOW)
    assert orders.results(party.settings, numbers) == ["UNLINKED", "LIVE", "UNKNOWN"]
    assert await party.reason(over) == "UNKNOWN_AID"
    assert await party.reason(live) == ""
    statements = [row[0] for row in await party.store.read("SELECT statement FROM orders")]
    assert not any(over in statement for statement in statements)
    # The digits stay, so that nobody else gets them.
    assert await party.store.read("SELECT 1 FROM tombstones WHERE aid = ?", (int(over),))


async def test_nobody_but_the_trust_party_unlinks(party: Party, carrying: Orders) -> None:
    over, _ = await party.active()
    other, _ = await party.active()
    key = party.people.enterprises["ent-a"]
    await party.cancel("ent-a", *[party.people.cancellation(key, aid=each) for each in (over, other)])
    numbers = orders.put(party.settings, "unlink", "ent-a", [other], "2026-18")
    await party.store.write(
        lambda conn: (
            conn.execute("UPDATE orders SET statement = replace(statement, ?, ?)", (other, over)).rowcount
        )
    )
    await carrying.carry_out(NOW)
    assert orders.results(party.settings, numbers) == ["UNKNOWN"]
    assert await party.reason(over) == "REVOKED"
