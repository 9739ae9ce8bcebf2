"""Messages and their receipts: correlation, receipts that come first, what is due and what is overdue."""

import pytest

from gateway.store import messages
from gateway.store.domain import Domain
from gateway.store.messages import State
from tests.gateway.carrier import NOW_MS, message_row

DELIVERED = 2


async def put(
    domain: Domain, message_id: int, upstream: str | None = None, link: str = "a", **fields
) -> None:
    row = message_row(message_id, b"frame", domain.vault, **fields)

    def op(conn) -> None:
        messages.insert(conn, row)
        if upstream is not None:
            messages.accept(conn, message_id, link, upstream)

    await domain.store.write(op)


async def named(domain: Domain, *forms: str, link: str = "a") -> int | None:
    row = await domain.store.write(lambda conn: messages.correlate(conn, link, forms))
    return None if row is None else row.id


async def test_a_row_comes_back_as_it_went_in(domain: Domain) -> None:
    row = message_row(1, b"frame", domain.vault)
    await put(domain, 1)
    got = await domain.store.write(lambda conn: messages.get(conn, 1))
    assert got is not None
    assert domain.vault.open("message", got.sealed or b"") == b"frame"
    assert (got.aid, got.state, got.expires_at) == (row.aid, State.QUEUED, row.expires_at)
    assert await domain.store.write(lambda conn: messages.get(conn, 2)) is None


async def test_the_raw_id_names_its_message(domain: Domain) -> None:
    await put(domain, 1, "00AB")
    await put(domain, 2, "ab")
    assert await named(domain, "00AB", "ab") == 1
    assert await named(domain, "ab") == 2


async def test_the_same_id_of_another_link_is_another_message(domain: Domain) -> None:
    await put(domain, 1, "7", link="a")
    await put(domain, 2, "7", link="b")
    assert await named(domain, "7", link="b") == 2
    assert await named(domain, "7", link="c") is None


async def test_a_normalised_id_names_the_one_message_that_answers_to_it(domain: Domain) -> None:
    await put(domain, 1, "00ab")
    assert await named(domain, "AB", "ab") == 1


async def test_a_decimal_receipt_names_a_hexadecimal_id(domain: Domain) -> None:
    await put(domain, 1, "1f")
    assert await named(domain, "31", "1f") == 1


async def test_two_candidates_mean_that_nobody_knows(domain: Domain) -> None:
    await put(domain, 1, "00ab")
    await put(domain, 2, "0ab")
    assert await named(domain, "ab") is None


async def test_a_finished_message_leaves_the_normalised_id_to_the_other(domain: Domain) -> None:
    await put(domain, 1, "00ab")
    await put(domain, 2, "0ab")
    assert await domain.store.write(lambda conn: messages.finish(conn, 1, DELIVERED, NOW_MS))
    assert await named(domain, "ab") == 2


async def test_the_newest_message_bears_an_id_that_an_smsc_gave_twice(domain: Domain) -> None:
    await put(domain, 1, "7")
    await put(domain, 2, "7")
    assert await named(domain, "7") == 2


async def park(domain: Domain, row_id: int, upstream: str, at: int = NOW_MS) -> None:
    await domain.store.write(lambda conn: messages.park(conn, row_id, "a", upstream, at, DELIVERED, "000"))


@pytest.mark.parametrize("parked", ["00ab", "AB"])
async def test_a_parked_receipt_goes_to_the_response_that_names_it_once(domain: Domain, parked: str) -> None:
    await park(domain, 1, parked)
    await put(domain, 2)
    await put(domain, 3)
    claimed = await domain.store.write(lambda conn: messages.accept(conn, 2, "a", "00ab"))
    assert claimed is not None
    assert (claimed.message_state, claimed.error_code) == (DELIVERED, "000")
    assert await domain.store.write(lambda conn: messages.accept(conn, 3, "a", "00ab")) is None


async def test_a_parked_receipt_of_another_link_stays(domain: Domain) -> None:
    await park(domain, 1, "7")
    await put(domain, 2)
    assert await domain.store.write(lambda conn: messages.accept(conn, 2, "b", "7")) is None


async def test_the_raw_id_of_a_parked_receipt_comes_first(domain: Domain) -> None:
    await park(domain, 1, "7", at=1)
    await park(domain, 2, "07", at=2)
    await put(domain, 3)
    claimed = await domain.store.write(lambda conn: messages.accept(conn, 3, "a", "07"))
    assert claimed is not None
    assert claimed.received_at == 2


async def test_parked_receipts_that_nobody_claimed_are_forgotten(domain: Domain) -> None:
    await park(domain, 1, "7", at=NOW_MS - 1)
    await park(domain, 2, "8", at=NOW_MS)
    assert await domain.store.write(lambda conn: messages.drop_parked(conn, NOW_MS)) == 1


async def test_due_are_queued_messages_whose_time_has_come_oldest_first(domain: Domain) -> None:
    await put(domain, 3)
    await put(domain, 1)
    await put(domain, 2, not_before=NOW_MS + 1)
    await put(domain, 4, "7")

    async def due(now: int, held: tuple[int, ...] = (), limit: int = 10) -> list[int]:
        rows = await domain.store.write(lambda conn: messages.due(conn, now, held, limit))
        return [row.id for row in rows]

    assert await due(NOW_MS) == [1, 3]
    assert await due(NOW_MS + 1) == [1, 2, 3]
    assert await due(NOW_MS + 1, held=(1,), limit=1) == [2]
    await domain.store.write(lambda conn: messages.postpone(conn, 1, NOW_MS + 10))
    assert await due(NOW_MS + 1) == [2, 3]


async def test_overdue_by_validity_or_by_a_receipt_that_never_came(domain: Domain) -> None:
    await put(domain, 1, expires_at=100)
    await put(domain, 2, "7", expires_at=100)
    await put(domain, 3, expires_at=101)

    async def overdue(queued: int, accepted: int) -> set[int]:
        rows = await domain.store.write(lambda conn: messages.overdue(conn, queued, accepted, 10))
        return {row.id for row in rows}

    assert await overdue(100, 100) == set()
    assert await overdue(101, 100) == {1}
    assert await overdue(101, 101) == {1, 2}
    assert await overdue(102, 0) == {1, 3}


async def test_a_message_ends_once_and_its_text_goes(domain: Domain) -> None:
    await put(domain, 1)
    assert await domain.store.write(messages.pending_count) == 1
    assert await domain.store.write(lambda conn: messages.finish(conn, 1, DELIVERED, NOW_MS)) is True
    assert await domain.store.write(lambda conn: messages.finish(conn, 1, 5, NOW_MS)) is False
    row = await domain.store.write(lambda conn: messages.get(conn, 1))
    assert row is not None
    assert (row.state, row.sealed) == (State.FINAL, None)
    assert await domain.store.write(messages.pending_count) == 0


async def test_a_late_response_does_not_revive_a_finished_message(domain: Domain) -> None:
    await put(domain, 1)
    await domain.store.write(lambda conn: messages.finish(conn, 1, 3, NOW_MS))
    await domain.store.write(lambda conn: messages.accept(conn, 1, "a", "7"))
    row = await domain.store.write(lambda conn: messages.get(conn, 1))
    assert row is not None
    assert row.state == State.FINAL
