"""A long message is open until all parts are there, then whole, and ends once."""

from typing import Any

from gateway.store import long_messages, messages
from gateway.store.domain import Domain
from gateway.store.long_messages import LongRow, State
from tests.gateway.carrier import AID, DIGEST, NOW_MS, NUMBER, add_message, message_row

LONG = LongRow(1, "sms-a", NUMBER, AID, 77, 3, 0, State.OPEN, NOW_MS, 0, None)


async def put(domain: Domain, *rows: LongRow) -> None:
    for row in rows:
        await domain.store.write(lambda conn, row=row: long_messages.insert(conn, row))


async def part(domain: Domain, message_id: int, number: int, long_id: int = 1) -> None:
    row = message_row(message_id, long_id=long_id, part=number)
    await add_message(domain, row, state=messages.State.HELD)


async def get(domain: Domain, long_id: int = 1) -> LongRow | None:
    return await domain.store.write(lambda conn: long_messages.get(conn, long_id))


async def open_one(domain: Domain, **other: Any) -> int | None:
    asked = LONG._replace(**other)
    found = await domain.store.write(
        lambda conn: long_messages.open_one(
            conn, asked.account, asked.access_number, asked.aid, asked.reference, asked.total
        )
    )
    return None if found is None else found.id


async def states(domain: Domain, long_id: int = 1) -> list[int]:
    parts = await domain.store.write(lambda conn: long_messages.parts(conn, long_id))
    return [each.state for each in parts]


async def test_a_row_comes_back_as_it_went_in(domain: Domain) -> None:
    row = LONG._replace(aggregate=1, octets=300, digest=DIGEST)
    await put(domain, row)
    assert await get(domain) == row
    assert await get(domain, 2) is None


async def test_a_part_finds_its_message_by_all_that_parts_have_in_common(domain: Domain) -> None:
    await put(domain, LONG)
    assert await open_one(domain) == 1
    other = {"account": "sms-b", "access_number": "1069000999", "aid": "8" * 18, "reference": 78, "total": 2}
    for name, value in other.items():
        assert await open_one(domain, **{name: value}) is None


async def test_a_reference_that_is_used_again_means_the_newest(domain: Domain) -> None:
    await put(domain, LONG, LONG._replace(id=2))
    assert await open_one(domain) == 2


async def test_only_an_open_one_takes_parts(domain: Domain) -> None:
    await put(domain, LONG, LONG._replace(id=2, reference=78))
    await domain.store.write(lambda conn: long_messages.complete(conn, 1, 300, DIGEST))
    await domain.store.write(lambda conn: long_messages.end(conn, 2))
    assert await open_one(domain) is None
    assert await open_one(domain, reference=78) is None


async def test_the_parts_are_in_their_order_however_they_came(domain: Domain) -> None:
    await put(domain, LONG)
    for message_id, number in ((1, 3), (2, 1), (3, 2)):
        await part(domain, message_id, number)
    parts = await domain.store.write(lambda conn: long_messages.parts(conn, 1))
    assert [(each.row.part, each.row.id) for each in parts] == [(1, 2), (2, 3), (3, 1)]


async def test_whole_it_lets_its_parts_go(domain: Domain) -> None:
    await put(domain, LONG, LONG._replace(id=4, reference=78))
    for message_id in (1, 2, 3):
        await part(domain, message_id, message_id)
    await part(domain, 4, 1, long_id=4)
    await domain.store.write(lambda conn: long_messages.complete(conn, 1, 300, DIGEST))
    assert await get(domain) == LONG._replace(state=State.COMPLETE, octets=300, digest=DIGEST)
    assert await states(domain) == [messages.State.QUEUED] * 3
    assert await states(domain, 4) == [messages.State.HELD]


async def test_a_part_with_its_outcome_is_not_let_go_again(domain: Domain) -> None:
    await put(domain, LONG)
    await part(domain, 1, 1)
    await part(domain, 2, 2)
    await domain.store.write(lambda conn: messages.close_part(conn, 1, 3, 0, NOW_MS))
    await domain.store.write(lambda conn: long_messages.complete(conn, 1, 300, None))
    assert await states(domain) == [messages.State.FINAL, messages.State.QUEUED]


async def test_it_ends_once(domain: Domain) -> None:
    await put(domain, LONG)
    assert await domain.store.write(lambda conn: long_messages.end(conn, 1)) is True
    assert await domain.store.write(lambda conn: long_messages.end(conn, 1)) is False
    found = await get(domain)
    assert found is not None
    assert found.state == State.ENDED


async def test_those_whose_parts_did_not_all_come_in_time(domain: Domain) -> None:
    await put(
        domain, LONG, LONG._replace(id=2, opened_at=NOW_MS + 1), LONG._replace(id=3), LONG._replace(id=4)
    )
    await domain.store.write(lambda conn: long_messages.complete(conn, 3, 300, None))

    async def incomplete(before: int, limit: int = 10) -> list[int]:
        return await domain.store.write(lambda conn: long_messages.incomplete(conn, before, limit))

    assert await incomplete(NOW_MS) == []
    assert await incomplete(NOW_MS + 1) == [1, 4]
    assert await incomplete(NOW_MS + 2) == [1, 2, 4]
    assert await incomplete(NOW_MS + 2, limit=1) == [1]


async def test_what_has_ended_goes_with_its_parts(domain: Domain) -> None:
    await put(domain, LONG, LONG._replace(id=2), LONG._replace(id=3, opened_at=NOW_MS + 1))
    for long_id in (1, 2, 3):
        await part(domain, long_id, 1, long_id)
    for long_id in (1, 3):
        await domain.store.write(lambda conn, long_id=long_id: long_messages.end(conn, long_id))
    assert await domain.store.write(lambda conn: long_messages.forget(conn, NOW_MS + 1, 10)) == 1
    assert [await get(domain, each) is None for each in (1, 2, 3)] == [True, False, False]
    assert [len(await states(domain, each)) for each in (1, 2, 3)] == [0, 1, 1]


async def test_some_at_a_time(domain: Domain) -> None:
    await put(domain, LONG, LONG._replace(id=2))
    for long_id in (1, 2):
        await domain.store.write(lambda conn, long_id=long_id: long_messages.end(conn, long_id))
    assert await domain.store.write(lambda conn: long_messages.forget(conn, NOW_MS + 1, 1)) == 1
    assert await get(domain, 2) is not None


async def test_the_whole_before_it_with_the_same_marks(domain: Domain) -> None:
    whole = LONG._replace(state=State.COMPLETE, octets=9)
    await put(
        domain,
        whole,
        whole._replace(id=2, state=State.ENDED, opened_at=NOW_MS + 5),
        whole._replace(id=3, octets=0, state=State.ENDED),  # it never became whole
        whole._replace(id=4, reference=78),
        whole._replace(id=5, total=2),
        whole._replace(id=6, account="sms-b"),
        LONG._replace(id=7),
        whole._replace(id=8),
    )

    async def before(message_id: int, after: int = NOW_MS - 1) -> int | None:
        row = LONG._replace(id=message_id)
        found = await domain.store.write(lambda conn: long_messages.whole_before(conn, row, after))
        return None if found is None else found.id

    assert await before(7) == 2
    assert await before(2) == 1
    assert await before(1) is None
    assert await before(7, NOW_MS + 5) is None


async def test_one_that_is_looked_at_later(domain: Domain) -> None:
    await put(domain, LONG)
    await domain.store.write(lambda conn: long_messages.look_later(conn, 1, NOW_MS + 9))
    for before, found in ((NOW_MS + 9, []), (NOW_MS + 10, [1])):
        assert (
            await domain.store.write(lambda conn, before=before: long_messages.incomplete(conn, before, 9))
            == found
        )
