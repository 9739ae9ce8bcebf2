"""EDIs whose pending messages are to be stopped: there until that is done, oldest first."""

from gateway.store import revocations
from gateway.store.domain import Domain
from tests.gateway.carrier import EDI_BLOCKED, EDI_ID, ENTERPRISE


async def put(domain: Domain, *edi_ids: bytes, enterprise_id: str = ENTERPRISE) -> None:
    await domain.store.write(lambda conn: revocations.put(conn, domain.ids, enterprise_id, edi_ids))


async def waiting(domain: Domain, limit: int = 1000) -> list[tuple[str, bytes]]:
    found = await domain.store.write(lambda conn: revocations.waiting(conn, limit))
    return [(row.enterprise_id, row.edi_id) for row in found]


async def test_they_wait_in_the_order_in_which_they_came(domain: Domain) -> None:
    await put(domain, EDI_ID, EDI_BLOCKED)
    await put(domain, bytes(16), enterprise_id="ent-b")
    assert await waiting(domain) == [(ENTERPRISE, EDI_ID), (ENTERPRISE, EDI_BLOCKED), ("ent-b", bytes(16))]
    assert await waiting(domain, limit=1) == [(ENTERPRISE, EDI_ID)]


async def test_what_is_done_waits_no_more(domain: Domain) -> None:
    await put(domain, EDI_ID, EDI_BLOCKED)
    [first, _] = await domain.store.write(lambda conn: revocations.waiting(conn, 10))
    await domain.store.write(lambda conn: revocations.done(conn, [first.id]))
    assert await waiting(domain) == [(ENTERPRISE, EDI_BLOCKED)]


async def test_an_edi_that_is_revoked_again_waits_again(domain: Domain) -> None:
    await put(domain, EDI_ID)
    [before] = await domain.store.write(lambda conn: revocations.waiting(conn, 10))
    await put(domain, EDI_ID)
    await domain.store.write(lambda conn: revocations.done(conn, [before.id]))
    assert await waiting(domain) == [(ENTERPRISE, EDI_ID)]


async def test_many_at_once_and_none_at_all(domain: Domain) -> None:
    await put(domain)
    assert await waiting(domain) == []
    many = [number.to_bytes(16) for number in range(300)]
    await put(domain, *many)
    assert await waiting(domain) == [(ENTERPRISE, edi_id) for edi_id in many]
