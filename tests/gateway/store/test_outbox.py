"""What waits for enterprises and for the trust party."""

from gateway.store import outbox
from gateway.store.domain import Domain
from gateway.store.outbox import EnterpriseRow, TrustKind


async def put(domain: Domain, row_id: int, account: str = "sms-a", expires_at: int = 100) -> None:
    await domain.store.write(
        lambda conn: outbox.put_enterprise(conn, [EnterpriseRow(row_id, account, 1, expires_at, b"frame", 0)])
    )


async def ids(domain: Domain, account: str = "sms-a", after: int = 0, limit: int = 10) -> list[int]:
    rows = await domain.store.write(lambda conn: outbox.for_account(conn, account, after, limit))
    return [row.id for row in rows]


async def test_an_account_gets_its_own_in_order(domain: Domain) -> None:
    for row_id in (3, 1, 2):
        await put(domain, row_id)
    await put(domain, 4, "sms-b")
    assert await ids(domain) == [1, 2, 3]
    assert await ids(domain, after=1, limit=1) == [2]
    await domain.store.write(lambda conn: outbox.done_enterprise(conn, [2, 4]))
    assert await ids(domain) == [1, 3]
    assert await ids(domain, "sms-b") == []
    assert await domain.store.write(outbox.backlog) == (2, 0)


async def test_a_row_comes_back_as_it_went_in(domain: Domain) -> None:
    rows = [EnterpriseRow(number, "sms-a", 1, 100, b"frame", number % 2) for number in range(1, 301)]
    await domain.store.write(lambda conn: outbox.put_enterprise(conn, rows))
    assert await domain.store.write(lambda conn: outbox.for_account(conn, "sms-a", 0, 1000)) == rows


async def test_what_waited_beyond_its_validity_is_dropped(domain: Domain) -> None:
    await put(domain, 1, expires_at=99)
    await put(domain, 2, expires_at=100)
    assert await domain.store.write(lambda conn: outbox.expire_enterprise(conn, 100)) == 1
    assert await ids(domain) == [2]


async def test_kinds_for_the_trust_party_are_apart(domain: Domain) -> None:
    def op(conn) -> None:
        outbox.put_trust(conn, 2, TrustKind.CONFIRMATION, 1, "second")
        outbox.put_trust(conn, 1, TrustKind.CONFIRMATION, 1, "first")
        outbox.put_trust(conn, 3, TrustKind.CANCELLATION, 1, "other")

    await domain.store.write(op)
    found = await domain.store.write(lambda conn: outbox.for_trust(conn, TrustKind.CONFIRMATION, 10))
    assert [tuple(row) for row in found] == [(1, "first"), (2, "second")]
    await domain.store.write(lambda conn: outbox.done_trust(conn, [1, 2]))
    assert await domain.store.write(outbox.backlog) == (0, 1)


async def test_whether_anything_waits_for_an_account(domain: Domain) -> None:
    row = outbox.EnterpriseRow(1, "sms-a", 0, 1, b"frame", 0)
    await domain.store.write(lambda conn: outbox.put_enterprise(conn, [row]))
    for account, found in (("sms-a", True), ("sms-b", False)):
        assert (
            await domain.store.write(lambda conn, account=account: outbox.waits_for(conn, account)) is found
        )
