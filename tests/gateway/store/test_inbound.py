"""Messages from subscribers wait, oldest first, until they are settled, once."""

from typing import Any

from gateway.store import inbound
from gateway.store.domain import Domain
from gateway.store.inbound import InboundRow, State
from tests.gateway.carrier import EDI_ID, ENTERPRISE, NOW_MS, NUMBER, rows


def row(row_id: int, state: State = State.WAITING) -> InboundRow:
    return InboundRow(row_id, NOW_MS, NUMBER, b"i" * 16, EDI_ID, ENTERPRISE, 0, state, None, b"sealed")


async def put(domain: Domain, *made: InboundRow) -> None:
    def op(conn: Any) -> None:
        for each in made:
            inbound.insert(conn, each)

    await domain.store.write(op)


async def test_what_waits_comes_back_as_it_went_in_oldest_first(domain: Domain) -> None:
    await put(domain, row(3), row(1), row(2), row(4, State.REFUSED))
    waiting = await domain.store.write(lambda conn: inbound.waiting(conn, 10))
    assert waiting == [row(1), row(2), row(3)]
    assert await domain.store.write(lambda conn: inbound.waiting(conn, 2)) == [row(1), row(2)]


async def test_a_message_is_settled_once(domain: Domain) -> None:
    await put(domain, row(1))
    assert await domain.store.write(lambda conn: inbound.settle(conn, 1, State.REFUSED, "NO_CONTACT"))
    assert not await domain.store.write(lambda conn: inbound.settle(conn, 1, State.DONE))
    [kept] = await rows(domain, "inbound")
    assert (kept["state"], kept["cause"]) == (State.REFUSED, "NO_CONTACT")
    assert await domain.store.write(lambda conn: inbound.waiting(conn, 10)) == []
