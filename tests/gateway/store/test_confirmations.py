"""Deposits whose subscriber is to confirm, as rows."""

from gateway.store import confirmations
from gateway.store.confirmations import ConfirmationRow, State
from gateway.store.domain import Domain

WHO, OTHER = b"w" * 16, b"o" * 16
EDI = b"e" * 16


def row(row_id: int, deposit: str = "dep-1", expires_at: int = 100) -> ConfirmationRow:
    return ConfirmationRow(row_id, deposit, "ent-a", None, None, State.NEW, 1, expires_at, 0, None, b"sealed")


async def put(domain: Domain, *given: ConfirmationRow) -> None:
    await domain.store.write(lambda conn: [confirmations.insert(conn, each) for each in given])


async def new(domain: Domain) -> list[int]:
    return [each.id for each in await domain.store.write(lambda conn: confirmations.new(conn, 10))]


async def test_a_deposit_is_taken_once(domain: Domain) -> None:
    await put(domain, row(1), row(2), row(3, "dep-2"))
    assert await new(domain) == [1, 3]


async def test_who_waits_is_found_by_subscriber_and_by_edi_until_it_expires(domain: Domain) -> None:
    await put(domain, row(1), row(2, "dep-2"))

    def op(conn) -> None:
        confirmations.name_edis(conn, 1, [b"first", EDI])
        confirmations.settle(conn, 1, State.WAITING, edi_id=EDI, msisdn_index=WHO, sealed=b"code")
        confirmations.settle(conn, 2, State.WAITING, msisdn_index=WHO)

    await domain.store.write(op)

    async def waiting(who: bytes, now: int) -> list[int]:
        found = await domain.store.write(lambda conn: confirmations.waiting_for(conn, who, now))
        return [each.id for each in found]

    assert await waiting(WHO, 99) == [2, 1]
    assert await waiting(WHO, 100) == []
    assert await waiting(OTHER, 99) == []
    found = await domain.store.write(lambda conn: confirmations.by_edi(conn, EDI, 99))
    assert found is not None
    assert (found.id, found.sealed) == (1, b"code")
    assert await domain.store.write(lambda conn: confirmations.by_edi(conn, EDI, 100)) is None


async def test_what_nobody_answered_ends(domain: Domain) -> None:
    await put(domain, row(1), row(2, "dep-2", expires_at=101))
    await domain.store.write(
        lambda conn: [confirmations.settle(conn, each, State.WAITING, msisdn_index=WHO) for each in (1, 2)]
    )
    assert await domain.store.write(lambda conn: confirmations.expire(conn, 100)) == 1


async def test_codes_are_counted_by_subscriber_enterprise_and_day(domain: Domain) -> None:
    def op(conn) -> list[bool]:
        count = confirmations.count_code
        return [
            count(conn, WHO, "ent-a", 20261101, 2),
            count(conn, WHO, "ent-a", 20261101, 2),
            count(conn, WHO, "ent-a", 20261101, 2),
            count(conn, WHO, "ent-b", 20261101, 2),
            count(conn, OTHER, "ent-a", 20261101, 2),
            count(conn, WHO, "ent-a", 20261102, 2),
        ]

    assert await domain.store.write(op) == [True, True, False, True, True, True]


async def test_the_networks_first_word_stands_while_it_is_fresh(domain: Domain) -> None:
    def op(conn) -> None:
        confirmations.put_assertion(conn, EDI, WHO, 1, 50)
        confirmations.put_assertion(conn, EDI, OTHER, 2, 60)

    await domain.store.write(op)
    assert await domain.store.write(lambda conn: confirmations.assertion(conn, EDI, 50)) == WHO
    assert await domain.store.write(lambda conn: confirmations.assertion(conn, EDI, 51)) is None
    assert await domain.store.write(lambda conn: confirmations.drop_assertions(conn, 51)) == 1
